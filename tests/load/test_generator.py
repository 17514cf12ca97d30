"""The generator itself: what it times, what it counts, and that it knows when it was late."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from bench import loops
from sdjscc.errors import SdjsccError
from sdjscc.wire.options import DEFAULT_MAX_MESSAGE_BYTES, server_options
from tests.load.generator import due_after_s, offer, record
from tests.load.point import KEEPS_UP, LATE_MS, Point, knee
from tests.load.traffic import Traffic

SENT = Traffic("/test.Test/Call", (b"request",), b"answer")

Reply = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


@asynccontextmanager
async def served(reply: Reply) -> AsyncIterator[str]:
    """Address of a server of the method that `SENT` names."""
    server = grpc.aio.server(options=server_options(DEFAULT_MAX_MESSAGE_BYTES))
    handlers = {"Call": grpc.unary_unary_rpc_method_handler(reply)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


class SimulatedTime(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while anything runs, and jumps to when the next thing is due."""

    def __init__(self) -> None:
        super().__init__(_Jumping(self))
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: SimulatedTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.now_s += timeout or 0.0
        return super().select(0)


def seconds_to_answer(now_s: float) -> float:
    """Of a server that takes 8 ms, and stalls for 0.4 s every 2 s."""
    into_s = now_s % 2.0
    return 0.008 + (2.0 - into_s if into_s >= 1.6 else 0.0)


def test_a_stall_shows_in_the_open_loop_and_hides_in_a_closed_one() -> None:
    closed_ms: list[float] = []

    async def call(number: int) -> grpc.StatusCode:
        await asyncio.sleep(seconds_to_answer(asyncio.get_running_loop().time()))
        return grpc.StatusCode.OK

    async def both() -> Point:
        point = await record(call, due_after_s(100.0, 20.0, "even"), 100.0)
        await loops.closed_loop(call, 1, 20.0, lambda timed: closed_ms.append(1e3 * (timed.done_s - timed.due_s)))
        return point

    with asyncio.Runner(loop_factory=SimulatedTime) as runner:
        point = runner.run(both())
    assert max(closed_ms) > 390, "the closed loop met the stall"
    assert np.percentile(closed_ms, 99) == pytest.approx(8, abs=0.1)
    assert point.sent == point.ok == 2000
    assert point.p50_ms == pytest.approx(8, abs=0.1)
    assert 370 < point.p99_ms < 410
    assert point.late_p99_ms < 0.1


async def test_a_stall_of_a_real_server_shows() -> None:
    begin_s = time.perf_counter()

    async def reply(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(seconds_to_answer(time.perf_counter() - begin_s))
        return b"answer"

    async with served(reply) as address:
        point = await offer(address, SENT, 100.0, 2.0, "even")
    assert point.sent == point.ok == 200
    # No less however busy the machine is.
    assert point.p99_ms > 300
    assert point.generator_cores > 0


async def test_every_call_is_counted_once() -> None:
    codes = [None, grpc.StatusCode.RESOURCE_EXHAUSTED, None, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE]
    answered = 0

    async def reply(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        nonlocal answered
        # The first opens the connection and is not counted.
        code = codes[(answered - 1) % len(codes)] if answered else None
        answered += 1
        if code is not None:
            await context.abort(code, "as asked")
        return b"answer"

    async with served(reply) as address:
        point = await offer(address, SENT, 500.0, 0.4, "poisson")
    assert point.sent == 200 == answered - 1
    assert (point.ok, point.shed, point.errors) == (80, 40, {"INTERNAL": 40, "UNAVAILABLE": 40})
    assert 0 < point.achieved_per_s < 1.3 * 0.4 * 500
    assert HdrHistogram.decode(point.histogram).get_total_count() == point.ok
    assert not point.borne(bound_ms=1e6)


async def test_a_service_that_is_asked_too_much_achieves_what_it_can() -> None:
    one_at_a_time = asyncio.Lock()

    async def call(number: int) -> grpc.StatusCode:
        async with one_at_a_time:
            await asyncio.sleep(0.01)
        return grpc.StatusCode.OK

    point = await record(call, due_after_s(200.0, 1.0, "even"), 200.0)
    assert point.ok == point.sent == 200
    assert point.achieved_per_s < 101
    # The last was due at 1 s, and done no earlier than 2 s.
    assert point.max_ms > 900
    assert not point.borne(bound_ms=1e6)


async def test_a_late_generator_says_so() -> None:
    async def call(number: int) -> grpc.StatusCode:
        if number == 50:
            time.sleep(0.2)
        return grpc.StatusCode.OK

    point = await record(call, due_after_s(200.0, 0.5, "even"), 200.0)
    assert point.late_p99_ms > 100
    assert not point.valid
    # It is part of what users wait, too.
    assert point.max_ms > 100
    assert not point.borne(bound_ms=1e6)


async def test_nothing_there_is_one_sentence() -> None:
    with pytest.raises(SdjsccError, match="start the service or give another address"):
        await offer("127.0.0.1:1", SENT, 1.0, 0.1, "even")


def test_calls_are_due_at_the_rate_asked_for() -> None:
    assert due_after_s(4.0, 1.0, "even") == [0.0, 0.25, 0.5, 0.75]
    assert len(due_after_s(0.1, 1.0, "even")) == 1
    drawn = due_after_s(1000.0, 2.0, "poisson")
    assert len(drawn) == 2000
    assert drawn == sorted(drawn) == due_after_s(1000.0, 2.0, "poisson")
    assert 0 <= drawn[0] < drawn[-1] <= 2.0
    # Distances of a Poisson process spread as widely as they are long.
    distances = np.diff(drawn)
    assert distances.std() == pytest.approx(distances.mean(), rel=0.15)


def a_point(offered_per_s: float, p99_ms: float = 20.0, late_p99_ms: float = 1.0, achieved: float = 1.0) -> Point:
    return Point(
        offered_per_s=offered_per_s,
        achieved_per_s=achieved * offered_per_s,
        sent=100,
        ok=100,
        shed=0,
        errors={},
        p50_ms=5.0,
        p95_ms=10.0,
        p99_ms=p99_ms,
        max_ms=100.0,
        late_p99_ms=late_p99_ms,
        generator_cores=0.1,
        histogram="",
    )


def test_the_knee_is_the_highest_rate_that_was_borne() -> None:
    points = [
        a_point(10.0),
        a_point(20.0, p99_ms=49.0),
        a_point(30.0, late_p99_ms=LATE_MS + 1),
        a_point(40.0, achieved=KEEPS_UP - 0.01),
        a_point(50.0, p99_ms=51.0),
    ]
    assert knee(points, bound_ms=50.0) is points[1]
    assert knee(points, bound_ms=60.0) is points[4]
    assert knee(points, bound_ms=10.0) is None
    assert knee([a_point(10.0, achieved=float("nan"))], bound_ms=50.0) is None
