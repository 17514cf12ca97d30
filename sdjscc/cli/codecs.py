"""``sdjscc codecs``"""

from __future__ import annotations

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
    table = Table("measured on", "images", "SNR dB", "PSNR dB", "SSIM", "task", "accuracy", "F1")
    for figure in card.figures:
        table.add_row(
            figure.data,
            str(figure.n),
            f"{figure.snr_db:g}",
            f"{figure.psnr_db:.2f} ± {figure.psnr_db_ci95:.2f}",
            "" if figure.ssim is None else f"{figure.ssim:.3f}",
            figure.task or "",
            _percent(figure.accuracy, figure.accuracy_ci95),
            "" if figure.f1 is None else f"{figure.f1:.3f}",
        )
    console.print(table)


def _percent(accuracy: float | None, ci95: float | None) -> str:
    return "" if accuracy is None else f"{100 * accuracy:.1f} ± {100 * (ci95 or 0):.1f} %"
