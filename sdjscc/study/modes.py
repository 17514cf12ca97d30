"""Modulation and coding schemes of 802.11n, and what file each carries within so many channel uses, counted exactly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from sdjscc.channels import SquareQAM
from sdjscc.channels.ldpc import LdpcCode, get_ldpc_code, ldpc_rates
from sdjscc.channels.qam import QAM

__all__ = ["MODES", "Mode", "bpp_of"]


@dataclass(frozen=True)
class Mode:
    """An LDPC rate and a constellation."""

    rate: str
    """As "3/4"."""
    constellation: SquareQAM

    @property
    def label(self) -> str:
        return f"{self.rate} {self.constellation.name}"

    @property
    def code(self) -> LdpcCode:
        return get_ldpc_code(self.rate)

    def words(self, uses: int) -> int:
        """Whole code words of 1944 bits that ``uses`` complex symbols carry."""
        return uses * self.constellation.bits_per_symbol // self.code.n

    def symbols(self, uses: int) -> int:
        """Symbols that these words take, at most ``uses``; no further word fits into the rest."""
        return self.constellation.symbol_count(self.words(uses) * self.code.n)

    def file_bytes(self, uses: int) -> int:
        """The longest file in these words beside the one bit that marks its end; 0 where there is no word."""
        return max(0, self.words(uses) * self.code.k - 1) // 8

    def scheme(self, source: str) -> str:
        """Name of the separation scheme of this mode and a source coder."""
        return f"{source}+ldpc-{self.rate}+{self.constellation.name}"


MODES = tuple(Mode(rate, constellation) for constellation, rate in product(QAM, ldpc_rates()))
"""All, BPSK and rate 1/2 first."""


def bpp_of(file_bytes: int, pixels: int) -> float:
    """The rate in bpp at which an image of ``pixels`` has a budget of just ``file_bytes``.

    Rounded down to a millionth, because the budget is rounded up to whole bytes and must not gain one by the rounding
    of a quotient.
    """
    return 8 * file_bytes * 10**6 // pixels / 10**6
