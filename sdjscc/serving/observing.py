"""Around every call of ours: counted, timed, and a span of its trace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc
import structlog

from sdjscc.observability.meter import meter
from sdjscc.observability.tracer import tracer
from sdjscc.serving.request_id import current_request_id

__all__ = ["ObservingInterceptor", "status_name"]

_OURS = "/sdjscc."
_STATUSES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
Context: TypeAlias = grpc.aio.ServicerContext


def status_name(number: int) -> str:
    """Name of the status of that number, as "NOT_FOUND"; "UNKNOWN" for numbers that are none."""
    return _STATUSES.get(number, "UNKNOWN")


class ObservingInterceptor(grpc.aio.ServerInterceptor):
    """Tells the meter and the tracer of unary and bidirectional calls of the sdjscc services; health and reflection
    pass untouched.

    The outermost of the interceptors: what others refuse is counted, and their logs have the trace's id.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        # A method without a handler is one that the client made up: no name for a label.
        if handler is None or not handler_call_details.method.startswith(_OURS):
            return handler
        method = handler_call_details.method
        serializers = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), **serializers)
        return grpc.stream_stream_rpc_method_handler(self._stream(method, handler.stream_stream), **serializers)

    def _unary(self, method: str, inner: Callable[[Any, Context], Awaitable[Any]]) -> Callable[..., Any]:
        async def call(request: Any, context: Context) -> Any:
            with _observed(method, context):
                return await inner(request, context)

        return call

    def _stream(self, method: str, inner: Callable[[Any, Context], AsyncIterator[Any]]) -> Callable[..., Any]:
        async def call(requests: Any, context: Context) -> AsyncIterator[Any]:
            with _observed(method, context):
                async for response in inner(requests, context):
                    yield response

        return call


@contextmanager
def _observed(method: str, context: Context) -> Iterator[None]:
    begin = time.perf_counter()
    meter().call_begun(method)
    span = tracer().begin_serving(method, context.invocation_metadata() or ())
    if trace_id := tracer().trace_id(span):
        structlog.contextvars.bind_contextvars(trace_id=trace_id)
    status = "OK"
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        status = "CANCELLED"
        raise
    except BaseException:
        # Aborted with a status; without one, gRPC makes UNKNOWN of whatever this is.
        code = context.code()
        status = code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"
        raise
    finally:
        tracer().end_serving(span, status, current_request_id.get())
        meter().call_ended(method, status, time.perf_counter() - begin)
