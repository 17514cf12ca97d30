"""Measuring the cells of a study that are not there yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sdjscc.codecs import Codec, CodecRegistry, Size
from sdjscc.data.folder import LabelledImages, scan
from sdjscc.evaluation import evaluate
from sdjscc.study.results import Cell, Conditions, Record, Results
from sdjscc.tasks import get_classifier

__all__ = ["measure"]


def measure(cells: Iterable[Cell], results: Results, data: Path, limit: int | None, seed: int) -> None:
    """Add to ``results`` what they lack of ``cells``: images below ``data``, at most ``limit`` of each set.

    Raises `InvalidRequest` and `UnknownName` for data and codecs that are not there, before anything is measured.
    """
    registry = CodecRegistry()
    images: dict[str, LabelledImages] = {}
    missing: list[tuple[Cell, Conditions]] = []
    for cell in cells:
        if cell.data not in images:
            images[cell.data] = scan(data / cell.data).sample(limit, seed)
        conditions = Conditions(
            weights_sha256=registry.find(cell.scheme, cell.bpp).weights_sha256,
            images_sha256=_digest(images[cell.data]),
            n=len(images[cell.data]),
            seed=seed,
        )
        if not results.has(cell, conditions):
            missing.append((cell, conditions))

    classifiers = {task: get_classifier(task) for task in {cell.task for cell, _ in missing}}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("cells", total=sum(conditions.n for _, conditions in missing))
        for (scheme, bpp, folder), members in groupby(sorted(missing, key=_codec_and_data), key=_codec_and_data):
            codec = _EncodeOnce(registry.load(scheme, bpp))
            for cell, conditions in members:
                progress.update(bar, description=f"{scheme}, {bpp:g} bpp, {cell.snr_db:g} dB")
                advance = progress.advance
                (point,) = evaluate(
                    codec,
                    classifiers[cell.task],
                    images[folder],
                    (cell.snr_db,),
                    seed,
                    lambda count, advance=advance: advance(bar, count),  # type: ignore[misc]
                )
                results.add(Record.of(cell, conditions, point))


class _EncodeOnce(Codec):
    """A codec that remembers the bits of all it was given: they do not depend on the SNR."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._bits: dict[bytes, NDArray[np.uint8]] = {}
        self.name, self.bpp, self.weights_sha256 = codec.name, codec.bpp, codec.weights_sha256
        self.constellation = codec.constellation

    def bit_shape(self, size: Size) -> tuple[int, ...]:
        return self._codec.bit_shape(size)

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        key = hashlib.sha256(images.tobytes()).digest()
        if key not in self._bits:
            self._bits[key] = self._codec.encode(images)
        return self._bits[key]

    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> NDArray[np.uint8]:
        return self._codec.decode(symbols, size, noise_power)


def _codec_and_data(missing: tuple[Cell, Conditions]) -> tuple[str, float, str]:
    cell = missing[0]
    return cell.scheme, cell.bpp, cell.data


def _digest(images: LabelledImages) -> str:
    names = (f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in images.paths)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
