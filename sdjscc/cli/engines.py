"""``sdjscc engines``"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from sdjscc.channels import AWGN, noise_generator, noise_power
from sdjscc.codecs import Codec, CodecRegistry, Installed
from sdjscc.codecs.jscc.calibration import calibrate
from sdjscc.codecs.jscc.codec import JsccCodec
from sdjscc.data.folder import LabelledImages, scan
from sdjscc.engines import ENGINES, Engine, Ranges, ranges_file, select
from sdjscc.engines.calibration import layer_ranges
from sdjscc.engines.ranges import write_ranges
from sdjscc.errors import InvalidRequest
from sdjscc.tasks import get_classifier, task_names
from sdjscc.tasks.efficientnet import EfficientNetClassifier

__all__ = ["command"]

Pixels = NDArray[np.uint8]

_SNR_DB = 10.0
# Differences from torch that rounding explains: share of flipped bits, and RMS in grey levels. A network put together
# wrongly flips half of the bits.
_ALLOWED = {"f32": (0.002, 0.2), "bf16": (0.01, 2.0), "int8": (0.05, 6.0)}


@click.group("engines")
def command() -> None:
    """Check what runs the networks against torch; write the ranges that int8 needs."""
    # Small images one by one: more threads gain little, and on busy cores they wait for each other.
    torch.set_num_threads(1)


@command.command()
@click.option("--engine", default="auto", show_default=True, type=click.Choice(ENGINES))
def check(engine: str) -> None:
    """Every installed network by ENGINE and by torch, on images of two sizes. Ends with status 1 where they differ by
    more than rounding. Made to be run when an image is built."""
    chosen = select(engine)
    if chosen.name == "torch":
        click.echo("the engine is torch; there is nothing to compare")
        return
    allowed_flips, allowed_rms = _ALLOWED[chosen.name.partition("-")[2]]
    table = Table("network", "bits flipped", "RMS, grey levels", "largest change of a probability")
    images = [_picture(96, 96), _picture(150, 101)]
    apart: list[str] = []
    ours, theirs = CodecRegistry(engine=chosen), CodecRegistry()
    for entry in _learned(ours):
        name = f"{entry.name}@{entry.bpp:g}"
        pair = ours.load(entry.name, entry.bpp), theirs.load(entry.name, entry.bpp)
        flips, rms = np.mean([_compare(*pair, image) for image in images], axis=0)
        table.add_row(name, f"{flips:.3%}", f"{rms:.3f}", "")
        if flips > allowed_flips or rms > allowed_rms:
            apart.append(name)
    for task in task_names():
        change = _probability_change(task, chosen, np.stack(images[:1]))
        table.add_row(task, "", "", f"{change:.4f}")
        if change > 0.2:
            apart.append(task)
    Console().print(table)
    if apart:
        raise InvalidRequest(f"{chosen.name} does not do what torch does: {', '.join(apart)}")
    click.echo(f"{chosen.name} does what torch does, but for rounding")


@command.command("calibrate")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of <class>/<image>: training images."
)
@click.option("--codec", help="Only codecs of this name.")
@click.option("--limit", default=96, show_default=True, type=click.IntRange(1), help="Images, chosen by the seed.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31))
def calibrate_command(data: Path, codec: str | None, limit: int, seed: int) -> None:
    """Send images through every installed network and write what range of values each layer gets: NAME.int8.json beside
    the weights. Needed once for weights of one's own, before they run in int8. Use training images."""
    images = scan(data).sample(limit, seed)
    batches = list(_batches(images))
    name = ", ".join(images.count_by_folder())
    registry = CodecRegistry()
    received: list[Pixels] = []
    for entry in _learned(registry):
        if codec is not None and entry.name != codec:
            continue
        loaded = registry.load(entry.name, entry.bpp)
        if entry.weights is None or not isinstance(loaded, JsccCodec):
            continue
        networks = calibrate(loaded, batches)
        file = ranges_file(entry.weights)
        write_ranges(
            file, Ranges(weights_sha256=entry.weights_sha256, data=name, images=len(images), networks=networks)
        )
        click.echo(f"wrote {file}")
    if codec is not None:
        return
    default = registry.load()
    received = [np.stack([_cross(default, image, n) for n, image in enumerate(batch)]) for batch in batches]
    for task in task_names():
        classifier = get_classifier(task)
        if isinstance(classifier, EfficientNetClassifier):
            squares = [classifier.squares(batch) for batch in (*batches, *received)]
            networks = {"classifier": layer_ranges(classifier.from_square, squares)}
            ranges = Ranges(
                weights_sha256=classifier.weights_sha256, data=name, images=2 * len(images), networks=networks
            )
            write_ranges(classifier.ranges_file, ranges)
            click.echo(f"wrote {classifier.ranges_file}")


def _learned(registry: CodecRegistry) -> list[Installed]:
    return [entry for entry in registry.entries if entry.card is not None]


def _batches(images: LabelledImages) -> Iterator[Pixels]:
    """One image each, cropped to sides that are multiples of 8."""
    for index in range(len(images)):
        pixels = images.read(index)
        height, width, _ = pixels.shape
        if min(height, width) < 8:
            raise InvalidRequest(f"{images.paths[index]} has fewer than 8 pixels a side; take it out")
        yield np.ascontiguousarray(pixels[None, : height // 8 * 8, : width // 8 * 8])


def _cross(codec: Codec, image: Pixels, seed: int) -> Pixels:
    """What is received of one image at `_SNR_DB`."""
    height, width, _ = image.shape
    symbols = codec.constellation.modulate(codec.encode(image[None]).reshape(-1))
    noisy = AWGN().transmit(symbols, _SNR_DB, noise_generator(seed))
    received: Pixels = codec.decode(noisy[None], (width, height), np.array([noise_power(_SNR_DB)]))[0]
    return received


def _compare(ours: Codec, theirs: Codec, image: Pixels) -> tuple[float, float]:
    """Share of bits that differ, and RMS of the images decoded from the same symbols."""
    height, width, _ = image.shape
    bits, expected = ours.encode(image[None]), theirs.encode(image[None])
    symbols = ours.constellation.modulate(expected.reshape(-1))[None]
    decoded, reference = (codec.decode(symbols, (width, height), np.zeros(1)) for codec in (ours, theirs))
    return float((bits != expected).mean()), float(np.sqrt(np.mean((decoded.astype(float) - reference) ** 2)))


def _probability_change(task: str, engine: Engine, images: Pixels) -> float:
    ours, theirs = (
        classifier.logits(images).softmax(1) for classifier in (get_classifier(task, engine), get_classifier(task))
    )
    return float((ours - theirs).abs().max())


def _picture(width: int, height: int) -> Pixels:
    """Made, for there need be no photographs where an image is built: soft waves of colour with some grain."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / 96
    waves = [np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in rng.uniform(-2, 2, (3, 3))]
    pixels = 128 + 80 * np.stack(waves, axis=-1) + rng.normal(0, 8, (height, width, 3))
    return pixels.clip(0, 255).astype(np.uint8)
