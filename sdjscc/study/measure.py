"""Measuring the cells of a study that are not there yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from sdjscc.codecs import CodecRegistry
from sdjscc.data.folder import LabelledImages, scan
from sdjscc.errors import InvalidRequest, UnknownName
from sdjscc.evaluation import score
from sdjscc.study.carriers import open_carrier
from sdjscc.study.datasets import dataset_of
from sdjscc.study.results import Cell, Conditions, Record, Results
from sdjscc.study.schemes import ORIGINAL, parse
from sdjscc.study.spread import spread
from sdjscc.study.stand_in import digest, stand_in
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import Classifier

__all__ = ["Study", "progress_bar"]

_FEWEST_IMAGES = 2
_FEWEST_CLASSES = 2


@dataclass(frozen=True)
class Study:
    """What is measured on, and where it is kept."""

    results: Results
    data: Path
    """Folder below which those of the data sets are."""
    limit: int | None
    """At most so many images of each data set, chosen by the seed."""
    seed: int
    workers: int = 1
    """Processes that measure beside each other."""
    _images: dict[str, LabelledImages] = field(default_factory=dict, repr=False, compare=False)
    _stand_ins: dict[str, NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def out(self) -> Path:
        return self.results.file.parent

    @property
    def weights(self) -> Path:
        """Folder of the weights that the study itself trained."""
        return self.out / "weights"

    def images(self, folder: str) -> LabelledImages:
        """The images of ``folder`` below `data`. Raises `InvalidRequest` where they are too few to measure on."""
        if folder not in self._images:
            found = scan(self.data / folder)
            if len(found) < _FEWEST_IMAGES or len(found.class_names) < _FEWEST_CLASSES:
                raise InvalidRequest(
                    f"{self.data / folder} holds {len(found)} images of {len(found.class_names)} classes; "
                    f"accuracies with intervals need at least {_FEWEST_IMAGES} images and {_FEWEST_CLASSES} classes"
                )
            self._images[folder] = found.sample(self.limit, self.seed)
        return self._images[folder]

    def stand_in(self, folder: str) -> NDArray[np.uint8]:
        """What separation schemes show on the test images of ``folder`` where nothing came, uint8 ``(h, w, 3)``."""
        if folder not in self._stand_ins:
            self._stand_ins[folder] = stand_in(self.data, dataset_of(folder).train, self.out)
        return self._stand_ins[folder]

    def measure(self, cells: Iterable[Cell], optional: Iterable[Cell] = ()) -> None:
        """Add to the results what they lack of ``cells``, and of those ``optional`` ones whose codecs are installed.

        Raises `InvalidRequest`, `UnknownName`, `NotReady` and `MissingDependency` for data, codecs and tools that are
        not there, and `InvalidRequest` where results on more images would be lost, before anything is measured.
        """
        registry = CodecRegistry([self.weights])
        wanted = [*cells, *(cell for cell in optional if _installed(cell, registry))]
        missing = [
            (cell, conditions)
            for cell, conditions in ((cell, self._conditions(cell, registry)) for cell in wanted)
            if not self.results.has(cell, conditions)
        ]
        tasks = [
            _Task(scheme, bpp, self.weights, self.images(folder), self._stand_in_of(scheme, folder), tuple(members))
            for (scheme, bpp, folder), members in groupby(sorted(missing, key=_codec_and_data), key=_codec_and_data)
        ]
        for task in tasks:
            open_carrier(task.scheme, task.bpp, task.stand_in, registry)
        # The longest first, so that no core idles at the end.
        tasks.sort(key=lambda task: -len(task.cells))
        if not tasks:
            return
        with progress_bar() as progress:
            bar = progress.add_task("images", total=sum(conditions.n for _, conditions in missing))
            spread(_measure, tasks, self.workers, partial(_note, self.results, partial(progress.update, bar)))

    def _conditions(self, cell: Cell, registry: CodecRegistry) -> Conditions:
        images = self.images(cell.data)
        return Conditions(
            weights_sha256=self._identity(cell, registry),
            images_sha256=_digest(images),
            n=len(images),
            seed=self.seed,
            limit=self.limit,
        )

    def _identity(self, cell: Cell, registry: CodecRegistry) -> str:
        if cell.scheme == ORIGINAL:
            return ""
        if parse(cell.scheme):
            return digest(self.stand_in(cell.data))
        return registry.find(cell.scheme, cell.bpp).weights_sha256

    def _stand_in_of(self, scheme: str, folder: str) -> NDArray[np.uint8]:
        return self.stand_in(folder) if parse(scheme) else np.zeros((1, 1, 3), np.uint8)


def progress_bar() -> Progress:
    """A bar on standard error with a count and an estimate of the time that is left."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True))


@dataclass(frozen=True)
class _Task:
    """The cells of one scheme and rate on one data set, which are encoded once."""

    scheme: str
    bpp: float
    weights: Path
    """Folder of weights beside those that are installed."""
    images: LabelledImages
    stand_in: NDArray[np.uint8]
    cells: tuple[tuple[Cell, Conditions], ...]


_Message = Record | Cell | int
"""A cell begins, so many images of it are done, and its record."""


def _measure(task: _Task, send: Callable[[_Message], None]) -> None:
    carrier = open_carrier(task.scheme, task.bpp, task.stand_in, CodecRegistry([task.weights]))
    for cell, conditions in task.cells:
        send(cell)
        link = carrier.link(cell.snr_db, conditions.seed)
        classifier = _classifier(cell.task)
        (point,) = score(link, cell.scheme, cell.bpp, classifier, task.images, (cell.snr_db,), send)
        send(Record.of(cell, conditions, point, carrier.delivery()))


def _note(results: Results, update: Callable[..., None], message: _Message) -> None:
    if isinstance(message, Record):
        results.add(message)
    elif isinstance(message, Cell):
        update(description=f"{message.scheme}, {message.bpp:g} bpp, {message.snr_db:g} dB")
    else:
        update(advance=message)


@cache
def _classifier(task: str) -> Classifier:
    return _ClassifyOnce(get_classifier(task))


class _ClassifyOnce(Classifier):
    """A classifier that remembers its logits: over the cliff a scheme shows the same at every SNR, and below it one
    stand-in for all images."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.name, self.class_names = classifier.name, classifier.class_names
        self.input_size, self.layers = classifier.input_size, classifier.layers
        self._classifier = classifier
        self._logits: dict[bytes, Tensor] = {}

    def class_index(self, label: str) -> int:
        return self._classifier.class_index(label)

    def forward_with_features(self, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        return self._classifier.forward_with_features(images, layers)

    def forward(self, images: Tensor) -> Tensor:
        keys = [hashlib.sha256(image.numpy().tobytes()).digest() for image in images]
        fresh = {key: place for place, key in enumerate(keys) if key not in self._logits}
        if fresh:
            logits = self._classifier(images[torch.tensor(list(fresh.values()))])
            self._logits.update(zip(fresh, logits, strict=True))
        return torch.stack([self._logits[key] for key in keys])


def _installed(cell: Cell, registry: CodecRegistry) -> bool:
    try:
        registry.find(cell.scheme, cell.bpp)
    except UnknownName:
        return False
    return True


def _codec_and_data(missing: tuple[Cell, Conditions]) -> tuple[str, float, str]:
    cell = missing[0]
    return cell.scheme, cell.bpp, cell.data


def _digest(images: LabelledImages) -> str:
    names = (f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in images.paths)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
