"""Photographs in folders, ``<class>/<image>``: the layout of STL-10, ImageNet splits and most others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdjscc.data.images import IMAGE_SUFFIXES, load_image
from sdjscc.errors import InvalidRequest

__all__ = ["LabelledImages", "join", "scan"]


@dataclass(frozen=True)
class LabelledImages:
    """A list of image files with their classes. Files are listed, not read."""

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    """Index into ``class_names`` for each path, shape ``(n,)``."""
    class_names: tuple[str, ...]
    """Folder names in sorted order."""

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> NDArray[np.uint8]:
        """RGB pixels of one image, uint8 ``(h, w, 3)``."""
        return load_image(self.paths[index])

    def count_by_folder(self) -> dict[str, int]:
        """Number of images of each data set, by its last two folder names, such as ``stl10/train``."""
        folders = (path.resolve().parents[1] for path in self.paths)
        return dict(Counter(f"{folder.parent.name}/{folder.name}" for folder in folders))

    def take(self, indices: NDArray[np.int64]) -> LabelledImages:
        """The images at ``indices``, in that order."""
        return LabelledImages(tuple(self.paths[i] for i in indices), self.labels[indices], self.class_names)

    def shuffled(self, seed: int) -> LabelledImages:
        """All images in an order fixed by ``seed``."""
        return self.take(np.random.default_rng(seed).permutation(len(self)))

    def sample(self, limit: int | None, seed: int) -> LabelledImages:
        """At most ``limit`` images, chosen by ``seed``; all, in their own order, where no limit is given."""
        return self if limit is None else self.shuffled(seed).take(np.arange(min(limit, len(self))))

    def split(self, fraction: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
        """Two disjoint parts, the second with ``fraction`` of each class, chosen by ``seed``."""
        rng = np.random.default_rng(seed)
        held_out = np.zeros(len(self), bool)
        for label in range(len(self.class_names)):
            members = np.flatnonzero(self.labels == label)
            held_out[rng.permutation(members)[: round(len(members) * fraction)]] = True
        return self.take(np.flatnonzero(~held_out)), self.take(np.flatnonzero(held_out))


def scan(folder: Path) -> LabelledImages:
    """List ``folder/<class>/<image>``. Raises `InvalidRequest` where the folder or the images are missing."""
    if not folder.is_dir():
        raise InvalidRequest(f"there is no folder {folder}; give one that holds <class>/<image> files")
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    paths: list[Path] = []
    labels: list[int] = []
    for label, class_folder in enumerate(classes):
        images = sorted(p for p in class_folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        paths += images
        labels += [label] * len(images)
    if not paths:
        raise InvalidRequest(f"no images under {folder}; put them at {folder}/<class>/<name>.png (or .jpg, .webp)")
    return LabelledImages(tuple(paths), np.array(labels, np.int64), tuple(c.name for c in classes))


def join(parts: Sequence[LabelledImages]) -> LabelledImages:
    """The images of several folders in one list; folders of the same name are one class."""
    names = sorted({name for part in parts for name in part.class_names})
    labels = [np.array([names.index(name) for name in part.class_names], np.int64)[part.labels] for part in parts]
    return LabelledImages(tuple(path for part in parts for path in part.paths), np.concatenate(labels), tuple(names))
