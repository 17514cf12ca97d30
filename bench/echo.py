"""The least that gRPC can be asked to do: a server that answers every call with the same bytes, and a client to it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from sdjscc.errors import SdjsccError
from sdjscc.v1.receiver_pb2 import Label, ReceiveBatchResponse, ReceiveResponse, ReceiveResult, StageTiming
from sdjscc.wire.options import DEFAULT_MAX_MESSAGE_BYTES, channel_options, server_options

__all__ = ["RECEIVE", "RECEIVE_BATCH", "TRANSMIT", "Echo", "Run", "call_for", "echo"]

RECEIVE = "/sdjscc.v1.ReceiverService/Receive"
RECEIVE_BATCH = "/sdjscc.v1.ReceiverService/ReceiveBatch"
TRANSMIT = "/sdjscc.v1.TransmitterService/Transmit"
_TIMEOUT_S = 60.0
_STARTUP_S = 30.0
_NOISE = "channel/noise"


@dataclass(frozen=True)
class Echo:
    """A running server."""

    address: str
    pid: int


@dataclass(frozen=True)
class Run:
    """What a client saw."""

    calls: int
    seconds: float
    latencies_ms: tuple[float, ...]
    noise_ms: tuple[float, ...]
    """What a channel on the way says that its noise took, in all images of a call, of those calls that crossed one."""


@contextmanager
def echo(folder: Path, images: int = 1) -> Iterator[Echo]:
    """A stub of the receiver in a process of its own: it reads nothing of what it gets, and answers every batch as one
    of so many ``images``."""
    file = folder / f"echo-{images}.address"
    command = [sys.executable, "-m", "bench.echo", str(file), str(images)]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent) as process:
        try:
            deadline = time.monotonic() + _STARTUP_S
            while not (file.exists() and file.read_text()):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SdjsccError("the echo server did not come up")
                time.sleep(0.02)
            yield Echo(file.read_text(), process.pid)
        finally:
            process.terminate()


def call_for(
    address: str, payload: bytes, in_flight: int, seconds: float = 0.0, calls: int = 0, method: str = RECEIVE
) -> Run:
    """Send ``payload`` again and again, ``in_flight`` at a time, for ``seconds``, or ``calls`` times where given.

    The bytes go out as they are. Raises `SdjsccError` where a call fails.
    """

    async def drive() -> Run:
        latencies: list[float] = []
        noise: list[float] = []
        async with grpc.aio.insecure_channel(address, channel_options()) as channel:
            receive = channel.unary_unary(method)
            await receive(payload, timeout=_TIMEOUT_S)
            begin = time.perf_counter()
            begun = 0

            async def caller() -> None:
                nonlocal begun
                while (begun < calls) if calls else (time.perf_counter() < begin + seconds):
                    begun += 1
                    start = time.perf_counter()
                    answer = await receive(payload, timeout=_TIMEOUT_S)
                    latencies.append(1e3 * (time.perf_counter() - start))
                    noise.extend(_noise_ms(answer, method))

            await asyncio.gather(*[caller() for _ in range(in_flight)])
        return Run(len(latencies), time.perf_counter() - begin, tuple(latencies), tuple(noise))

    try:
        return asyncio.run(drive())
    except grpc.aio.AioRpcError as error:
        raise SdjsccError(f"a call failed: {error.details()}") from None


def _noise_ms(answer: bytes, method: str) -> list[float]:
    # The echo's own answer is not parsed: that would be charged to it.
    if method not in (RECEIVE, RECEIVE_BATCH) or _NOISE.encode() not in answer:
        return []
    if method == RECEIVE:
        responses = [ReceiveResponse.FromString(answer)]
    else:
        responses = [result.response for result in ReceiveBatchResponse.FromString(answer).results]
    crossed = [timing for response in responses for timing in response.timings if timing.stage == _NOISE]
    return [sum(timing.milliseconds for timing in crossed)]


_ANSWER = ReceiveResponse(
    labels=[Label(name="echo", probability=1.0)], timings=[StageTiming(stage="receiver/decode", milliseconds=1.0)]
)


async def _serve(file: Path, images: int) -> None:
    single = _ANSWER.SerializeToString()
    batch = ReceiveBatchResponse(results=images * [ReceiveResult(response=_ANSWER)]).SerializeToString()

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return single

    async def answer_batch(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return batch

    server = grpc.aio.server(options=server_options(DEFAULT_MAX_MESSAGE_BYTES))
    service, _, method = RECEIVE[1:].partition("/")
    handlers = {
        method: grpc.unary_unary_rpc_method_handler(answer),
        RECEIVE_BATCH.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(answer_batch),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    file.write_text(f"127.0.0.1:{port}")
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
