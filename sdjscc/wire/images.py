"""`Image` messages to pixels and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdjscc.data.images import OutputFormat, check_size, decode_image, encode_image
from sdjscc.errors import InvalidRequest
from sdjscc.v1 import image_pb2
from sdjscc.v1.image_pb2 import Image, ImageFormat, RawImage

__all__ = ["pack_image", "pack_raw", "unpack_image"]

_ENCODED: dict[int, OutputFormat] = {
    image_pb2.IMAGE_FORMAT_PNG: "PNG",
    image_pb2.IMAGE_FORMAT_JPEG: "JPEG",
    image_pb2.IMAGE_FORMAT_WEBP: "WEBP",
}


def pack_raw(pixels: NDArray[np.uint8]) -> Image:
    """RGB pixels, uint8 ``(h, w, 3)``, as they are."""
    height, width, _ = pixels.shape
    return Image(raw=RawImage(width=width, height=height, data=pixels.tobytes()))


def pack_image(pixels: NDArray[np.uint8], image_format: ImageFormat) -> Image | None:
    """RGB pixels, uint8 ``(h, w, 3)``, in the format asked for; None for IMAGE_FORMAT_UNSPECIFIED.

    Raises `InvalidRequest` for a format that is not in the contract.
    """
    if image_format == image_pb2.IMAGE_FORMAT_UNSPECIFIED:
        return None
    if image_format == image_pb2.IMAGE_FORMAT_RAW:
        return pack_raw(pixels)
    if image_format not in _ENCODED:
        raise InvalidRequest(f"the image format {image_format} is unknown; ask for RAW, PNG, JPEG or WEBP")
    return Image(encoded=encode_image(pixels, _ENCODED[image_format]))


def unpack_image(message: Image, max_pixels: int) -> NDArray[np.uint8]:
    """RGB pixels, uint8 ``(h, w, 3)``. Raises `InvalidRequest` for what is no image, `TooLarge` over ``max_pixels``."""
    content = message.WhichOneof("content")
    if content == "raw":
        raw = message.raw
        check_size(raw.width, raw.height, max_pixels)
        needed = 3 * raw.width * raw.height
        if len(raw.data) != needed:
            raise InvalidRequest(
                f"{len(raw.data)} bytes do not hold {raw.width}x{raw.height} RGB pixels; send {needed} bytes"
            )
        return np.frombuffer(raw.data, np.uint8).reshape(raw.height, raw.width, 3)
    if content == "encoded":
        return decode_image(message.encoded, max_pixels)
    raise InvalidRequest("the request has no image; set image.encoded or image.raw")
