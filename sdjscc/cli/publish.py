"""``sdjscc publish``"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import click

from sdjscc.codecs import Codec
from sdjscc.data.folder import scan
from sdjscc.errors import InvalidRequest
from sdjscc.evaluation import Point, evaluate
from sdjscc.study.results import Results
from sdjscc.tasks import get_classifier
from sdjscc.training.publish import publish

__all__ = ["command"]

_SNRS_DB = (0.0, 5.0, 10.0, 20.0)
_SEED = 0


@click.command("publish")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--test", type=click.Path(path_type=Path), help="Measure on these test images, <class>/<image>.")
@click.option("--limit", type=click.IntRange(2), help="Measure on so many of them, chosen by seed 0.")
@click.option("--results", type=click.Path(path_type=Path), help="Take the figures from this results.json of a study.")
@click.option("--data-name", default="STL-10 test", show_default=True, help="Name of the test images, for the card.")
@click.option("--task", default="stl10", show_default=True, help="Task whose accuracy the card states.")
@click.option("--to", type=click.Path(path_type=Path), help="Folder of weights; left out, the package's own.")
def command(
    run: Path, test: Path | None, limit: int | None, results: Path | None, data_name: str, task: str, to: Path | None
) -> None:
    """Make weights and a model card of the training run in the folder RUN.

    The card states what was measured: now, on --test, or before, by `sdjscc study` with these very weights, on
    --results; without either it states nothing.
    """
    if test is not None and results is not None:
        raise InvalidRequest("--test and --results are two sources of one card's figures; give one of them")

    images = scan(test).sample(limit, _SEED) if test is not None else None

    def measure(codec: Codec) -> Iterable[Point]:
        if images is not None:
            return evaluate(codec, get_classifier(task), images, _SNRS_DB, _SEED)
        if results is not None:
            return Results(results).points_of(codec.weights_sha256, task)
        return []

    def measured_by(codec: Codec) -> str:
        if images is not None:
            which = f"--task {task} --codec {codec.name} --bpp {codec.bpp:g}"
            snrs = ",".join(f"{snr_db:g}" for snr_db in _SNRS_DB)
            rest = f" --limit {limit}" if limit else ""
            return f"sdjscc evaluate --data <{data_name}> {which} --snr {snrs} --seed {_SEED}{rest}"
        return Results(results).command_of(codec.weights_sha256, task) if results is not None else ""

    folder = to or Path(str(resources.files("sdjscc") / "weights"))
    for card in publish(run, folder, measure, data_name=data_name, task=task, measured_by=measured_by):
        click.echo(f"wrote {folder / card.stem}.safetensors and .json")
