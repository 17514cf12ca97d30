"""``sdjscc send``"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sdjscc.channels import check_snr_db
from sdjscc.cli.connection import connection_options
from sdjscc.client import AsyncClient, Result, TlsFiles
from sdjscc.client.aio import DEFAULT_SERVER
from sdjscc.client.messages import Options
from sdjscc.data.images import IMAGE_SUFFIXES
from sdjscc.errors import InvalidRequest, SdjsccError
from sdjscc.observability.start import start_traces, traces_wanted

__all__ = ["command"]


@dataclass
class _Sent:
    """A file, and what became of it: a result or the sentence that says why there is none."""

    path: Path
    name: Path
    """The file's place below the folder it was found in; what is saved is named after it."""
    result: Result | None = None
    error: str = ""
    saved: Path | None = None


@click.command("send")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--server", default=DEFAULT_SERVER, envvar="SDJSCC_SERVER", show_default=True, help="The transmitter.")
@click.option(
    "--codec",
    default="",
    help="Codec, as `sdjscc codecs` lists them, such as webp+ldpc; left out, the transmitter's default.",
)
@click.option("--bpp", default=0.0, type=float, help="Rate in bits per pixel; left out, the codec's default.")
@click.option("--snr", "snr_db", type=float, help="SNR in dB; what the channel is set to where it is left out.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Seed of the noise, the same for every image.")
@click.option("--task", default="", help="Task at the receiver: imagenet or stl10; its default where it is left out.")
@click.option("--save", type=click.Path(path_type=Path, file_okay=False), help="Save received images here, as PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead of a table.")
@click.option("--parallel", default=4, type=click.IntRange(1, 64), show_default=True, help="Images under way.")
@click.option("--timeout", default=60.0, type=click.FloatRange(0, min_open=True), show_default=True, help="Seconds.")
@click.option("--otlp-endpoint", default="", help="Collector to send a trace of each image to; or OTEL_* variables.")
@connection_options
def command(
    paths: tuple[Path, ...],
    server: str,
    codec: str,
    bpp: float,
    snr_db: float | None,
    seed: int | None,
    task: str,
    save: Path | None,
    as_json: bool,
    parallel: int,
    timeout: float,
    otlp_endpoint: str,
    tls: TlsFiles,
    insecure: bool,
) -> None:
    """Send images, and all images in folders, over a running link.

    Prints what each became at the receiver. A separation codec below its cliff has no image to show: the table says so,
    and a stand-in is saved, the mean image of a training set. Exits with status 1 when any image failed; one that was
    lost on the channel has not.
    """
    if snr_db is not None:
        check_snr_db(snr_db)
    images = _find(paths)
    if save is not None:
        _make_folder(save)
    options = Options(codec=codec, bpp=bpp, snr_db=snr_db, seed=seed, task=task)
    with contextlib.ExitStack() as observing:
        if traces_wanted(otlp_endpoint):
            observing.callback(start_traces(otlp_endpoint, "client").close)
        asyncio.run(_send_all(images, server, options, save, parallel, timeout, tls, insecure))

    failed = [sent for sent in images if sent.result is None]
    if as_json:
        for sent in images:
            click.echo(json.dumps(_record(sent)))
    else:
        _print_table([sent for sent in images if sent.result is not None])
    for sent in failed:
        click.echo(f"error: {sent.path}: {sent.error}", err=True)
    if snr_db is not None and any(sent.result and not sent.result.conditions for sent in images):
        click.echo("warning: no channel was crossed, so no noise was added; point the transmitter at one", err=True)
    if failed:
        click.echo(f"{len(failed)} of {len(images)} images failed", err=True)
        raise SystemExit(1)


def _find(paths: Sequence[Path]) -> list[_Sent]:
    images: list[_Sent] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
            if not inside:
                raise InvalidRequest(f"the folder {path} holds no images; give one that does, or name files")
            images += [_Sent(p, p.relative_to(path)) for p in inside]
        elif path.exists():
            images.append(_Sent(path, Path(path.name)))
        else:
            raise InvalidRequest(f"there is no file or folder {path}")
    return images


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequest(f"the folder {folder} cannot be made: {error.strerror}") from error


async def _send_all(
    images: list[_Sent],
    server: str,
    options: Options,
    save: Path | None,
    parallel: int,
    timeout: float,
    tls: TlsFiles,
    insecure: bool,
) -> None:
    free = asyncio.Semaphore(parallel)
    targets = _targets(images, save)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("sending", total=len(images))
        connection = AsyncClient(server, timeout_s=timeout, tls=tls, insecure=insecure)
        async with connection as client, asyncio.TaskGroup() as group:

            async def send(sent: _Sent, target: Path | None) -> None:
                async with free:
                    try:
                        sent.result = await client.transmit(sent.path, **options)
                        if target is not None:
                            sent.saved = await asyncio.to_thread(_save, sent.result, target)
                    except SdjsccError as error:
                        sent.result, sent.error = None, str(error)
                progress.advance(bar)

            for sent, target in zip(images, targets, strict=True):
                group.create_task(send(sent, target))


def _targets(images: list[_Sent], save: Path | None) -> list[Path | None]:
    """Where each image is saved: under its own name, numbered where two would collide."""
    if save is None:
        return [None] * len(images)
    targets: list[Path | None] = []
    for sent in images:
        target, number = save / sent.name.with_suffix(".png"), 2
        while target in targets:
            target, number = save / sent.name.with_name(f"{sent.name.stem}-{number}.png"), number + 1
        targets.append(target)
    return targets


def _save(result: Result, target: Path) -> Path:
    assert result.image is not None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(result.image).save(target)
    except OSError as error:
        raise InvalidRequest(f"{target} cannot be written: {error.strerror}") from error
    return target


def _record(sent: _Sent) -> dict[str, object]:
    if sent.result is None:
        return {"image": str(sent.path), "error": sent.error}
    result = sent.result
    return {
        "image": str(sent.path),
        "outcome": result.outcome,
        "labels": [{"name": label.name, "probability": round(label.probability, 4)} for label in result.labels],
        "task": result.task,
        "psnr_db": result.psnr_db,
        "codec": result.codec,
        "bpp": result.bpp,
        "bits": result.bits,
        "channel_uses": result.channel_uses,
        "conditions": [vars(crossed) for crossed in result.conditions],
        "milliseconds": round(result.round_trip_ms, 2),
        "timings_ms": {stage: round(milliseconds, 3) for stage, milliseconds in result.timings_ms.items()},
        "request_id": result.request_id,
        "saved": str(sent.saved) if sent.saved else None,
    }


def _print_table(images: list[_Sent]) -> None:
    if not images:
        return
    table = Table()
    for title in ("image", "label"):
        table.add_column(title)
    for title in ("probability", "SNR dB", "PSNR dB", "bits", "ms"):
        table.add_column(title, justify="right")
    for sent in images:
        result = sent.result
        assert result is not None
        received = result.outcome == "received"
        label = result.labels[0]
        shown = label.name if received else f"({result.outcome})"
        snr = " + ".join(f"{crossed.snr_db:g}" for crossed in result.conditions) or "no channel"
        psnr = "" if result.psnr_db is None else f"{result.psnr_db:.2f}"
        row = (
            f"{100 * label.probability:.1f} %" if received else "",
            snr,
            psnr,
            str(result.bits),
            f"{result.round_trip_ms:.0f}",
        )
        table.add_row(str(sent.name), shown, *row)
    Console().print(table)
