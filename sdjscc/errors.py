"""Errors whose message is one sentence for the person who caused them; services map each class to a gRPC status."""

from __future__ import annotations

__all__ = ["InvalidRequest", "MissingDependency", "NotReady", "SdjsccError", "TooLarge", "Undecodable", "UnknownName"]


class SdjsccError(Exception):
    """Base of every error this package raises on purpose."""


class InvalidRequest(SdjsccError, ValueError):
    """What was given cannot be used as it is, now or later (gRPC: INVALID_ARGUMENT)."""


class TooLarge(InvalidRequest):
    """What was given is well formed but over a limit that the operator has set (gRPC: INVALID_ARGUMENT)."""


class UnknownName(SdjsccError, LookupError):
    """A codec, rate, task or constellation that is not installed here (gRPC: NOT_FOUND)."""


class NotReady(SdjsccError):
    """The request is sound, but this process is set up differently than it needs (gRPC: FAILED_PRECONDITION)."""


class MissingDependency(SdjsccError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it (gRPC:
    FAILED_PRECONDITION)."""


class Undecodable(SdjsccError, ValueError):
    """Received data of which no image can be made; what is shown in its stead is for the receiver to say."""
