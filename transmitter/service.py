"""The transmitter's gRPC service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import numpy as np
from numpy.typing import NDArray

from sdjscc.channels import check_snr_db
from sdjscc.codecs import Codec, CodecRegistry, Size
from sdjscc.observability.meter import meter
from sdjscc.observability.tracer import tracer
from sdjscc.serving.batch import check_count, failed_of, failure_of
from sdjscc.serving.observing import status_name
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.upstream import Upstream
from sdjscc.serving.workers import Job, Work, Workers, one_by_one
from sdjscc.v1 import transmitter_pb2
from sdjscc.v1.receiver_pb2 import ReceiveBatchRequest, ReceiveRequest, ReceiveResult, Transmission
from sdjscc.v1.transmitter_pb2 import (
    TransmitBatchRequest,
    TransmitBatchResponse,
    TransmitRequest,
    TransmitResponse,
    TransmitResult,
    TransmitStreamRequest,
    TransmitStreamResponse,
)
from sdjscc.v1.transmitter_pb2_grpc import TransmitterServiceServicer
from sdjscc.wire.images import unpack_image
from sdjscc.wire.tensors import pack_bits

__all__ = ["Transmitter", "transmission_of"]


# Small images are encoded together where several wait, which takes half the time an image: the weights are read once
# for all. For larger ones it gains little, and the first would wait for the last.
_SMALL_PIXELS = 256 * 256


_Encoded: TypeAlias = tuple[TransmitResponse, ReceiveRequest]
"""Our part of the answer, and what goes to the receiver."""


@dataclass(frozen=True, eq=False)
class _Unpacked:
    """A request, checked, and its image."""

    request: TransmitRequest
    codec: Codec
    pixels: NDArray[np.uint8]
    watch: Stopwatch

    @property
    def alike(self) -> tuple[Codec, tuple[int, ...]]:
        """What images that are encoded together have in common."""
        return self.codec, self.pixels.shape


class Transmitter(TransmitterServiceServicer):
    """Encodes, sends, and answers with what the receiver made of it.

    Args:
        codecs: what is installed here.
        default_codec: for requests that name none.
        upstream: where transmissions go.
        workers: threads that decode images and run the encoder.
        max_batch: images of one size that are encoded together.
        max_delay_s: how long an image may wait for others of its size, seconds.
        max_pixels: largest image taken.
        max_images: images of one call.
        stream_window: frames of one stream that are under way at a time.
    """

    def __init__(
        self,
        codecs: CodecRegistry,
        default_codec: str,
        upstream: Upstream,
        workers: Workers,
        max_batch: int,
        max_delay_s: float,
        max_pixels: int,
        max_images: int,
        stream_window: int,
    ) -> None:
        self._codecs, self._default_codec, self._upstream = codecs, default_codec, upstream
        self._workers, self._max_pixels = workers, max_pixels
        self._max_images, self._stream_window = max_images, stream_window
        self._unpacking = one_by_one(self._unpack, max_batch)
        self._alone: Work[_Unpacked, _Encoded] = Work(_encode)
        self._together: Work[_Unpacked, _Encoded] = Work(_encode, max_batch, max_delay_s)

    async def Transmit(self, request: TransmitRequest, context: grpc.aio.ServicerContext) -> TransmitResponse:
        [encoded] = await self._encode([request], context)
        if isinstance(encoded, Exception):
            raise encoded
        response, onward = encoded
        tracer().annotate(codec=response.codec, bpp=response.bpp, bits=response.bits)
        received = await self._upstream.receive(onward, context)
        response.received.CopyFrom(received)
        return response

    async def TransmitBatch(
        self, request: TransmitBatchRequest, context: grpc.aio.ServicerContext
    ) -> TransmitBatchResponse:
        check_count(len(request.requests), self._max_images)
        tracer().annotate(images=len(request.requests))
        encoded = await self._encode(request.requests, context)
        onward = ReceiveBatchRequest(requests=[one[1] for one in encoded if not isinstance(one, Exception)])
        received = await self._upstream.receive_batch(onward, failed_of(encoded), context)
        return TransmitBatchResponse(results=map(_result, encoded, received))

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
            meter().image(status)
        return answer

    async def _answer(self, frame: TransmitStreamRequest, context: grpc.aio.ServicerContext) -> TransmitStreamResponse:
        try:
            response = await self.Transmit(frame.request, context)
        except Exception as error:
            return TransmitStreamResponse(frame_id=frame.frame_id, error=failure_of(error, "transmitter"))
        return TransmitStreamResponse(frame_id=frame.frame_id, response=response)

    async def _encode(
        self, requests: Sequence[TransmitRequest], context: grpc.aio.ServicerContext
    ) -> list[_Encoded | Exception]:
        """Each image encoded, or what is wrong with it."""
        arrived = [(self._unpacking, (request, Stopwatch("transmitter")), None) for request in requests]
        unpacked = await self._workers.run_all(arrived, context.time_remaining())
        tasks = [self._encoding(image) for image in unpacked if not isinstance(image, Exception)]
        encoded = await self._workers.run_all(tasks, context.time_remaining())
        remaining = iter(encoded)
        outcomes = [image if isinstance(image, Exception) else next(remaining) for image in unpacked]
        for outcome in outcomes:
            if not isinstance(outcome, Exception):
                meter().sent(outcome[0].codec, outcome[0].bits, outcome[0].channel_uses)
        return outcomes

    def _encoding(self, image: _Unpacked) -> tuple[Work[_Unpacked, _Encoded], _Unpacked, Hashable]:
        height, width, _ = image.pixels.shape
        return self._together if width * height <= _SMALL_PIXELS else self._alone, image, image.alike

    def _unpack(self, arrived: tuple[TransmitRequest, Stopwatch]) -> _Unpacked:
        request, watch = arrived
        if request.channel.HasField("snr_db"):
            check_snr_db(request.channel.snr_db)
        codec = self._codecs.load(request.codec or self._default_codec, request.bpp)
        with watch.stage("unpack"):
            pixels = unpack_image(request.image, self._max_pixels)
        return _Unpacked(request, codec, pixels, watch)


def _encode(jobs: Sequence[Job[_Unpacked]]) -> list[_Encoded | Exception]:
    """Images of one codec and size."""
    images = [job.item for job in jobs]
    begin = time.perf_counter()
    batch = images[0].codec.encode(np.stack([image.pixels for image in images]))
    milliseconds = 1e3 * (time.perf_counter() - begin)
    return [_encoded(image, bits, milliseconds) for image, bits in zip(images, batch, strict=True)]


def _result(encoded: _Encoded | Exception, received: ReceiveResult) -> TransmitResult:
    if isinstance(encoded, Exception) or received.HasField("failure"):
        return TransmitResult(failure=received.failure)
    response, _ = encoded
    response.received.CopyFrom(received.response)
    return TransmitResult(response=response)


def transmission_of(codec: Codec, bits: NDArray[np.uint8], size: Size) -> Transmission:
    """What crosses the link for one image of ``size``: its bits, of the codec's ``bit_shape``, and what they are of."""
    width, height = size
    return Transmission(
        codec=codec.name,
        bpp=codec.bpp,
        weights_sha256=codec.weights_sha256,
        width=width,
        height=height,
        bit_shape=bits.shape,
        constellation=codec.constellation.name,
        bits=pack_bits(bits),
    )


def _encoded(image: _Unpacked, bits: NDArray[np.uint8], milliseconds: float) -> _Encoded:
    image.watch.add("encode", milliseconds)
    codec, request = image.codec, image.request
    height, width, _ = image.pixels.shape
    transmission = transmission_of(codec, bits, (width, height))
    response = TransmitResponse(
        codec=codec.name,
        bpp=codec.bpp,
        bits=bits.size,
        channel_uses=codec.constellation.symbol_count(bits.size),
        timings=image.watch.timings,
    )
    return response, ReceiveRequest(transmission=transmission, delivery=request.delivery, channel=request.channel)
