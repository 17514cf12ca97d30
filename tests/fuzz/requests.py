"""Requests of one image, into each of the services."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message

from channel.service import Conditions, NoisyReceiver
from receiver.service import Receiver
from receiver.service import _Arrived as Arrived
from sdjscc.channels import get_channel
from sdjscc.errors import SdjsccError
from sdjscc.serving.batch import receive_result
from sdjscc.serving.status import UpstreamFailed
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.upstream import Upstream
from sdjscc.serving.workers import Job, Workers
from sdjscc.tasks import get_classifier
from sdjscc.v1.image_pb2 import IMAGE_FORMAT_PNG, IMAGE_FORMAT_RAW, Image
from sdjscc.v1.receiver_pb2 import (
    ChannelConditions,
    ChannelRequest,
    Delivery,
    ReceiveBatchRequest,
    ReceiveBatchResponse,
    ReceiveRequest,
    ReceiveResponse,
)
from sdjscc.v1.tensor_pb2 import ELEMENT_TYPE_FLOAT16, ELEMENT_TYPE_FLOAT32
from sdjscc.v1.transmitter_pb2 import TransmitRequest
from sdjscc.wire.images import pack_raw, unpack_image
from sdjscc.wire.tensors import pack_symbols, unpack_symbols
from tests.fuzz.decoders import image_files, registry
from tests.fuzz.target import MAX_PIXELS, Verdict, check_image, parsed, picture
from transmitter.service import Transmitter, transmission_of
from transmitter.service import _encode as encode

__all__ = [
    "MAX_IMAGES",
    "channel",
    "channel_before",
    "channel_request",
    "outcome_of",
    "receive_request",
    "receive_requests",
    "receiver",
    "transmit_request",
    "transmit_requests",
    "transmitter",
]

MAX_IMAGES = 7
_QUEUE = 16
# Single transmissions stay below it, several of a separation codec do not: both ways of a channel are taken.
_INLINE_COMPONENTS = 3000
_SMALLEST = ("deep-jscc", 0.125), ("sd-jscc", 0.25), ("webp+ldpc", 0.25), ("jpeg-agreed+ldpc", 0.5)


class _Behind(Upstream):
    """An upstream that is a function."""

    def __init__(self, answer: Callable[[Any], Message]) -> None:
        self._service, self._address, self._answer = "fuzzed", "behind", answer

    async def _call(self, method: str, request: object, context: object) -> Message:
        return self._answer(request)


def _echo(request: ReceiveRequest | ReceiveBatchRequest) -> Message:
    """The payload's bits as an image and all else in words; a task asked for is unknown."""
    if isinstance(request, ReceiveBatchRequest):
        outcomes = [outcome_of(lambda one=one: _echo(one)) for one in request.requests]
        return ReceiveBatchResponse(results=[receive_result(outcome, "behind") for outcome in outcomes])
    if request.delivery.task:
        raise UpstreamFailed(grpc.StatusCode.NOT_FOUND, f"there is no task {request.delivery.task!r}")
    payload = np.frombuffer(request.transmission.bits.data or request.transmission.symbols.data, np.uint8)
    request.transmission.ClearField("payload")
    return ReceiveResponse(
        image=pack_raw(np.repeat(255 * np.unpackbits(payload), 3).reshape(1, -1, 3)), task=str(request)
    )


@cache
def transmitter() -> Transmitter:
    workers = Workers(1, _QUEUE)
    return Transmitter(registry(), "sd-jscc", _Behind(_echo), workers, MAX_IMAGES, 0.0, MAX_PIXELS, MAX_IMAGES, 1)


def transmit_request(data: bytes) -> Verdict:
    message = parsed(TransmitRequest, data)
    if message is None:
        return "no message"
    try:
        unpacked = transmitter()._unpack((message, Stopwatch("transmitter")))
    except SdjsccError:
        return "refused"
    (outcome,) = encode([Job(unpacked)])
    assert not isinstance(outcome, Exception)
    response, onward = outcome
    assert response.bits == np.prod(onward.transmission.bits.shape)
    return "decoded"


def transmit_requests(seed: int = 1) -> list[bytes]:
    requests = [
        TransmitRequest(
            image=pack_raw(picture(seed=seed)), codec=codec, bpp=bpp, channel=ChannelRequest(snr_db=5, seed=7)
        )
        for codec, bpp in (("", 0), *_SMALLEST)
    ]
    requests += [TransmitRequest(image=Image(encoded=file), delivery=Delivery(top_k=3)) for file in image_files()[:3]]
    return [request.SerializeToString() for request in requests]


@cache
def channel() -> NoisyReceiver:
    return channel_before(_echo)


def channel_before(answer: Callable[[Any], Message]) -> NoisyReceiver:
    conditions, workers = Conditions(get_channel("awgn"), 10.0), Workers(1, _QUEUE)
    return NoisyReceiver(
        conditions, _Behind(answer), workers, ELEMENT_TYPE_FLOAT32, MAX_IMAGES, inline_components=_INLINE_COMPONENTS
    )


def channel_request(data: bytes) -> Verdict:
    message = parsed(ReceiveRequest, data)
    if message is None:
        return "no message"
    crossed = len(message.conditions)
    try:
        channel()._replace_payload(message)
    except SdjsccError:
        return "refused"
    assert len(message.conditions) == crossed + 1
    unpack_symbols(message.transmission.symbols)
    return "decoded"


@cache
def receiver() -> Receiver:
    tasks = {name: get_classifier(name) for name in ("stl10",)}
    return Receiver(registry(), tasks, "stl10", Workers(1, _QUEUE), MAX_IMAGES, 0.0, MAX_PIXELS, MAX_IMAGES)


def receive_request(data: bytes) -> Verdict:
    message = parsed(ReceiveRequest, data)
    if message is None:
        return "no message"
    (outcome,) = receiver()._receive([Job(Arrived(message, Stopwatch("receiver")))])
    if isinstance(outcome, Exception):
        if not isinstance(outcome, SdjsccError):
            raise outcome
        return "refused"
    assert outcome.labels
    if outcome.HasField("image"):
        check_image(unpack_image(outcome.image, MAX_PIXELS))
    return "decoded"


def receive_requests(seed: int = 1) -> list[bytes]:
    requests = []
    for codec_name, bpp in _SMALLEST:
        codec = registry().load(codec_name, bpp)
        pixels = picture(seed=seed)
        bits = codec.encode(pixels[None])[0]
        transmission = transmission_of(codec, bits, (pixels.shape[1], pixels.shape[0]))
        request = ReceiveRequest(transmission=transmission, delivery=Delivery(image_format=IMAGE_FORMAT_RAW))
        requests.append(request)
        crossed = ReceiveRequest()
        crossed.CopyFrom(request)
        crossed.delivery.image_format = IMAGE_FORMAT_PNG
        symbols = codec.constellation.modulate(bits.reshape(-1))
        crossed.transmission.symbols.CopyFrom(pack_symbols(symbols, ELEMENT_TYPE_FLOAT16))
        crossed.conditions.append(ChannelConditions(model="awgn", snr_db=20, seed=3))
        requests.append(crossed)
    return [request.SerializeToString() for request in requests]


def outcome_of(answer: Callable[[], Message]) -> Message | SdjsccError:
    try:
        return answer()
    except SdjsccError as error:
        return error
