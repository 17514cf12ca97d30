"""``sdjscc codecs``"""

from __future__ import annotations

import json
from itertools import groupby

import click
from rich.console import Console
from rich.table import Table

from sdjscc.codecs import CodecRegistry, ModelCard

__all__ = ["command"]


@click.command("codecs")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, model cards in full.")
def command(as_json: bool) -> None:
    """List installed codecs and rates: learned ones with the figures of their model cards, then the separation
    baselines, where the extra `baselines` is installed."""
    entries = CodecRegistry().entries
    if as_json:
        for entry in entries:
            card = entry.card.model_dump(mode="json") if entry.card else {}
            click.echo(json.dumps({"codec": entry.name, "bpp": entry.bpp, "description": entry.description, **card}))
        return
    console = Console()
    for (name, description, card), alike in groupby(entries, key=lambda e: (e.name, e.description, e.card)):
        rates = ", ".join(f"{entry.bpp:g}" for entry in alike)
        trained = f", {_trained(card)}" if card else ""
        console.print(f"[bold]{name}[/bold] at {rates} bpp: {description}{trained}", highlight=False)
        if card is not None:
            _print_figures(card, console)


def _trained(card: ModelCard) -> str:
    training = card.training
    low, high = training["snr_db"]
    snr = f"{low:g} dB" if low == high else f"{low:g} to {high:g} dB"
    return f"trained on {training['images']} images of {training['data']} for {training['steps']} steps at {snr}"


def _print_figures(card: ModelCard, console: Console) -> None:
    for (data, n, task), figures in groupby(card.figures, key=lambda figure: (figure.data, figure.n, figure.task)):
        table = Table("SNR dB", "PSNR dB", "SSIM", "accuracy", "F1", title=f"{data}, {n} images, task {task}")
        for figure in figures:
            table.add_row(
                f"{figure.snr_db:g}",
                f"{figure.psnr_db:.2f} ± {figure.psnr_db_ci95:.2f}",
                f"{figure.ssim:.3f}",
                f"{100 * figure.accuracy:.1f} ± {100 * figure.accuracy_ci95:.1f} %",
                f"{figure.f1:.3f}",
            )
        console.print(table)
