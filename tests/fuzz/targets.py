"""What decodes bytes that others send, each as a function of bytes that returns or raises what is promised."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray
from PIL import Image as PillowImage

from channel.service import Conditions, NoisyReceiver
from receiver.service import Receiver
from receiver.service import _Arrived as Arrived
from sdjscc.channels import get_channel
from sdjscc.codecs import CodecRegistry, Outcome
from sdjscc.codecs.separation import HevcIntra, Jpeg, SourceCoder, WebP
from sdjscc.codecs.separation.frame import frame, unframe
from sdjscc.data.images import decode_image
from sdjscc.errors import InvalidRequest, SdjsccError, Undecodable
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.workers import Job, Workers
from sdjscc.tasks import get_classifier
from sdjscc.v1.image_pb2 import IMAGE_FORMAT_PNG, IMAGE_FORMAT_RAW, Image, RawImage
from sdjscc.v1.receiver_pb2 import ChannelConditions, ChannelRequest, Delivery, ReceiveRequest
from sdjscc.v1.tensor_pb2 import ELEMENT_TYPE_FLOAT16, ELEMENT_TYPE_FLOAT32, BitTensor, SymbolTensor
from sdjscc.v1.transmitter_pb2 import TransmitRequest
from sdjscc.wire.images import pack_raw, unpack_image
from sdjscc.wire.tensors import pack_bits, pack_symbols, unpack_bits, unpack_symbols
from transmitter.service import Transmitter, transmission_of
from transmitter.service import _encode as encode

__all__ = ["TARGETS", "Target", "Verdict"]

_MAX_PIXELS = 64 * 64
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
    """A smooth gradient under some noise, so that files of it hold a bit of everything."""
    width, height = size
    ramp = np.add.outer(np.arange(height) * 5, np.arange(width) * 3)[..., None] + np.array([0, 60, 120])
    noise = np.random.default_rng(seed).integers(0, 30, (height, width, 3))
    return ((ramp + noise) % 256).astype(np.uint8)


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


@cache
def _transmitter() -> Transmitter:
    return Transmitter(_registry(), "sd-jscc", None, Workers(1, 1), 1, 0.0, _MAX_PIXELS, 1, 1)  # type: ignore[arg-type]


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


def _transmit_requests() -> list[bytes]:
    requests = [
        TransmitRequest(image=pack_raw(_picture()), codec=codec, bpp=bpp, channel=ChannelRequest(snr_db=5, seed=7))
        for codec, bpp in (("", 0), *_SMALLEST)
    ]
    requests += [TransmitRequest(image=Image(encoded=file), delivery=Delivery(top_k=3)) for file in _image_files()[:3]]
    return [request.SerializeToString() for request in requests]


@cache
def _channel() -> NoisyReceiver:
    conditions = Conditions(get_channel("awgn"), 10.0)
    return NoisyReceiver(conditions, None, Workers(1, 1), ELEMENT_TYPE_FLOAT32, 1)  # type: ignore[arg-type]


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
    return Receiver(_registry(), tasks, "stl10", Workers(1, 1), 1, 0.0, _MAX_PIXELS, 1)


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


def _receive_requests() -> list[bytes]:
    requests = []
    for codec_name, bpp in _SMALLEST:
        codec = _registry().load(codec_name, bpp)
        pixels = _picture()
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


def _of_source(coder: Callable[[], SourceCoder], share: int) -> Target:
    return Target(_source(coder), _sources(coder), share)


TARGETS: dict[str, Target] = {
    "image-file": Target(_image_file, _image_files, 200),
    "image-message": Target(_image_message, _image_messages, 100, Image),
    "bit-tensor": Target(_bit_tensor, _bit_tensors, 150, BitTensor),
    "symbol-tensor": Target(_symbol_tensor, _symbol_tensors, 150, SymbolTensor),
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
}
"""By name; the shares add up to 1000."""
