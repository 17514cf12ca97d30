"""Separation chains by their parts, and those that the services and the command line offer, by name and rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec

import numpy as np
from PIL import Image as PillowImage

from sdjscc.channels.ldpc import get_ldpc_code
from sdjscc.channels.qam import QAM16, SquareQAM
from sdjscc.codecs.separation.bpg import Bpg, bpg_tools_on_path
from sdjscc.codecs.separation.chain import SeparationCodec
from sdjscc.codecs.separation.hevc import HevcIntra
from sdjscc.codecs.separation.jpeg import Jpeg
from sdjscc.codecs.separation.source import Image, SourceCoder
from sdjscc.codecs.separation.webp import WebP
from sdjscc.errors import MissingDependency, UnknownName

__all__ = ["RATES", "Chain", "chains", "check_installed", "load", "stand_in"]

RATES = (0.125, 0.25, 0.5)
"""Budgets of a file in bits a pixel."""


@dataclass(frozen=True)
class Chain:
    """A source coder before an 802.11n code and a constellation."""

    source: type[SourceCoder]
    agreed_headers: bool
    rate: str = "3/4"
    """Of the LDPC code."""
    constellation: SquareQAM = QAM16

    @property
    def name(self) -> str:
        """As "webp+ldpc", or "webp-agreed+ldpc" with headers agreed on; "webp+ldpc-1/2+qpsk" for another mode."""
        other = (self.rate, self.constellation) != (Chain.rate, Chain.constellation)
        mode = f"-{self.rate}+{self.constellation.name}" if other else ""
        return f"{self.source.name}{'-agreed' * self.agreed_headers}+ldpc{mode}"

    @property
    def label(self) -> str:
        """The files, for tables and plots."""
        return f"{self.source.label}{', headers agreed' * self.agreed_headers}"

    @property
    def description(self) -> str:
        """What it is, in a line."""
        code = get_ldpc_code(self.rate)
        mode = f"802.11n LDPC ({code.k}, {code.n}), {self.constellation.name.upper()}"
        return f"separation baseline: {self.label}; {mode}"

    @property
    def missing(self) -> str:
        """A module that it needs and that is not installed; empty where all are. Imports none: Sionna takes seconds."""
        needed = ("sionna", "av") if self.source is HevcIntra else ("sionna",)
        return next((module for module in needed if find_spec(module) is None), "")

    def coder(self) -> SourceCoder:
        """The source coder. Raises `NotReady` and `MissingDependency` where what it needs is not installed."""
        return self.source(self.agreed_headers)

    def codec(self, bpp: float, stand_in: Image) -> SeparationCodec:
        """The chain at ``bpp``, with what it shows where nothing was received. Raises as `coder`, and `UnknownName` for
        a code that there is not."""
        return SeparationCodec(
            self.coder(), bpp, stand_in, rate=self.rate, constellation=self.constellation, name=self.name
        )


def chains() -> tuple[Chain, ...]:
    """All chains, installed or not: JPEG, WebP, and BPG where its tools are on PATH, else HEVC intra."""
    sources = (Jpeg, WebP, Bpg if bpg_tools_on_path() else HevcIntra)
    return tuple(Chain(source, agreed) for source in sources for agreed in (False, True))


def check_installed(name: str) -> None:
    """Raise `MissingDependency` where ``name`` is a chain that something is missing for."""
    for chain in chains():
        if chain.name == name and chain.missing:
            raise MissingDependency(f"{name} needs {chain.missing} here; run: pip install 'sdjscc[baselines]'")


def load(name: str, bpp: float) -> SeparationCodec:
    """The chain of that name at one of `RATES`, with `stand_in`.

    Raises `UnknownName`, and `MissingDependency` where the extra ``baselines`` is not installed.
    """
    check_installed(name)
    chain = next((chain for chain in chains() if chain.name == name), None)
    if chain is None or bpp not in RATES:
        known = ", ".join(chain.name for chain in chains())
        rates = ", ".join(f"{rate:g}" for rate in RATES)
        raise UnknownName(f"there is no separation chain {name!r} at {bpp:g} bpp; use one of {known} at {rates} bpp")
    return chain.codec(bpp, stand_in())


@cache
def stand_in() -> Image:
    """The mean of STL-10's 5000 training images, uint8 ``(96, 96, 3)``; `mean_image` tells how to remake it."""
    with resources.files(__package__).joinpath("mean_image.png").open("rb") as file:
        return np.asarray(PillowImage.open(file).convert("RGB"))
