"""Codecs: the interface, the registry, the convolutional JSCC codec, and the separation chain. torch is imported when
one is loaded."""

from __future__ import annotations

from sdjscc.codecs.base import Codec, Outcome, Reception, Size
from sdjscc.codecs.card import Figure, ModelCard
from sdjscc.codecs.registry import DEFAULT_CODEC, CodecRegistry, Installed

__all__ = [
    "DEFAULT_CODEC",
    "Codec",
    "CodecRegistry",
    "Figure",
    "Installed",
    "ModelCard",
    "Outcome",
    "Reception",
    "Size",
]
