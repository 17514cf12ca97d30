"""What a process tells of the way a request takes through it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

__all__ = ["Metadata", "Tracer", "program_tracer", "tracer", "use_tracer"]

Metadata: TypeAlias = tuple[tuple[str, str], ...]
"""gRPC metadata to send along."""


class Tracer:
    """Is told where a request is, and keeps none of it; `SpanTracer` does.

    The *current* span is that of the asyncio task or thread, as with `contextvars`.
    """

    def begin_serving(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Any:
        """A span for a call that came in, current from now on; give it to `end_serving`.

        It is a part of the caller's trace where ``metadata`` names one. Call it in the call's own task.
        """
        return None

    def end_serving(self, span: Any, status: str, request_id: str) -> None:
        """The call ended with that gRPC status, as "NOT_FOUND"."""

    def trace_id(self, span: Any) -> str:
        """Id of the trace that a span is part of, 32 hex digits; empty where none is kept."""
        return ""

    @contextmanager
    def calling(self, method: str) -> Iterator[Metadata]:
        """A span for the body, which calls another service; yields the metadata that makes that part of the trace."""
        yield ()

    @contextmanager
    def frame(self, number: int) -> Iterator[Callable[[str], None]]:
        """A span for the body, which serves one frame of a stream, current inside; yields a function that is told the
        frame's status."""
        yield _ignore

    def here(self) -> Any:
        """The place that stages are part of; give it to `stage`, from any thread."""
        return None

    def stage(self, stage: str, here: Any, milliseconds: float) -> None:
        """A stage, as "receiver/decode", has just ended and took so long."""

    def annotate(self, **facts: str | float) -> None:
        """Facts about the request in the current span, under ``sdjscc.`` and their names."""


def _ignore(status: str) -> None:
    pass


_tracer = Tracer()


def tracer() -> Tracer:
    """The tracer of this process."""
    return _tracer


def use_tracer(chosen: Tracer) -> None:
    """Make ``chosen`` the tracer of this process."""
    global _tracer
    _tracer = chosen


def program_tracer() -> Tracer:
    """For clients inside other programs: where the program uses OpenTelemetry, calls become part of its traces."""
    if "opentelemetry.trace" not in sys.modules:
        return _tracer
    from sdjscc.observability.spans import SpanTracer

    return SpanTracer()
