"""``python -m bench.tls``: what mutual TLS costs a hop, beside plaintext."""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import click
import grpc
import numpy as np
from rich.console import Console
from rich.progress import track

from bench.cpu_time import cpu_s
from bench.machine import describe_without_codec, sentence
from bench.options import out_option, repeats_option
from bench.report import short, table
from bench.results import results_in
from bench.sample import Spread
from sdjscc.cli.dev_ca import command as dev_ca
from sdjscc.serving.tls import server_credentials
from sdjscc.wire.options import DEFAULT_MAX_MESSAGE_BYTES, Options, channel_options, server_options
from sdjscc.wire.tls import PLAINTEXT, TlsFiles, open_aio_channel

_METHOD = "/bench.Echo/Echo"
_BYTES = (4_000, 600_000)
_NAME = "echo"

# Each connection its own: gRPC shares those of one process to one address otherwise.
_OWN_CONNECTION: Options = [("grpc.use_local_subchannel_pool", 1)]

# Makes calls to a target and returns the seconds that each took.
Run = Callable[[str, TlsFiles], Awaitable[list[float]]]


@dataclass(frozen=True)
class Row:
    """One kind of work. Milliseconds of a measurement are its median call's, CPU time its mean call's; a ratio is of
    two neighbours in time."""

    work: str
    plain_ms: Spread
    tls_ms: Spread
    ratio: Spread
    plain_cpu_ms: Spread
    """CPU time of both sides."""
    tls_cpu_ms: Spread
    cpu_ratio: Spread


@click.command()
@click.option("--calls", type=click.IntRange(10), default=300, show_default=True, help="Calls a measurement.")
@click.option(
    "--connections", type=click.IntRange(10), default=100, show_default=True, help="Connections a measurement."
)
@repeats_option(9)
@out_option
def main(calls: int, connections: int, repeats: int, out: Path) -> None:
    """Echoes of one client, one at a time, between two processes of this machine: in plaintext and with mutual TLS, by
    turns. Messages of 4 kB and 600 kB on one connection, and connections made for one small message each.

    Writes tls.json and tls.md.
    """
    with results_in(out, "tls") as write:
        rows = asyncio.run(_measure(calls, connections, repeats))
        machine = describe_without_codec()
        settings = {"calls": calls, "connections": connections, "repeats": repeats}
        result = {"machine": machine, "settings": settings, "rows": [asdict(row) for row in rows]}
        write(result, _markdown(rows, machine, settings))


async def _measure(calls: int, connections: int, repeats: int) -> list[Row]:
    works: dict[str, Run] = {
        **{f"echo of {size / 1e3:g} kB": partial(_echoes, size=size, calls=calls) for size in _BYTES},
        "connection and one echo of 4 kB": partial(_connections, connections=connections),
    }
    with tempfile.TemporaryDirectory(prefix="sdjscc-") as folder:
        dev_ca.main([folder, "--host", _NAME], standalone_mode=False)
        tls = TlsFiles(*(Path(folder, _NAME, name) for name in ("ca.crt", "tls.crt", "tls.key")))
        # Started anew, not forked: gRPC does not survive a fork.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        server = context.Process(target=_serve, args=(theirs, tls), daemon=True)
        server.start()
        try:
            plain_target, tls_target = await asyncio.to_thread(ours.recv)
            ways = ((plain_target, PLAINTEXT), (tls_target, tls))
            return [await _row(work, run, ways, server.pid or 0, repeats) for work, run in works.items()]
        finally:
            server.kill()
            server.join()


async def _row(work: str, run: Run, ways: tuple[tuple[str, TlsFiles], ...], server_pid: int, repeats: int) -> Row:
    for target, tls in ways:
        await run(target, tls)
    wall_ms: list[list[float]] = [[], []]
    cpu_ms: list[list[float]] = [[], []]
    for number in track(range(repeats), work, console=Console(stderr=True), transient=True):
        # First one, then the other, by turns, so that a machine that slows down favours neither.
        for way in (0, 1) if number % 2 == 0 else (1, 0):
            server_begin, begin = cpu_s(server_pid), time.process_time()
            seconds = await run(*ways[way])
            spent = time.process_time() - begin + cpu_s(server_pid) - server_begin
            wall_ms[way].append(1e3 * float(np.median(seconds)))
            cpu_ms[way].append(1e3 * spent / len(seconds))
    ratio, cpu_ratio = (
        Spread.of(with_tls / plain for plain, with_tls in zip(*both, strict=True)) for both in (wall_ms, cpu_ms)
    )
    return Row(
        work, Spread.of(wall_ms[0]), Spread.of(wall_ms[1]), ratio, Spread.of(cpu_ms[0]), Spread.of(cpu_ms[1]), cpu_ratio
    )


async def _echoes(target: str, tls: TlsFiles, size: int, calls: int) -> list[float]:
    async with open_aio_channel(target, [*channel_options(), *_OWN_CONNECTION], tls) as channel:
        return [await _echo(channel, bytes(size)) for _ in range(calls)]


async def _connections(target: str, tls: TlsFiles, connections: int) -> list[float]:
    seconds = []
    for _ in range(connections):
        begin = time.perf_counter()
        async with open_aio_channel(target, [*channel_options(), *_OWN_CONNECTION], tls) as channel:
            await _echo(channel, bytes(_BYTES[0]))
            seconds.append(time.perf_counter() - begin)
    return seconds


async def _echo(channel: grpc.aio.Channel, message: bytes) -> float:
    begin = time.perf_counter()
    answer = await channel.unary_unary(_METHOD)(message)
    assert len(answer) == len(message)
    return time.perf_counter() - begin


def _serve(addresses: Connection, tls: TlsFiles) -> None:
    async def answer(message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return message

    async def serve() -> None:
        server = grpc.aio.server(options=server_options(DEFAULT_MAX_MESSAGE_BYTES))
        service, method = _METHOD.strip("/").split("/")
        handlers = {method: grpc.unary_unary_rpc_method_handler(answer)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        plain = server.add_insecure_port("127.0.0.1:0")
        secure = server.add_secure_port("127.0.0.1:0", server_credentials(tls, certified_clients=True))
        await server.start()
        addresses.send((f"127.0.0.1:{plain}", f"127.0.0.1:{secure}"))
        await server.wait_for_termination()

    asyncio.run(serve())


def _markdown(rows: list[Row], machine: dict[str, object], settings: dict[str, int]) -> str:
    header = ("", "plaintext, ms", "mutual TLS, ms", "ratio", "plaintext, CPU ms", "mutual TLS, CPU ms", "CPU ratio")
    lines = [
        (
            row.work,
            row.plain_ms.text(short),
            row.tls_ms.text(short),
            row.ratio.text(short),
            row.plain_cpu_ms.text(short),
            row.tls_cpu_ms.text(short),
            row.cpu_ratio.text(short),
        )
        for row in rows
    ]
    return (
        f"Measured on: {sentence(machine)} {settings['repeats']} measurements of {settings['calls']} calls or "
        f"{settings['connections']} connections of each, by turns; median (least to greatest).\n\n"
        f"{table(header, lines)}\n"
    )


if __name__ == "__main__":
    main()
