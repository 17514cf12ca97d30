"""``python -m bench.quota``: a receiver that a cgroup limits to half a core, beside one that has a whole core."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import track

from bench.cases import squares
from bench.cpu_time import cpu_s
from bench.echo import call_for
from bench.link import ProcessOfItsOwn
from bench.machine import describe, sentence
from bench.report import short, table
from bench.sample import Spread
from deploy.local import ServiceProcess
from sdjscc.cli.options import Duration
from sdjscc.codecs import CodecRegistry
from sdjscc.errors import SdjsccError
from sdjscc.v1.receiver_pb2 import Delivery, ReceiveRequest
from transmitter.service import transmission_of

__all__ = ["Share", "cpu_quota"]

_MOUNTS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
_PERIOD_US = 100_000
_IN_FLIGHT = 4
_SIZE = 96


class Share:
    """A control group that may use a share of a core."""

    def __init__(self, group: Path) -> None:
        self._group = group

    def add(self, pid: int) -> None:
        """Move a process, all threads it has, into the group."""
        (self._group / "cgroup.procs").write_text(str(pid))


@contextmanager
def cpu_quota(cores: float, name: str = "sdjscc") -> Iterator[Share]:
    """A new control group with a quota of ``cores``, version 1 or 2; raises `SdjsccError` where none can be made. What
    was put into it must have ended when the block ends."""
    mount = next((mount for mount in _MOUNTS if _can_limit(mount)), None)
    if mount is None:
        raise SdjsccError("there is no cgroup with a cpu controller here; run this as root on Linux")
    group = mount / name
    try:
        group.mkdir()
    except OSError as error:
        raise SdjsccError(f"no cgroup can be made under {mount}: {error.strerror}; run this as root") from error
    try:
        quota_us = round(cores * _PERIOD_US)
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        yield Share(group)
    except OSError as error:
        raise SdjsccError(f"{group} cannot be set: {error.strerror}; run this as root") from error
    finally:
        group.rmdir()


def _can_limit(mount: Path) -> bool:
    controllers = mount / "cgroup.subtree_control"
    return (mount / "cpu.cfs_quota_us").exists() or (controllers.exists() and "cpu" in controllers.read_text().split())


@dataclass(frozen=True)
class Row:
    """One way of running the receiver."""

    cores: float
    threads: Literal["by the quota", "2"]
    images_per_s: Spread
    cpu_ms: Spread
    """Of an image."""


@click.command()
@click.option("--seconds", type=Duration(), default="5s", show_default=True, help="Length of one measurement.")
@click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True, help="Measurements of one kind.")
@click.option(
    "--out", type=click.Path(path_type=Path), default="bench-results", show_default=True, help="Folder of the results."
)
def main(seconds: float, repeats: int, out: Path) -> None:
    """Images of 96x96 pixels a second through a receiver that a cgroup limits to half a core and to one, with as many
    threads as the quota says, and with two all the same. Needs root and Linux. Writes quota.json and quota.md."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        rows = _measure(seconds, repeats)
        machine = describe()
        result = {"machine": machine, "rows": [asdict(row) for row in rows]}
        (out / "quota.json").write_text(json.dumps(result, indent=1))
        text = _markdown(rows, sentence(machine), seconds, repeats)
        (out / "quota.md").write_text(text)
    except SdjsccError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written ({error.strerror}); give another --out") from error
    Console().print(Markdown(text))


def _measure(seconds: float, repeats: int) -> list[Row]:
    request = _request()
    client = ProcessOfItsOwn()
    ways: tuple[tuple[float, int], ...] = ((1.0, 0), (0.5, 0), (0.5, 2))
    rates: dict[tuple[float, int], list[tuple[float, float]]] = {way: [] for way in ways}
    try:
        for _ in track(range(repeats), "measuring", console=Console(stderr=True), transient=True):
            for cores, threads in ways:
                with tempfile.TemporaryDirectory(prefix="sdjscc-") as folder, cpu_quota(cores) as share:
                    flags = {"threads": threads, "log-level": "warning"}
                    receiver = ServiceProcess("receiver", Path(folder) / "log", flags)
                    try:
                        share.add(receiver.process.pid)
                        receiver.wait_serving()
                        client.run(call_for, receiver.address, request, _IN_FLIGHT, calls=2 * _IN_FLIGHT)
                        before = cpu_s(receiver.process.pid)
                        run = client.run(call_for, receiver.address, request, _IN_FLIGHT, seconds)
                        cpu_ms = 1e3 * (cpu_s(receiver.process.pid) - before) / run.calls
                        rates[cores, threads].append((run.calls / run.seconds, cpu_ms))
                    finally:
                        receiver.stop()
    finally:
        client.close()
    return [
        Row(
            cores,
            "2" if threads else "by the quota",
            Spread.of(rate for rate, _ in found),
            Spread.of(cpu_ms for _, cpu_ms in found),
        )
        for (cores, threads), found in rates.items()
    ]


def _request() -> bytes:
    codec = CodecRegistry().load()
    bits = codec.encode(squares(_SIZE)[0][None])[0]
    transmission = transmission_of(codec, bits, (_SIZE, _SIZE))
    return ReceiveRequest(transmission=transmission, delivery=Delivery(task="stl10")).SerializeToString()


def _markdown(rows: list[Row], machine: str, seconds: float, repeats: int) -> str:
    whole = rows[0].images_per_s.median
    return "\n\n".join(
        (
            f"Measured on: {machine} {repeats} measurements of {seconds:g} s of each kind, by turns; median (least to "
            "greatest).",
            table(
                ("quota, cores", "threads", "images/s", "over its share of one core's", "CPU time an image, ms"),
                [
                    (
                        f"{row.cores:g}",
                        row.threads,
                        row.images_per_s.text(short),
                        f"{row.images_per_s.median / (row.cores * whole):.2f}",
                        row.cpu_ms.text(short),
                    )
                    for row in rows
                ],
            ),
        )
    )


if __name__ == "__main__":
    main()
