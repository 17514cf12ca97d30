"""The schemes of the study by name: learned codecs, separation schemes, and the bounds beside them.

A separation scheme is called after its source coder, ``webp``, or ``webp-agreed`` where headers are agreed on
beforehand, and what carries the file: ``webp+ldpc`` is the paper's rate 3/4 and 16-QAM,
``webp+ldpc-1/2+qpsk`` another, and ``webp+capacity`` a channel code as good as any can be.
"""

from __future__ import annotations

from sdjscc.channels.qam import QAM, SquareQAM
from sdjscc.codecs.separation import Bpg, HevcIntra, Jpeg, SourceCoder, WebP, bpg_tools_on_path
from sdjscc.codecs.separation.shipped import Chain
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


def parse(scheme: str) -> Chain | None:
    """What a separation scheme's name says, at capacity with a code of no rate; None for any other scheme. Raises
    `UnknownName`."""
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
        return Chain(_SOURCES[name], source != name, rate="")
    if chain == _LDPC:
        return Chain(_SOURCES[name], source != name)
    return Chain(_SOURCES[name], source != name, rate, _CONSTELLATIONS[constellation])


def label(scheme: str) -> str:
    """What a scheme is called in tables and plots."""
    chain = parse(scheme)
    return _LABELS.get(scheme, scheme) if chain is None else chain.label
