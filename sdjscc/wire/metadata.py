"""Metadata keys that travel beside messages, and the request id among them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

__all__ = ["ORIGIN_KEY", "REQUEST_ID_KEY", "new_request_id", "read_request_id"]

REQUEST_ID_KEY = "x-request-id"
"""Goes with a request through the chain, and comes back with its answer."""

ORIGIN_KEY = "x-sdjscc-origin"
"""Comes back with every error that a service raised itself; without it, the status came from gRPC on the way."""

# What a client sends ends up in logs: short, and nothing that could forge a line.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def new_request_id() -> str:
    """A fresh id, 32 hex digits."""
    return uuid.uuid4().hex


def read_request_id(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The id in a call's metadata, or a fresh one where there is none or it is not acceptable."""
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str) and _ACCEPTABLE.fullmatch(value):
            return value
    return new_request_id()
