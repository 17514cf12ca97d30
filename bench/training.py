"""``python -m bench.training``: images a second of a training step, and what it spends them on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from bench.machine import describe_without_codec, sentence
from bench.options import out_option, repeats_option
from bench.report import short, table
from bench.results import results_in
from bench.sample import Spread
from sdjscc.tasks import get_classifier
from sdjscc.training.config import load_config
from sdjscc.training.link import Link
from sdjscc.training.losses import build_loss

_LAYER = ("stage7",)


@click.command()
@click.option("--batch", type=click.IntRange(1, 1024), default=32, show_default=True, help="Images a step.")
@repeats_option(7, 1000)
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of torch.")
@out_option
def main(batch: int, repeats: int, threads: int, out: Path) -> None:
    """Images of 96x96 pixels a second, in float32 and in bfloat16, all kinds by turns.

    Writes training.json and training.md.
    """
    torch.set_num_threads(threads)
    settings = {"batch": batch, "repeats": repeats, "threads": threads}
    with results_in(out, "training") as write:
        rates = _measure(_ways(batch), batch, repeats)
        machine = describe_without_codec()
        result = {"machine": machine, "settings": settings, "rates": {k: asdict(v) for k, v in rates.items()}}
        write(result, _markdown(rates, machine, settings))


def _ways(batch: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name; all that a step does but drawing the batch and updating the weights."""
    images = torch.rand(batch, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    snr_db = torch.full((batch,), 5.0)
    stage_one, stage_two = load_config("deep-jscc-0.25bpp"), load_config("sd-jscc-0.25bpp")
    link = Link(stage_one.architecture).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixel_loss, semantic_loss = build_loss(stage_one.loss), build_loss(stage_two.loss)
    classifier = get_classifier("stl10")

    def step(loss: torch.nn.Module) -> None:
        value: Tensor = loss(link(images, snr_db), images)
        value.backward()  # type: ignore[no-untyped-call]

    def features_backward() -> None:
        received = images.detach().requires_grad_()
        size = classifier.features(received, _LAYER)["stage7"].float().square().mean()
        size.backward()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def features() -> None:
        classifier.features(images, _LAYER)

    kinds: dict[str, Callable[[], object]] = {
        "stage one, a step": lambda: step(pixel_loss),
        "stage two, a step": lambda: step(semantic_loss),
        "of it: features of the original": features,
        "of it: features of the received, and back": features_backward,
    }
    return {
        f"{name}, {precision}": _in(precision, way)
        for name, way in kinds.items()
        for precision in ("float32", "bfloat16")
    }


def _in(precision: str, way: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            way()

    return run


def _measure(ways: Mapping[str, Callable[[], object]], batch: int, repeats: int) -> dict[str, Spread]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in track(range(repeats), "training steps", console=Console(stderr=True), transient=True):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    return {name: Spread.of([batch / each for each in taken]) for name, taken in seconds.items()}


def _markdown(rates: Mapping[str, Spread], machine: dict[str, object], settings: dict[str, int]) -> str:
    lines = [(name, rate.text(short)) for name, rate in rates.items()]
    return (
        f"Measured on: {sentence(machine)} Batches of {settings['batch']}, {settings['threads']} threads of torch; "
        f"{settings['repeats']} measurements of each, by turns; median (least to greatest).\n\n"
        f"{table(('what', 'images/s'), lines)}\n"
    )


if __name__ == "__main__":
    main()
