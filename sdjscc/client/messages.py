"""Requests from arguments and results from responses; shared by the two clients."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypedDict

import grpc
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sdjscc.client.errors import LinkError, status_from_number
from sdjscc.client.results import ChannelConditions, CodecInfo, Label, Outcome, Result
from sdjscc.errors import InvalidRequest
from sdjscc.v1 import image_pb2, receiver_pb2
from sdjscc.v1.failure_pb2 import Failure
from sdjscc.v1.image_pb2 import Image, ImageFormat
from sdjscc.v1.receiver_pb2 import ChannelRequest, Delivery
from sdjscc.v1.transmitter_pb2 import (
    ListCodecsResponse,
    TransmitBatchRequest,
    TransmitBatchResponse,
    TransmitRequest,
    TransmitResponse,
    TransmitResult,
    TransmitStreamRequest,
    TransmitStreamResponse,
)
from sdjscc.wire.images import pack_raw, unpack_image
from sdjscc.wire.retry import a_wait

__all__ = [
    "TRANSMIT",
    "TRANSMIT_BATCH",
    "TRANSMIT_STREAM",
    "Frames",
    "ImageLike",
    "Options",
    "ReceivedFormat",
    "build_batch",
    "build_request",
    "read_batch",
    "read_codecs",
    "read_result",
]

TRANSMIT = "/sdjscc.v1.TransmitterService/Transmit"
TRANSMIT_BATCH = "/sdjscc.v1.TransmitterService/TransmitBatch"
TRANSMIT_STREAM = "/sdjscc.v1.TransmitterService/TransmitStream"

ImageLike = bytes | Path | str | NDArray[np.uint8] | PillowImage.Image
"""Bytes of an image file, its path, RGB pixels (uint8 ``(h, w, 3)``), or a Pillow image."""

ReceivedFormat = Literal["png", "jpeg", "webp", "raw", "none"]

_FORMATS: dict[str, ImageFormat] = {
    "png": image_pb2.IMAGE_FORMAT_PNG,
    "jpeg": image_pb2.IMAGE_FORMAT_JPEG,
    "webp": image_pb2.IMAGE_FORMAT_WEBP,
    "raw": image_pb2.IMAGE_FORMAT_RAW,
    "none": image_pb2.IMAGE_FORMAT_UNSPECIFIED,
}

_OUTCOMES: dict[int, Outcome] = {
    receiver_pb2.OUTCOME_DAMAGED: "damaged",
    receiver_pb2.OUTCOME_NOTHING_SENT: "nothing sent",
}

_MAX_TOP_K = 1000

# Pillow modes that a lossless format keeps.
_FILE_FORMATS = {**dict.fromkeys(("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "PNG"), "I": "TIFF", "F": "TIFF"}

# Our own limit for what was sent: far above any service's default.
_MAX_PIXELS = 2**28


class Options(TypedDict, total=False):
    """How an image is sent; every part may be left out."""

    codec: str
    """Name of the codec; the transmitter's default."""
    bpp: float
    """Rate in bits per pixel; the codec's default."""
    snr_db: float | None
    """SNR of the channels in dB, -30 to 100; what they are set to."""
    seed: int | None
    """Of the noise, 0 to 2^64 - 1; one is drawn, and comes back in the result's conditions."""
    task: str
    """"imagenet", "stl10", ...; the receiver's default."""
    top_k: int
    """Labels wanted; 1."""
    received_format: ReceivedFormat
    """How the received image travels back: "png"; "none" for no image."""


def build_request(image: ImageLike, options: Options) -> TransmitRequest:
    """The request for one image; raises `InvalidRequest` for what can be told here to be no image."""
    received_format = options.get("received_format", "png")
    if received_format not in _FORMATS:
        raise InvalidRequest(f"the format {received_format!r} is unknown; use one of: {', '.join(_FORMATS)}")
    seed = options.get("seed")
    if seed is not None and not 0 <= seed < 2**64:
        raise InvalidRequest(f"the seed is {seed}; give an integer from 0 to 2^64 - 1")
    top_k = options.get("top_k", 1)
    if not 1 <= top_k <= _MAX_TOP_K:
        raise InvalidRequest(f"top_k is {top_k}; ask for 1 to {_MAX_TOP_K} labels")
    return TransmitRequest(
        image=_image(image),
        codec=options.get("codec", ""),
        bpp=options.get("bpp", 0.0),
        delivery=Delivery(image_format=_FORMATS[received_format], top_k=top_k, task=options.get("task", "")),
        channel=ChannelRequest(snr_db=options.get("snr_db"), seed=seed),
    )


def read_result(response: TransmitResponse, request: TransmitRequest, round_trip_ms: float, request_id: str) -> Result:
    """The answer to a request as a `Result`; raises `LinkError` where its image is none, or none of the size sent."""
    received = response.received
    original = image = None
    if received.HasField("image"):
        original = unpack_image(request.image, _MAX_PIXELS)
        image = _received_image(received.image, original.shape, request_id)
    timings = (*response.timings, *received.timings)
    return Result(
        original=original,
        image=image,
        labels=tuple(Label(label.name, label.probability) for label in received.labels),
        task=received.task,
        codec=response.codec,
        bpp=response.bpp,
        bits=response.bits,
        channel_uses=response.channel_uses,
        conditions=tuple(ChannelConditions(c.model, c.snr_db, c.seed) for c in received.conditions),
        timings_ms={timing.stage: timing.milliseconds for timing in timings},
        round_trip_ms=round_trip_ms,
        request_id=request_id,
        # A receiver that does not tell has no codec that can fail.
        outcome=_OUTCOMES.get(received.outcome, "received"),
    )


def build_batch(images: Iterable[ImageLike], options: Options) -> TransmitBatchRequest:
    """One request for several images; raises `InvalidRequest` for what can be told here to be no image."""
    return TransmitBatchRequest(requests=[build_request(image, options) for image in images])


def read_batch(
    response: TransmitBatchResponse, request: TransmitBatchRequest, round_trip_ms: float, request_id: str
) -> list[Result | LinkError]:
    """The answer to each of several images, in their order; raises `LinkError` where there are more or fewer."""
    answers, count = response.results, len(request.requests)
    if len(answers) != count:
        raise _strange(f"{len(answers)} answers came back for {count} images", request_id)
    return [
        _read_one(answer, answer.failure, sent, round_trip_ms, request_id)
        for answer, sent in zip(answers, request.requests, strict=True)
    ]


class Frames:
    """The frames of one stream that are under way."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._failure: Exception | None = None
        self._count = 0
        self._sent: dict[int, tuple[TransmitRequest, float]] = {}

    def requests(self, images: Iterable[ImageLike]) -> Iterator[TransmitStreamRequest]:
        """The frames to send; one that cannot be built ends the stream there, and `raise_failure` says why."""
        try:
            for image in images:
                yield self._add(image)
        except Exception as error:
            self._failure = error

    async def requests_async(self, images: AsyncIterable[ImageLike]) -> AsyncIterator[TransmitStreamRequest]:
        """As `requests`."""
        try:
            async for image in images:
                yield self._add(image)
        except Exception as error:
            self._failure = error

    def raise_failure(self) -> None:
        """gRPC swallows what the source of its requests raises; here it comes out again."""
        if self._failure is not None:
            raise self._failure

    def answer(self, response: TransmitStreamResponse, request_id: str) -> Result | LinkError:
        """What a response says of its frame; raises `LinkError` where no such frame is under way."""
        if response.frame_id not in self._sent:
            raise _strange(f"an answer to a frame {response.frame_id} came back, which is not under way", request_id)
        request, begin = self._sent.pop(response.frame_id)
        return _read_one(response, response.error, request, 1e3 * (time.perf_counter() - begin), request_id)

    def _add(self, image: ImageLike) -> TransmitStreamRequest:
        frame = TransmitStreamRequest(frame_id=self._count, request=build_request(image, self._options))
        self._sent[self._count] = frame.request, time.perf_counter()
        self._count += 1
        return frame


def read_codecs(response: ListCodecsResponse) -> list[CodecInfo]:
    """The codecs of a response."""
    return [CodecInfo(codec.name, codec.bpp, codec.weights_sha256) for codec in response.codecs]


def _read_one(
    answer: TransmitResult | TransmitStreamResponse,
    failure: Failure,
    request: TransmitRequest,
    round_trip_ms: float,
    request_id: str,
) -> Result | LinkError:
    """The answer to one of several images, which spoils no other."""
    if answer.HasField("response"):
        try:
            return read_result(answer.response, request, round_trip_ms, request_id)
        except LinkError as error:
            return error
    retry_after_s = a_wait(failure.retry_after_s) if failure.HasField("retry_after_s") else None
    message = failure.message or "the link does not say why"
    return LinkError(status_from_number(failure.code), message, request_id, retry_after_s)


def _received_image(message: Image, shape: tuple[int, ...], request_id: str) -> NDArray[np.uint8]:
    height, width, _ = shape
    try:
        # No more than was sent, or a small file could fill the memory.
        pixels = unpack_image(message, height * width)
    except InvalidRequest as error:
        raise _strange("what came back is no image, or a larger one than was sent", request_id) from error
    if pixels.shape != shape:
        sentence = f"{pixels.shape[1]}x{pixels.shape[0]} pixels came back for an image of {width}x{height}"
        raise _strange(sentence, request_id)
    return pixels


def _strange(sentence: str, request_id: str) -> LinkError:
    return LinkError(grpc.StatusCode.INTERNAL, f"{sentence}; run one version everywhere", request_id)


def _image(image: ImageLike) -> Image:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InvalidRequest(f"the array is {image.dtype} {image.shape}; give RGB pixels, uint8 (height, width, 3)")
        return pack_raw(image)
    if isinstance(image, PillowImage.Image):
        # By way of a file, so that transparency, palettes and 16 bits are treated as those of files are.
        as_file = image if image.mode in _FILE_FORMATS else image.convert("RGB")
        buffer = io.BytesIO()
        as_file.save(buffer, _FILE_FORMATS[as_file.mode])
        return Image(encoded=buffer.getvalue())
    if isinstance(image, bytes):
        return Image(encoded=image)
    try:
        return Image(encoded=Path(image).read_bytes())
    except OSError as error:
        raise InvalidRequest(f"{image} cannot be read: {error.strerror}") from error
