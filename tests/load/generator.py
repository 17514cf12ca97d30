"""An open-loop generator: calls begin when they are due, and latency counts from then.

A closed loop waits for an answer before it asks again, so that a service which stalls is asked less while it does and
the calls that would have waited are never made (coordinated omission). Users do not wait for each other.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import grpc
from hdrh.histogram import HdrHistogram

from bench import loops
from bench.loops import Timed
from sdjscc.errors import SdjsccError
from sdjscc.wire.options import channel_options
from tests.load.point import Point
from tests.load.traffic import Traffic

__all__ = ["Arrivals", "due_after_s", "echo", "offer", "record", "run_echo", "run_offer"]

Arrivals = Literal["even", "poisson"]

_TIMEOUT_S = 30.0
_LONGEST_US = 600 * 10**6
_OK = grpc.StatusCode.OK
_SHED = grpc.StatusCode.RESOURCE_EXHAUSTED

Call = Callable[[int], Awaitable[grpc.StatusCode]]
Result = TypeVar("Result")


def due_after_s(rate_per_s: float, seconds: float, arrivals: Arrivals, seed: int = 0) -> list[float]:
    """When calls are due, seconds after the begin; at least one.

    Args:
        arrivals: "even" sends at equal distances; "poisson" as many users do who know nothing of each other (the number
            of calls is fixed, so that the offered rate is the one asked for).
        seed: of the latter.
    """
    count = max(1, round(rate_per_s * seconds))
    if arrivals == "even":
        return [number / rate_per_s for number in range(count)]
    draw = random.Random(seed)
    return sorted(draw.uniform(0, count / rate_per_s) for _ in range(count))


async def offer(address: str, traffic: Traffic, rate_per_s: float, seconds: float, arrivals: Arrivals) -> Point:
    """Offer ``rate_per_s`` calls a second to ``address`` for ``seconds``, and wait for their answers.

    Raises `SdjsccError` where not even a first call, made alone, is answered.
    """
    due = due_after_s(rate_per_s, seconds, arrivals)
    return await _connected(address, traffic, lambda call: record(call, due, rate_per_s))


async def echo(address: str, traffic: Traffic, in_flight: int, seconds: float) -> int:
    """Calls that ``address`` answered, the first one included, with ``in_flight`` under way all the time.

    Raises `SdjsccError` as `offer` does, and where a call fails.
    """

    async def drive(call: Call) -> int:
        codes: Counter[grpc.StatusCode] = Counter()
        await loops.closed_loop(call, in_flight, seconds, lambda timed: codes.update([timed.outcome]))
        if codes.keys() - {_OK}:
            raise SdjsccError(f"an empty call to {address} failed; is the machine overloaded?")
        return 1 + codes[_OK]

    return await _connected(address, traffic, drive)


def run_offer(address: str, traffic: Traffic, rate_per_s: float, seconds: float, arrivals: Arrivals) -> Point:
    """`offer` where no event loop runs, as in a process that does nothing else."""
    return asyncio.run(offer(address, traffic, rate_per_s, seconds, arrivals))


def run_echo(address: str, traffic: Traffic, in_flight: int, seconds: float) -> int:
    """`echo`, likewise."""
    return asyncio.run(echo(address, traffic, in_flight, seconds))


async def record(call: Call, due: list[float], rate_per_s: float) -> Point:
    """What became of calls that are due at ``due``, seconds from now in rising order."""
    codes: Counter[grpc.StatusCode] = Counter()
    latency, late = (HdrHistogram(1, _LONGEST_US, 3) for _ in range(2))
    first_due = first_done = math.inf
    last_due = last_done = -math.inf

    def note(timed: Timed[grpc.StatusCode]) -> None:
        nonlocal first_due, first_done, last_due, last_done
        codes[timed.outcome] += 1
        first_due, last_due = min(first_due, timed.due_s), max(last_due, timed.due_s)
        first_done, last_done = min(first_done, timed.done_s), max(last_done, timed.done_s)
        late.record_value(_microseconds(timed.begun_s - timed.due_s))
        if timed.outcome is _OK:
            latency.record_value(_microseconds(timed.done_s - timed.due_s))

    wall, cpu = time.perf_counter(), time.process_time()
    await loops.open_loop(call, due, note)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu

    sent = codes.total()
    # From completion to completion, so that what is under way at the edges does not count against the service.
    stretch = (last_due - first_due) / (last_done - first_done) if sent > 1 else math.nan
    return Point(
        offered_per_s=rate_per_s,
        achieved_per_s=rate_per_s * stretch * codes[_OK] / sent,
        sent=sent,
        ok=codes[_OK],
        shed=codes[_SHED],
        errors={code.name: number for code, number in sorted(codes.items(), key=str) if code not in (_OK, _SHED)},
        p50_ms=_percentile_ms(latency, 50),
        p95_ms=_percentile_ms(latency, 95),
        p99_ms=_percentile_ms(latency, 99),
        max_ms=_percentile_ms(latency, 100),
        late_p99_ms=_percentile_ms(late, 99),
        generator_cores=cpu / wall,
        histogram=latency.encode().decode(),
    )


async def _connected(address: str, traffic: Traffic, drive: Callable[[Call], Awaitable[Result]]) -> Result:
    async with grpc.aio.insecure_channel(address, channel_options()) as channel:
        # No serializers: bytes go out and come back as they are.
        method = channel.unary_unary(traffic.method)
        requests = itertools.cycle(traffic.requests)

        async def call(number: int) -> grpc.StatusCode:
            try:
                await method(next(requests), timeout=_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                return error.code()
            return _OK

        try:
            await method(next(requests), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise SdjsccError(
                f"{address} answers {traffic.method} with {error.code().name} ({error.details()}); "
                "start the service or give another address"
            ) from None
        return await drive(call)


def _microseconds(seconds: float) -> int:
    return min(max(1, round(1e6 * seconds)), _LONGEST_US)


def _percentile_ms(histogram: HdrHistogram, percent: float) -> float:
    return histogram.get_value_at_percentile(percent) / 1e3 if histogram.get_total_count() else math.nan
