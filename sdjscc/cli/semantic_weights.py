"""``sdjscc semantic-weights``"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from sdjscc.data.folder import LabelledImages, scan
from sdjscc.errors import InvalidRequest
from sdjscc.semantics.gradients import map_gradients
from sdjscc.semantics.weights import read_gradients, semantic_weights, shipped_gradients, write_gradients
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import as_images

__all__ = ["command"]

_BATCH = 16


@click.command("semantic-weights")
@click.option("--task", default="stl10", show_default=True, help="Task whose gradients are taken.")
@click.option("--data", type=click.Path(path_type=Path), help="Training images, <class>/<image>; left out: only shown.")
@click.option("--data-name", default="STL-10 train", show_default=True, help="Name of the images, for the file.")
@click.option("--limit", type=click.IntRange(1), help="Use so many images, chosen by the seed.")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="File; left out, the package's own.")
@click.option("--tau", "taus", type=float, multiple=True, default=(0, 300, 1000, 3000), show_default=True)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw the distribution of W'.")
def command(
    task: str,
    data: Path | None,
    data_name: str,
    limit: int | None,
    seed: int,
    out: Path | None,
    taus: tuple[float, ...],
    plot: Path | None,
) -> None:
    """Compute the semantic weights (GSW) of a task's layers from training images, and show how they are spread."""
    file = out or shipped_gradients(task)
    layers = get_classifier(task).layers
    if data is not None:
        images = scan(data).shuffled(seed)
        count = min(limit or len(images), len(images))
        gradients = map_gradients(get_classifier(task), _batches(images, count), layers, seed=seed)
        write_gradients(file, gradients, {"data": data_name, "images": str(count), "seed": str(seed), "task": task})
        click.echo(f"wrote {file}", err=True)
    spread = {(layer, form): read_gradients(file, layer, form) for layer in layers for form in ("mean", "centred")}
    table = Table("layer", "form", "maps", "mean |W|", *[f"tau {tau:g}: maps that hold half of W'" for tau in taus])
    for (layer, form), w in spread.items():
        halves = [str(_maps_with_half(semantic_weights(w, tau))) for tau in taus]
        table.add_row(layer, form, str(len(w)), f"{w.abs().mean():.2e}", *halves)
    Console().print(table)
    if plot is not None:
        _plot(spread, taus, plot)


def _batches(images: LabelledImages, count: int) -> Iterator[Tensor]:
    for start in track(range(0, count, _BATCH), "gradients", console=Console(stderr=True)):
        indices = range(start, min(start + _BATCH, count))
        yield as_images(np.stack([images.read(i) for i in indices]))


def _maps_with_half(weights: Tensor) -> int:
    """How many of the heaviest maps hold half of all weight."""
    heaviest_first = weights.sort(descending=True).values.cumsum(0)
    return int((heaviest_first < weights.sum() / 2).sum()) + 1


def _plot(spread: dict[tuple[str, str], Tensor], taus: tuple[float, ...], file: Path) -> None:
    from sdjscc.plots import plot_weights

    curves = {
        (layer, tau): semantic_weights(w, tau).sort(descending=True).values.numpy()
        for (layer, form), w in spread.items()
        if form == "centred"
        for tau in taus
    }
    try:
        plot_weights(curves, file)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{file} cannot be written ({error}); give a writable .png, .pdf or .svg") from error
