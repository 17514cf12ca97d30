"""Calls of several images."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from google.protobuf.message import Message

from sdjscc.errors import SdjsccError
from sdjscc.serving.status import status_of
from sdjscc.v1.transmitter_pb2 import TransmitResponse
from sdjscc.wire.images import unpack_image
from tests.fuzz.requests import MAX_IMAGES, outcome_of
from tests.fuzz.target import Verdict, parsed

__all__ = ["as_singles", "called", "of_singles"]


@cache
def _loop() -> asyncio.AbstractEventLoop:
    # One for all: making it would take as long as a call.
    return asyncio.new_event_loop()


def called(method: Callable[..., Any], request: Message) -> Message | SdjsccError:
    """What a method of a service makes of a copy of the request."""
    own = type(request)()
    own.CopyFrom(request)
    context = SimpleNamespace(time_remaining=lambda: None)
    return outcome_of(lambda: _loop().run_until_complete(method(own, context)))


def as_singles(
    kind: type[Message], batch: Callable[[], Callable[..., Any]], single: Callable[[], Callable[..., Any]]
) -> Callable[[bytes], Verdict]:
    """A call of several images, each of which must be answered as by a call of its own."""

    def check(data: bytes) -> Verdict:
        message = parsed(kind, data)
        if message is None:
            return "no message"
        for place, request in enumerate(message.requests):
            if not request.channel.HasField("seed"):
                request.channel.seed = place
        answer = called(batch(), message)
        fits = 1 <= len(message.requests) <= MAX_IMAGES
        assert isinstance(answer, Message) == fits, answer
        if not fits:
            return "refused"
        for result, request in zip(answer.results, message.requests, strict=True):
            alone = called(single(), request)
            if isinstance(alone, SdjsccError):
                assert (result.failure.code, result.failure.message) == (status_of(alone).value[0], str(alone)), result
            else:
                assert result.HasField("response"), result
                _check_same(result.response, alone)
        return "decoded" if any(result.HasField("response") for result in answer.results) else "refused"

    return check


def _check_same(one: Message, other: Message) -> None:
    """But for timings, and for sums that are rounded otherwise beside others."""
    if isinstance(one, TransmitResponse):
        _check_same(one.received, other.received)
        checked = ["received", "timings"]
    else:
        assert one.HasField("image") == other.HasField("image")
        if one.HasField("image"):
            pixels, others = (unpack_image(response.image, 2**20).astype(int) for response in (one, other))
            assert pixels.shape == others.shape, (pixels.shape, others.shape)
            assert np.mean(abs(pixels - others) > 1) <= 0.05
        probabilities = [[label.probability for label in response.labels] for response in (one, other)]
        assert np.allclose(*probabilities, rtol=0, atol=0.02, equal_nan=True), probabilities
        checked = ["image", "labels", "timings"]
    for response in (one, other):
        for name in checked:
            response.ClearField(name)
    assert one == other, (one, other)


def of_singles(kind: type[Message], singles: Callable[[int], Sequence[bytes]]) -> Callable[[], list[bytes]]:
    """Five that go together, with a bad one in between; and the largest batch of different ones."""

    def seeds() -> list[bytes]:
        some, others = singles(1), singles(2)
        batches = [[one, other, b"", one, other, one] for one, other in zip(some, others, strict=True)]
        return [batch_of(requests) for requests in [*batches, some[:MAX_IMAGES]]]

    def batch_of(requests: Sequence[bytes]) -> bytes:
        message = kind()
        for request in requests:
            message.requests.add().MergeFromString(request)
        return message.SerializeToString()

    return seeds
