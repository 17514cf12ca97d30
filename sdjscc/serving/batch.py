"""Calls of several images: how many there may be, and what is said of one that fails."""

from __future__ import annotations

from sdjscc.errors import InvalidRequest, SdjsccError, TooLarge
from sdjscc.observability.meter import meter
from sdjscc.serving.logs import get_logger
from sdjscc.serving.observing import status_name
from sdjscc.serving.request_id import current_request_id
from sdjscc.serving.status import retry_after_s_of, status_of
from sdjscc.v1.failure_pb2 import Failure
from sdjscc.v1.receiver_pb2 import ReceiveResponse, ReceiveResult

__all__ = ["check_count", "failure_of", "receive_result"]

_INTERNAL = 13


def check_count(count: int, most: int) -> None:
    """Raises `InvalidRequest` where a call has no image, `TooLarge` where it has more than ``most``."""
    if count == 0:
        raise InvalidRequest("the batch is empty; send at least one image")
    if count > most:
        raise TooLarge(f"the batch has {count} images; send at most {most} in one call, or raise --max-images")


def failure_of(error: Exception, service: str) -> Failure:
    """What the sender of one of several images is told of its error; one that no request should cause goes to the log
    of ``service``."""
    if isinstance(error, SdjsccError):
        code: int = status_of(error).value[0]
        return Failure(code=code, message=str(error), retry_after_s=retry_after_s_of(error))
    get_logger().error("internal error", exc_info=error)
    message = f"internal error; the {service}'s log has it under request id {current_request_id.get()}"
    return Failure(code=_INTERNAL, message=message)


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
