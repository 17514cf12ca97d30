"""``sdjscc train``"""

from __future__ import annotations

import math
from pathlib import Path

import click

from sdjscc.cli.options import Duration
from sdjscc.data.folder import scan
from sdjscc.training.config import load_config
from sdjscc.training.trainer import Trainer

__all__ = ["command"]


@click.command("train")
@click.argument("config")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Training images, <class>/<image>.")
@click.option(
    "--more",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Further training images, <class>/<image>; none is held out for validation. May be given again.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; runs/CONFIG where it is left out.")
@click.option("--budget", type=Duration(), default="100000h", help="Stop after this time, to be resumed: 45m, 1.5h.")
@click.option("--device", type=click.Choice(["auto", "cpu"]), default="auto", show_default=True)
def command(config: str, data: Path, more: tuple[Path, ...], out: Path | None, budget: float, device: str) -> None:
    """Train CONFIG: a TOML file, or the name of one of ours, such as deep-jscc-0.25bpp.

    A folder that holds an unfinished run of the same configuration is resumed, to the same result as if it had never
    stopped. Several processes or machines: `torchrun --nproc-per-node 2 -m sdjscc.cli train ...`.
    """
    out = out or Path("runs") / Path(config).stem
    trainer = Trainer(load_config(config), scan(data), out, more=[scan(folder) for folder in more], device=device)
    if trainer.resume() and trainer.is_main_process:
        click.echo(f"resuming {out} at step {trainer.status.step}", err=True)
    done = trainer.fit(budget if math.isfinite(budget) else math.inf)
    if not trainer.is_main_process:
        return
    if done:
        click.echo(f"done; next: sdjscc publish {out} --test DIR")
    else:
        click.echo(f"stopped at step {trainer.status.step} by the budget; the same command goes on")
