"""Image bytes to RGB pixels and back, with limits checked before anything is decoded."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sdjscc.errors import InvalidRequest, TooLarge

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "OutputFormat",
    "check_size",
    "decode_image",
    "encode_image",
    "load_image",
]

DEFAULT_MAX_PIXELS = 4_000_000

OutputFormat = Literal["PNG", "JPEG", "WEBP"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_DECODABLE = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise `InvalidRequest` for an empty image and `TooLarge` for one of more than ``max_pixels`` pixels."""
    if width < 1 or height < 1:
        raise InvalidRequest(f"the image is {width}x{height} pixels; send one with at least one pixel a side")
    if width * height > max_pixels:
        raise TooLarge(
            f"the image is {width}x{height} pixels, over the limit of {max_pixels} pixels; "
            "scale it down, or raise the service's --max-pixels"
        )


def decode_image(data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode PNG, JPEG, WebP, BMP, GIF or TIFF bytes to RGB, uint8 ``(h, w, 3)``.

    The first frame counts; EXIF rotation is applied; transparency is laid over white; 16-bit grey is scaled to 8 bits;
    CMYK, palette and grey become RGB. Sizes are checked against ``max_pixels`` before pixels are decoded. Raises
    `InvalidRequest` (`TooLarge` for the limit).
    """
    if not data:
        raise InvalidRequest("the image is empty; send the bytes of a PNG, JPEG, WebP, BMP, GIF or TIFF file")
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 million pixels on; our own, lower limit decides.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_DECODABLE)
            check_size(*image.size, max_pixels)
            return _to_rgb(image)
    except InvalidRequest:
        raise
    except Image.DecompressionBombError as error:
        raise TooLarge(f"the image is over the limit of {max_pixels} pixels; scale it down") from error
    except (
        Exception
    ) as error:  # Pillow raises nearly anything on damaged files: OSError, SyntaxError, struct.error, ...
        raise InvalidRequest(
            "the image cannot be decoded; send an undamaged PNG, JPEG, WebP, BMP, GIF or TIFF file"
        ) from error


def load_image(path: Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """`decode_image` of a file; the message of any `InvalidRequest` names it."""
    try:
        return decode_image(path.read_bytes(), max_pixels)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from error
    except InvalidRequest as error:
        raise type(error)(f"{path}: {error}") from error


def encode_image(pixels: NDArray[np.uint8], format: OutputFormat = "PNG") -> bytes:
    """RGB pixels, uint8 ``(h, w, 3)``, as a file. PNG and WebP are lossless, JPEG is at quality 95."""
    options: dict[str, Any] = {
        # Run-length matching: photographs hold few longer repeats, and looking for them takes most of the time.
        "PNG": {"compress_level": 1, "compress_type": zlib.Z_RLE},
        "JPEG": {"quality": 95},
        "WEBP": {"lossless": True, "method": 0},
    }[format]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I") or image.mode == "F":
        return _grey_to_rgb(image)
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def _grey_to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Grey of more than 8 bits, which Pillow's own conversion clips: 16-bit integers, or floats in [0, 1]."""
    grey = np.asarray(ImageOps.exif_transpose(image)).astype(np.float64)
    if image.mode == "F" and not np.isfinite(grey).all():
        raise InvalidRequest("the image holds NaN or infinite pixels; send finite ones in [0, 1]")
    grey = grey * 255 if image.mode == "F" else grey / 257
    rounded = np.rint(grey.clip(0, 255)).astype(np.uint8)
    return np.repeat(rounded[..., None], 3, axis=2)
