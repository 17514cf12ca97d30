"""A codec measured over its channel on labelled photographs, as the services would run it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import multiclass_f1_score
from torchmetrics.functional.image import structural_similarity_index_measure

from sdjscc.channels import AWGN, noise_generator, noise_power
from sdjscc.codecs import Codec
from sdjscc.data.folder import LabelledImages
from sdjscc.metrics import psnr_db
from sdjscc.tasks.base import Classifier, as_images

__all__ = ["Link", "Point", "confidence_95", "evaluate", "over_awgn", "score"]

_BATCH = 32

Link = Callable[[NDArray[np.uint8], int], Iterable[tuple[NDArray[np.uint8], int]]]
"""Takes images of one size, uint8 ``(n, h, w, 3)``, and the place of the first among all; gives for each SNR the images
received, of the same shape, and the complex channel uses that all of them took."""


@dataclass(frozen=True)
class Point:
    """One codec at one SNR."""

    codec: str
    bpp: float
    snr_db: float
    n: int
    """Images."""
    accuracy: float
    """Share of images whose most probable class is the true one, 0 to 1."""
    accuracy_ci95: float
    """Half width of its 95 % confidence interval; so too below."""
    f1: float
    """F1 score, mean over the classes."""
    psnr_db: float
    """Mean of the images' PSNRs."""
    psnr_db_ci95: float
    ssim: float
    """Mean of the images' SSIMs (Wang et al., 2004: Gaussian window of 11 pixels, sigma 1.5)."""
    ssim_ci95: float
    channel_uses_per_pixel: float
    """Complex symbols a pixel, those of padding included."""
    right: NDArray[np.bool_] = field(repr=False, compare=False)
    """Whether each image was classified right, ``(n,)`` in their order: paired comparisons of codecs need it."""

    def figures(self) -> dict[str, Any]:
        """All but `right`, as numbers and strings."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "right"}


def evaluate(
    codec: Codec,
    classifier: Classifier,
    images: LabelledImages,
    snrs_db: tuple[float, ...],
    seed: int,
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[Point]:
    """Send all ``images`` over AWGN at each SNR; a point for each.

    Each image's noise depends on ``seed``, its place in ``images`` and nothing else. The classifier chooses among the
    classes that ``images`` has, which may be fewer than it knows; raises `UnknownName` for one it does not know.
    ``on_progress`` is called with the number of images that were just done.
    """
    link = over_awgn(codec, snrs_db, seed)
    return score(link, codec.name, codec.bpp, classifier, images, snrs_db, on_progress)


def over_awgn(codec: Codec, snrs_db: tuple[float, ...], seed: int) -> Link:
    """The link of `evaluate`. Images are encoded once for all SNRs."""

    def link(pixels: NDArray[np.uint8], start: int) -> Iterator[tuple[NDArray[np.uint8], int]]:
        bits = codec.encode(pixels).reshape(len(pixels), -1)
        seeds = [(seed << 32) + start + place for place in range(len(pixels))]
        for snr_db in snrs_db:
            symbols, received = _cross(codec, bits, pixels.shape, snr_db, seeds)
            yield received, symbols.size

    return link


def score(
    link: Link,
    name: str,
    bpp: float,
    classifier: Classifier,
    images: LabelledImages,
    snrs_db: tuple[float, ...],
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[Point]:
    """As `evaluate`, for anything that gets images to a receiver; ``name`` and ``bpp`` are the points'."""
    columns = [classifier.class_index(label) for label in images.class_names]
    tallies = {snr_db: _Tally() for snr_db in snrs_db}
    for start, pixels in _batches(images):
        for tally, (received, channel_uses) in zip(tallies.values(), link(pixels, start), strict=True):
            tally.psnrs_db += [psnr_db(*pair) for pair in zip(received, pixels, strict=True)]
            tally.ssims += _ssim(received, pixels)
            tally.predicted += _predict(classifier, received, columns)
            tally.channel_uses += channel_uses
            tally.pixels += pixels.size // 3
        on_progress(len(pixels))
    return [_point(name, bpp, snr_db, tally, images.labels, len(columns)) for snr_db, tally in tallies.items()]


@dataclass
class _Tally:
    """What was counted at one SNR, image by image."""

    psnrs_db: list[float] = field(default_factory=list)
    ssims: list[float] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    channel_uses: int = 0
    pixels: int = 0


def _point(name: str, bpp: float, snr_db: float, tally: _Tally, labels: NDArray[np.int64], classes: int) -> Point:
    predicted = np.array(tally.predicted)
    accuracy, accuracy_ci95 = confidence_95((predicted == labels).astype(float))
    psnr, psnr_ci95 = confidence_95(np.array(tally.psnrs_db))
    ssim, ssim_ci95 = confidence_95(np.array(tally.ssims))
    return Point(
        codec=name,
        bpp=bpp,
        snr_db=snr_db,
        n=len(labels),
        accuracy=accuracy,
        accuracy_ci95=accuracy_ci95,
        f1=_f1(predicted, labels, classes),
        psnr_db=psnr,
        psnr_db_ci95=psnr_ci95,
        ssim=ssim,
        ssim_ci95=ssim_ci95,
        channel_uses_per_pixel=tally.channel_uses / tally.pixels,
        right=predicted == labels,
    )


def confidence_95(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and half width of its 95 % confidence interval (normal approximation) of values ``(n,)``."""
    mean = float(values.mean())
    if len(values) < 2 or not math.isfinite(mean):
        return mean, math.nan
    return mean, NormalDist().inv_cdf(0.975) * float(values.std(ddof=1)) / math.sqrt(len(values))


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


def _cross(
    codec: Codec, bits: NDArray[np.uint8], shape: tuple[int, ...], snr_db: float, seeds: list[int]
) -> tuple[NDArray[np.complex64], NDArray[np.uint8]]:
    """The symbols received and the images of ``shape`` (n, h, w, 3) decoded from them, with noise of ``seeds``."""
    n, height, width, _ = shape
    channel, constellation = AWGN(), codec.constellation
    received = [
        channel.transmit(constellation.modulate(row), snr_db, noise_generator(seed))
        for row, seed in zip(bits, seeds, strict=True)
    ]
    symbols = np.stack(received)
    return symbols, codec.decode(symbols, (width, height), np.full(n, noise_power(snr_db)))


def _predict(classifier: Classifier, pixels: NDArray[np.uint8], columns: list[int]) -> list[int]:
    return classifier.logits(pixels)[:, columns].argmax(1).tolist()


@torch.inference_mode()
def _ssim(received: NDArray[np.uint8], original: NDArray[np.uint8]) -> list[float]:
    pair = as_images(received), as_images(original)
    by_image = structural_similarity_index_measure(*pair, data_range=1.0, reduction="none")
    assert isinstance(by_image, torch.Tensor)
    return [float(value) for value in by_image]


def _f1(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> float:
    pair = torch.from_numpy(predicted), torch.from_numpy(labels)
    return float(multiclass_f1_score(*pair, num_classes=classes, average="macro"))
