"""Calls of several images: how many there may be, and what is said of one that fails."""

from __future__ import annotations

from collections.abc import Sequence

from sdjscc.errors import InvalidRequest, TooLarge
from sdjscc.observability.meter import meter
from sdjscc.serving.observing import status_name
from sdjscc.serving.status import retry_after_s_of, told
from sdjscc.v1.failure_pb2 import Failure
from sdjscc.v1.receiver_pb2 import ReceiveResponse, ReceiveResult

__all__ = ["check_count", "failed_of", "failure_of", "receive_result"]


def check_count(count: int, most: int) -> None:
    """Raises `InvalidRequest` where a call has no image, `TooLarge` where it has more than ``most``."""
    if count == 0:
        raise InvalidRequest("the batch is empty; send at least one image")
    if count > most:
        raise TooLarge(f"the batch has {count} images; send at most {most} in one call, or raise --max-images")


def failed_of(outcomes: Sequence[object | Exception]) -> dict[int, Exception]:
    """Those that are exceptions, by their places."""
    return {place: outcome for place, outcome in enumerate(outcomes) if isinstance(outcome, Exception)}


def failure_of(error: Exception, service: str) -> Failure:
    """What the sender of one of several images is told of its error; as `told`."""
    code, sentence = told(error, service)
    return Failure(code=code.value[0], message=sentence, retry_after_s=retry_after_s_of(error))


def receive_result(outcome: ReceiveResponse | ReceiveResult | Exception, service: str) -> ReceiveResult:
    """The answer to one of several images, which may be one that an upstream gave, counted by its status."""
    if isinstance(outcome, ReceiveResult):
        result = outcome
    elif isinstance(outcome, Exception):
        result = ReceiveResult(failure=failure_of(outcome, service))
    else:
        result = ReceiveResult(response=outcome)
    meter().image(status_name(result.failure.code) if result.HasField("failure") else "OK")
    return result
