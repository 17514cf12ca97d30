"""Views of a photograph that are photographs still. No loss looks at labels, so a view may show anything."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Augmentation", "Pixels", "pasted", "random_crop", "random_part", "recoloured"]

Augmentation = Literal["crop", "strong", "cutmix"]
Pixels = NDArray[np.uint8]

_SMALLEST_AREA = 0.35
_WIDEST = 4 / 3
_RECOLOURING = 0.3
_SMALLEST_PASTE = 0.2
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def random_crop(pixels: Pixels, side: int, rng: np.random.Generator) -> Pixels:
    """A square of ``pixels``, uint8 ``(h, w, 3)``, as they are: ``(side, side, 3)``. No side may be shorter than it."""
    height, width, _ = pixels.shape
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    return pixels[top : top + side, left : left + side]


def pasted(pixels: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """``pixels`` with a rectangle of ``other``, both uint8 ``(h, w, 3)``, in its own place: 20 to 80 % of the area
    before it is cut off at the edges (CutMix, Yun et al., 2019)."""
    height, width, _ = pixels.shape
    share = math.sqrt(rng.uniform(_SMALLEST_PASTE, 1 - _SMALLEST_PASTE))
    y, x = rng.integers(height), rng.integers(width)
    half_h, half_w = round(share * height / 2), round(share * width / 2)
    rows, columns = slice(max(0, y - half_h), y + half_h), slice(max(0, x - half_w), x + half_w)
    result = pixels.copy()
    result[rows, columns] = other[rows, columns]
    return result


def random_part(pixels: Pixels, side: int, rng: np.random.Generator) -> Pixels:
    """A part of 35 to 100 % of the area of ``pixels``, uint8 ``(h, w, 3)``, as far as it fits, at most a third wider or
    higher than square, scaled to ``(side, side, 3)``."""
    height, width, _ = pixels.shape
    area = rng.uniform(_SMALLEST_AREA, 1) * height * width
    ratio = math.exp(rng.uniform(-math.log(_WIDEST), math.log(_WIDEST)))
    w = min(width, max(1, round(math.sqrt(area * ratio))))
    h = min(height, max(1, round(math.sqrt(area / ratio))))
    top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
    part = Image.fromarray(pixels[top : top + h, left : left + w])
    return np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))


def recoloured(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """``pixels``, uint8 ``(h, w, 3)``, with brightness, contrast and saturation changed by up to 30 %."""
    brightness, contrast, saturation = rng.uniform(1 - _RECOLOURING, 1 + _RECOLOURING, 3).astype(np.float32)
    x = pixels.astype(np.float32) * brightness
    grey = (x @ _LUMA)[..., None]
    x = grey + saturation * (x - grey)
    mean = grey.mean()
    result: Pixels = (mean + contrast * (x - mean)).clip(0, 255).round().astype(np.uint8)
    return result
