"""``python -m bench.batches``: what batches of the encoder, the decoder and the classifiers gain and change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from bench.cases import squares
from bench.machine import describe, sentence
from bench.options import out_option, repeats_option
from bench.report import short, table
from bench.results import results_in
from bench.sample import Spread
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.data.folder import scan
from sdjscc.errors import SdjsccError
from sdjscc.tasks import get_classifier, task_names
from sdjscc.tasks.base import predict_all

_SIZES = (96, 256)
_BATCHES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Row:
    """CPU time an image of one stage at one size, milliseconds, by batch."""

    stage: str
    size: int
    cpu_ms: dict[int, Spread]


@dataclass(frozen=True)
class Flips:
    """Bits that are others in batches than alone."""

    codec: str
    batch: int
    images: int
    bits: int
    flipped: int
    images_changed: int


@click.command()
@repeats_option(15, 1000, help="Measurements of each.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of <class>/<image> whose bits are compared.")
@click.option("--limit", type=click.IntRange(8), default=2000, show_default=True, help="Images of it at most.")
@out_option
def main(repeats: int, data: Path | None, limit: int, out: Path) -> None:
    """CPU time an image by batch, on one thread, and the bits that are others in a batch than alone.

    The images of --data must be of one size. Writes batches.json and batches.md.
    """
    torch.set_num_threads(1)
    with results_in(out, "batches") as write:
        rows = [row for size in _SIZES for row in _gains(size, repeats)]
        flips = _flips(data, limit) if data else []
        machine = describe()
        result = {"machine": machine, "rows": [asdict(row) for row in rows], "flips": [asdict(one) for one in flips]}
        write(result, _markdown(rows, flips, sentence(machine), repeats))


def _gains(size: int, repeats: int) -> list[Row]:
    codec = CodecRegistry().load()
    photographs = squares(size)
    images = np.stack([photographs[number % len(photographs)] for number in range(max(_BATCHES))])
    symbols = codec.constellation.modulate(codec.encode(images).reshape(-1)).reshape(len(images), -1)
    classifiers = {name: get_classifier(name) for name in task_names()}
    stages: dict[tuple[str, int], Callable[[], object]] = {}
    for n in _BATCHES:
        stages["encode", n] = partial(codec.encode, images[:n])
        stages["decode", n] = partial(codec.decode, symbols[:n], (size, size), np.zeros(n))
        for name, classifier in classifiers.items():
            stages[f"classify, {name}", n] = partial(predict_all, classifier, images[:n], 1)
    found: dict[tuple[str, int], list[float]] = {stage: [] for stage in stages}
    for run in stages.values():
        run()
    for _ in track(range(repeats), f"{size}x{size}", console=Console(stderr=True), transient=True):
        for (stage, n), run in stages.items():
            begin = time.thread_time()
            run()
            found[stage, n].append(1e3 * (time.thread_time() - begin) / n)
    names = dict.fromkeys(stage for stage, _ in stages)
    return [Row(name, size, {n: Spread.of(found[name, n]) for n in _BATCHES}) for name in names]


def _flips(data: Path, limit: int) -> list[Flips]:
    chosen = scan(data).sample(limit, seed=0)
    try:
        images = np.stack([chosen.read(index) for index in range(len(chosen))])
    except ValueError as error:
        raise SdjsccError(f"the images under {data} are not of one size; give --data whose are") from error
    registry = CodecRegistry()
    entries = [entry for entry in registry.entries if entry.card is not None and entry.bpp == registry.find().bpp]
    return [one for entry in entries for one in _flips_of(registry.load(entry.name, entry.bpp), images)]


def _flips_of(codec: Codec, images: NDArray[np.uint8]) -> list[Flips]:
    def encoded(batch: int) -> NDArray[np.uint8]:
        return np.concatenate([codec.encode(images[begin : begin + batch]) for begin in range(0, len(images), batch)])

    alone = encoded(1).reshape(len(images), -1)
    flips = []
    for batch in _BATCHES[1:]:
        other = encoded(batch).reshape(len(images), -1) != alone
        changed = int(other.any(axis=1).sum())
        flips.append(Flips(codec.name, batch, len(images), alone.size, int(other.sum()), changed))
    return flips


def _markdown(rows: list[Row], flips: list[Flips], machine: str, repeats: int) -> str:
    parts = [
        f"Measured on: {machine} CPU time an image in milliseconds, one thread; {repeats} measurements of each, by "
        "turns; median (least to greatest).",
        table(
            ("stage", *(f"batch of {n}" for n in _BATCHES)),
            [(f"{row.stage}, {row.size}x{row.size}", *(row.cpu_ms[n].text(short) for n in _BATCHES)) for row in rows],
        ),
    ]
    if flips:
        parts.append("Bits that are others in a batch than alone:")
        head = ("codec", "batch", "images", "bits", "flipped", "images with flipped bits")
        parts.append(
            table(
                head,
                [
                    (f.codec, str(f.batch), str(f.images), f"{f.bits:,}", str(f.flipped), str(f.images_changed))
                    for f in flips
                ],
            )
        )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
