"""The least that gRPC can be asked to do: a server that answers every call with the same bytes, and a client to it."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.apart import Apart, apart, serve
from sdjscc.errors import SdjsccError
from sdjscc.v1.receiver_pb2 import Label, ReceiveBatchResponse, ReceiveResponse, ReceiveResult, StageTiming
from sdjscc.wire.options import channel_options

__all__ = ["RECEIVE", "RECEIVE_BATCH", "TRANSMIT", "Run", "call_for", "echo"]

RECEIVE = "/sdjscc.v1.ReceiverService/Receive"
RECEIVE_BATCH = "/sdjscc.v1.ReceiverService/ReceiveBatch"
TRANSMIT = "/sdjscc.v1.TransmitterService/Transmit"
_TIMEOUT_S = 60.0
_NOISE = "channel/noise"


@dataclass(frozen=True)
class Run:
    """What a client saw."""

    calls: int
    seconds: float
    latencies_ms: tuple[float, ...]
    noise_ms: tuple[float, ...]
    """What a channel on the way says that its noise took, in all images of a call, of those calls that crossed one."""


def echo(folder: Path, images: int = 1) -> AbstractContextManager[Apart]:
    """A stub of the receiver: it reads nothing of what it gets, and answers every batch as one of so many
    ``images``."""
    return apart("bench.echo", folder / f"echo-{images}.address", str(images))


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

    await serve(file, {RECEIVE: answer, RECEIVE_BATCH: answer_batch})


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
