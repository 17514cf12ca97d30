"""Separation baselines: a source coder, an LDPC code and QAM, each on its own."""

from __future__ import annotations

from sdjscc.codecs.base import Outcome, Reception
from sdjscc.codecs.separation.bpg import Bpg, bpg_or_equivalent, bpg_tools_on_path
from sdjscc.codecs.separation.chain import SeparationCodec
from sdjscc.codecs.separation.hevc import HevcIntra
from sdjscc.codecs.separation.jpeg import Jpeg
from sdjscc.codecs.separation.source import SourceCoder
from sdjscc.codecs.separation.webp import WebP

__all__ = [
    "Bpg",
    "HevcIntra",
    "Jpeg",
    "Outcome",
    "Reception",
    "SeparationCodec",
    "SourceCoder",
    "WebP",
    "bpg_or_equivalent",
    "bpg_tools_on_path",
]
