"""The one definition of symbol power, SNR and noise power; numpy and torch code both take it from here."""

from __future__ import annotations

import math
from typing import TypeVar

from sdjscc.errors import InvalidRequest

SNR_DB_RANGE = (-30.0, 100.0)
"""SNRs that are accepted, in dB: below, noise overflows float16 symbols; above, it is lost in float32."""

NOMINAL_SIGNAL_POWER = 1.0
"""E|s|^2 of equiprobable bits. The SNR is defined against this nominal power and never against the power of one
image's symbols, so that noise does not depend on what is sent or on what it is batched with."""

T = TypeVar("T")


def noise_power(snr_db: T) -> T:
    """Noise power sigma^2 of complex AWGN, N ~ CN(0, sigma^2 I) (paper, eq. 2): ``10 ** (-snr_db / 10)``.

    Each *real component* of a symbol gets half of it: variance ``noise_power(snr_db) / 2``.
    ``snr_db`` is a float, a numpy array or a torch tensor of any shape, in dB; the result is of the same kind.
    """
    power: T = NOMINAL_SIGNAL_POWER * 10 ** (-snr_db / 10)  # type: ignore[operator]
    return power


def check_snr_db(snr_db: float) -> float:
    """Return ``snr_db`` where it is finite and within `SNR_DB_RANGE`, else raise `InvalidRequest`."""
    low, high = SNR_DB_RANGE
    if not math.isfinite(snr_db) or not low <= snr_db <= high:
        raise InvalidRequest(f"the SNR is {snr_db} dB; give a finite value from {low:g} to {high:g} dB")
    return float(snr_db)
