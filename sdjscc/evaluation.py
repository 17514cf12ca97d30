"""A codec measured over its channel on labelled photographs, as the services would run it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray

from sdjscc.channels import AWGN, noise_generator, noise_power
from sdjscc.codecs import Codec
from sdjscc.data.folder import LabelledImages
from sdjscc.metrics import psnr_db
from sdjscc.tasks.base import Classifier

__all__ = ["Point", "confidence_95", "evaluate"]

_BATCH = 32


@dataclass(frozen=True)
class Point:
    """One codec at one SNR."""

    codec: str
    bpp: float
    snr_db: float
    n: int
    """Images."""
    psnr_db: float
    """Mean of the images' PSNRs."""
    psnr_db_ci95: float
    """Half width of the 95 % confidence interval of that mean."""
    accuracy: float
    """Share of images whose most probable class is the true one, 0 to 1."""
    accuracy_ci95: float
    channel_uses_per_pixel: float
    """Complex symbols a pixel, those of padding included."""


def evaluate(
    codec: Codec, classifier: Classifier, images: LabelledImages, snrs_db: tuple[float, ...], seed: int
) -> Iterator[Point]:
    """Send all ``images`` over AWGN at each SNR and yield what was measured.

    Each image's noise depends on ``seed``, its place in ``images`` and nothing else. The classifier chooses among the
    classes that ``images`` has, which may be fewer than it knows; raises `UnknownName` for one it does not know.
    """
    columns = [classifier.class_index(name) for name in images.class_names]
    channel = AWGN()
    for snr_db in snrs_db:
        psnrs, right, uses, pixel_count = [], [], 0, 0
        for start, pixels in _batches(images):
            n, height, width, _ = pixels.shape
            bits = codec.encode(pixels).reshape(n, -1)
            symbols = np.stack(
                [
                    channel.transmit(
                        codec.constellation.modulate(row), snr_db, noise_generator((seed << 32) + start + place)
                    )
                    for place, row in enumerate(bits)
                ]
            )
            received = codec.decode(symbols, (width, height), np.full(n, noise_power(snr_db)))
            psnrs += [psnr_db(*pair) for pair in zip(received, pixels, strict=True)]
            right += list(_predict(classifier, received, columns) == images.labels[start : start + n])
            uses += symbols.size
            pixel_count += n * height * width
        psnr, psnr_ci95 = confidence_95(np.array(psnrs))
        accuracy, accuracy_ci95 = confidence_95(np.array(right, float))
        yield Point(
            codec.name, codec.bpp, snr_db, len(images), psnr, psnr_ci95, accuracy, accuracy_ci95, uses / pixel_count
        )


def confidence_95(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and half width of its 95 % confidence interval (normal approximation) of values ``(n,)``."""
    spread = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), NormalDist().inv_cdf(0.975) * spread


def _batches(images: LabelledImages) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Runs of neighbours of one size, with the place of the first."""
    batch: list[NDArray[np.uint8]] = []
    for index in range(len(images)):
        pixels = images.read(index)
        if batch and (pixels.shape != batch[0].shape or len(batch) == _BATCH):
            yield index - len(batch), np.stack(batch)
            batch = []
        batch.append(pixels)
    if batch:
        yield len(images) - len(batch), np.stack(batch)


@torch.inference_mode()
def _predict(classifier: Classifier, pixels: NDArray[np.uint8], columns: list[int]) -> NDArray[np.int64]:
    logits = classifier(torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255))
    return logits[:, columns].argmax(1).numpy()  # type: ignore[no-any-return]
