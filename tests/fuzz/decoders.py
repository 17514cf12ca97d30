"""What decodes bytes that others send, each as a function of bytes that returns or raises what is promised."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image as PillowImage

from sdjscc.codecs import CodecRegistry, Outcome
from sdjscc.codecs.separation import SourceCoder
from sdjscc.codecs.separation.frame import frame, unframe
from sdjscc.data.images import decode_image
from sdjscc.errors import InvalidRequest, Undecodable
from sdjscc.v1.image_pb2 import Image, RawImage
from sdjscc.v1.tensor_pb2 import ELEMENT_TYPE_FLOAT16, ELEMENT_TYPE_FLOAT32, BitTensor, SymbolTensor
from sdjscc.wire.images import pack_raw, unpack_image
from sdjscc.wire.tensors import pack_bits, pack_symbols, unpack_bits, unpack_symbols
from tests.fuzz.target import MAX_PIXELS, Verdict, check_image, parsed, picture

__all__ = [
    "bit_tensor",
    "bit_tensors",
    "coded_frame",
    "coded_frames",
    "coded_symbol_seeds",
    "coded_symbols",
    "image_file",
    "image_files",
    "image_message",
    "image_messages",
    "registry",
    "source",
    "sources",
    "symbol_tensor",
    "symbol_tensors",
]

_SIZES = ((16, 16), (33, 17), (40, 24), (64, 64))


def image_file(data: bytes) -> Verdict:
    try:
        check_image(decode_image(data, MAX_PIXELS))
    except InvalidRequest:
        return "refused"
    return "decoded"


def image_files() -> list[bytes]:
    rgb = PillowImage.fromarray(picture())
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


def image_message(data: bytes) -> Verdict:
    message = parsed(Image, data)
    if message is None:
        return "no message"
    try:
        check_image(unpack_image(message, MAX_PIXELS))
    except InvalidRequest:
        return "refused"
    return "decoded"


def image_messages() -> list[bytes]:
    raw = pack_raw(picture((7, 5)))
    lying = Image(raw=RawImage(width=2**31, height=2, data=bytes(12)))
    return [message.SerializeToString() for message in (raw, lying, Image(encoded=image_files()[0]))]


def bit_tensor(data: bytes) -> Verdict:
    message = parsed(BitTensor, data)
    if message is None:
        return "no message"
    try:
        bits = unpack_bits(message)
    except InvalidRequest:
        return "refused"
    assert bits.shape == tuple(message.shape), bits.shape
    assert bits.max(initial=0) <= 1
    return "decoded"


def bit_tensors() -> list[bytes]:
    shapes = ([3], [16, 2, 3], [1, 1, 1, 1, 1, 1, 1, 9])
    return [pack_bits(np.ones(shape, np.uint8)).SerializeToString() for shape in shapes]


def symbol_tensor(data: bytes) -> Verdict:
    message = parsed(SymbolTensor, data)
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


def symbol_tensors() -> list[bytes]:
    symbols = np.array([[1, 1j], [0, -1], [0.5, 2]], np.complex64)
    types = (ELEMENT_TYPE_FLOAT32, ELEMENT_TYPE_FLOAT16)
    return [pack_symbols(symbols, element_type).SerializeToString() for element_type in types]


def coded_frame(data: bytes) -> Verdict:
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    try:
        file = unframe(bits)
    except Undecodable:
        return "refused"
    assert np.array_equal(frame(file, len(bits)), bits)
    return "decoded"


def coded_frames() -> list[bytes]:
    return [np.packbits(frame(file, 1456)).tobytes() for file in (b"", b"a file", bytes(181))]


def source(coder: Callable[[], SourceCoder]) -> Callable[[bytes], Verdict]:
    made = cache(coder)

    def check(data: bytes) -> Verdict:
        size = _SIZES[data[0] % len(_SIZES)] if data else _SIZES[0]
        try:
            image = made().decode(data[1:], size)
        except Undecodable:
            return "refused"
        check_image(image)
        assert image.shape == (size[1], size[0], 3), (image.shape, size)
        return "decoded"

    return check


def sources(coder: Callable[[], SourceCoder]) -> Callable[[], list[bytes]]:
    def files() -> list[bytes]:
        made = coder()
        return [
            bytes([place]) + made.encode(picture(size), made.qualities[at])
            for place, size in enumerate(_SIZES)
            for at in (2, len(made.qualities) // 2, -3)
        ]

    return files


@cache
def registry() -> CodecRegistry:
    return CodecRegistry()


def coded_symbols(data: bytes) -> Verdict:
    """The chain from noisy symbols on: half a byte a component, so that few bytes make a whole word."""
    codec = registry().load("webp+ldpc" if not data or data[0] % 2 else "jpeg-agreed+ldpc", 0.25)
    size = _SIZES[data[0] // 2 % len(_SIZES)] if data else _SIZES[0]
    count = codec.constellation.symbol_count(int(np.prod(codec.bit_shape(size))))
    nibbles = np.resize(np.frombuffer(data[2:] or b"\0", np.uint8), count)
    symbols = ((nibbles >> 4) - 7.5 + 1j * ((nibbles & 15) - 7.5)).astype(np.complex64) / 6
    noise_power = 10 ** ((data[1] if len(data) > 1 else 0) / 25.5 - 9)
    (reception,) = codec.receive(symbols[None], size, np.array([noise_power]))
    assert reception.image.shape == (size[1], size[0], 3), reception.image.shape
    assert reception.image.dtype == np.uint8
    return "refused" if reception.outcome is Outcome.DAMAGED else "decoded"


def coded_symbol_seeds() -> list[bytes]:
    seeds = []
    for place, (name, size) in enumerate((n, s) for s in _SIZES for n in ("jpeg-agreed+ldpc", "webp+ldpc")):
        codec = registry().load(name, 0.25)
        symbols = codec.constellation.modulate(codec.encode(picture(size)[None])[0].reshape(-1))
        nibbles = [np.clip(np.rint(part * 6 + 7.5), 0, 15).astype(np.uint8) for part in (symbols.real, symbols.imag)]
        seeds.append(bytes([place, 200]) + (nibbles[0] << 4 | nibbles[1]).tobytes())
    return seeds
