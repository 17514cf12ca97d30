"""Training batches as a pure function of (seed, step, process): a resumed run sees what an unbroken one does."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sdjscc.data.folder import LabelledImages
from sdjscc.errors import InvalidRequest
from sdjscc.training.augmentation import Augmentation, Pixels, pasted, random_crop, random_part, recoloured

__all__ = ["RandomCrops", "StepSampler", "Stream", "step_rng", "training_batches"]

ItemKey = tuple[int, int, int]


class Stream(IntEnum):
    """Independent random streams of one step."""

    IMAGES = 0
    CHANNEL = 1


def step_rng(seed: int, step: int, process: int, stream: Stream) -> np.random.Generator:
    """The source of one kind of randomness of one step in one process."""
    return np.random.default_rng((seed, step, process, stream))


class StepSampler(Sampler[list[ItemKey]]):
    """Batches of (image index, step, place in the batch), from ``start`` to ``stop``."""

    def __init__(self, size: int, batch: int, start: int, stop: int, seed: int, process: int) -> None:
        self.size, self.batch, self.start, self.stop, self.seed, self.process = size, batch, start, stop, seed, process

    def __iter__(self) -> Iterator[list[ItemKey]]:
        for step in range(self.start, self.stop):
            indices = step_rng(self.seed, step, self.process, Stream.IMAGES).integers(self.size, size=self.batch)
            yield [(int(index), step, place) for place, index in enumerate(indices)]

    def __len__(self) -> int:
        return self.stop - self.start


class RandomCrops(Dataset[Tensor]):
    """Random square crops and mirror images, float ``(3, crop, crop)`` in [0, 1]. Decoded images are kept."""

    def __init__(self, images: LabelledImages, crop: int, augmentation: Augmentation, seed: int) -> None:
        self.images, self.crop, self.augmentation, self.seed = images, crop, augmentation, seed
        self._cache: dict[int, Pixels] = {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: ItemKey) -> Tensor:
        index, step, place = key
        rng = np.random.default_rng((self.seed, step, place, index))
        view = self._view(index, rng)
        if self.augmentation == "cutmix" and rng.integers(2):
            view = pasted(view, self._view(int(rng.integers(len(self))), rng), rng)
        return torch.from_numpy(view.copy()).permute(2, 0, 1).float().div_(255)

    def _view(self, index: int, rng: np.random.Generator) -> Pixels:
        pixels = self._cache.get(index)
        if pixels is None:
            pixels = self._cache[index] = self.images.read(index)
        height, width, _ = pixels.shape
        if min(height, width) < self.crop:
            raise InvalidRequest(
                f"{self.images.paths[index]} is {width}x{height} pixels, smaller than the crop of {self.crop}; "
                "leave it out or set a smaller crop"
            )
        # Parts are scaled, which blurs small images; half of the mixed views keep their sharpness.
        scaled = self.augmentation == "strong" or (self.augmentation == "cutmix" and bool(rng.integers(2)))
        view = random_part(pixels, self.crop, rng) if scaled else random_crop(pixels, self.crop, rng)
        if self.augmentation != "crop":
            view = recoloured(view, rng)
        return view[:, ::-1] if rng.integers(2) else view


def training_batches(
    images: LabelledImages,
    *,
    crop: int,
    augmentation: Augmentation = "crop",
    batch: int,
    start: int,
    stop: int,
    seed: int,
    process: int,
) -> DataLoader[Tensor]:
    """Batches ``(batch, 3, crop, crop)`` for steps ``start`` to ``stop - 1``. Images are read in this process: decoded
    once and kept, they cost less than handing them over from a worker."""
    sampler = StepSampler(len(images), batch, start, stop, seed, process)
    return DataLoader(RandomCrops(images, crop, augmentation, seed), batch_sampler=sampler)
