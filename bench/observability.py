"""``python -m bench.observability``: what metrics and traces cost.

The same services run three times side by side, with neither, with metrics, and with traces; they are measured by turns.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import click
import grpc
import numpy as np
from rich.console import Console
from rich.progress import Progress

from bench.cases import SNR_DB, Case
from bench.cpu_time import cpu_s
from bench.link import ProcessOfItsOwn
from bench.machine import describe, sentence
from bench.options import out_option, repeats_option, seconds_option
from bench.report import short, table
from bench.results import results_in
from bench.sample import Spread
from deploy.local import LocalLink, ServiceProcess
from sdjscc.errors import SdjsccError
from sdjscc.v1.receiver_pb2 import ChannelRequest, ReceiveRequest, Transmission
from sdjscc.wire.options import channel_options
from sdjscc.wire.tensors import pack_bits

_RECEIVE = "/sdjscc.v1.ReceiverService/Receive"
_TRANSMIT = "/sdjscc.v1.TransmitterService/Transmit"
_IN_FLIGHT = 8
_SIZES = (96, 512)
_BPP = 0.25
_TIMEOUT_S = 60.0

_MODES = ("neither", "metrics", "traces")


@dataclass(frozen=True)
class _Measured:
    """One run."""

    calls_per_s: float
    cpu_ms: float
    """CPU time of the services for a call, milliseconds."""


@dataclass(frozen=True)
class _Subject:
    """Services in one mode, and what is sent to them."""

    server: str
    method: str
    pids: tuple[int, ...]
    requests: tuple[bytes, ...]

    def measure(self, client: ProcessOfItsOwn, seconds: float) -> _Measured:
        before = sum(map(cpu_s, self.pids))
        calls, took_s = client.run(_closed_loop, self.server, self.method, self.requests, seconds)
        return _Measured(calls / took_s, 1e3 * (sum(map(cpu_s, self.pids)) - before) / calls)


@click.command()
@out_option
@seconds_option("3s")
@repeats_option(9)
def main(out: Path, seconds: float, repeats: int) -> None:
    """Calls a second and CPU time with metrics and with traces, beside those with neither.

    Once of a channel in front of a receiver that only answers, and once of the whole link. Writes observability.json
    and the Markdown table observability.md.
    """
    with results_in(out, "observability") as write:
        with tempfile.TemporaryDirectory(prefix="sdjscc-") as folder, _answering() as stub:
            measured = {
                **_by_turns(_channels(Path(folder), stub), seconds, repeats),
                **_by_turns(_links(Path(folder), stub), seconds, repeats),
            }
        machine = describe()
        write(_summary(measured, machine), _markdown(measured, machine, seconds, repeats))


_Subjects = dict[str, dict[str, _Subject]]
"""By title and by mode."""
_Results = dict[str, dict[str, list[_Measured]]]


@contextmanager
def _channels(folder: Path, stub: str) -> Iterator[_Subjects]:
    """Channels in front of a stub."""
    with ExitStack() as stack:
        running: dict[str, ServiceProcess] = {}
        for mode in _MODES:
            flags = {"upstream": stub, "log-level": "warning"} | _flags(mode, stub)
            running[mode] = ServiceProcess("channel", folder / f"channel-{mode}.log", flags)
            stack.callback(running[mode].stop)
        for channel in running.values():
            channel.wait_serving()
        yield {
            f"channel alone, bits of {size}x{size}": {
                mode: _Subject(channel.address, _RECEIVE, (channel.process.pid,), (_transmission(size),))
                for mode, channel in running.items()
            }
            for size in _SIZES
        }


@contextmanager
def _links(folder: Path, stub: str) -> Iterator[_Subjects]:
    """Whole links."""
    case = Case(_SIZES[0], "png", "stl10")
    with ExitStack() as stack:
        running: dict[str, LocalLink] = {}
        for mode in _MODES:
            (folder / mode).mkdir()
            flags = {name: _flags(mode, stub) for name in ("transmitter", "channel", "receiver")}
            running[mode] = stack.enter_context(LocalLink(folder / mode, flags))
        yield {
            f"link, {case.title}": {
                mode: _Subject(
                    link.server,
                    _TRANSMIT,
                    tuple(service.process.pid for service in link.services.values()),
                    case.requests(),
                )
                for mode, link in running.items()
            }
        }


def _flags(mode: str, stub: str) -> dict[str, object]:
    if mode == "metrics":
        return {"metrics-listen": "127.0.0.1:0"}
    return {"otlp-endpoint": f"http://{stub}"} if mode == "traces" else {}


def _transmission(size: int) -> bytes:
    """A request whose bits are those of an image of ``size`` x ``size``."""
    shape = (16, size // 8, size // 8)
    bits = np.random.default_rng(0).integers(0, 2, shape, np.uint8)
    return ReceiveRequest(
        transmission=Transmission(
            codec="sd-jscc",
            bpp=_BPP,
            width=size,
            height=size,
            bit_shape=shape,
            constellation="unipolar-iq",
            bits=pack_bits(bits),
        ),
        channel=ChannelRequest(snr_db=SNR_DB),
    ).SerializeToString()


def _by_turns(subjects: AbstractContextManager[_Subjects], seconds: float, repeats: int) -> _Results:
    with subjects as titles, Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("measuring", total=len(titles) * len(_MODES) * repeats)
        client = ProcessOfItsOwn()
        try:
            results: _Results = {}
            for title, modes in titles.items():
                results[title] = {mode: [] for mode in modes}
                for subject in modes.values():
                    subject.measure(client, min(1.0, seconds))
                for number in range(repeats):
                    # Each is the first as often as the others are.
                    order = _MODES[number % len(_MODES) :] + _MODES[: number % len(_MODES)]
                    for mode in order:
                        results[title][mode].append(modes[mode].measure(client, seconds))
                        progress.advance(bar)
            return results
        finally:
            client.close()


def _ratios(measured: dict[str, list[_Measured]], mode: str) -> tuple[Spread, Spread]:
    """Rate and CPU time beside those with neither, of the pairs that were measured together."""
    pairs = list(zip(measured[mode], measured["neither"], strict=True))
    return (
        Spread.of(one.calls_per_s / other.calls_per_s for one, other in pairs),
        Spread.of(one.cpu_ms / other.cpu_ms for one, other in pairs),
    )


def _summary(measured: _Results, machine: dict[str, object]) -> dict[str, object]:
    figures = {
        title: {
            mode: {
                "calls_per_s": Spread.of(run.calls_per_s for run in runs).as_dict(),
                "cpu_ms": Spread.of(run.cpu_ms for run in runs).as_dict(),
                "rate_ratio": _ratios(modes, mode)[0].as_dict(),
                "cpu_ratio": _ratios(modes, mode)[1].as_dict(),
            }
            for mode, runs in modes.items()
        }
        for title, modes in measured.items()
    }
    return {"machine": machine, "measured": figures}


def _markdown(measured: _Results, machine: dict[str, object], seconds: float, repeats: int) -> str:
    intro = (
        f"Measured on: {sentence(machine)} {repeats} measurements of {seconds:g} s of each kind, by turns, "
        f"{_IN_FLIGHT} calls under way; median (least to greatest)."
    )
    rows = []
    for title, modes in measured.items():
        for mode, runs in modes.items():
            absolute = (Spread.of(run.calls_per_s for run in runs), Spread.of(run.cpu_ms for run in runs))
            ratios = [] if mode == "neither" else [spread.text("{:.2f}".format) for spread in _ratios(modes, mode)]
            rows.append([f"{title}, {mode}", *(spread.text(short) for spread in absolute), *(ratios or ["1", "1"])])
    head = ["what runs, with", "calls/s", "CPU time a call, ms", "rate, ratio", "CPU time, ratio"]
    return f"{intro}\n\n{table(head, rows)}\n"


def _closed_loop(server: str, method: str, requests: tuple[bytes, ...], seconds: float) -> tuple[int, float]:
    """Calls and the time they took, with several under way all the time; raises `SdjsccError` where one fails."""

    async def drive() -> tuple[int, float]:
        numbers = count()
        async with grpc.aio.insecure_channel(server, channel_options()) as channel:
            # No serializers: bytes go out and come back as they are.
            call = channel.unary_unary(method)
            begin = time.perf_counter()

            async def caller() -> int:
                calls = 0
                while time.perf_counter() < begin + seconds:
                    await call(requests[next(numbers) % len(requests)], timeout=_TIMEOUT_S)
                    calls += 1
                return calls

            try:
                return sum(await asyncio.gather(*[caller() for _ in range(_IN_FLIGHT)])), time.perf_counter() - begin
            except grpc.aio.AioRpcError as error:
                raise SdjsccError(f"a call to {server} failed: {error.code().name}: {error.details()}") from None

    return asyncio.run(drive())


class _Anything(grpc.GenericRpcHandler):
    """Answers every call with an empty message: a receiver, and a collector of traces."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        # Who is told that there are no health checks calls all the same; an empty answer to one says "not serving".
        if handler_call_details.method.startswith("/grpc.health."):
            return None

        async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


def _answer(address: Connection) -> None:
    async def serve() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Anything(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        address.send(f"127.0.0.1:{port}")
        await server.wait_for_termination()

    asyncio.run(serve())


@contextmanager
def _answering() -> Iterator[str]:
    """Address of a process that answers everything."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_answer, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


if __name__ == "__main__":
    main()
