"""Gray-mapped BPSK, QPSK, 16-QAM and 64-QAM, and the log-likelihood ratios of their bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdjscc.channels.base import Bits, Constellation, Symbols

__all__ = ["BPSK", "QAM", "QAM16", "QAM64", "QPSK", "SquareQAM"]

_LEAST_NOISE_POWER = 1e-9


class SquareQAM(Constellation):
    """The modulations of IEEE 802.11 (IEEE Std 802.11-2020, 17.3.5.8): zero mean, neighbours differ in one bit.

    The first half of a symbol's bits chooses the in-phase level, the second half the quadrature level (BPSK has none).
    Levels are ``K (2i - L + 1)``, i = 0 .. L - 1, labelled with the binary-reflected Gray code of i, first bit most
    significant; K makes the mean power of equiprobable symbols 1.
    """

    def __init__(self, name: str, bits_per_symbol: int) -> None:
        self.name, self.bits_per_symbol = name, bits_per_symbol
        self._axes = 1 if bits_per_symbol == 1 else 2
        self._bits_per_axis = bits_per_symbol // self._axes
        count = 2**self._bits_per_axis
        index = np.arange(count)
        levels = (2 * index - count + 1) / np.sqrt(self._axes * (count**2 - 1) / 3)
        self._level_of_label = np.empty(count, np.float32)
        self._level_of_label[index ^ (index >> 1)] = levels
        self._bit_of_label = (index[:, None] >> np.arange(self._bits_per_axis)[::-1]) & 1 == 1

    def modulate(self, bits: Bits) -> Symbols:
        filled = np.zeros(self.symbol_count(bits.size) * self.bits_per_symbol, np.uint8)
        filled[: bits.size] = bits
        by_axis = filled.reshape(-1, self._bits_per_axis)
        labels = by_axis @ (1 << np.arange(self._bits_per_axis)[::-1])
        components = self._level_of_label[labels]
        return components.astype(np.complex64) if self._axes == 1 else components.view(np.complex64)

    def llrs(self, symbols: Symbols, noise_power: ArrayLike, *, max_log: bool = False) -> NDArray[np.float32]:
        """Log-likelihood ratios ln p(bit = 1 | r) / p(bit = 0 | r) of equiprobable bits over AWGN; positive means 1.

        Args:
            symbols: received, complex64 ``(..., m)``.
            noise_power: total sigma^2 of a complex symbol, `sdjscc.channels.noise_power`; a number or ``(...)``.
                Below 1e-9 it counts as 1e-9, which keeps the ratios of a noiseless channel finite.
            max_log: keep only the nearest level of each kind instead of summing over all.

        Returns:
            float32 ``(..., m * bits_per_symbol)``, in the order of the bits; those that fill the last symbol too.
        """
        received = np.asarray(symbols, np.complex64)
        components = received.real[..., None] if self._axes == 1 else received.view(np.float32)
        components = components.reshape(*received.shape, self._axes)
        power = np.maximum(np.asarray(noise_power, np.float64), _LEAST_NOISE_POWER)[..., None, None, None]
        metrics = -((components[..., None] - self._level_of_label.astype(np.float64)) ** 2) / power
        merge = np.max if max_log else _log_sum_exp
        ratios = np.stack(
            [merge(metrics[..., ones], -1) - merge(metrics[..., ~ones], -1) for ones in self._bit_of_label.T], axis=-1
        )
        return ratios.reshape(*received.shape[:-1], -1).astype(np.float32)


def _log_sum_exp(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    largest = values.max(axis, keepdims=True)
    total: NDArray[np.float64] = np.log(np.exp(values - largest).sum(axis)) + largest.squeeze(axis)
    return total


BPSK = SquareQAM("bpsk", 1)
QPSK = SquareQAM("qpsk", 2)
QAM16 = SquareQAM("16-qam", 4)
QAM64 = SquareQAM("64-qam", 6)

QAM = (BPSK, QPSK, QAM16, QAM64)
