"""The asyncio client."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from sdjscc.client.errors import LinkError, link_error
from sdjscc.client.messages import (
    TRANSMIT,
    TRANSMIT_BATCH,
    TRANSMIT_STREAM,
    Frames,
    ImageLike,
    Options,
    build_batch,
    build_request,
    read_batch,
    read_codecs,
    read_result,
)
from sdjscc.client.results import CodecInfo, Result
from sdjscc.errors import InvalidRequest
from sdjscc.observability.tracer import program_tracer
from sdjscc.v1.transmitter_pb2 import ListCodecsRequest
from sdjscc.v1.transmitter_pb2_grpc import TransmitterServiceStub
from sdjscc.wire.metadata import REQUEST_ID_KEY, new_request_id
from sdjscc.wire.options import DEFAULT_MAX_MESSAGE_BYTES, channel_options
from sdjscc.wire.outage import Outage, Retired
from sdjscc.wire.tls import PLAINTEXT, TlsFiles, open_aio_channel

__all__ = ["DEFAULT_SERVER", "AsyncClient"]

DEFAULT_SERVER = "127.0.0.1:50051"


class AsyncClient:
    """A connection to a transmitter; `Client` is the same without asyncio.

    Args:
        server: the transmitter's address, ``host:port`` or any gRPC target.
        timeout_s: longest wait for one image, seconds; None waits as long as the services do.
        max_message_bytes: largest message sent or taken.
        tls: files to connect with, read once, and again where nobody is reached for 5 s and the connection is opened
            anew; plaintext where they name no authority.
        insecure: allow plaintext to other machines.

    Raises `InvalidRequest` where the files cannot be used, or where plaintext would leave this machine unasked.

    Example::

        async with AsyncClient("127.0.0.1:50051") as client:
            result = await client.transmit("cat.png", snr_db=5)
            print(result.labels[0].name, result.psnr_db)
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        timeout_s: float | None = 60.0,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        tls: TlsFiles = PLAINTEXT,
        insecure: bool = False,
    ) -> None:
        self.server, self.timeout_s = server, timeout_s
        self._options, self._tls, self._insecure = channel_options(max_message_bytes), tls, insecure
        self._outage, self._retired = Outage(), Retired()
        self._channel = open_aio_channel(server, self._options, tls, insecure)
        self._stub = TransmitterServiceStub(self._channel)
        self._tracer = program_tracer()

    async def transmit(self, image: ImageLike, **options: Unpack[Options]) -> Result:
        """Send one image over the link; `Options` says what can be asked for.

        Raises:
            InvalidRequest: what is given is no image, or an option out of its range.
            LinkError: the link refused or failed.
        """
        request = build_request(image, options)
        response, round_trip_ms, request_id = await self._send(TRANSMIT, request)
        return read_result(response, request, round_trip_ms, request_id)

    async def transmit_batch(self, images: Iterable[ImageLike], **options: Unpack[Options]) -> list[Result | LinkError]:
        """Send several images by one call: more images a second than by a call each, and each waits for all.

        Services take 64 images a call where they are not set otherwise, and all of them together are one message. Under
        a seed every image meets the same noise.

        Returns:
            For each image, in their order, the result or why there is none.

        Raises:
            InvalidRequest: one of them is no image, or an option is out of its range.
            LinkError: the call itself was refused or failed; `timeout_s` holds for all images together.
        """
        request = build_batch(images, options)
        response, round_trip_ms, request_id = await self._send(TRANSMIT_BATCH, request)
        return read_batch(response, request, round_trip_ms, request_id)

    async def stream(
        self, images: Iterable[ImageLike] | AsyncIterable[ImageLike], **options: Unpack[Options]
    ) -> AsyncIterator[Result | LinkError]:
        """Send frames over one stream; yields an answer for each, in order. A frame that fails is a `LinkError`.

        Raises:
            LinkError: the stream itself failed.
            Exception: what ``images`` or one of its frames raised here, after the answers to those before it.
        """
        request_id = new_request_id()
        sent = Frames(options)
        requests = sent.requests_async(images) if isinstance(images, AsyncIterable) else sent.requests(images)
        try:
            with self._tracer.calling(TRANSMIT_STREAM) as trace:
                call = self._stub.TransmitStream(requests, metadata=((REQUEST_ID_KEY, request_id), *trace))
                try:
                    async for response in call:
                        self._outage.answered()
                        yield sent.answer(response, request_id)
                finally:
                    call.cancel()
        except grpc.aio.AioRpcError as error:
            raise self._failed(error, request_id, None) from error
        sent.raise_failure()

    async def codecs(self) -> list[CodecInfo]:
        """Codecs and rates that the transmitter offers; raises `LinkError`."""
        request_id = new_request_id()
        try:
            response = await self._stub.ListCodecs(
                ListCodecsRequest(), timeout=self.timeout_s, metadata=((REQUEST_ID_KEY, request_id),)
            )
        except grpc.aio.AioRpcError as error:
            raise self._failed(error, request_id, self.timeout_s) from error
        self._outage.answered()
        return read_codecs(response)

    async def close(self) -> None:
        self._retired.cancel()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, method: str, request: object) -> tuple[Any, float, str]:
        """The transmitter's response to one call, the milliseconds until it was there, and the id of the request."""
        call = getattr(self._stub, method.rpartition("/")[2])
        request_id = new_request_id()
        begin = time.perf_counter()
        try:
            with self._tracer.calling(method) as trace:
                response = await call(request, timeout=self.timeout_s, metadata=((REQUEST_ID_KEY, request_id), *trace))
        except grpc.aio.AioRpcError as error:
            raise self._failed(error, request_id, self.timeout_s) from error
        self._outage.answered()
        return response, 1e3 * (time.perf_counter() - begin), request_id

    def _failed(self, error: grpc.aio.AioRpcError, request_id: str, timeout_s: float | None) -> LinkError:
        """The error in words; sees to it that the calls after it find the transmitters."""
        if self._outage.failed(error):
            self._open_anew()
        return link_error(error, self.server, request_id, timeout_s)

    def _open_anew(self) -> None:
        # Files that cannot be used just now may be on their way.
        with contextlib.suppress(InvalidRequest):
            channel = open_aio_channel(self.server, self._options, self._tls, self._insecure)
            self._retired.add(self._channel)
            self._channel, self._stub = channel, TransmitterServiceStub(channel)
