"""Around every call of ours: request id, one log line, and errors turned into statuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from sdjscc.errors import InvalidRequest
from sdjscc.serving.admission import Admission
from sdjscc.serving.logs import get_logger
from sdjscc.serving.peer import client_identity
from sdjscc.serving.request_id import current_request_id
from sdjscc.serving.status import UpstreamFailed, retry_after_s_of, told
from sdjscc.wire.metadata import ORIGIN_KEY, REQUEST_ID_KEY, read_request_id
from sdjscc.wire.retry import Metadata, retry_metadata
from sdjscc.wire.service_config import NO_RETRY

__all__ = ["RequestInterceptor"]

_OURS = "/sdjscc."

# Sentences repeat names that clients send, of any length, and go to the log and into a header of limited size.
_LONGEST_SENTENCE = 1000
Context: TypeAlias = grpc.aio.ServicerContext


class RequestInterceptor(grpc.aio.ServerInterceptor):
    """Wraps unary and bidirectional calls of the sdjscc services; health and reflection pass untouched.

    Args:
        service: its name, for errors and logs.
        admission: whom to refuse.
    """

    def __init__(self, service: str, admission: Admission) -> None:
        self._service, self._admission = service, admission
        self._log = get_logger()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        # Messages are parsed here: gRPC would answer damaged ones with UNKNOWN and the name of a Python class.
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary, handler.request_deserializer),
                response_serializer=handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._stream(method, handler.stream_stream, handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )

    def _unary(
        self, method: str, inner: Callable[[Any, Context], Awaitable[Any]], parse: Callable[[bytes], Any]
    ) -> Callable[..., Any]:
        async def call(data: bytes, context: Context) -> Any:
            with self._serving(method, context) as outcome:
                try:
                    with self._admission.admitted(client_identity(context)):
                        return await inner(_parse(data, parse), context)
                except Exception as error:
                    await self._abort(context, error, outcome)

        return call

    def _stream(
        self,
        method: str,
        inner: Callable[[AsyncIterator[Any], Context], AsyncIterator[Any]],
        parse: Callable[[bytes], Any],
    ) -> Callable[..., Any]:
        async def parsed(messages: AsyncIterator[bytes]) -> AsyncIterator[Any]:
            async for data in messages:
                yield _parse(data, parse)

        async def call(messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            with self._serving(method, context) as outcome:
                try:
                    with self._admission.admitted(client_identity(context)):
                        async for response in inner(parsed(messages), context):
                            yield response
                except Exception as error:
                    await self._abort(context, error, outcome)

        return call

    @contextmanager
    def _serving(self, method: str, context: Context) -> Iterator[dict[str, Any]]:
        request_id = read_request_id(context.invocation_metadata() or ())
        current_request_id.set(request_id)
        context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        outcome: dict[str, Any] = {"status": "OK"}
        begin = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                yield outcome
            except asyncio.CancelledError:
                outcome["status"] = "CANCELLED"
                raise
            finally:
                milliseconds = round(1e3 * (time.perf_counter() - begin), 2)
                self._log.info("call", method=method, milliseconds=milliseconds, **outcome)

    async def _abort(self, context: Context, error: Exception, outcome: dict[str, Any]) -> NoReturn:
        code, sentence = told(error, self._service)
        message = _shortened(sentence)
        outcome.update(status=code.name, error=message)
        trailing: Metadata = ((REQUEST_ID_KEY, current_request_id.get()), (ORIGIN_KEY, self._service))
        retry_after_s = retry_after_s_of(error)
        if retry_after_s is not None:
            trailing += retry_metadata(code, message, retry_after_s)
        elif isinstance(error, UpstreamFailed):
            # Who calls an upstream has retried already; each hop doing so again would multiply the calls.
            trailing += (NO_RETRY,)
        await context.abort(code, message, trailing)
        raise AssertionError("abort raises")


def _shortened(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[:_LONGEST_SENTENCE]} ..."


def _parse(data: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(data)
    except DecodeError as error:
        sentence = "the message cannot be parsed; build the client from the current proto/sdjscc/v1"
        raise InvalidRequest(sentence) from error
