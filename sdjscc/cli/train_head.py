"""``sdjscc train-head``"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from sdjscc.data.folder import scan
from sdjscc.tasks.train_head import train_head

__all__ = ["command"]


@click.command("train-head")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Training images, <class>/<image>.")
@click.option("--test", type=click.Path(path_type=Path), help="Test images of the same classes; only counted.")
@click.option("--data-name", default="STL-10", show_default=True, help="Name of the data set, for the card.")
@click.option("--out", type=click.Path(path_type=Path), help="Weights; the package's own where it is left out.")
@click.option("--seed", default=0, show_default=True)
def command(data: Path, test: Path | None, data_name: str, out: Path | None, seed: int) -> None:
    """Train the linear head of the STL-10 classifier on frozen features."""
    out = out or Path(str(resources.files("sdjscc.tasks") / "stl10_head.safetensors"))
    card = train_head(scan(data), scan(test) if test else None, out, seed, data=data_name)
    click.echo(card.model_dump_json(indent=2))
