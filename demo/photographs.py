"""The photographs that scikit-image carries."""

from __future__ import annotations

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

__all__ = ["photographs"]

_NAMES = ("cat", "coffee", "astronaut", "rocket", "camera")
_LONGEST_SIDE = 512


def photographs() -> dict[str, NDArray[np.uint8]]:
    """RGB pixels, uint8 ``(h, w, 3)``, by name; none is longer than 512 pixels a side."""
    return {name: _as_rgb(getattr(skimage.data, name)()) for name in _NAMES}


def _as_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(pixels).convert("RGB")
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)
