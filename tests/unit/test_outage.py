"""When a channel is opened anew."""

from __future__ import annotations

import grpc
import pytest

from sdjscc.wire.metadata import ORIGIN_KEY
from sdjscc.wire.outage import Outage


def error(code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, decided: bool = False) -> grpc.aio.AioRpcError:
    """What a call ends with; ``decided`` by a service of ours."""
    trailing = grpc.aio.Metadata(*([(ORIGIN_KEY, "1")] if decided else []))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing)


class Clock:
    """The time is what it is set to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Clock) -> Outage:
    return Outage(clock)


def test_once_in_five_seconds_while_nobody_is_reached(outage: Outage, clock: Clock) -> None:
    anew = []
    for tenth in range(121):
        clock.now_s = 100 + tenth / 10
        if outage.failed(error()):
            anew.append(clock.now_s)
    assert anew == [105, 110]


def test_not_where_a_call_was_answered_in_between(outage: Outage, clock: Clock) -> None:
    assert not outage.failed(error())
    clock.now_s += 4
    outage.answered()
    clock.now_s += 4
    assert not outage.failed(error())


def test_what_a_service_decided_is_an_answer(outage: Outage, clock: Clock) -> None:
    assert not outage.failed(error())
    clock.now_s += 6
    assert not outage.failed(error(decided=True))
    assert not outage.failed(error())


@pytest.mark.parametrize("code", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED])
def test_what_says_nothing_of_it(outage: Outage, clock: Clock, code: grpc.StatusCode) -> None:
    assert not outage.failed(error())
    clock.now_s += 6
    assert not outage.failed(error(code))
    assert outage.failed(error())
