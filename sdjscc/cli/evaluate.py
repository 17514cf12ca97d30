"""``sdjscc evaluate``"""

from __future__ import annotations

import json
from functools import partial
from importlib import import_module
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sdjscc.cli.options import SnrList
from sdjscc.codecs import DEFAULT_CODEC, CodecRegistry
from sdjscc.data.folder import scan
from sdjscc.errors import InvalidRequest
from sdjscc.evaluation import Point, evaluate
from sdjscc.tasks import get_classifier

__all__ = ["command"]


@click.command("evaluate")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder of <class>/<image>.")
@click.option("--task", default="stl10", show_default=True, help="Task whose classes the folders are.")
@click.option("--codec", default=DEFAULT_CODEC, show_default=True)
@click.option("--bpp", default=0.0, help="Rate in bits per pixel; the codec's default where it is left out.")
@click.option("--snr", "snrs_db", type=SnrList(), default="0,5,10,20", show_default=True, help="SNRs in dB.")
@click.option("--limit", type=click.IntRange(1), help="Use so many images, chosen by the seed.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead of a table.")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw both over the SNR: .png, .pdf, .svg."
)
def command(
    data: Path,
    task: str,
    codec: str,
    bpp: float,
    snrs_db: tuple[float, ...],
    limit: int | None,
    seed: int,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Measure a codec over AWGN on a folder of labelled images: fidelity, and what the task makes of it."""
    if plot is not None:
        # Whether it can be drawn shows now, and not when all has been measured.
        import_module("sdjscc.plots")
    images = scan(data).sample(limit, seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("images", total=len(images))
        advance = partial(progress.advance, bar)
        points = evaluate(CodecRegistry().load(codec, bpp), get_classifier(task), images, snrs_db, seed, advance)
    if as_json:
        for point in points:
            click.echo(json.dumps(point.figures()))
    else:
        _print_table(points)
    if plot is not None:
        _plot(points, plot)


def _plot(points: list[Point], file: Path) -> None:
    from sdjscc.plots import plot_over_snr

    try:
        plot_over_snr(points, file)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{file} cannot be written ({error}); give a writable .png, .pdf or .svg") from error


def _print_table(points: list[Point]) -> None:
    first = points[0]
    title = (
        f"{first.codec} at {first.bpp:g} bpp, {first.channel_uses_per_pixel:.4f} channel uses/pixel, {first.n} images"
    )
    table = Table("SNR dB", "PSNR dB", "SSIM", "accuracy", "F1", title=title)
    for p in points:
        table.add_row(
            f"{p.snr_db:g}",
            f"{p.psnr_db:.2f} ± {p.psnr_db_ci95:.2f}",
            f"{p.ssim:.3f} ± {p.ssim_ci95:.3f}",
            f"{100 * p.accuracy:.1f} ± {100 * p.accuracy_ci95:.1f} %",
            f"{p.f1:.3f}",
        )
    Console().print(table)
