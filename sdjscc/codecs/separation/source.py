"""What a source coder is to the separation baselines: the best file of an image within a budget of bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from sdjscc.codecs.base import Size
from sdjscc.errors import InvalidRequest, Undecodable

__all__ = ["Image", "SourceCoder"]

Image = NDArray[np.uint8]
"""RGB pixels, uint8 ``(h, w, 3)``."""

_LOOK_AHEAD = 2


class SourceCoder(ABC):
    """A still-image format, complete or with headers agreed on beforehand.

    At a few hundred bytes an image, a format's headers decide whether it fits at all. With ``agreed_headers`` all that
    both sides can know before any image is sent (the image's size included, as every codec here knows it) is taken off
    the file and put back by the receiver; what is chosen for each image, its quality above all, is sent.
    """

    name: str
    """As in names of codecs: "webp"; "webp-agreed" with agreed headers."""
    label: str
    """What it is, for tables and plots."""
    qualities: range
    """The quality settings, worst first; larger files mean more quality, nearly always."""

    def __init__(self, agreed_headers: bool = False) -> None:
        self.agreed_headers = agreed_headers
        if agreed_headers:
            self.name += "-agreed"
            self.label += ", headers agreed"

    @abstractmethod
    def header_bytes(self, size: Size) -> int:
        """Bytes that agreeing on headers takes off the file of an image of ``size``, at most; an odd file's padding
        may come on top."""

    def encode(self, image: Image, quality: int) -> bytes:
        """The file of one quality, less the agreed headers."""
        file = self._compress(image, quality)
        return self._strip(file, _size(image), quality) if self.agreed_headers else file

    def encode_within(self, image: Image, budget_bytes: int) -> bytes | None:
        """The file of the highest quality that fits into ``budget_bytes``; None where not even the lowest does.

        Sizes mostly grow with quality, but not always: rate-distortion choices and entropy coding make them dip by a
        few bytes (WebP at 3 % of its settings, JPEG and HEVC at less than 0.2 %). A bisection finds a quality that fits
        below one that does not; then the next two are tried as well, and so on from the better. A dip further up would
        be overlooked; trying every setting of 30 photographs at eight budgets found none.
        """
        if budget_bytes < 0:
            raise InvalidRequest(f"the budget is {budget_bytes} bytes; give 0 or more")
        files: dict[int, bytes] = {}

        def fits(index: int) -> bool:
            if index not in files:
                files[index] = self.encode(image, self.qualities[index])
            return len(files[index]) <= budget_bytes

        low, high = -1, len(self.qualities)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        best = low
        while True:
            ahead = range(best + 1, min(best + 1 + _LOOK_AHEAD, len(self.qualities)))
            better = [index for index in ahead if fits(index)]
            if not better:
                return files[best] if best >= 0 else None
            best = better[-1]

    def decode(self, data: bytes, size: Size) -> Image:
        """The image of ``size`` that `encode` or `encode_within` made ``data`` of; raises `Undecodable`."""
        image = self._decompress(self._restore(data, size) if self.agreed_headers else data, size)
        if _size(image) != size:
            raise Undecodable(f"the {self.label} data decodes to {_size(image)} pixels, not {size}")
        return image

    @abstractmethod
    def _compress(self, image: Image, quality: int) -> bytes:
        """A complete file."""

    @abstractmethod
    def _decompress(self, file: bytes, size: Size) -> Image:
        """The image in a complete file; raises `Undecodable`, before pixels are made where the file tells another size
        than ``size``."""

    @abstractmethod
    def _strip(self, file: bytes, size: Size, quality: int) -> bytes:
        """``file`` less what is agreed."""

    @abstractmethod
    def _restore(self, data: bytes, size: Size) -> bytes:
        """The complete file that `_strip` made ``data`` of; raises `Undecodable`."""


def _size(image: Image) -> Size:
    return image.shape[1], image.shape[0]
