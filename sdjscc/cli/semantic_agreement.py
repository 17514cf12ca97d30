"""``sdjscc semantic-agreement``"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.data.folder import LabelledImages, scan
from sdjscc.evaluation import over_awgn
from sdjscc.semantics.agreement import agreement
from sdjscc.semantics.weights import read_gradients, semantic_weights, shipped_gradients
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import as_images

__all__ = ["command"]


@click.command("semantic-agreement")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Training images, <class>/<image>.")
@click.option("--task", default="stl10", show_default=True)
@click.option("--codec", default="deep-jscc", show_default=True, help="Codec that damages the images.")
@click.option("--bpp", default=0.0, help="Its rate in bits per pixel.")
@click.option("--snr", "snr_db", default=5.0, show_default=True, help="SNR in dB.")
@click.option("--tau", "taus", type=float, multiple=True, default=(0, 300, 600, 1200, 2400, 4800), show_default=True)
@click.option("--limit", default=640, show_default=True, type=click.IntRange(10), help="Images, chosen by the seed.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31))
def command(
    data: Path, task: str, codec: str, bpp: float, snr_db: float, taus: tuple[float, ...], limit: int, seed: int
) -> None:
    """How well the semantic loss of each layer and tau ranks images by what the channel did to the task."""
    classifier = get_classifier(task)
    weights = {
        layer: [semantic_weights(read_gradients(shipped_gradients(task), layer, "centred"), tau) for tau in taus]
        for layer in classifier.layers
    }
    images = scan(data).sample(limit, seed)
    pixels, by_layer = agreement(classifier, _pairs(CodecRegistry().load(codec, bpp), images, snr_db, seed), weights)
    title = f"rank correlation with the task's KL divergence, {len(images)} images, {codec} at {snr_db:g} dB"
    table = Table("loss", *[f"tau {tau:g}" for tau in taus], title=title)
    table.add_row("pixels", f"{pixels:.2f}", *[""] * (len(taus) - 1))
    for layer, correlations in by_layer.items():
        table.add_row(layer, *[f"{value:.2f}" for value in correlations])
    Console().print(table)


def _pairs(codec: Codec, images: LabelledImages, snr_db: float, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    link = over_awgn(codec, (snr_db,), seed)
    for index in track(range(len(images)), "images", console=Console(stderr=True)):
        original = images.read(index)[None]
        ((received, _),) = link(original, index)
        yield as_images(original), as_images(received)
