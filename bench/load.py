"""A client that sends prepared bytes and looks for nothing but failures: its work counts against the same cores."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc

from bench import loops
from bench.cases import Case
from bench.loops import Timed
from sdjscc.client.errors import link_error
from sdjscc.client.messages import TRANSMIT, TRANSMIT_BATCH
from sdjscc.errors import SdjsccError
from sdjscc.v1.transmitter_pb2 import TransmitBatchResponse
from sdjscc.wire.options import channel_options

__all__ = ["Calls", "closed_loop", "open_loop"]

_TIMEOUT_S = 120.0
_MAX_MESSAGE_BYTES = 32 * 2**20

Send = Callable[[int], Awaitable[object]]
Note = Callable[[Timed[object]], None]


@dataclass(frozen=True)
class Calls:
    """What a client saw. Times are of one event loop's clock, seconds."""

    begin_s: float
    """When the first call was due."""
    times_s: tuple[tuple[float, float], ...]
    """When each call was due and when its answer was there."""


def closed_loop(server: str, case: Case, in_flight: int, seconds: float) -> Calls:
    """For ``seconds``, begin a call whenever one of ``in_flight`` ends. Raises `SdjsccError` where one fails."""
    return _timed(server, case, lambda send, note: loops.closed_loop(send, in_flight, seconds, note))


def open_loop(server: str, case: Case, rate_per_s: float, seconds: float) -> Calls:
    """Begin calls at equal distances whatever became of those before; latency counts from when a call was due."""
    due_after_s = [number / rate_per_s for number in range(max(1, round(rate_per_s * seconds)))]
    return _timed(server, case, lambda send, note: loops.open_loop(send, due_after_s, note))


def _timed(server: str, case: Case, loop: Callable[[Send, Note], Awaitable[float]]) -> Calls:
    times: list[tuple[float, float]] = []

    def note(timed: Timed[object]) -> None:
        times.append((timed.due_s, timed.done_s))

    async def drive() -> Calls:
        async with grpc.aio.insecure_channel(server, channel_options(_MAX_MESSAGE_BYTES)) as channel:
            # No serializers: bytes go out and come back as they are.
            transmit = channel.unary_unary(TRANSMIT if case.per_call == 1 else TRANSMIT_BATCH)
            requests = case.requests()

            async def send(number: int) -> object:
                try:
                    answer: bytes = await transmit(requests[number % len(requests)], timeout=_TIMEOUT_S)
                except grpc.aio.AioRpcError as error:
                    # A plain error: a `LinkError` does not survive the way back from a process of its own.
                    raise SdjsccError(str(link_error(error, server, "", _TIMEOUT_S))) from None
                if case.per_call > 1:
                    _check(answer)
                return answer

            await send(0)
            return Calls(await loop(send, note), tuple(times))

    try:
        return asyncio.run(drive())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


def _check(answer: bytes) -> None:
    # Of a batch an image may have failed though the call has not.
    for result in TransmitBatchResponse.FromString(answer).results:
        if result.HasField("failure"):
            raise SdjsccError(f"an image failed: {result.failure.message}")
