"""``sdjscc publish``"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from sdjscc.data.folder import scan
from sdjscc.training.publish import publish

__all__ = ["command"]


@click.command("publish")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--test", "test", required=True, type=click.Path(path_type=Path), help="Test images, <class>/<image>.")
@click.option("--data-name", default="STL-10", show_default=True, help="Name of the data set, for the card.")
@click.option("--task", default="stl10", show_default=True, help="Task whose accuracy the card states.")
@click.option("--limit", type=click.IntRange(2), help="Measure so many test images, chosen by seed 0.")
@click.option("--to", type=click.Path(path_type=Path), help="Folder of weights; left out, the package's own.")
def command(run: Path, test: Path, data_name: str, task: str, limit: int | None, to: Path | None) -> None:
    """Make weights and a measured model card of the training run in the folder RUN."""
    folder = to or Path(str(resources.files("sdjscc") / "weights"))
    card = publish(run, scan(test), folder, data_name=data_name, task=task, limit=limit)
    click.echo(f"wrote {folder / card.stem}.safetensors and .json")
