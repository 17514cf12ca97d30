"""How the learned codecs' bits become complex symbols, and the table of all constellations: the services and the
training read the mapping from here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels.base import Bits, Constellation, Symbols
from sdjscc.channels.qam import QAM
from sdjscc.errors import UnknownName

__all__ = ["UNIPOLAR_IQ", "Constellation", "UnipolarIQ", "get_constellation"]


class UnipolarIQ(Constellation):
    """Two bits a symbol, s = q_I + j q_Q with q in {0, 1}: bit 2k on the in-phase axis, bit 2k+1 on quadrature.

    This is what the paper's decoder sees (algorithm 1, line 7: q + N). Equiprobable bits give E|s|^2 = 1, of which half
    is the mean: a zero-mean (QPSK) mapping of the same power would stand 3 dB better.
    """

    name = "unipolar-iq"
    bits_per_symbol = 2

    def modulate(self, bits: Bits) -> Symbols:
        components = np.zeros(2 * self.symbol_count(bits.size), np.float32)
        components[: bits.size] = bits
        return components.view(np.complex64)

    @staticmethod
    def components(symbols: Symbols, bit_count: int) -> NDArray[np.float32]:
        """The received real components of ``(..., m)`` complex64 symbols, float32 ``(..., bit_count)``: q + N."""
        return np.ascontiguousarray(symbols, np.complex64).view(np.float32)[..., :bit_count]


UNIPOLAR_IQ = UnipolarIQ()

_CONSTELLATIONS: dict[str, Constellation] = {c.name: c for c in (UNIPOLAR_IQ, *QAM)}


def get_constellation(name: str) -> Constellation:
    """The constellation of that name; raises `UnknownName`."""
    try:
        return _CONSTELLATIONS[name]
    except KeyError:
        known = ", ".join(_CONSTELLATIONS)
        raise UnknownName(f"there is no constellation {name!r} here; use one of: {known}") from None
