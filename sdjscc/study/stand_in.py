"""What a separation scheme shows where nothing was received: the mean image of the training set."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdjscc.codecs.separation.mean_image import mean_of
from sdjscc.data.folder import LabelledImages, scan
from sdjscc.data.images import encode_image, load_image
from sdjscc.study.files import write_whole

__all__ = ["digest", "mean_image", "stand_in"]


def stand_in(data: Path, train: str, out: Path) -> NDArray[np.uint8]:
    """The `mean_image` of the training set in the folder ``train`` below ``data``, uint8 ``(h, w, 3)``; kept in ``out``
    and read from there the next time. Raises `InvalidRequest` where there are no images."""
    kept = out / f"stand-in-{train.replace('/', '-')}.png"
    if kept.is_file():
        return load_image(kept)
    mean = mean_image(scan(data / train))
    write_whole(kept, encode_image(mean))
    return mean


def mean_image(images: LabelledImages) -> NDArray[np.uint8]:
    """Mean of all images, each scaled to the size of the first, uint8 ``(h, w, 3)``."""
    height, width, _ = images.read(0).shape
    return mean_of(_scaled(images.read(index), (width, height)) for index in range(len(images)))


def _scaled(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def digest(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of an image's pixels, hex."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()
