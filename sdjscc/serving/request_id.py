"""The id of the request that is being served."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["current_request_id"]

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
"""Set around each call; tasks started while serving inherit it."""
