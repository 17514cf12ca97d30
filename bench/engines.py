"""``python -m bench.engines``: the same networks by each engine: speed and, given photographs, quality."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from bench.cases import SNR_DB, squares
from bench.machine import describe, describe_without_codec, sentence
from bench.options import out_option, repeats_option, seconds_option
from bench.report import short, table
from bench.results import results_in
from bench.sample import Spread
from sdjscc.channels import AWGN, noise_generator, noise_power
from sdjscc.cli.options import SnrList
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.data.folder import LabelledImages, scan
from sdjscc.engines import select
from sdjscc.evaluation import Point, evaluate
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import Classifier, predict

SIZES = (96, 512)
STAGES = ("encode", "decode", "classify", "chain")
BASE = "torch"
ENGINES = (BASE, "openvino-f32", "openvino-bf16", "openvino-int8")

_TASK = "imagenet"

Pixels = NDArray[np.uint8]
Cell = tuple[str, int]
"""Stage and size."""
_CELLS: tuple[Cell, ...] = tuple(itertools.product(STAGES, SIZES))


@dataclass(frozen=True)
class Rates:
    """One measurement."""

    per_cpu_s: float
    per_s: float


@dataclass(frozen=True)
class Quality:
    """One engine at one SNR on labelled photographs."""

    snr_db: float
    accuracy: float
    accuracy_change: float
    """Less torch's, 0 to 1; the same images and the same noise."""
    answers_changed: float
    """Share of images that only one of the two gets right."""
    psnr_db: float
    psnr_change_db: float
    flipped_bits: float
    """Share of the encoder's bits that are not torch's."""


@click.command()
@out_option
@seconds_option("0.5s", "CPU time of one measurement.")
@repeats_option(5)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of <class>/<image>: test images.")
@click.option("--task", default="stl10", show_default=True, help="Task whose classes the folders of --data are.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="So many of them.")
@click.option("--snr", "snrs_db", type=SnrList(), default="5,20", show_default=True, help="SNRs in dB, for --data.")
def main(
    out: Path, seconds: float, repeats: int, data: Path | None, task: str, limit: int, snrs_db: tuple[float, ...]
) -> None:
    """Images a second of encoder, decoder, classifier and all three with the channel between, by each engine.

    One thread, one image at a time. With --data also what each engine does to accuracy, PSNR and bits. Writes
    engines.json and the Markdown tables engines.md.
    """
    torch.set_num_threads(1)
    with results_in(out, "engines") as write:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            rates = _all_rates(seconds, repeats, progress)
            quality = _all_quality(scan(data).sample(limit, 0), task, snrs_db, progress) if data else {}
        machine = describe() | {"versions": describe_without_codec("openvino")["versions"]}
        facts = {
            "machine": machine,
            "rates": {
                engine: {f"{stage} {size}": [asdict(one) for one in cells[stage, size]] for stage, size in _CELLS}
                for engine, cells in rates.items()
            },
            "quality": {engine: [asdict(one) for one in found] for engine, found in quality.items()},
        }
        write(facts, _markdown(machine, seconds, repeats, task, limit, rates, quality))


def _all_rates(seconds: float, repeats: int, progress: Progress) -> dict[str, dict[Cell, list[Rates]]]:
    """Engines take turns within a cell, so that neighbours in time can be compared."""
    bar = progress.add_task("speed", total=repeats * len(_CELLS) * len(ENGINES))
    found: dict[str, dict[Cell, list[Rates]]] = {engine: {cell: [] for cell in _CELLS} for engine in ENGINES}
    networks = {engine: _networks(engine, _TASK) for engine in ENGINES}
    works = {engine: {cell: _work(*networks[engine], *cell) for cell in _CELLS} for engine in ENGINES}
    for _, cell, engine in itertools.product(range(repeats), _CELLS, ENGINES):
        found[engine][cell].append(_measure(works[engine][cell], seconds))
        progress.advance(bar)
    return found


def _networks(engine: str, task: str) -> tuple[Codec, Classifier]:
    chosen = select(engine)
    return CodecRegistry(engine=chosen).load(), get_classifier(task, chosen)


def _work(codec: Codec, classifier: Classifier, stage: str, size: int) -> Callable[[int], object]:
    """What is done to the image of a number."""
    images = squares(size)
    received, decoded = _inputs(size)
    n = len(images)
    return {
        "encode": lambda number: codec.encode(images[number % n][None]),
        "decode": lambda number: _decode(codec, received[number % n], size),
        "classify": lambda number: classifier.logits(decoded[number % n]),
        "chain": lambda number: predict(
            classifier, _decode(codec, _cross(codec, images[number % n], number), size)[0], 1
        ),
    }[stage]


@cache
def _inputs(size: int) -> tuple[list[NDArray[np.complex64]], list[Pixels]]:
    """What torch makes of each photograph: the symbols received, ``(1, uses)``, and the images ``(1, h, w, 3)``."""
    codec = CodecRegistry().load()
    received = [_cross(codec, image, number) for number, image in enumerate(squares(size))]
    return received, [_decode(codec, one, size) for one in received]


def _cross(codec: Codec, image: Pixels, seed: int) -> NDArray[np.complex64]:
    symbols = codec.constellation.modulate(codec.encode(image[None]).reshape(-1))
    return AWGN().transmit(symbols, SNR_DB, noise_generator(seed))[None]


def _decode(codec: Codec, received: NDArray[np.complex64], size: int) -> Pixels:
    return codec.decode(received, (size, size), np.array([noise_power(SNR_DB)]))


def _measure(work: Callable[[int], object], seconds: float) -> Rates:
    work(0)
    begin, begin_cpu, done = time.perf_counter(), time.process_time(), 0
    while (cpu := time.process_time() - begin_cpu) < seconds:
        done += 1
        work(done)
    return Rates(done / cpu, done / (time.perf_counter() - begin))


def _all_quality(
    images: LabelledImages, task: str, snrs_db: tuple[float, ...], progress: Progress
) -> dict[str, list[Quality]]:
    bar = progress.add_task("quality", total=2 * len(images) * len(ENGINES))
    advance = partial(progress.advance, bar)
    bits: dict[str, list[Pixels]] = {}
    points: dict[str, list[Point]] = {}
    for engine in ENGINES:
        codec, classifier = _networks(engine, task)
        bits[engine] = []
        for index in range(len(images)):
            bits[engine].append(codec.encode(images.read(index)[None]))
            advance(1)
        points[engine] = evaluate(codec, classifier, images, snrs_db, 0, advance)
    return {
        engine: [
            Quality(
                snr_db=ours.snr_db,
                accuracy=ours.accuracy,
                accuracy_change=ours.accuracy - base.accuracy,
                answers_changed=float((ours.right != base.right).mean()),
                psnr_db=ours.psnr_db,
                psnr_change_db=ours.psnr_db - base.psnr_db,
                flipped_bits=float(np.mean([(a != b).mean() for a, b in zip(bits[engine], bits[BASE], strict=True)])),
            )
            for ours, base in zip(points[engine], points[BASE], strict=True)
        ]
        for engine in ENGINES
    }


def _markdown(
    machine: dict[str, object],
    seconds: float,
    repeats: int,
    task: str,
    limit: int,
    rates: dict[str, dict[Cell, list[Rates]]],
    quality: dict[str, list[Quality]],
) -> str:
    head = ("engine", *(f"{stage} {size}x{size}" for stage, size in _CELLS))

    def rows(text: Callable[[str, Cell], str], engines: tuple[str, ...] = ENGINES) -> list[tuple[str, ...]]:
        return [(engine, *(text(engine, cell) for cell in _CELLS)) for engine in engines]

    def per_cpu_s(engine: str, cell: Cell) -> str:
        return Spread.of(one.per_cpu_s for one in rates[engine][cell]).text(short)

    def ratio(of: Callable[[Rates], float]) -> Callable[[str, Cell], str]:
        def text(engine: str, cell: Cell) -> str:
            pairs = zip(rates[engine][cell], rates[BASE][cell], strict=True)
            return Spread.of(of(ours) / of(base) for ours, base in pairs).text(lambda x: f"{x:.2f}")

        return text

    others = ENGINES[1:]
    parts = [
        f"Measured on: {sentence(machine)} SNR {SNR_DB:g} dB, task {_TASK}; {repeats} measurements of {seconds:g} s of "
        "CPU time of each, by turns; median (least to greatest).",
        "Images a CPU-second, one thread, one image at a time:",
        table(head, rows(per_cpu_s)),
        "Times torch's, in CPU time:",
        table(head, rows(ratio(lambda one: one.per_cpu_s), others)),
        "Times torch's, in wall time, whatever else the machine was doing:",
        table(head, rows(ratio(lambda one: one.per_s), others)),
    ]
    if quality:
        parts += [
            f"Quality on {limit} images, task {task}, the same noise for all:",
            table(
                ("engine", "SNR", "accuracy", "change", "right by only one", "PSNR", "change", "bits flipped"),
                [
                    (
                        engine,
                        f"{one.snr_db:g} dB",
                        f"{one.accuracy:.1%}",
                        f"{100 * one.accuracy_change:+.1f}",
                        f"{one.answers_changed:.1%}",
                        f"{one.psnr_db:.2f} dB",
                        f"{one.psnr_change_db:+.3f} dB",
                        f"{one.flipped_bits:.2%}",
                    )
                    for engine, found in quality.items()
                    for one in found
                ],
            ),
        ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
