"""Which codecs are installed, and loading one by name and rate."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from sdjscc.codecs.base import Codec
from sdjscc.codecs.card import ModelCard, read_card
from sdjscc.codecs.separation import shipped
from sdjscc.engines import Engine
from sdjscc.errors import InvalidRequest, MissingDependency, UnknownName

__all__ = ["DEFAULT_CODEC", "CodecRegistry", "Installed"]

DEFAULT_CODEC = "sd-jscc"
_DEFAULT_BPP = 0.25
_WEIGHTS_VARIABLE = "SDJSCC_WEIGHTS"

# Where each family of codecs lives; imported when one is loaded, because most need torch.
_FAMILIES = {"jscc": "sdjscc.codecs.jscc.codec"}


class _Family(Protocol):
    def load_from_card(self, card: ModelCard, weights: bytes) -> Codec: ...


@dataclass(frozen=True)
class Installed:
    """A codec at one rate: weights and their card, or a separation chain, which has neither."""

    name: str
    bpp: float
    description: str
    """What it is, in a line."""
    card: ModelCard | None = None
    weights: Path | None = None

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights, hex; empty for a codec without weights."""
        return self.card.weights_sha256 if self.card else ""


class CodecRegistry:
    """The codecs installed when it was made: all whose card and weights are in the package, in the folders of
    ``$SDJSCC_WEIGHTS`` or in ``more`` folders, and the separation chains that the extra ``baselines`` brings. Loaded
    codecs are kept. Safe to share between threads.

    Networks run by ``engine``, or by torch where none is given."""

    def __init__(self, more: Sequence[Path] = (), engine: Engine | None = None) -> None:
        self._engine = engine
        folders = [Path(str(resources.files("sdjscc") / "weights")), *more]
        folders += [Path(folder) for folder in os.environ.get(_WEIGHTS_VARIABLE, "").split(os.pathsep) if folder]
        found = [
            _with_weights(read_card(card), card.with_suffix(".safetensors"))
            for folder in folders
            for card in folder.glob("*.json")
            if card.with_suffix(".safetensors").is_file()
        ]
        learned = sorted(found, key=lambda entry: (entry.name, entry.bpp))
        installed = [chain for chain in shipped.chains() if not chain.missing]
        chains = [Installed(chain.name, bpp, chain.description) for chain in installed for bpp in shipped.RATES]
        self.entries = (*learned, *chains)
        self._loaded: dict[tuple[str, float], Codec] = {}
        self._lock = Lock()

    @classmethod
    def with_all_loaded(cls, *, receiving: bool = False, engine: Engine | None = None) -> CodecRegistry:
        """For services: what cannot be loaded shows when they start, and no request waits for weights.

        With ``receiving`` each has decoded once, too: the separation chains load their channel decoder only then.
        Without it the learned ones have encoded once. Engines make their networks ready at the first call.
        """
        registry = cls(engine=engine)
        for entry in registry.entries:
            codec = registry.load(entry.name, entry.bpp)
            if receiving:
                _decode_once(codec)
            elif entry.card is not None:
                codec.encode(np.zeros((1, 16, 16, 3), np.uint8))
        return registry

    def names(self) -> list[str]:
        """What is installed, as ``name@bpp``."""
        return [f"{entry.name}@{entry.bpp:g}" for entry in self.entries]

    def find(self, name: str = "", bpp: float = 0.0) -> Installed:
        """The codec of that name and rate; raises `UnknownName`, and `MissingDependency` for a separation chain where
        the extra ``baselines`` is not installed.

        An empty name means `DEFAULT_CODEC`; a rate of 0 the one nearest 0.25 bpp.
        """
        name = name or DEFAULT_CODEC
        of_name = [entry for entry in self.entries if entry.name == name]
        if not of_name:
            shipped.check_installed(name)
            known = ", ".join(dict.fromkeys(entry.name for entry in self.entries)) or "none"
            raise UnknownName(f"there is no codec {name!r} here; installed: {known}")
        if not bpp:
            return min(of_name, key=lambda entry: abs(entry.bpp - _DEFAULT_BPP))
        for entry in of_name:
            if abs(entry.bpp - bpp) < 1e-6:
                return entry
        rates = ", ".join(f"{entry.bpp:g}" for entry in of_name)
        raise UnknownName(f"the codec {name!r} has no rate of {bpp:g} bpp here; installed: {rates}")

    def load(self, name: str = "", bpp: float = 0.0) -> Codec:
        """The codec that `find` finds, ready to run. Raises `InvalidRequest` where the weights are not those of their
        card or the engine lacks what it needs for them, and `MissingDependency` where the codec's own dependencies are
        not installed."""
        entry = self.find(name, bpp)
        with self._lock:
            if (entry.name, entry.bpp) not in self._loaded:
                self._loaded[entry.name, entry.bpp] = _load(entry, self._engine)
            return self._loaded[entry.name, entry.bpp]


def _decode_once(codec: Codec) -> None:
    size = 16, 16
    symbols = codec.constellation.modulate(np.zeros(math.prod(codec.bit_shape(size)), np.uint8))
    codec.decode(symbols[None], size, np.zeros(1))


def _with_weights(card: ModelCard, weights: Path) -> Installed:
    description = f"learned codec of the family {card.family}, {card.parameters / 1e6:.2f} M parameters"
    return Installed(card.codec, card.bpp, description, card, weights)


def _load(entry: Installed, engine: Engine | None) -> Codec:
    if entry.card is None or entry.weights is None:
        return shipped.load(entry.name, entry.bpp)
    weights = entry.weights.read_bytes()
    if hashlib.sha256(weights).hexdigest() != entry.card.weights_sha256:
        raise InvalidRequest(f"{entry.weights} is not the file its card describes; fetch it again")
    if entry.card.family not in _FAMILIES:
        raise UnknownName(f"{entry.weights} needs the codec family {entry.card.family!r}; update sdjscc")
    try:
        family: _Family = import_module(_FAMILIES[entry.card.family])
    except ModuleNotFoundError as error:
        raise MissingDependency(f"{error.name} is not installed; run: pip install 'sdjscc[codec]'") from error
    codec = family.load_from_card(entry.card, weights)
    if engine is not None:
        codec.run_on(engine, entry.weights)
    return codec
