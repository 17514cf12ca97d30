"""How good a link is on held-out training images while it trains."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from sdjscc.channels.awgn_torch import awgn
from sdjscc.codecs.jscc.network import STRIDE
from sdjscc.codecs.jscc.quantizer import quantize
from sdjscc.data.folder import LabelledImages
from sdjscc.errors import InvalidRequest
from sdjscc.tasks.base import Classifier, as_images
from sdjscc.training.config import TrainConfig
from sdjscc.training.link import Link, first_channels

__all__ = ["validate"]

_BATCH = 64


@torch.no_grad()
def validate(
    link: Link,
    images: LabelledImages,
    config: TrainConfig,
    device: torch.device,
    classifier: Classifier | None,
) -> dict[str, float]:
    """Mean PSNR in dB at each validation SNR, keyed ``psnr_db@<snr>``, and with a classifier its accuracy in percent,
    ``accuracy@<snr>``; under the same noise at every call. For several rates the keys end in ``,<bpp>bpp``."""
    count = min(len(images), config.validation_images)
    totals: defaultdict[str, float] = defaultdict(float)
    generator = torch.Generator(device).manual_seed(config.seed)
    columns = [classifier.class_index(name) for name in images.class_names] if classifier is not None else []
    for start in range(0, count, _BATCH):
        indices = range(start, min(start + _BATCH, count))
        batch = as_images(np.stack([_centre_crop(images, i, config.crop) for i in indices]))
        batch = batch.to(device, memory_format=torch.channels_last)
        bits = quantize(link.encoder(batch))
        for channels, snr_db in product(config.rates or (bits.shape[1],), config.validation_snr_db):
            received = awgn(bits, torch.full((len(batch),), snr_db, device=device), generator)
            reconstructed = link.decoder(first_channels(received, channels)).float().clamp(0, 1)
            at = f"{snr_db:g}" + f",{channels / STRIDE**2:g}bpp" * bool(config.rates)
            error = (reconstructed - batch).square().mean((1, 2, 3))
            totals[f"psnr_db@{at}"] += float((-10 * error.log10()).sum())
            if classifier is not None:
                labels = torch.from_numpy(images.labels[indices]).to(device)
                right = classifier(reconstructed)[:, columns].argmax(1) == labels
                totals[f"accuracy@{at}"] += 100 * float(right.sum())
    return {name: total / count for name, total in totals.items()}


def _centre_crop(images: LabelledImages, index: int, side: int) -> NDArray[np.uint8]:
    pixels = images.read(index)
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    if top < 0 or left < 0:
        raise InvalidRequest(f"{images.paths[index]} is smaller than the crop of {side} pixels; set a smaller crop")
    return pixels[top : top + side, left : left + side]
