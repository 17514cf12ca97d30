"""JPEG (ITU-T T.81) by Pillow."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sdjscc.codecs.base import Size
from sdjscc.codecs.separation import pillow_files
from sdjscc.codecs.separation.source import Image, SourceCoder
from sdjscc.errors import Undecodable

__all__ = ["Jpeg"]

_END = b"\xff\xd9"


class Jpeg(SourceCoder):
    """Baseline sequential JPEG, chroma subsampled 4:2:0.

    A complete file carries Huffman tables optimised for its image, which are counted. With agreed headers both sides
    know the markers, the standard's own Huffman tables (annex K) and how quantisation tables follow from the quality:
    sent are one byte of quality and the entropy-coded data.
    """

    name = "jpeg"
    label = "JPEG"
    qualities = range(1, 101)

    def header_bytes(self, size: Size) -> int:
        return len(_header(size, self.qualities[0])) + len(_END) - 1

    def _compress(self, image: Image, quality: int) -> bytes:
        return _compress(image, quality, own_tables=not self.agreed_headers)

    def _decompress(self, file: bytes, size: Size) -> Image:
        return pillow_files.read(file, "JPEG", size)

    def _strip(self, file: bytes, size: Size, quality: int) -> bytes:
        return bytes([quality]) + file[len(_header(size, quality)) : -len(_END)]

    def _restore(self, data: bytes, size: Size) -> bytes:
        if not data or data[0] not in self.qualities:
            raise Undecodable("the JPEG data does not begin with a quality")
        return _header(size, data[0]) + data[1:] + _END


def _compress(image: Image, quality: int, own_tables: bool) -> bytes:
    return pillow_files.write(image, "JPEG", quality=quality, subsampling="4:2:0", optimize=own_tables)


@lru_cache(maxsize=256)
def _header(size: Size, quality: int) -> bytes:
    """All that comes before the entropy-coded data of any image of this size and quality."""
    width, height = size
    file = _compress(np.zeros((height, width, 3), np.uint8), quality, own_tables=False)
    end = 2
    while True:
        marker = file[end + 1]
        end += 2 + int.from_bytes(file[end + 2 : end + 4])
        if marker == 0xDA:  # start of scan, the last header
            return file[:end]
