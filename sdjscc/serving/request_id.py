"""The id that a request carries through the chain, in the metadata key ``x-request-id``."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from contextvars import ContextVar

__all__ = ["REQUEST_ID_KEY", "current_request_id", "new_request_id", "read_request_id"]

REQUEST_ID_KEY = "x-request-id"

# What a client sends ends up in logs: short, and nothing that could forge a line.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{1,64}")

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
"""Id of the request being served in this task."""


def new_request_id() -> str:
    """A fresh id, 32 hex digits."""
    return uuid.uuid4().hex


def read_request_id(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The id in a call's metadata, or a fresh one where there is none or it is not acceptable."""
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str) and _ACCEPTABLE.fullmatch(value):
            return value
    return new_request_id()
