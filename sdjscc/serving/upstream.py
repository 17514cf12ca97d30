"""A ReceiverService behind this one."""

from __future__ import annotations

import grpc

from sdjscc.observability.tracer import tracer
from sdjscc.serving.request_id import current_request_id
from sdjscc.serving.status import upstream_failure
from sdjscc.serving.tls import RenewedStub
from sdjscc.v1.receiver_pb2 import ReceiveRequest, ReceiveResponse
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceStub
from sdjscc.wire.metadata import REQUEST_ID_KEY
from sdjscc.wire.options import channel_options
from sdjscc.wire.tls import PLAINTEXT, TlsFiles

__all__ = ["Upstream"]

_RECEIVE = "/sdjscc.v1.ReceiverService/Receive"


class Upstream:
    """Hands requests on, with the request id and what is left of the caller's deadline.

    Args:
        address: of a channel or a receiver, ``host:port`` or any gRPC target.
        timeout_s: longest wait where the caller set no deadline.
        max_message_bytes: largest message sent or taken.
        tls: files to connect with; plaintext where they name no authority.
        insecure: allow plaintext to other machines.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float,
        max_message_bytes: int,
        tls: TlsFiles = PLAINTEXT,
        insecure: bool = False,
    ) -> None:
        self._address, self._timeout_s = address, timeout_s
        self._receiver = RenewedStub(ReceiverServiceStub, address, channel_options(max_message_bytes), tls, insecure)

    async def receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        """The upstream's answer; raises `UpstreamFailed`. Cancelling this call cancels the one behind it."""
        remaining = context.time_remaining()
        timeout_s = self._timeout_s if remaining is None else remaining
        try:
            with tracer().calling(_RECEIVE) as trace:
                response: ReceiveResponse = await self._receiver.get().Receive(
                    request, timeout=timeout_s, metadata=((REQUEST_ID_KEY, current_request_id.get()), *trace)
                )
        except grpc.aio.AioRpcError as error:
            self._receiver.failed(error)
            raise upstream_failure(error, self._address, timeout_s) from error
        self._receiver.answered()
        return response

    async def close(self) -> None:
        await self._receiver.close()
