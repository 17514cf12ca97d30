"""A ReceiverService behind this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Literal

import grpc

from sdjscc.observability.tracer import tracer
from sdjscc.serving.batch import receive_result
from sdjscc.serving.request_id import current_request_id
from sdjscc.serving.status import UpstreamFailed, upstream_failure
from sdjscc.serving.tls import RenewedStub
from sdjscc.v1.receiver_pb2 import (
    ReceiveBatchRequest,
    ReceiveBatchResponse,
    ReceiveRequest,
    ReceiveResponse,
    ReceiveResult,
)
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceStub
from sdjscc.wire.metadata import REQUEST_ID_KEY
from sdjscc.wire.options import channel_options
from sdjscc.wire.tls import PLAINTEXT, TlsFiles

__all__ = ["Upstream"]

_SERVICE = "/sdjscc.v1.ReceiverService/"


class Upstream:
    """Hands requests on, with the request id and what is left of the caller's deadline.

    Args:
        service: this one's name, for errors.
        address: of a channel or a receiver, ``host:port`` or any gRPC target.
        timeout_s: longest wait where the caller set no deadline.
        max_message_bytes: largest message sent or taken.
        tls: files to connect with; plaintext where they name no authority.
        insecure: allow plaintext to other machines.
    """

    def __init__(
        self,
        service: str,
        address: str,
        timeout_s: float,
        max_message_bytes: int,
        tls: TlsFiles = PLAINTEXT,
        insecure: bool = False,
    ) -> None:
        self._service, self._address, self._timeout_s = service, address, timeout_s
        self._receiver = RenewedStub(ReceiverServiceStub, address, channel_options(max_message_bytes), tls, insecure)

    async def receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        """The upstream's answer; raises `UpstreamFailed`. Cancelling this call cancels the one behind it."""
        response: ReceiveResponse = await self._call("Receive", request, context)
        return response

    async def receive_batch(
        self, batch: ReceiveBatchRequest, failed: Mapping[int, Exception], context: grpc.aio.ServicerContext
    ) -> list[ReceiveResult]:
        """What becomes of several images, in their order: the upstream's answers to one call, and failures of what
        failed before, or with the call.

        Args:
            batch: those that go on.
            failed: why the others do not, by their places among all.
            context: of the call that brought them.
        """
        answers: Iterator[ReceiveResult | Exception]
        try:
            answers = iter(await self._answers(batch, context) if batch.requests else ())
        except UpstreamFailed as error:
            answers = repeat(error)
        return [
            receive_result(failed[place] if place in failed else next(answers), self._service)
            for place in range(len(batch.requests) + len(failed))
        ]

    async def _answers(
        self, batch: ReceiveBatchRequest, context: grpc.aio.ServicerContext
    ) -> Sequence[ReceiveResult | Exception]:
        response: ReceiveBatchResponse = await self._call("ReceiveBatch", batch, context)
        if len(response.results) != len(batch.requests):
            raise self._strange(f"answered {len(response.results)} of {len(batch.requests)} images")
        unread = self._strange("answered an image in no way known here")
        return [result if _says_what(result) else unread for result in response.results]

    def _strange(self, answer: str) -> UpstreamFailed:
        sentence = f"the upstream {self._address} {answer}; run the same version there"
        return UpstreamFailed(grpc.StatusCode.INTERNAL, sentence)

    async def _call(
        self, method: Literal["Receive", "ReceiveBatch"], request: object, context: grpc.aio.ServicerContext
    ) -> Any:
        remaining = context.time_remaining()
        timeout_s = self._timeout_s if remaining is None else remaining
        try:
            with tracer().calling(_SERVICE + method) as trace:
                call = getattr(self._receiver.get(), method)
                metadata = ((REQUEST_ID_KEY, current_request_id.get()), *trace)
                response = await call(request, timeout=timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            self._receiver.failed(error)
            raise upstream_failure(error, self._address, timeout_s) from error
        self._receiver.answered()
        return response

    async def close(self) -> None:
        await self._receiver.close()


def _says_what(result: ReceiveResult) -> bool:
    """Whether it is a response, or a failure with an error."""
    return result.HasField("response") or bool(result.failure.code)
