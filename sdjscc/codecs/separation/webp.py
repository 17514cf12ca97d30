"""Lossy WebP (VP8 key frames, RFC 6386 and RFC 9649) by Pillow."""

from __future__ import annotations

from sdjscc.codecs.base import Size
from sdjscc.codecs.separation import pillow_files
from sdjscc.codecs.separation.source import Image, SourceCoder
from sdjscc.errors import InvalidRequest, Undecodable

__all__ = ["WebP"]

_CONTAINER = 20
"""Bytes before the VP8 frame: "RIFF", size, "WEBPVP8 ", size of the frame."""
_TAG = 3
"""Bytes of the frame's tag, which tell the length of its first partition: sent in any case."""
_START = 7
"""Bytes of the frame's start code, width and height, after the tag."""
_LARGEST_SIDE = 16383


class WebP(SourceCoder):
    """Lossy WebP at libwebp's slowest and best method.

    With agreed headers, the container, the start code, the size and the byte that pads an odd frame are not sent.
    """

    name = "webp"
    label = "WebP"
    qualities = range(0, 101)

    def header_bytes(self, size: Size) -> int:
        return _CONTAINER + _START

    def _compress(self, image: Image, quality: int) -> bytes:
        height, width, _ = image.shape
        if max(width, height) > _LARGEST_SIDE:
            raise InvalidRequest(
                f"the image is {width}x{height} pixels, and WebP holds sides of up to {_LARGEST_SIDE}; scale it down"
            )
        return pillow_files.write(image, "WEBP", quality=quality, method=6)

    def _decompress(self, file: bytes, size: Size) -> Image:
        return pillow_files.read(file, "WEBP", size)

    def _strip(self, file: bytes, size: Size, quality: int) -> bytes:
        length = int.from_bytes(file[_CONTAINER - 4 : _CONTAINER], "little")
        frame = file[_CONTAINER : _CONTAINER + length]
        return frame[:_TAG] + frame[_TAG + _START :]

    def _restore(self, data: bytes, size: Size) -> bytes:
        if len(data) <= _TAG:
            raise Undecodable("the WebP data is too short for a frame")
        start = b"\x9d\x01\x2a" + b"".join(side.to_bytes(2, "little") for side in size)
        frame = data[:_TAG] + start + data[_TAG:]
        padded = frame + b"\0" * (len(frame) % 2)
        chunk = b"WEBPVP8 " + len(frame).to_bytes(4, "little") + padded
        return b"RIFF" + len(chunk).to_bytes(4, "little") + chunk
