"""What decodes bytes that others send, each as a function of bytes that returns or raises what is promised."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray
from PIL import Image as PillowImage

from channel.service import Conditions, NoisyReceiver
from receiver.service import Receiver
from receiver.service import _Arrived as Arrived
from sdjscc.channels import get_channel
from sdjscc.client.errors import LinkError
from sdjscc.client.messages import read_batch
from sdjscc.client.results import Result
from sdjscc.codecs import CodecRegistry, Outcome
from sdjscc.codecs.separation import HevcIntra, Jpeg, SourceCoder, WebP
from sdjscc.codecs.separation.frame import frame, unframe
from sdjscc.data.images import decode_image
from sdjscc.errors import InvalidRequest, SdjsccError, Undecodable
from sdjscc.serving.batch import receive_result
from sdjscc.serving.status import UpstreamFailed, status_of
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.upstream import Upstream
from sdjscc.serving.workers import Job, Workers
from sdjscc.tasks import get_classifier
from sdjscc.v1.failure_pb2 import Failure
from sdjscc.v1.image_pb2 import IMAGE_FORMAT_PNG, IMAGE_FORMAT_RAW, Image, RawImage
from sdjscc.v1.receiver_pb2 import (
    ChannelConditions,
    ChannelRequest,
    Delivery,
    Label,
    ReceiveBatchRequest,
    ReceiveBatchResponse,
    ReceiveRequest,
    ReceiveResponse,
    ReceiveResult,
)
from sdjscc.v1.tensor_pb2 import ELEMENT_TYPE_FLOAT16, ELEMENT_TYPE_FLOAT32, BitTensor, SymbolTensor
from sdjscc.v1.transmitter_pb2 import (
    TransmitBatchRequest,
    TransmitBatchResponse,
    TransmitRequest,
    TransmitResponse,
    TransmitResult,
)
from sdjscc.wire.images import pack_raw, unpack_image
from sdjscc.wire.tensors import pack_bits, pack_symbols, unpack_bits, unpack_symbols
from transmitter.service import Transmitter, transmission_of
from transmitter.service import _encode as encode

__all__ = ["TARGETS", "Target", "Verdict"]

_MAX_PIXELS = 64 * 64
_MAX_IMAGES = 7
_QUEUE = 16
_LATER = Failure(code=8, message="try again", retry_after_s=0.5)
_SIZES = ((16, 16), (33, 17), (40, 24), (64, 64))
_SMALLEST = ("deep-jscc", 0.125), ("sd-jscc", 0.25), ("webp+ldpc", 0.25), ("jpeg-agreed+ldpc", 0.5)

Verdict = Literal["decoded", "refused", "no message"]


@dataclass(frozen=True)
class Target:
    """One decoder.

    ``check`` takes any bytes. It tells whether they were decoded, to what is promised, or refused by an error of ours;
    whatever it raises is a find.
    """

    check: Callable[[bytes], Verdict]
    seeds: Callable[[], Sequence[bytes]]
    """Valid inputs to begin from."""
    share: int
    """Thousandths of all inputs of a long run: cheap targets get many."""
    message: type[Message] | None = None
    """What the bytes are parsed as, where they are a message."""


def _picture(size: tuple[int, int] = (24, 16), seed: int = 1) -> NDArray[np.uint8]:
    """A smooth gradient under some noise, so that files of it hold a bit of everything; another for each seed."""
    width, height = size
    ramp = np.add.outer(np.arange(height) * 5, np.arange(width) * 3)[..., None] + np.array([0, 60, 120])
    noise = np.random.default_rng(seed).integers(0, 30, (height, width, 3))
    return ((ramp + noise + 97 * (seed - 1)) % 256).astype(np.uint8)


def _check_image(pixels: NDArray[np.uint8], max_pixels: int = _MAX_PIXELS) -> None:
    assert pixels.dtype == np.uint8, pixels.dtype
    assert pixels.ndim == 3, pixels.shape
    assert pixels.shape[2] == 3, pixels.shape
    assert 1 <= pixels.shape[0] * pixels.shape[1] <= max_pixels, pixels.shape


def _parsed(kind: type[Message], data: bytes) -> Message | None:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


def _image_file(data: bytes) -> Verdict:
    try:
        _check_image(decode_image(data, _MAX_PIXELS))
    except InvalidRequest:
        return "refused"
    return "decoded"


def _image_files() -> list[bytes]:
    rgb = PillowImage.fromarray(_picture())
    images = [rgb, rgb.convert("L"), rgb.convert("P"), rgb.convert("RGBA"), rgb.convert("1"), rgb.convert("CMYK")]
    grey16 = PillowImage.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    images += [grey16, rgb.convert("F"), rgb.convert("I")]
    files = []
    for image in images:
        for file_format in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
            buffer = io.BytesIO()
            try:
                image.save(buffer, file_format)
            except (OSError, ValueError):  # a mode the format does not hold
                continue
            files.append(buffer.getvalue())
    for options in ({"format": "JPEG", "progressive": True}, {"format": "TIFF", "compression": "tiff_lzw"}):
        buffer = io.BytesIO()
        rgb.save(buffer, **options)
        files.append(buffer.getvalue())
    buffer = io.BytesIO()
    rgb.save(buffer, "GIF", save_all=True, append_images=[rgb.rotate(90)])
    turned = rgb.getexif()
    turned[0x0112] = 6
    exif = io.BytesIO()
    rgb.save(exif, "JPEG", exif=turned)
    return [*files, buffer.getvalue(), exif.getvalue()]


def _image_message(data: bytes) -> Verdict:
    message = _parsed(Image, data)
    if message is None:
        return "no message"
    try:
        _check_image(unpack_image(message, _MAX_PIXELS))
    except InvalidRequest:
        return "refused"
    return "decoded"


def _image_messages() -> list[bytes]:
    raw = pack_raw(_picture((7, 5)))
    lying = Image(raw=RawImage(width=2**31, height=2, data=bytes(12)))
    return [message.SerializeToString() for message in (raw, lying, Image(encoded=_image_files()[0]))]


def _bit_tensor(data: bytes) -> Verdict:
    message = _parsed(BitTensor, data)
    if message is None:
        return "no message"
    try:
        bits = unpack_bits(message)
    except InvalidRequest:
        return "refused"
    assert bits.shape == tuple(message.shape), bits.shape
    assert bits.max(initial=0) <= 1
    return "decoded"


def _bit_tensors() -> list[bytes]:
    shapes = ([3], [16, 2, 3], [1, 1, 1, 1, 1, 1, 1, 9])
    return [pack_bits(np.ones(shape, np.uint8)).SerializeToString() for shape in shapes]


def _symbol_tensor(data: bytes) -> Verdict:
    message = _parsed(SymbolTensor, data)
    if message is None:
        return "no message"
    try:
        symbols = unpack_symbols(message)
    except InvalidRequest:
        return "refused"
    assert symbols.dtype == np.complex64
    assert symbols.shape == tuple(message.shape), symbols.shape
    assert np.isfinite(symbols).all()
    return "decoded"


def _symbol_tensors() -> list[bytes]:
    symbols = np.array([[1, 1j], [0, -1], [0.5, 2]], np.complex64)
    types = (ELEMENT_TYPE_FLOAT32, ELEMENT_TYPE_FLOAT16)
    return [pack_symbols(symbols, element_type).SerializeToString() for element_type in types]


def _frame(data: bytes) -> Verdict:
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    try:
        file = unframe(bits)
    except Undecodable:
        return "refused"
    assert np.array_equal(frame(file, len(bits)), bits)
    return "decoded"


def _frames() -> list[bytes]:
    return [np.packbits(frame(file, 1456)).tobytes() for file in (b"", b"a file", bytes(181))]


def _source(coder: Callable[[], SourceCoder]) -> Callable[[bytes], Verdict]:
    made = cache(coder)

    def check(data: bytes) -> Verdict:
        size = _SIZES[data[0] % len(_SIZES)] if data else _SIZES[0]
        try:
            image = made().decode(data[1:], size)
        except Undecodable:
            return "refused"
        _check_image(image)
        assert image.shape == (size[1], size[0], 3), (image.shape, size)
        return "decoded"

    return check


def _sources(coder: Callable[[], SourceCoder]) -> Callable[[], list[bytes]]:
    def files() -> list[bytes]:
        made = coder()
        return [
            bytes([place]) + made.encode(_picture(size), made.qualities[at])
            for place, size in enumerate(_SIZES)
            for at in (2, len(made.qualities) // 2, -3)
        ]

    return files


@cache
def _registry() -> CodecRegistry:
    return CodecRegistry()


def _coded_symbols(data: bytes) -> Verdict:
    """The chain from noisy symbols on: half a byte a component, so that few bytes make a whole word."""
    codec = _registry().load("webp+ldpc" if not data or data[0] % 2 else "jpeg-agreed+ldpc", 0.25)
    size = _SIZES[data[0] // 2 % len(_SIZES)] if data else _SIZES[0]
    count = codec.constellation.symbol_count(int(np.prod(codec.bit_shape(size))))
    nibbles = np.resize(np.frombuffer(data[2:] or b"\0", np.uint8), count)
    symbols = ((nibbles >> 4) - 7.5 + 1j * ((nibbles & 15) - 7.5)).astype(np.complex64) / 6
    noise_power = 10 ** ((data[1] if len(data) > 1 else 0) / 25.5 - 9)
    (reception,) = codec.receive(symbols[None], size, np.array([noise_power]))
    assert reception.image.shape == (size[1], size[0], 3), reception.image.shape
    assert reception.image.dtype == np.uint8
    return "refused" if reception.outcome is Outcome.DAMAGED else "decoded"


def _coded_symbol_seeds() -> list[bytes]:
    seeds = []
    for place, (name, size) in enumerate((n, s) for s in _SIZES for n in ("jpeg-agreed+ldpc", "webp+ldpc")):
        codec = _registry().load(name, 0.25)
        symbols = codec.constellation.modulate(codec.encode(_picture(size)[None])[0].reshape(-1))
        nibbles = [np.clip(np.rint(part * 6 + 7.5), 0, 15).astype(np.uint8) for part in (symbols.real, symbols.imag)]
        seeds.append(bytes([place, 200]) + (nibbles[0] << 4 | nibbles[1]).tobytes())
    return seeds


class _Behind(Upstream):
    """An upstream that is a function."""

    def __init__(self, answer: Callable[[Any], Message]) -> None:
        self._service, self._address, self._answer = "fuzzed", "behind", answer

    async def _call(self, method: str, request: object, context: object) -> Message:
        return self._answer(request)


def _echo(request: ReceiveRequest | ReceiveBatchRequest) -> Message:
    """The payload's bits as an image and all else in words; a task asked for is unknown."""
    if isinstance(request, ReceiveBatchRequest):
        outcomes = [_outcome(lambda one=one: _echo(one)) for one in request.requests]
        return ReceiveBatchResponse(results=[receive_result(outcome, "behind") for outcome in outcomes])
    if request.delivery.task:
        raise UpstreamFailed(grpc.StatusCode.NOT_FOUND, f"there is no task {request.delivery.task!r}")
    payload = np.frombuffer(request.transmission.bits.data or request.transmission.symbols.data, np.uint8)
    request.transmission.ClearField("payload")
    return ReceiveResponse(
        image=pack_raw(np.repeat(255 * np.unpackbits(payload), 3).reshape(1, -1, 3)), task=str(request)
    )


@cache
def _transmitter() -> Transmitter:
    workers = Workers(1, _QUEUE)
    return Transmitter(_registry(), "sd-jscc", _Behind(_echo), workers, _MAX_IMAGES, 0.0, _MAX_PIXELS, _MAX_IMAGES, 1)


def _transmit_request(data: bytes) -> Verdict:
    message = _parsed(TransmitRequest, data)
    if message is None:
        return "no message"
    try:
        unpacked = _transmitter()._unpack((message, Stopwatch("transmitter")))
    except SdjsccError:
        return "refused"
    (outcome,) = encode([Job(unpacked)])
    assert not isinstance(outcome, Exception)
    response, onward = outcome
    assert response.bits == np.prod(onward.transmission.bits.shape)
    return "decoded"


def _transmit_requests(seed: int = 1) -> list[bytes]:
    requests = [
        TransmitRequest(
            image=pack_raw(_picture(seed=seed)), codec=codec, bpp=bpp, channel=ChannelRequest(snr_db=5, seed=7)
        )
        for codec, bpp in (("", 0), *_SMALLEST)
    ]
    requests += [TransmitRequest(image=Image(encoded=file), delivery=Delivery(top_k=3)) for file in _image_files()[:3]]
    return [request.SerializeToString() for request in requests]


@cache
def _channel() -> NoisyReceiver:
    return _channel_before(_echo)


def _channel_before(answer: Callable[[Any], Message]) -> NoisyReceiver:
    conditions, workers = Conditions(get_channel("awgn"), 10.0), Workers(1, _QUEUE)
    return NoisyReceiver(conditions, _Behind(answer), workers, ELEMENT_TYPE_FLOAT32, _MAX_IMAGES)


def _request_at_the_channel(data: bytes) -> Verdict:
    message = _parsed(ReceiveRequest, data)
    if message is None:
        return "no message"
    crossed = len(message.conditions)
    try:
        _channel()._replace_payload(message)
    except SdjsccError:
        return "refused"
    assert len(message.conditions) == crossed + 1
    unpack_symbols(message.transmission.symbols)
    return "decoded"


@cache
def _receiver() -> Receiver:
    tasks = {name: get_classifier(name) for name in ("stl10",)}
    return Receiver(_registry(), tasks, "stl10", Workers(1, _QUEUE), _MAX_IMAGES, 0.0, _MAX_PIXELS, _MAX_IMAGES)


def _request_at_the_receiver(data: bytes) -> Verdict:
    message = _parsed(ReceiveRequest, data)
    if message is None:
        return "no message"
    (outcome,) = _receiver()._receive([Job(Arrived(message, Stopwatch("receiver")))])
    if isinstance(outcome, Exception):
        if not isinstance(outcome, SdjsccError):
            raise outcome
        return "refused"
    assert outcome.labels
    if outcome.HasField("image"):
        _check_image(unpack_image(outcome.image, _MAX_PIXELS))
    return "decoded"


def _receive_requests(seed: int = 1) -> list[bytes]:
    requests = []
    for codec_name, bpp in _SMALLEST:
        codec = _registry().load(codec_name, bpp)
        pixels = _picture(seed=seed)
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


def _outcome(answer: Callable[[], Message]) -> Message | SdjsccError:
    try:
        return answer()
    except SdjsccError as error:
        return error


@cache
def _loop() -> asyncio.AbstractEventLoop:
    # One for all: making it would take as long as a call.
    return asyncio.new_event_loop()


def _called(method: Callable[..., Any], request: Message) -> Message | SdjsccError:
    """What a method of a service makes of a copy of the request."""
    own = type(request)()
    own.CopyFrom(request)
    context = SimpleNamespace(time_remaining=lambda: None)
    return _outcome(lambda: _loop().run_until_complete(method(own, context)))


def _batch(
    kind: type[Message], batch: Callable[[], Callable[..., Any]], single: Callable[[], Callable[..., Any]]
) -> Callable[[bytes], Verdict]:
    """A call of several images, each of which must be answered as by a call of its own."""

    def check(data: bytes) -> Verdict:
        message = _parsed(kind, data)
        if message is None:
            return "no message"
        for place, request in enumerate(message.requests):
            if not request.channel.HasField("seed"):
                request.channel.seed = place
        answer = _called(batch(), message)
        fits = 1 <= len(message.requests) <= _MAX_IMAGES
        assert isinstance(answer, Message) == fits, answer
        if not fits:
            return "refused"
        for result, request in zip(answer.results, message.requests, strict=True):
            alone = _called(single(), request)
            if isinstance(alone, SdjsccError):
                assert (result.failure.code, result.failure.message) == (status_of(alone).value[0], str(alone)), result
            else:
                assert result.HasField("response"), result
                _check_same(result.response, alone)
        return "decoded" if any(result.HasField("response") for result in answer.results) else "refused"

    return check


def _check_same(one: Message, other: Message) -> None:
    """But for timings, and for sums that are rounded otherwise beside others."""
    if isinstance(one, TransmitResponse):
        _check_same(one.received, other.received)
        checked = ["received", "timings"]
    else:
        assert one.HasField("image") == other.HasField("image")
        if one.HasField("image"):
            pixels, others = (unpack_image(response.image, 2**20).astype(int) for response in (one, other))
            assert pixels.shape == others.shape, (pixels.shape, others.shape)
            assert np.mean(abs(pixels - others) > 1) <= 0.05
        probabilities = [[label.probability for label in response.labels] for response in (one, other)]
        assert np.allclose(*probabilities, rtol=0, atol=0.02, equal_nan=True), probabilities
        checked = ["image", "labels", "timings"]
    for response in (one, other):
        for name in checked:
            response.ClearField(name)
    assert one == other, (one, other)


def _batches(kind: type[Message], singles: Callable[[int], Sequence[bytes]]) -> Callable[[], list[bytes]]:
    """Five that go together, which is more than a channel does inline, with a bad one in between; and the largest batch
    of different ones."""

    def seeds() -> list[bytes]:
        some, others = singles(1), singles(2)
        batches = [[one, other, b"", one, other, one] for one, other in zip(some, others, strict=True)]
        return [batch_of(requests) for requests in [*batches, some[:_MAX_IMAGES]]]

    def batch_of(requests: Sequence[bytes]) -> bytes:
        message = kind()
        for request in requests:
            message.requests.add().MergeFromString(request)
        return message.SerializeToString()

    return seeds


@cache
def _sound() -> ReceiveRequest:
    return ReceiveRequest.FromString(_receive_requests()[0])


def _answers_at_the_channel(data: bytes) -> Verdict:
    """To two images; a third between them never went there."""
    answer = _parsed(ReceiveBatchResponse, data)
    if answer is None:
        return "no message"
    given = answer.results
    channel = _channel_before(lambda _: ReceiveBatchResponse.FromString(data))
    request = ReceiveBatchRequest(requests=[_sound(), ReceiveRequest(), _sound()])
    first, refused, last = _called(channel.ReceiveBatch, request).results
    assert refused.failure.code == grpc.StatusCode.INVALID_ARGUMENT.value[0], refused
    for place, result in enumerate((first, last)):
        if len(given) != 2 or given[place].WhichOneof("result") is None:
            assert result.failure.code == grpc.StatusCode.INTERNAL.value[0], result
            continue
        for one in (result, given[place]):
            if one.HasField("response"):
                one.response.ClearField("timings")
        # As bytes: a NaN equals no other.
        assert result.SerializeToString() == given[place].SerializeToString(), (result, given[place])
    return "decoded" if len(given) == 2 else "refused"


def _answers_from_the_receiver() -> list[bytes]:
    received = ReceiveResult(response=ReceiveResponse(image=pack_raw(_picture()), labels=[Label(name="cat")]))
    failed = ReceiveResult(failure=_LATER)
    batches = [received, received], [received, failed], [failed, received], [received]
    return [ReceiveBatchResponse(results=results).SerializeToString() for results in batches]


@cache
def _sent() -> list[TransmitRequest]:
    return [TransmitRequest(image=image) for image in (pack_raw(_picture()), Image(encoded=_image_files()[0]))]


def _read(results: Sequence[TransmitResult], sent: Sequence[TransmitRequest]) -> list[Result | LinkError]:
    return read_batch(TransmitBatchResponse(results=results), TransmitBatchRequest(requests=sent), 1.0, "fuzzed")


def _answers_at_the_client(data: bytes) -> Verdict:
    """To two images, each of which must be read as if it were alone."""
    answer = _parsed(TransmitBatchResponse, data)
    if answer is None:
        return "no message"
    try:
        read = _read(answer.results, _sent())
    except LinkError:
        assert len(answer.results) != len(_sent())
        return "refused"
    for result, given, sent in zip(read, answer.results, _sent(), strict=True):
        (alone,) = _read([given], [sent])
        if isinstance(result, LinkError):
            assert result.code is not grpc.StatusCode.OK
            assert (result.code, str(result)) == (alone.code, str(alone))
        else:
            assert given.HasField("response")
            assert (result.image is not None) == given.response.received.HasField("image")
            assert result.psnr_db == alone.psnr_db
    return "refused" if all(isinstance(result, LinkError) for result in read) else "decoded"


def _answers_from_the_transmitter() -> list[bytes]:
    raw, png, small = (
        TransmitResult(response=TransmitResponse(received=ReceiveResponse(image=image), codec="sd-jscc", bits=96))
        for image in (pack_raw(_picture(seed=2)), Image(encoded=_image_files()[0]), pack_raw(_picture((9, 7))))
    )
    failed = TransmitResult(failure=_LATER)
    batches = [raw, png], [png, raw], [raw, failed], [failed, png], [raw, small], [raw]
    return [TransmitBatchResponse(results=results).SerializeToString() for results in batches]


def _of_source(coder: Callable[[], SourceCoder], share: int) -> Target:
    return Target(_source(coder), _sources(coder), share)


TARGETS: dict[str, Target] = {
    "image-file": Target(_image_file, _image_files, 180),
    "image-message": Target(_image_message, _image_messages, 80, Image),
    "bit-tensor": Target(_bit_tensor, _bit_tensors, 125, BitTensor),
    "symbol-tensor": Target(_symbol_tensor, _symbol_tensors, 125, SymbolTensor),
    "frame": Target(_frame, _frames, 100),
    "jpeg": _of_source(Jpeg, 30),
    "jpeg-agreed": _of_source(lambda: Jpeg(agreed_headers=True), 30),
    "webp": _of_source(WebP, 30),
    "webp-agreed": _of_source(lambda: WebP(agreed_headers=True), 30),
    "hevc": _of_source(HevcIntra, 30),
    "hevc-agreed": _of_source(lambda: HevcIntra(agreed_headers=True), 30),
    "coded-symbols": Target(_coded_symbols, _coded_symbol_seeds, 5),
    "transmit-request": Target(_transmit_request, _transmit_requests, 30, TransmitRequest),
    "channel-request": Target(_request_at_the_channel, _receive_requests, 55, ReceiveRequest),
    "receive-request": Target(_request_at_the_receiver, _receive_requests, 30, ReceiveRequest),
    "transmit-batch-request": Target(
        _batch(TransmitBatchRequest, lambda: _transmitter().TransmitBatch, lambda: _transmitter().Transmit),
        _batches(TransmitBatchRequest, _transmit_requests),
        10,
        TransmitBatchRequest,
    ),
    "channel-batch-request": Target(
        _batch(ReceiveBatchRequest, lambda: _channel().ReceiveBatch, lambda: _channel().Receive),
        _batches(ReceiveBatchRequest, _receive_requests),
        20,
        ReceiveBatchRequest,
    ),
    "receive-batch-request": Target(
        _batch(ReceiveBatchRequest, lambda: _receiver().ReceiveBatch, lambda: _receiver().Receive),
        _batches(ReceiveBatchRequest, _receive_requests),
        10,
        ReceiveBatchRequest,
    ),
    "receive-batch-response": Target(_answers_at_the_channel, _answers_from_the_receiver, 25, ReceiveBatchResponse),
    "transmit-batch-response": Target(_answers_at_the_client, _answers_from_the_transmitter, 25, TransmitBatchResponse),
}
"""By name; the shares add up to 1000."""
