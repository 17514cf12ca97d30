"""Errors to gRPC statuses, in one place."""

from __future__ import annotations

import grpc

from sdjscc.errors import InvalidRequest, MissingDependency, NotReady, SdjsccError, UnknownName
from sdjscc.wire.metadata import ORIGIN_KEY
from sdjscc.wire.tls import handshake_problem

__all__ = ["NotAllowed", "Overloaded", "UpstreamFailed", "status_of", "upstream_failure"]


class Overloaded(SdjsccError):
    """Too much is waiting already; safe to try again after a moment."""


class NotAllowed(SdjsccError):
    """This client may not do this."""


class UpstreamFailed(SdjsccError):
    """The service behind this one answered with an error, or not at all."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


_CODES: tuple[tuple[type[SdjsccError], grpc.StatusCode], ...] = (
    (InvalidRequest, grpc.StatusCode.INVALID_ARGUMENT),
    (UnknownName, grpc.StatusCode.NOT_FOUND),
    (NotReady, grpc.StatusCode.FAILED_PRECONDITION),
    (MissingDependency, grpc.StatusCode.FAILED_PRECONDITION),
    (Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (NotAllowed, grpc.StatusCode.PERMISSION_DENIED),
)


def status_of(error: SdjsccError) -> grpc.StatusCode:
    """The status that an error of ours is answered with; INTERNAL for those no request can cause."""
    if isinstance(error, UpstreamFailed):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def upstream_failure(error: grpc.aio.AioRpcError, upstream: str, timeout_s: float) -> UpstreamFailed:
    """What a failed call to ``upstream`` means to our own caller.

    Statuses of our own services pass unchanged, words and all; those that gRPC made up on the way are put into words.
    """
    code, details = error.code(), error.details() or ""
    if any(key == ORIGIN_KEY for key, _ in error.trailing_metadata() or ()):
        return UpstreamFailed(code, details)
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
