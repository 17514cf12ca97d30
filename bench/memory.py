"""``python -m bench.memory``: does the memory of the services stay flat?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from bench.cases import Case
from bench.echo import TRANSMIT, call_for, echo
from bench.hops import payload_of
from bench.link import ProcessOfItsOwn
from bench.machine import describe_without_codec, sentence
from bench.options import out_option
from bench.report import table
from bench.results import results_in
from deploy.local import LocalLink, ServiceProcess
from sdjscc.errors import SdjsccError

_VALUES = 2304
_IN_FLIGHT = 8
_STEPS = 10

Resident = dict[str, list[float]]
"""Resident memory of each process, 10^6 bytes: before, and after each tenth of the requests."""


@click.command()
@click.option(
    "--requests",
    type=click.IntRange(_STEPS),
    default=100_000,
    show_default=True,
    help="Small requests through a channel before a stub of the receiver.",
)
@click.option(
    "--chain-requests",
    type=click.IntRange(_STEPS),
    default=10_000,
    show_default=True,
    help="Images of 96x96 pixels through transmitter, channel and receiver.",
)
@out_option
def main(requests: int, chain_requests: int, out: Path) -> None:
    """Resident memory over many requests: of the channel alone, and of the three services. Writes memory.json and
    memory.md."""
    with results_in(out, "memory") as write:
        runs = [(requests, _channel(requests)), (chain_requests, _chain(chain_requests))]
        machine = describe_without_codec()
        result = [{"requests": count, "resident_mb": resident} for count, resident in runs]
        write({"machine": machine, "runs": result}, _markdown(runs, sentence(machine)))


def _channel(requests: int) -> Resident:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sdjscc-")))
        stub = stack.enter_context(echo(folder))
        channel = ServiceProcess("channel", folder / "channel.log", {"upstream": stub.address, "log-level": "warning"})
        stack.callback(channel.stop)
        channel.wait_serving()
        payload = payload_of(_VALUES).bits

        def send(client: ProcessOfItsOwn, count: int) -> None:
            client.run(call_for, channel.address, payload, _IN_FLIGHT, calls=count)

        return _resident({"channel alone": channel.process.pid}, requests, send)


def _chain(requests: int) -> Resident:
    payload = Case(96, "png", "stl10").requests()[0]
    with LocalLink(flags={name: {"log-level": "warning"} for name in ("transmitter", "channel", "receiver")}) as link:

        def send(client: ProcessOfItsOwn, count: int) -> None:
            client.run(call_for, link.server, payload, _IN_FLIGHT, calls=count, method=TRANSMIT)

        return _resident({name: service.process.pid for name, service in link.services.items()}, requests, send)


def _resident(pids: Mapping[str, int], requests: int, send: Callable[[ProcessOfItsOwn, int], None]) -> Resident:
    resident: Resident = {name: [_resident_mb(pid)] for name, pid in pids.items()}
    client = ProcessOfItsOwn()
    try:
        for _ in track(range(_STEPS), f"{requests} requests", console=Console(stderr=True), transient=True):
            send(client, requests // _STEPS)
            for name, pid in pids.items():
                resident[name].append(_resident_mb(pid))
    finally:
        client.close()
    return resident


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SdjsccError(f"process {pid} has ended")


def _markdown(runs: Sequence[tuple[int, Resident]], machine: str) -> str:
    shares = [f"{step / _STEPS:.0%}" for step in range(_STEPS + 1)]
    rows = [
        (name, f"{requests}", *(f"{mb:.1f}" for mb in resident))
        for requests, run in runs
        for name, resident in run.items()
    ]
    note = f"Measured on: {machine} Resident memory in MB (10^6 bytes) after that share of the requests, 8 under way."
    return f"{note}\n\n{table(('process', 'requests', *shares), rows)}\n"


if __name__ == "__main__":
    main()
