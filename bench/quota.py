"""``python -m bench.quota``: what half a core does beside a whole one, to a receiver and to its networks alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from bench.cases import SNR_DB, squares
from bench.cpu_time import cpu_s
from bench.echo import call_for
from bench.link import ProcessOfItsOwn
from bench.machine import describe, sentence
from bench.options import out_option, repeats_option, seconds_option
from bench.report import how_measured, over, table
from bench.results import results_in
from bench.sample import Spread
from deploy.local import ServiceProcess
from sdjscc.channels import noise_power
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.engines import select
from sdjscc.errors import SdjsccError
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import Classifier, predict_all
from sdjscc.v1.receiver_pb2 import Delivery, ReceiveRequest
from transmitter.service import transmission_of

__all__ = ["Share", "cpu_quota"]

_MOUNTS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
_PERIOD_US = 100_000
_IN_FLIGHT = 4
_SIZE, _TASK = 96, "stl10"
_WARM_UP_S, _SETTLING_S = 4.0, 0.5


class Share:
    """A control group that may use a share of a core."""

    def __init__(self, group: Path) -> None:
        self._group = group

    def allow(self, cores: float) -> None:
        """From now on it may use so many cores."""
        quota_us = round(cores * _PERIOD_US)
        if (self._group / "cpu.max").exists():
            (self._group / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
        else:
            (self._group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (self._group / "cpu.cfs_quota_us").write_text(str(quota_us))

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
        share = Share(group)
        share.allow(cores)
        yield share
    except OSError as error:
        raise SdjsccError(f"{group} cannot be set: {error.strerror}; run this as root") from error
    finally:
        group.rmdir()


def _can_limit(mount: Path) -> bool:
    controllers = mount / "cgroup.subtree_control"
    return (mount / "cpu.cfs_quota_us").exists() or (controllers.exists() and "cpu" in controllers.read_text().split())


@dataclass(frozen=True)
class Turn:
    """One measurement with a whole core, and the one after it with half."""

    whole_per_s: float
    half_per_s: float
    whole_cpu_ms: float
    """Of an image."""
    half_cpu_ms: float

    @property
    def share(self) -> float:
        """Rate of half a core over half the rate of one."""
        return 2 * self.half_per_s / self.whole_per_s


@dataclass(frozen=True)
class Way:
    """One way of doing the receiver's work."""

    title: str
    threads: int = 0
    """Of the receiver; 0 as many as the quota says."""
    alone: int = 0
    """Images at a time, where the networks run without a service around them."""


_WAYS = (
    Way("receiver, as many threads as the quota says"),
    Way("receiver, 2 threads", threads=2),
    *(Way(f"its networks alone, {together} at a time", alone=together) for together in (1, 2, 4)),
)

Rate = Callable[[float], float]
"""Measures so many seconds, and returns images a second."""


@click.command()
@seconds_option("1s")
@repeats_option(12)
@out_option
def main(seconds: float, repeats: int, out: Path) -> None:
    """Images of 96x96 pixels a second through a receiver that a cgroup limits to one core and to half of one by turns,
    with as many threads as the quota says, and with two all the same; and what its networks do with half a core and no
    service around them. Needs root and Linux. Writes quota.json and quota.md."""
    with results_in(out, "quota") as write:
        ways = track(_WAYS, "measuring", console=Console(stderr=True), transient=True)
        measured = {way: _turns(way, seconds, repeats) for way in ways}
        machine = describe()
        rows = [{**asdict(way), "turns": [asdict(turn) for turn in turns]} for way, turns in measured.items()]
        write({"machine": machine, "rows": rows}, _markdown(measured, sentence(machine), seconds, repeats))


def _turns(way: Way, seconds: float, repeats: int) -> list[Turn]:
    with cpu_quota(1.0) as share, _at_work(way, share) as (pid, rate):
        rate(_WARM_UP_S)

        def measure(cores: float) -> tuple[float, float]:
            share.allow(cores)
            rate(_SETTLING_S)
            before, begin = cpu_s(pid), time.perf_counter()
            per_s = rate(seconds)
            return per_s, 1e3 * (cpu_s(pid) - before) / (per_s * (time.perf_counter() - begin))

        turns = []
        for _ in range(repeats):
            (whole_per_s, whole_cpu_ms), (half_per_s, half_cpu_ms) = measure(1.0), measure(0.5)
            turns.append(Turn(whole_per_s, half_per_s, whole_cpu_ms, half_cpu_ms))
        return turns


@contextmanager
def _at_work(way: Way, share: Share) -> Iterator[tuple[int, Rate]]:
    """A process in the group, by its id, and how to measure it."""
    process = ProcessOfItsOwn()
    try:
        if way.alone:
            share.add(process.pid)
            yield process.pid, lambda seconds: process.run(_alone, way.alone, seconds)
            return
        request = _request()
        with tempfile.TemporaryDirectory(prefix="sdjscc-") as folder:
            flags = {"threads": way.threads, "log-level": "warning"}
            receiver = ServiceProcess("receiver", Path(folder) / "log", flags)
            try:
                share.add(receiver.process.pid)
                receiver.wait_serving()

                def rate(seconds: float) -> float:
                    run = process.run(call_for, receiver.address, request, _IN_FLIGHT, seconds)
                    return run.calls / run.seconds

                yield receiver.process.pid, rate
            finally:
                receiver.stop()
    finally:
        process.close()


def _alone(together: int, seconds: float) -> float:
    """Images a second that are decoded and classified ``together`` by one thread, and nothing else."""
    codec, classifier = _networks()
    bits = codec.encode(np.stack(together * [squares(_SIZE)[0]]))
    symbols = np.stack([codec.constellation.modulate(of_one.reshape(-1)) for of_one in bits])
    noise = np.full(together, noise_power(SNR_DB))
    done, begin = 0, time.perf_counter()
    while (now := time.perf_counter()) < begin + seconds:
        predict_all(classifier, codec.decode(symbols, (_SIZE, _SIZE), noise), 1)
        done += together
    return done / (now - begin)


@cache
def _networks() -> tuple[Codec, Classifier]:
    torch.set_num_threads(1)
    engine = select("auto", 1)
    return CodecRegistry(engine=engine).load(), get_classifier(_TASK, engine)


def _request() -> bytes:
    codec = CodecRegistry().load()
    bits = codec.encode(squares(_SIZE)[0][None])[0]
    transmission = transmission_of(codec, bits, (_SIZE, _SIZE))
    return ReceiveRequest(transmission=transmission, delivery=Delivery(task=_TASK)).SerializeToString()


def _markdown(measured: Mapping[Way, Sequence[Turn]], machine: str, seconds: float, repeats: int) -> str:
    return "\n\n".join(
        (
            how_measured(machine, repeats, seconds),
            table(
                (
                    "",
                    "one core, images/s",
                    "half a core, images/s",
                    "over half of one core's",
                    "CPU time an image, one core, ms",
                    "half a core, ms",
                ),
                [
                    (
                        way.title,
                        over(turns, lambda turn: turn.whole_per_s),
                        over(turns, lambda turn: turn.half_per_s),
                        Spread.of(turn.share for turn in turns).text(lambda share: f"{share:.2f}"),
                        over(turns, lambda turn: turn.whole_cpu_ms),
                        over(turns, lambda turn: turn.half_cpu_ms),
                    )
                    for way, turns in measured.items()
                ],
            ),
        )
    )


if __name__ == "__main__":
    main()
