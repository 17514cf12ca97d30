"""``python -m bench.settings``: which settings of torch are the fastest, and what faster ones cost in quality."""

from __future__ import annotations

import itertools
import multiprocessing
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from bench.cases import SNR_DB, squares
from bench.machine import describe, sentence
from bench.networks import STAGES, Setting, Stage, inputs, stage
from bench.options import out_option, repeats_option, seconds_option
from bench.report import short, table
from bench.results import results_in
from bench.sample import Spread
from sdjscc.channels.awgn_torch import awgn
from sdjscc.metrics import psnr_db
from sdjscc.serving.cores import usable_cores

SIZES = (96, 512)

SETTINGS = {
    "as the services run": Setting(),
    "contiguous": Setting(channels_last=False),
    "no_grad": Setting(gradients="no_grad"),
    "batch normalization not folded": Setting(folded=False),
    "flush denormals": Setting(flush_denormal=True),
    "TorchScript, frozen": Setting(frozen=True),
    "bfloat16 autocast": Setting(precision="bfloat16 autocast"),
    "bfloat16": Setting(precision="bfloat16"),
    "bfloat16, TorchScript, frozen": Setting(precision="bfloat16", frozen=True),
}

REDUCED = ("bfloat16 autocast", "bfloat16")


@dataclass(frozen=True)
class Quality:
    """What a setting does to the photographs of one size, against `Setting`'s defaults."""

    flipped_bits: float
    """Share of the encoder's bits that differ."""
    psnr_change_db: float
    """Mean over the photographs; negative where the setting is worse."""
    labels_changed: int
    """Photographs whose most probable class differs."""
    photographs: int


@click.command()
@out_option
@seconds_option("1s")
@repeats_option(5)
def main(out: Path, seconds: float, repeats: int) -> None:
    """Images a second of the encoder, the decoder and the classifier under one setting of torch at a time.

    Writes settings.json and the Markdown tables settings.md.
    """
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch.jit")
    warnings.filterwarnings("ignore", message="Converting a tensor to a Python boolean")
    torch.set_num_threads(1)
    with results_in(out, "settings") as write:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            speeds = _speeds(seconds, repeats, progress)
            threads = _threads(seconds, repeats, progress)
        quality = {title: {size: _quality(SETTINGS[title], size) for size in SIZES} for title in REDUCED}
        machine = describe()
        facts = {
            "machine": machine,
            "images_per_cpu_second": _keyed(speeds),
            "images_per_second_by_threads": _keyed(threads),
            "quality": {title: {str(s): asdict(q) for s, q in sizes.items()} for title, sizes in quality.items()},
        }
        write(facts, _markdown(machine, seconds, repeats, speeds, threads, quality))


Cell = tuple[Stage, int]
"""Stage and size."""
Speeds = dict[str, dict[Cell, Spread]]
_CELLS: tuple[Cell, ...] = tuple((name, size) for size in SIZES for name in STAGES)


def _speeds(seconds: float, repeats: int, progress: Progress) -> Speeds:
    """Images a CPU-second, one thread; what else runs on the machine matters little to these."""
    bar = progress.add_task("settings", total=repeats * len(SETTINGS) * len(_CELLS))
    found: dict[str, dict[Cell, list[float]]] = {title: {cell: [] for cell in _CELLS} for title in SETTINGS}
    for _, cell, (title, setting) in itertools.product(range(repeats), _CELLS, SETTINGS.items()):
        found[title][cell].append(_images_per_cpu_s(*cell, setting, seconds))
        progress.advance(bar)
    return {title: {cell: Spread.of(rates) for cell, rates in cells.items()} for title, cells in found.items()}


def _images_per_cpu_s(name: Stage, size: int, setting: Setting, seconds: float) -> float:
    run, images = _ready(name, setting), itertools.cycle(inputs(name, size))
    with setting.in_force():
        for _ in range(2):
            run(next(images))
        done, begin = 0, time.thread_time()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            run(next(images))
            done += 1
        return done / (time.thread_time() - begin)


@cache
def _ready(name: Stage, setting: Setting) -> Callable[[Tensor], Tensor]:
    with setting.in_force():
        return stage(name, setting)


def _threads(seconds: float, repeats: int, progress: Progress) -> Speeds:
    """Images a second of the whole machine, by how its cores are used."""
    cores = usable_cores()
    spawn = multiprocessing.get_context("spawn")
    ways: dict[str, tuple[Callable[[], AbstractContextManager[Executor]], int, int]] = {
        "1 thread": (lambda: ProcessPoolExecutor(1, spawn), 1, 1),
        f"1 worker of {cores} threads": (lambda: ProcessPoolExecutor(1, spawn), 1, cores),
        f"{cores} workers of 1 thread, one process": (lambda: ThreadPoolExecutor(cores), cores, 1),
        f"{cores} processes of 1 thread": (lambda: ProcessPoolExecutor(cores, spawn), cores, 1),
    }
    bar = progress.add_task("threads", total=repeats * len(ways) * len(_CELLS))
    found: dict[str, dict[Cell, list[float]]] = {title: {cell: [] for cell in _CELLS} for title in ways}
    for _, (title, (make, workers, torch_threads)) in itertools.product(range(repeats), ways.items()):
        with make() as executor:
            for cell in _CELLS:
                # All of them first get ready, so that none works alone while others load.
                for phase_s in (0.1, seconds):
                    jobs = [executor.submit(_images_per_s, *cell, torch_threads, phase_s) for _ in range(workers)]
                    rates = [job.result() for job in jobs]
                found[title][cell].append(sum(rates))
                progress.advance(bar)
    torch.set_num_threads(1)
    return {title: {cell: Spread.of(rates) for cell, rates in cells.items()} for title, cells in found.items()}


def _images_per_s(name: Stage, size: int, torch_threads: int, seconds: float) -> float:
    torch.set_num_threads(torch_threads)
    run, images = _ready(name, Setting()), itertools.cycle(inputs(name, size))
    with Setting().in_force():
        done, begin = 0, time.perf_counter()
        while (now := time.perf_counter()) < begin + seconds:
            run(next(images))
            done += 1
        return done / (now - begin)


def _quality(setting: Setting, size: int) -> Quality:
    chains = [_chain(Setting(), size), _chain(setting, size)]
    originals = squares(size)
    flipped = [float((a != b).float().mean()) for a, b in zip(chains[0][0], chains[1][0], strict=True)]
    psnrs = [
        np.mean([psnr_db(image, original) for image, original in zip(images, originals, strict=True)])
        for _, images, _ in chains
    ]
    return Quality(
        flipped_bits=float(np.mean(flipped)),
        psnr_change_db=float(psnrs[1] - psnrs[0]),
        labels_changed=sum(a != b for a, b in zip(chains[0][2], chains[1][2], strict=True)),
        photographs=len(originals),
    )


def _chain(
    setting: Setting, size: int
) -> tuple[list[Tensor], list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], list[int]]:
    """Bits, images and classes of the photographs when all three stages run under the setting; the same noise."""
    encode, decode, classify = (_ready(name, setting) for name in STAGES)
    bits, images, labels = [], [], []
    for number, image in enumerate(inputs("encode", size)):
        with setting.in_force():
            bits.append(encode(image))
        received = awgn(bits[-1], torch.tensor([SNR_DB]), torch.Generator().manual_seed(number))
        with setting.in_force():
            decoded = decode(received)
            labels.append(int(classify(decoded / 255).argmax()))
        images.append(decoded[0].permute(1, 2, 0).to(torch.uint8).numpy())
    return bits, images, labels


def _markdown(
    machine: dict[str, object],
    seconds: float,
    repeats: int,
    speeds: Speeds,
    threads: Speeds,
    quality: dict[str, dict[int, Quality]],
) -> str:
    parts = [
        f"Measured on: {sentence(machine)} {repeats} measurements of {seconds:g} s of each, by turns; "
        "median (least to greatest).",
        "Images a CPU-second, one thread, one image at a time:",
        _speed_table("setting", speeds),
        "Images a second of the whole machine:",
        _speed_table("cores used as", threads),
        f"What lower precision changes, SNR {SNR_DB:g} dB, all three networks in it:",
        table(
            ("setting", "size", "bits flipped", "PSNR", "labels changed"),
            [
                (
                    title,
                    f"{size}x{size}",
                    f"{found.flipped_bits:.2%}",
                    f"{found.psnr_change_db:+.3f} dB",
                    f"{found.labels_changed} of {found.photographs}",
                )
                for title, sizes in quality.items()
                for size, found in sizes.items()
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _speed_table(first: str, speeds: Speeds) -> str:
    return table(
        (first, *(f"{name} {size}x{size}" for name, size in _CELLS)),
        [(title, *(cells[cell].text(short) for cell in _CELLS)) for title, cells in speeds.items()],
    )


def _keyed(speeds: Speeds) -> dict[str, dict[str, dict[str, float]]]:
    return {
        title: {f"{name} {size}": spread.as_dict() for (name, size), spread in cells.items()}
        for title, cells in speeds.items()
    }


if __name__ == "__main__":
    main()
