"""The separation chains that the services and the command line offer, by name and rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec

import numpy as np
from PIL import Image as PillowImage

from sdjscc.channels.qam import QAM16
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

_CODE_RATE = "3/4"


@dataclass(frozen=True)
class Chain:
    """A source coder before the 802.11n code of 1458 information bits in 1944 and 16-QAM."""

    source: type[SourceCoder]
    agreed_headers: bool

    @property
    def name(self) -> str:
        """As "webp+ldpc", or "webp-agreed+ldpc" with headers agreed on."""
        return f"{self.source.name}{'-agreed' if self.agreed_headers else ''}+ldpc"

    @property
    def description(self) -> str:
        """What it is, in a line."""
        agreed = ", headers agreed" if self.agreed_headers else ""
        return f"separation baseline: {self.source.label}{agreed}; 802.11n LDPC (1458, 1944), {QAM16.name.upper()}"

    @property
    def missing(self) -> str:
        """A module that it needs and that is not installed; empty where all are. Imports none: Sionna takes seconds."""
        needed = ("sionna", "av") if self.source is HevcIntra else ("sionna",)
        return next((module for module in needed if find_spec(module) is None), "")


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
    source = chain.source(chain.agreed_headers)
    return SeparationCodec(source, bpp, stand_in(), rate=_CODE_RATE, constellation=QAM16, name=name)


@cache
def stand_in() -> Image:
    """The mean of STL-10's 5000 training images, uint8 ``(96, 96, 3)``; `mean_image` tells how to remake it."""
    with resources.files(__package__).joinpath("mean_image.png").open("rb") as file:
        return np.asarray(PillowImage.open(file).convert("RGB"))
