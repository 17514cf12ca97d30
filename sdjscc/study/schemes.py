"""The schemes of the study by name: learned codecs, separation schemes, and the bounds beside them.

A separation scheme is called after its source coder, ``webp``, or ``webp-agreed`` where headers are agreed on
beforehand, and what carries the file: ``webp+ldpc`` is the paper's rate 3/4 and 16-QAM,
``webp+ldpc-1/2+qpsk`` another, and ``webp+capacity`` a channel code as good as any can be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels import QAM16, SquareQAM
from sdjscc.channels.qam import QAM
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.codecs.separation import Bpg, HevcIntra, Jpeg, SeparationCodec, SourceCoder, WebP, bpg_tools_on_path
from sdjscc.errors import UnknownName

__all__ = [
    "AGREED",
    "BPG",
    "CAPACITY",
    "DEEP",
    "ORIGINAL",
    "PAIRS",
    "PLAIN",
    "SEMANTIC",
    "Separation",
    "get_codec",
    "label",
    "parse",
]

ORIGINAL, DEEP, SEMANTIC = "original", "deep-jscc", "sd-jscc"
CAPACITY = "capacity"

_LDPC = "ldpc"
_SOURCES: dict[str, type[SourceCoder]] = {coder.name: coder for coder in (Jpeg, WebP, HevcIntra, Bpg)}
_CONSTELLATIONS: dict[str, SquareQAM] = {qam.name: qam for qam in QAM}
_LABELS = {
    ORIGINAL: "original",
    DEEP: "deep JSCC",
    SEMANTIC: "SD-JSCC",
    "sd-jscc-no-gsw": "SD-JSCC without GSW",
    "deep-jscc-snr5": "deep JSCC, trained at 5 dB",
    "sd-jscc-snr5": "SD-JSCC, trained at 5 dB",
}

BPG = "bpg" if bpg_tools_on_path() else "hevc"
"""BPG where its tools are on PATH, else its equivalent."""
PLAIN = tuple(f"{source}+{_LDPC}" for source in ("jpeg", "webp", BPG))
"""The paper's separation schemes, complete files."""
AGREED = tuple(f"{source}-agreed+{_LDPC}" for source in ("jpeg", "webp", BPG))
"""The same with headers agreed on beforehand."""
PAIRS = tuple((f"{source}+{_LDPC}", f"{source}-agreed+{_LDPC}") for source in _SOURCES)
"""Both of every source coder: results may come from a machine with other tools."""


@dataclass(frozen=True)
class Separation:
    """What the name of a separation scheme says."""

    source: str
    agreed: bool
    rate: str
    """Of the LDPC code; empty at capacity."""
    constellation: SquareQAM = QAM16

    @property
    def label(self) -> str:
        """For tables and plots."""
        return _SOURCES[self.source].label + ", headers agreed" * self.agreed

    def coder(self) -> SourceCoder:
        """The source coder. Raises `NotReady` and `MissingDependency` where what it needs is not installed."""
        return _SOURCES[self.source](self.agreed)


def parse(scheme: str) -> Separation | None:
    """What a separation scheme's name says; None for any other scheme. Raises `UnknownName`."""
    source, plus, chain = scheme.partition("+")
    if not plus:
        return None
    name = source.removesuffix("-agreed")
    code, _, constellation = chain.partition("+")
    rate = code.removeprefix(f"{_LDPC}-")
    known = chain in (_LDPC, CAPACITY) or (code.startswith(f"{_LDPC}-") and constellation in _CONSTELLATIONS)
    if name not in _SOURCES or not known:
        raise UnknownName(
            f"there is no separation scheme {scheme!r} here; name one as {AGREED[0]} or {AGREED[0]}-1/2+qpsk"
        )
    if chain == CAPACITY:
        return Separation(name, source != name, "")
    if chain == _LDPC:
        return Separation(name, source != name, "3/4")
    return Separation(name, source != name, rate, _CONSTELLATIONS[constellation])


def label(scheme: str) -> str:
    """What a scheme is called in tables and plots."""
    separation = parse(scheme)
    return _LABELS.get(scheme, scheme) if separation is None else separation.label


def get_codec(scheme: str, bpp: float, stand_in: NDArray[np.uint8], registry: CodecRegistry) -> Codec:
    """The codec of a scheme at ``bpp``; ``stand_in``, uint8 ``(h, w, 3)``, is what separation schemes show where
    nothing was received.

    Raises `UnknownName`, and `MissingDependency` and `NotReady` where what it needs is not installed.
    """
    separation = parse(scheme)
    if separation is None:
        return registry.load(scheme, bpp)
    return SeparationCodec(
        separation.coder(),
        bpp,
        stand_in,
        rate=separation.rate,
        constellation=separation.constellation,
        name=scheme,
    )
