"""The transmitter's gRPC service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from sdjscc.channels import check_snr_db
from sdjscc.codecs import CodecRegistry
from sdjscc.errors import SdjsccError
from sdjscc.observability.meter import meter
from sdjscc.observability.tracer import tracer
from sdjscc.serving.logs import get_logger
from sdjscc.serving.observing import status_name
from sdjscc.serving.status import status_of
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.upstream import Upstream
from sdjscc.serving.workers import Workers, one_by_one
from sdjscc.v1 import transmitter_pb2
from sdjscc.v1.receiver_pb2 import ReceiveRequest, Transmission
from sdjscc.v1.transmitter_pb2 import (
    FrameError,
    TransmitRequest,
    TransmitResponse,
    TransmitStreamRequest,
    TransmitStreamResponse,
)
from sdjscc.v1.transmitter_pb2_grpc import TransmitterServiceServicer
from sdjscc.wire.images import unpack_image
from sdjscc.wire.tensors import pack_bits

__all__ = ["Transmitter"]


class Transmitter(TransmitterServiceServicer):
    """Encodes, sends, and answers with what the receiver made of it.

    Args:
        codecs: what is installed here.
        default_codec: for requests that name none.
        upstream: where transmissions go.
        workers: threads that decode images and run the encoder.
        max_pixels: largest image taken.
        stream_window: frames of one stream that are under way at a time.
    """

    def __init__(
        self,
        codecs: CodecRegistry,
        default_codec: str,
        upstream: Upstream,
        workers: Workers,
        max_pixels: int,
        stream_window: int,
    ) -> None:
        self._codecs, self._default_codec, self._upstream = codecs, default_codec, upstream
        self._workers, self._max_pixels, self._stream_window = workers, max_pixels, stream_window
        # Each by itself: beside others a sum is rounded differently, and a bit at the threshold may flip.
        self._encoding = one_by_one(self._encode)

    async def Transmit(self, request: TransmitRequest, context: grpc.aio.ServicerContext) -> TransmitResponse:
        response, onward = await self._workers.run(self._encoding, (request, Stopwatch("transmitter")))
        meter().sent(response.codec, response.bits, response.channel_uses)
        tracer().annotate(codec=response.codec, bpp=response.bpp, bits=response.bits)
        received = await self._upstream.receive(onward, context)
        response.received.CopyFrom(received)
        return response

    async def TransmitStream(
        self, requests: AsyncIterator[TransmitStreamRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[TransmitStreamResponse]:
        """Frames overlap, up to the window; the window is also what holds back a sender who is faster than the link."""
        frames: asyncio.Queue[asyncio.Task[TransmitStreamResponse] | None] = asyncio.Queue()
        window = asyncio.Semaphore(self._stream_window)
        under_way: set[asyncio.Task[TransmitStreamResponse]] = set()

        async def read() -> None:
            try:
                async for frame in requests:
                    await window.acquire()
                    task = asyncio.create_task(self._frame(frame, context))
                    under_way.add(task)
                    frames.put_nowait(task)
            finally:
                frames.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (task := await frames.get()) is not None:
                yield await task
                under_way.discard(task)
                window.release()
            await reader
        finally:
            # Reached early when the sender has gone: what it will not see is not worked on further.
            for left in (reader, *under_way):
                left.cancel()

    async def ListCodecs(
        self, request: transmitter_pb2.ListCodecsRequest, context: grpc.aio.ServicerContext
    ) -> transmitter_pb2.ListCodecsResponse:
        codecs = [
            transmitter_pb2.CodecInfo(name=entry.name, bpp=entry.bpp, weights_sha256=entry.weights_sha256)
            for entry in self._codecs.entries
        ]
        return transmitter_pb2.ListCodecsResponse(codecs=codecs, default_codec=self._default_codec)

    async def _frame(self, frame: TransmitStreamRequest, context: grpc.aio.ServicerContext) -> TransmitStreamResponse:
        with tracer().frame(frame.frame_id) as ended:
            answer = await self._answer(frame, context)
            status = status_name(answer.error.code)
            ended(status)
            meter().frame(status)
        return answer

    async def _answer(self, frame: TransmitStreamRequest, context: grpc.aio.ServicerContext) -> TransmitStreamResponse:
        try:
            response = await self.Transmit(frame.request, context)
        except SdjsccError as error:
            code: int = status_of(error).value[0]
            return TransmitStreamResponse(frame_id=frame.frame_id, error=FrameError(code=code, message=str(error)))
        except Exception as error:
            get_logger().error("internal error", exc_info=error, frame_id=frame.frame_id)
            code = grpc.StatusCode.INTERNAL.value[0]
            message = "internal error; the transmitter's log has it"
            return TransmitStreamResponse(frame_id=frame.frame_id, error=FrameError(code=code, message=message))
        return TransmitStreamResponse(frame_id=frame.frame_id, response=response)

    def _encode(self, arrived: tuple[TransmitRequest, Stopwatch]) -> tuple[TransmitResponse, ReceiveRequest]:
        """Our part of the answer, and what goes to the receiver."""
        request, watch = arrived
        if request.channel.HasField("snr_db"):
            check_snr_db(request.channel.snr_db)
        codec = self._codecs.load(request.codec or self._default_codec, request.bpp)
        with watch.stage("unpack"):
            pixels = unpack_image(request.image, self._max_pixels)
        with watch.stage("encode"):
            bits = codec.encode(pixels[None])[0]
        height, width, _ = pixels.shape
        transmission = Transmission(
            codec=codec.name,
            bpp=codec.bpp,
            weights_sha256=codec.weights_sha256,
            width=width,
            height=height,
            bit_shape=bits.shape,
            constellation=codec.constellation.name,
            bits=pack_bits(bits),
        )
        response = TransmitResponse(
            codec=codec.name,
            bpp=codec.bpp,
            bits=bits.size,
            channel_uses=codec.constellation.symbol_count(bits.size),
            timings=watch.timings,
        )
        onward = ReceiveRequest(transmission=transmission, delivery=request.delivery, channel=request.channel)
        return response, onward
