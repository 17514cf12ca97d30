"""What a client raises when the link refuses or fails."""

from __future__ import annotations

import grpc

from sdjscc.errors import SdjsccError
from sdjscc.wire.metadata import ORIGIN_KEY
from sdjscc.wire.retry import NOT_TAKEN_RETRY_S, read_retry_after_s
from sdjscc.wire.tls import handshake_problem

__all__ = ["LinkError", "link_error", "status_from_number"]


class LinkError(SdjsccError):
    """A call that failed; the message is one sentence that says what to do.

    Attributes:
        code: gRPC status.
        request_id: under which the services logged the request.
        retry_after_s: after how many seconds to try again, where the link has too much to do just now; None where
            waiting is no remedy, and where a service is down or stopping (UNAVAILABLE), which cannot tell for how long.
    """

    def __init__(
        self, code: grpc.StatusCode, message: str, request_id: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.request_id, self.retry_after_s = code, request_id, retry_after_s


def link_error(error: grpc.RpcError, server: str, request_id: str, timeout_s: float | None) -> LinkError:
    """A failed call to ``server`` in words; those of our own services are kept as they are."""
    code, details = error.code(), error.details() or ""
    trailing = tuple(error.trailing_metadata() or ())
    if not any(key == ORIGIN_KEY for key, _ in trailing):
        if code is grpc.StatusCode.UNAVAILABLE:
            details = (
                handshake_problem(server, details)
                or f"no transmitter answers at {server}; start it or give another address"
            )
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            details = f"no answer within {timeout_s:.3g} s; allow more time or try again later"
        elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            details = f"the image or its answer is over a message limit ({details}); send a smaller or compressed image"
        elif code is grpc.StatusCode.CANCELLED:
            sentence = f"{server} did not take the call in, so many are waiting there; try again in a moment"
            return LinkError(grpc.StatusCode.RESOURCE_EXHAUSTED, sentence, request_id, NOT_TAKEN_RETRY_S)
        elif code is grpc.StatusCode.UNIMPLEMENTED:
            details = f"{server} is no transmitter; give the transmitter's address"
    return LinkError(code, details, request_id, read_retry_after_s(trailing))


def status_from_number(number: int) -> grpc.StatusCode:
    """The gRPC status of that number; UNKNOWN for numbers of no error, OK's among them."""
    return next((code for code in grpc.StatusCode if code.value[0] == number != 0), grpc.StatusCode.UNKNOWN)
