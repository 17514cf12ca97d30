"""``sdjscc codecs``"""

from __future__ import annotations

from itertools import groupby

import click
from rich.console import Console
from rich.table import Table

from sdjscc.codecs import CodecRegistry, ModelCard

__all__ = ["command"]


@click.command("codecs")
@click.option("--json", "as_json", is_flag=True, help="Print the model cards, one JSON object a line.")
def command(as_json: bool) -> None:
    """List installed codecs and rates, with the figures of their model cards."""
    cards = [entry.card for entry in CodecRegistry().entries]
    if as_json:
        for card in cards:
            click.echo(card.model_dump_json())
        return
    console = Console()
    for card in cards:
        _print_card(card, console)


def _print_card(card: ModelCard, console: Console) -> None:
    training = card.training
    low, high = training["snr_db"]
    console.print(
        f"[bold]{card.codec}[/bold] at {card.bpp:g} bpp: {card.parameters / 1e6:.2f} M parameters, trained on "
        f"{training['images']} images of {training['data']} for {training['steps']} steps at {low:g} to {high:g} dB",
        highlight=False,
    )
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
