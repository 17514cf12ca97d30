"""A tracer that makes OpenTelemetry spans, on the API alone: where they go, the process decides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import grpc
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sdjscc.observability.tracer import Metadata, Tracer

__all__ = ["SpanTracer"]

# W3C's traceparent and tracestate. No baggage: what strangers send along is not handed on.
_propagator = TraceContextTextMapPropagator()


class SpanTracer(Tracer):
    """Spans of the process's tracer provider."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("sdjscc")

    def begin_serving(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Span:
        carrier = {key: value for key, value in metadata if isinstance(value, str)}
        parent = _propagator.extract(carrier, Context())
        span = self._tracer.start_span(method[1:], parent, SpanKind.SERVER, _rpc(method))
        # Never detached: the task of a call, and its context, end with the call.
        contexts.attach(trace.set_span_in_context(span))
        return span

    def end_serving(self, span: Span, status: str, request_id: str) -> None:
        span.set_attribute("sdjscc.request_id", request_id)
        _end(span, status)

    def trace_id(self, span: Span) -> str:
        return trace.format_trace_id(span.get_span_context().trace_id)

    @contextmanager
    def calling(self, method: str) -> Iterator[Metadata]:
        # Not made current: the body may be that of a generator, whose caller has spans of its own.
        span = self._tracer.start_span(method[1:], None, SpanKind.CLIENT, _rpc(method))
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, trace.set_span_in_context(span))
        status = "UNKNOWN"
        try:
            yield tuple(carrier.items())
            status = "OK"
        except (asyncio.CancelledError, GeneratorExit):
            status = "CANCELLED"
            raise
        except grpc.RpcError as error:
            status = error.code().name
            raise
        finally:
            _end(span, status)

    @contextmanager
    def frame(self, number: int) -> Iterator[Callable[[str], None]]:
        span = self._tracer.start_span("frame", attributes={"sdjscc.frame_id": str(number)})
        outcome = ["CANCELLED"]
        token = contexts.attach(trace.set_span_in_context(span))
        try:
            yield lambda status: outcome.__setitem__(0, status)
        finally:
            contexts.detach(token)
            _end(span, outcome[0])

    def here(self) -> Context:
        return contexts.get_current()

    def stage(self, stage: str, here: Context, milliseconds: float) -> None:
        end = time.time_ns()
        self._tracer.start_span(stage, here, start_time=end - round(1e6 * milliseconds)).end(end)

    def annotate(self, **facts: str | float) -> None:
        trace.get_current_span().set_attributes({f"sdjscc.{name}": value for name, value in facts.items()})


def _rpc(method: str) -> dict[str, str]:
    service, _, name = method[1:].partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


def _end(span: Span, status: str) -> None:
    span.set_attribute("rpc.grpc.status_code", grpc.StatusCode[status].value[0])
    if status != "OK":
        span.set_status(StatusCode.ERROR, status)
    span.end()
