"""How each scheme gets images to the receiver, with what is done once for all SNRs done once."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sdjscc.codecs import Codec, CodecRegistry, Size
from sdjscc.codecs.separation import Outcome, SeparationCodec, SourceCoder
from sdjscc.evaluation import Link, over_awgn
from sdjscc.study.results import Delivery
from sdjscc.study.schemes import ORIGINAL, parse

__all__ = ["Carrier", "capacity_bits", "open_carrier"]

Pixels = NDArray[np.uint8]


class Carrier(ABC):
    """A scheme at one rate."""

    @abstractmethod
    def link(self, snr_db: float, seed: int) -> Link:
        """What `sdjscc.evaluation.score` sends images over; noise as `sdjscc.evaluation.evaluate` describes it."""

    def delivery(self) -> Delivery | None:
        """What became of the files that crossed the latest link so far; None for a scheme without files."""
        return None


def open_carrier(scheme: str, bpp: float, stand_in: Pixels, registry: CodecRegistry) -> Carrier:
    """The carrier of a scheme at ``bpp``, which ``stand_in``, uint8 ``(h, w, 3)``, is shown by where nothing came.

    Raises `UnknownName`, and `MissingDependency` and `NotReady` where what it needs is not installed.
    """
    if scheme == ORIGINAL:
        return _Original()
    chain = parse(scheme)
    if chain is None:
        return _Learned(registry.load(scheme, bpp))
    if not chain.rate:
        return _AtCapacity(chain.coder(), bpp, stand_in)
    return _Separation(chain.codec(bpp, stand_in))


def capacity_bits(snr_db: float) -> float:
    """Capacity of the complex AWGN channel in bits a channel use, log2(1 + SNR)."""
    return math.log2(1 + 10 ** (snr_db / 10))


class _Original(Carrier):
    """The images themselves, which cross no channel."""

    def link(self, snr_db: float, seed: int) -> Link:
        return lambda pixels, _: [(pixels, 0)]


class _Learned(Carrier):
    def __init__(self, codec: Codec) -> None:
        self._codec = _EncodeOnce(codec)

    def link(self, snr_db: float, seed: int) -> Link:
        return over_awgn(self._codec, (snr_db,), seed)


class _Separation(Carrier):
    def __init__(self, codec: SeparationCodec) -> None:
        self._codec = _CountFiles(codec)

    def link(self, snr_db: float, seed: int) -> Link:
        self._codec.unfit = self._codec.damaged = 0
        return over_awgn(self._codec, (snr_db,), seed)

    def delivery(self) -> Delivery:
        return Delivery(unfit=self._codec.unfit, damaged=self._codec.damaged)


class _AtCapacity(Carrier):
    """A source coder before a channel code that carries capacity without errors.

    No code of finite length does, least of all one of a thousand symbols: it bounds what any separation scheme with
    this source coder could reach.
    """

    def __init__(self, source: SourceCoder, bpp: float, stand_in: Pixels) -> None:
        self._source, self._bpp, self._stand_in = source, bpp, stand_in
        self._unfit = 0

    def link(self, snr_db: float, seed: int) -> Link:
        self._unfit = 0

        def link(pixels: Pixels, start: int) -> Iterator[tuple[Pixels, int]]:
            n, height, width, _ = pixels.shape
            budget = math.ceil(self._bpp * width * height / 8)
            uses = math.ceil(8 * budget / capacity_bits(snr_db))
            yield np.stack([self._through(image, budget) for image in pixels]), n * uses

        return link

    def _through(self, image: Pixels, budget: int) -> Pixels:
        size = image.shape[1], image.shape[0]
        file = self._source.encode_within(image, budget)
        if file is None:
            self._unfit += 1
            resized = PillowImage.fromarray(self._stand_in).resize(size, PillowImage.Resampling.BILINEAR)
            return np.asarray(resized)
        return self._source.decode(file, size)

    def delivery(self) -> Delivery:
        return Delivery(unfit=self._unfit, damaged=0)


class _EncodeOnce(Codec):
    """A codec that remembers the bits of all it was given: they do not depend on the SNR."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._bits: dict[bytes, NDArray[np.uint8]] = {}
        self.name, self.bpp, self.weights_sha256 = codec.name, codec.bpp, codec.weights_sha256
        self.constellation = codec.constellation

    def bit_shape(self, size: Size) -> tuple[int, ...]:
        return self._codec.bit_shape(size)

    def encode(self, images: Pixels) -> NDArray[np.uint8]:
        key = hashlib.sha256(images.tobytes()).digest()
        if key not in self._bits:
            self._bits[key] = self._codec.encode(images)
        return self._bits[key]

    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> Pixels:
        return self._codec.decode(symbols, size, noise_power)


class _CountFiles(Codec):
    """A separation scheme that searches qualities once for all SNRs, and counts what becomes of the files."""

    def __init__(self, codec: SeparationCodec) -> None:
        self._codec = codec
        self._files: dict[bytes, list[bytes | None]] = {}
        self.name, self.bpp, self.weights_sha256 = codec.name, codec.bpp, codec.weights_sha256
        self.constellation = codec.constellation
        self.unfit = self.damaged = 0

    def bit_shape(self, size: Size) -> tuple[int, ...]:
        return self._codec.bit_shape(size)

    def encode(self, images: Pixels) -> NDArray[np.uint8]:
        _, height, width, _ = images.shape
        key = hashlib.sha256(images.tobytes()).digest()
        if key not in self._files:
            self._files[key] = self._codec.files(images)
        self.unfit += self._files[key].count(None)
        return self._codec.protect(self._files[key], (width, height))

    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> Pixels:
        receptions = self._codec.receive(symbols, size, noise_power)
        self.damaged += sum(reception.outcome is Outcome.DAMAGED for reception in receptions)
        return np.stack([reception.image for reception in receptions])
