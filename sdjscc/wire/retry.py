"""When to try again: how a service that has too much to do tells it, and how a client reads it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from sdjscc.wire.service_config import RETRY_PUSHBACK_KEY

__all__ = ["NOT_TAKEN_RETRY_S", "Metadata", "a_wait", "read_retry_after_s", "retry_metadata"]

NOT_TAKEN_RETRY_S = 1.0
"""After how many seconds to try again what no service took in. gRPC ends such calls with CANCELLED, without a word: of
those that more than a thousand wait in front of, and those that wait when a server stops."""

_DETAILS_KEY = "grpc-status-details-bin"

Metadata = tuple[tuple[str, str | bytes], ...]


def retry_metadata(code: grpc.StatusCode, message: str, retry_after_s: float) -> Metadata:
    """Trailing metadata of an error that is worth trying again after ``retry_after_s`` seconds: `google.rpc.RetryInfo`
    in the status details, and the pushback that gRPC's own retries heed."""
    status = Status(code=code.value[0], message=message)
    status.details.add().Pack(RetryInfo(retry_delay=_duration(retry_after_s)))
    return (_DETAILS_KEY, status.SerializeToString()), (RETRY_PUSHBACK_KEY, str(math.ceil(1e3 * retry_after_s)))


def read_retry_after_s(metadata: Iterable[tuple[str, str | bytes]]) -> float | None:
    """Seconds after which to try again, by `google.rpc.RetryInfo` in trailing metadata; None where there is none."""
    for key, value in metadata:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return _retry_delay_s(value)
    return None


def a_wait(seconds: float) -> float | None:
    """Seconds that another program asks for; None where nobody can wait so long, as for less than none."""
    return seconds if 0 <= seconds < math.inf else None


def _retry_delay_s(status: bytes) -> float | None:
    info = RetryInfo()
    try:
        if any(detail.Unpack(info) for detail in Status.FromString(status).details):
            return a_wait(info.retry_delay.seconds + 1e-9 * info.retry_delay.nanos)
    except DecodeError:
        # A proxy's or another server's: what cannot be read says nothing.
        pass
    return None


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(math.ceil(1e3 * seconds))
    return duration
