"""Additive white Gaussian noise on numpy symbols, as the channel service adds it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels.base import Channel
from sdjscc.channels.signal import check_snr_db, noise_power

__all__ = ["AWGN"]


class AWGN(Channel):
    """r = s + N, N ~ CN(0, sigma^2) (paper, eq. 2), sigma^2 from `noise_power`; sigma^2 / 2 per real component."""

    name = "awgn"

    def transmit(
        self, symbols: NDArray[np.complex64], snr_db: float, rng: np.random.Generator
    ) -> NDArray[np.complex64]:
        noise = rng.standard_normal(2 * symbols.size, dtype=np.float32)
        noise *= np.float32(math.sqrt(noise_power(check_snr_db(snr_db)) / 2))
        received = noise.view(np.complex64)
        received += symbols
        return received
