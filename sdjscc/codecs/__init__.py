"""Codecs: the interface, the registry, and the convolutional JSCC codec. torch is imported when one is loaded."""

from __future__ import annotations

from sdjscc.codecs.base import Codec, Size
from sdjscc.codecs.card import Figure, ModelCard
from sdjscc.codecs.registry import DEFAULT_CODEC, CodecRegistry, Installed

__all__ = ["DEFAULT_CODEC", "Codec", "CodecRegistry", "Figure", "Installed", "ModelCard", "Size"]
