"""Errors to gRPC statuses, in one place."""

from __future__ import annotations

import grpc

from sdjscc.errors import InvalidRequest, MissingDependency, NotReady, SdjsccError, UnknownName
from sdjscc.serving.logs import get_logger
from sdjscc.serving.request_id import current_request_id
from sdjscc.wire.metadata import ORIGIN_KEY
from sdjscc.wire.retry import NOT_TAKEN_RETRY_S, read_retry_after_s
from sdjscc.wire.tls import handshake_problem

__all__ = [
    "DeadlinePassed",
    "NotAllowed",
    "Overloaded",
    "UpstreamFailed",
    "retry_after_s_of",
    "status_of",
    "told",
    "upstream_failure",
]


class Overloaded(SdjsccError):
    """Too much is waiting or under way already; nothing was done, and it is safe to try again after a moment.

    Args:
        message: one sentence for the caller.
        retry_after_s: how long that moment is, seconds.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlinePassed(SdjsccError):
    """Nobody waits for the result any more."""


class NotAllowed(SdjsccError):
    """This client may not do this."""


class UpstreamFailed(SdjsccError):
    """The service behind this one answered with an error, or not at all.

    Args:
        code: what our own caller is answered with.
        message: one sentence for the caller.
        retry_after_s: after how many seconds the upstream asks to be tried again; None where it does not.
    """

    def __init__(self, code: grpc.StatusCode, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code, self.retry_after_s = code, retry_after_s


_CODES: tuple[tuple[type[SdjsccError], grpc.StatusCode], ...] = (
    (InvalidRequest, grpc.StatusCode.INVALID_ARGUMENT),
    (UnknownName, grpc.StatusCode.NOT_FOUND),
    (NotReady, grpc.StatusCode.FAILED_PRECONDITION),
    (MissingDependency, grpc.StatusCode.FAILED_PRECONDITION),
    (Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (DeadlinePassed, grpc.StatusCode.DEADLINE_EXCEEDED),
    (NotAllowed, grpc.StatusCode.PERMISSION_DENIED),
)


def status_of(error: SdjsccError) -> grpc.StatusCode:
    """The status that an error of ours is answered with; INTERNAL for those no request can cause."""
    if isinstance(error, UpstreamFailed):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def told(error: Exception, service: str) -> tuple[grpc.StatusCode, str]:
    """Status and sentence for the caller; an error that no request should cause goes to the log of ``service``."""
    if isinstance(error, SdjsccError):
        return status_of(error), str(error)
    get_logger().error("internal error", exc_info=error)
    sentence = f"internal error; the {service}'s log has it under request id {current_request_id.get()}"
    return grpc.StatusCode.INTERNAL, sentence


def retry_after_s_of(error: Exception) -> float | None:
    """After how many seconds it is worth trying again, as the caller is told; None where trying again is no remedy."""
    return error.retry_after_s if isinstance(error, Overloaded | UpstreamFailed) else None


def upstream_failure(error: grpc.aio.AioRpcError, upstream: str, timeout_s: float) -> UpstreamFailed:
    """What a failed call to ``upstream`` means to our own caller.

    Statuses of our own services pass unchanged, words and all; those that gRPC made up on the way are put into words.
    """
    code, details = error.code(), error.details() or ""
    trailing = tuple(error.trailing_metadata() or ())
    if any(key == ORIGIN_KEY for key, _ in trailing):
        return UpstreamFailed(code, details, read_retry_after_s(trailing))
    if code is grpc.StatusCode.UNAVAILABLE:
        problem = handshake_problem(f"the upstream {upstream}", details)
        return UpstreamFailed(
            code, problem or f"the upstream {upstream} cannot be reached; start it or check --upstream"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UpstreamFailed(
            code,
            f"the upstream {upstream} did not answer within {timeout_s:.3g} s; allow more time or ask less",
        )
    if code is grpc.StatusCode.CANCELLED:
        # Not by us: then nobody would wait for this.
        return UpstreamFailed(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"the upstream {upstream} did not take the call in, so many are waiting there; try again in a moment",
            NOT_TAKEN_RETRY_S,
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return UpstreamFailed(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"the upstream {upstream} is no ReceiverService; point --upstream at a channel or a receiver",
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return UpstreamFailed(
            code, f"the message is over the limit between here and {upstream} ({details}); raise --max-message-bytes"
        )
    return UpstreamFailed(code, f"the upstream {upstream} failed: {details}")
