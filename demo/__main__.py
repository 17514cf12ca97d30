"""``python -m demo``"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from demo.contact_sheet import Cell, contact_sheet
from demo.photographs import photographs
from deploy.local import LocalLink
from sdjscc.cli.connection import connection_options
from sdjscc.cli.options import SnrList
from sdjscc.client import Client, LinkError, Result, TlsFiles
from sdjscc.errors import SdjsccError
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import Prediction, predict

_TASK = "imagenet"
_SEED = 1
_PATIENCE_S = 120.0


@click.command()
@click.option(
    "--server", envvar="SDJSCC_SERVER", help="A running transmitter; services are started where it is left out."
)
@click.option("--snr", "snrs_db", type=SnrList(), default="0,5,10,20", show_default=True, help="SNRs in dB.")
@click.option("--codec", default="", help="Codec; the transmitter's default where it is left out.")
@click.option("--save", type=click.Path(path_type=Path), default="demo.png", show_default=True, help="Contact sheet.")
@connection_options
def main(server: str | None, snrs_db: tuple[float, ...], codec: str, save: Path, tls: TlsFiles, insecure: bool) -> None:
    """Send photographs over the link at several SNRs; print what arrived, and draw it."""
    try:
        # Services that are started here speak no TLS: they are of this machine.
        tls = TlsFiles() if server is None else tls
        with _link(server) as address, Client(address, tls=tls, insecure=insecure) as client:
            _wait_for(client)
            _show(client, snrs_db, codec, save)
    except SdjsccError as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def _link(server: str | None) -> Iterator[str]:
    if server is not None:
        yield server
        return
    click.echo("starting receiver, channel and transmitter on this machine ...", err=True)
    with LocalLink() as link:
        yield link.server


def _wait_for(client: Client) -> None:
    """Containers that start together need not be up together."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            client.codecs()
            return
        except LinkError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _show(client: Client, snrs_db: tuple[float, ...], codec: str, save: Path) -> None:
    pictures = photographs()
    classifier = get_classifier(_TASK)
    # What the classifier makes of the originals, which only this side has.
    originals = {name: predict(classifier, pixels, 1)[0] for name, pixels in pictures.items()}
    results: dict[tuple[str, float], Result] = {}
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("sending", total=len(pictures) * len(snrs_db))
        for name, pixels in pictures.items():
            for snr_db in snrs_db:
                results[name, snr_db] = client.transmit(pixels, snr_db=snr_db, seed=_SEED, codec=codec, task=_TASK)
                progress.advance(bar)

    # Narrow: without frames a row fits a terminal of 80 columns.
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("photograph", "it shows", "SNR dB", "received as", "PSNR dB", "bits", "ms"):
        table.add_column(heading, justify="right" if heading in {"SNR dB", "PSNR dB", "bits", "ms"} else "left")
    for (name, snr_db), result in results.items():
        first = snr_db == snrs_db[0]
        table.add_row(
            name if first else "",
            originals[name].label if first else "",
            f"{snr_db:g}",
            _received_as(result),
            f"{result.psnr_db:.2f}",
            str(result.bits),
            f"{result.round_trip_ms:.0f}",
            end_section=snr_db == snrs_db[-1],
        )
    Console().print(table)

    used = next(iter(results.values()))
    rows = [
        [_original_cell(pictures[name], originals[name])]
        + [_received_cell(results[name, snr_db], originals[name]) for snr_db in snrs_db]
        for name in pictures
    ]
    sheet = contact_sheet(
        f"{used.codec} at {used.bpp:g} bpp: what the receiver saw",
        ["original", *[f"SNR {snr_db:g} dB" for snr_db in snrs_db]],
        rows,
    )
    try:
        save.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(save)
    except (OSError, ValueError) as error:
        raise SdjsccError(f"{save} cannot be written ({error}); give another --save, such as demo.png") from error
    click.echo(f"wrote {save}")


def _original_cell(pixels: NDArray[np.uint8], prediction: Prediction) -> Cell:
    height, width, _ = pixels.shape
    return Cell(pixels, prediction.label, f"{width}x{height}, {100 * prediction.probability:.0f} %")


def _received_as(result: Result) -> str:
    label = result.labels[0]
    return f"{label.name}, {100 * label.probability:.0f} %" if result.outcome == "received" else f"({result.outcome})"


def _received_cell(result: Result, original: Prediction) -> Cell:
    label = result.labels[0]
    assert result.image is not None
    assert result.psnr_db is not None
    if result.outcome != "received":
        return Cell(result.image, result.outcome, f"PSNR {result.psnr_db:.1f} dB", right=False)
    note = f"{100 * label.probability:.0f} %, PSNR {result.psnr_db:.1f} dB"
    return Cell(result.image, label.name, note, right=label.name == original.label)


main()
