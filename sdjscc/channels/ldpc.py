"""LDPC codes of IEEE 802.11n with words of 1944 bits: matrices, encoder and syndrome, in numpy."""

from __future__ import annotations

from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels.ldpc_tables import BASE_MATRICES
from sdjscc.errors import InvalidRequest, UnknownName

__all__ = ["LdpcCode", "get_ldpc_code", "ldpc_rates"]

Bits = NDArray[np.uint8]

_LIFTING = 81


class LdpcCode:
    """The quasi-cyclic code of one rate (IEEE Std 802.11-2020, 19.3.11.7 and annex F).

    Systematic: a word is its ``k`` information bits followed by ``n - k`` parity bits. Make it with `get_ldpc_code`.
    """

    def __init__(self, rate: str) -> None:
        self.rate = rate
        """As "3/4"."""
        rows = [row.split() for row in BASE_MATRICES[rate].split("\n") if row.strip()]
        self.base = np.array([[-1 if entry == "-" else int(entry) for entry in row] for row in rows])
        """Shifts, ``(block rows, 24)``; -1 for an all-zero block."""
        self.n: int = _LIFTING * self.base.shape[1]
        self.k: int = self.n - _LIFTING * self.base.shape[0]

    @cached_property
    def parity_check(self) -> Bits:
        """H, uint8 ``(n - k, n)`` of zeros and ones; H c = 0 (mod 2) for the words c of the code."""
        matrix = np.zeros((self.n - self.k, self.n), np.uint8)
        within = np.arange(_LIFTING)
        for (i, j), shift in np.ndenumerate(self.base):
            if shift >= 0:
                matrix[_LIFTING * i + within, _LIFTING * j + (within + shift) % _LIFTING] = 1
        return matrix

    def encode(self, information: Bits) -> Bits:
        """Code words of information bits.

        By back-substitution: the parity part of the base matrix has a first column of three entries, of which the outer
        two are equal, and a double diagonal of identities, so that all block rows add up to the first parity block.

        Args:
            information: bits, 0 or 1, uint8 ``(words, k)``.

        Returns:
            uint8 ``(words, n)``.
        """
        if information.ndim != 2 or information.shape[1] != self.k:
            raise InvalidRequest(f"the information bits are of shape {information.shape}; give (words, {self.k})")
        block_rows, block_columns = self.base.shape
        first_parity = block_columns - block_rows
        blocks = information.reshape(len(information), first_parity, _LIFTING)
        sums = np.zeros((block_rows, len(information), _LIFTING), np.uint8)
        for (i, j), shift in np.ndenumerate(self.base[:, :first_parity]):
            if shift >= 0:
                sums[i] ^= np.roll(blocks[:, j], -shift, axis=-1)
        first = np.bitwise_xor.reduce(sums, axis=0)
        parity = [first]
        carried = np.zeros_like(first)
        for i in range(block_rows - 1):
            shift = self.base[i, first_parity]
            carried = carried ^ sums[i]
            if shift >= 0:
                carried = carried ^ np.roll(first, -shift, axis=-1)
            parity.append(carried)
        return np.concatenate([information, *parity], axis=1)

    def satisfied(self, words: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the hard-decided ``words``, bool ``(words, n)``, fulfil every parity check: bool ``(words,)``."""
        # Eight words to a byte, so that one exclusive or serves eight checks.
        packed = np.packbits(words, axis=0).T
        padded = np.concatenate([packed, np.zeros_like(packed[:1])])
        violated = np.bitwise_xor.reduce(padded[self._check_members], axis=1)
        any_violated = np.bitwise_or.reduce(violated, axis=0)
        fulfilled: NDArray[np.bool_] = np.unpackbits(any_violated, count=len(words)) == 0
        return fulfilled

    @cached_property
    def _check_members(self) -> NDArray[np.intp]:
        """For each check the places of its bits, filled up with ``n``, ``(n - k, largest degree)``."""
        degrees = self.parity_check.sum(axis=1)
        members = np.full((len(degrees), degrees.max()), self.n)
        for row, (check, degree) in enumerate(zip(self.parity_check, degrees, strict=True)):
            members[row, :degree] = np.flatnonzero(check)
        return members


def ldpc_rates() -> tuple[str, ...]:
    """The code rates there are, lowest first."""
    return tuple(BASE_MATRICES)


@cache
def get_ldpc_code(rate: str) -> LdpcCode:
    """The code of that rate; raises `UnknownName`."""
    if rate not in BASE_MATRICES:
        raise UnknownName(f"there is no LDPC code of rate {rate!r} here; use one of: {', '.join(BASE_MATRICES)}")
    return LdpcCode(rate)
