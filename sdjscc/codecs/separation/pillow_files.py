"""Files by Pillow: what the JPEG and WebP source coders share."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from PIL import Image as PillowImage

from sdjscc.codecs.base import Size
from sdjscc.codecs.separation.source import Image
from sdjscc.errors import Undecodable

__all__ = ["read", "write"]

Format = Literal["JPEG", "WEBP", "PNG"]


def write(image: Image, format: Format, **options: Any) -> bytes:
    """The file of an image, with Pillow's options of the format."""
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, format, **options)
    return buffer.getvalue()


def read(file: bytes, format: Format, size: Size) -> Image:
    """The image of ``size`` in a file; raises `Undecodable` where there is none."""
    try:
        opened = PillowImage.open(io.BytesIO(file), formats=(format,))
        # Damaged headers can tell of a gigantic image, for which no memory should be taken.
        if opened.size == size:
            return np.asarray(opened.convert("RGB"))
    except (
        Exception
    ) as error:  # Pillow raises nearly anything on damaged files: OSError, SyntaxError, struct.error, ...
        raise Undecodable(f"the {format} data is damaged") from error
    raise Undecodable(f"the {format} data is of {opened.size} pixels, not {size}")
