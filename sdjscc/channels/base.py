"""What a channel model and a constellation are to the services."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bits", "Channel", "Constellation", "Symbols", "noise_generator"]

Bits = NDArray[np.uint8]
Symbols = NDArray[np.complex64]


class Channel(ABC):
    """A channel acts on the complex symbols of one transmission."""

    name: str

    @abstractmethod
    def transmit(
        self, symbols: NDArray[np.complex64], snr_db: float, rng: np.random.Generator
    ) -> NDArray[np.complex64]:
        """Received symbols, same shape ``(n,)`` and dtype, for sent ``symbols`` at ``snr_db`` (dB).

        All randomness comes from ``rng``, so that a seed fixes the outcome.
        """


class Constellation(ABC):
    """A memoryless map from bits to complex symbols of unit mean power (for equiprobable bits)."""

    name: str
    bits_per_symbol: int

    def symbol_count(self, bit_count: int) -> int:
        """Channel uses that ``bit_count`` bits take; the last symbol is filled with zero bits."""
        return -(-bit_count // self.bits_per_symbol)

    @abstractmethod
    def modulate(self, bits: Bits) -> Symbols:
        """Map uint8 bits (0 or 1) of shape ``(n,)`` to complex64 symbols of shape ``(symbol_count(n),)``."""


def noise_generator(seed: int, hop: int = 0) -> np.random.Generator:
    """The noise source of one transmission at the ``hop``-th channel it crosses.

    Every transmission has a generator of its own, so its noise depends on nothing that is served beside it. The hop is
    mixed in because two chained channels under one seed must not add the same noise twice.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, hop))))
