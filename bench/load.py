"""A client that sends prepared bytes and looks at no answer: its own work counts against the same cores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

import grpc

from bench.cases import Case
from sdjscc.client.errors import link_error
from sdjscc.errors import SdjsccError
from sdjscc.wire.options import channel_options

__all__ = ["Calls", "closed_loop", "open_loop"]

_METHOD = "/sdjscc.v1.TransmitterService/Transmit"
_TIMEOUT_S = 120.0
_MAX_MESSAGE_BYTES = 32 * 2**20

Send = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class Calls:
    """What a client saw. Times are of ``time.perf_counter``, seconds."""

    begin_s: float
    """When the first call was due."""
    times_s: tuple[tuple[float, float], ...]
    """When each call was due and when its answer was there."""


def closed_loop(server: str, case: Case, in_flight: int, seconds: float) -> Calls:
    """For ``seconds``, begin a call whenever one of ``in_flight`` ends. Raises `SdjsccError` where one fails."""

    async def drive(send: Send) -> Calls:
        numbers = count()
        times: list[tuple[float, float]] = []
        begin = time.perf_counter()

        async def caller() -> None:
            while (start := time.perf_counter()) < begin + seconds:
                await send(next(numbers))
                times.append((start, time.perf_counter()))

        await asyncio.gather(*[caller() for _ in range(in_flight)])
        return Calls(begin, tuple(times))

    return asyncio.run(_with_connection(server, case, drive))


def open_loop(server: str, case: Case, rate_per_s: float, seconds: float) -> Calls:
    """Begin calls at equal distances whatever became of those before; latency counts from when a call was due."""

    async def drive(send: Send) -> Calls:
        begin = time.perf_counter()

        async def call(number: int) -> tuple[float, float]:
            due = begin + number / rate_per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await send(number)
            return due, time.perf_counter()

        return Calls(begin, tuple(await asyncio.gather(*[call(n) for n in range(max(1, round(rate_per_s * seconds)))])))

    return asyncio.run(_with_connection(server, case, drive))


async def _with_connection(server: str, case: Case, drive: Callable[[Send], Awaitable[Calls]]) -> Calls:
    requests = case.requests()
    async with grpc.aio.insecure_channel(server, channel_options(_MAX_MESSAGE_BYTES)) as channel:
        # No serializers: bytes go out and come back as they are.
        transmit = channel.unary_unary(_METHOD)

        async def send(number: int) -> object:
            return await transmit(requests[number % len(requests)], timeout=_TIMEOUT_S)

        try:
            await send(0)
            return await drive(send)
        except grpc.aio.AioRpcError as error:
            # A plain error: a `LinkError` does not survive the way back from a process of its own.
            raise SdjsccError(str(link_error(error, server, "", _TIMEOUT_S))) from None
