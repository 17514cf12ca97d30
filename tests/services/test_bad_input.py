"""What users and clients get wrong: each has its status and its sentence, and the services live on."""

from __future__ import annotations

import asyncio
import io
import math
import struct

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deploy.local import LocalLink
from sdjscc.client import AsyncClient, LinkError
from sdjscc.data.images import encode_image
from sdjscc.v1.channel_pb2 import SetConditionsRequest
from sdjscc.v1.channel_pb2_grpc import ChannelServiceStub
from sdjscc.v1.image_pb2 import Image, RawImage
from sdjscc.v1.receiver_pb2 import ChannelConditions, ChannelRequest, Delivery
from sdjscc.v1.tensor_pb2 import ELEMENT_TYPE_FLOAT32, BitTensor, SymbolTensor
from sdjscc.v1.transmitter_pb2 import TransmitRequest
from sdjscc.wire.tensors import pack_symbols
from tests.services.requests import TIMEOUT_S, receive_request, refused, stubs
from tests.unit.test_images import bomb

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
Pixels = NDArray[np.uint8]


def transmit(link: LocalLink, image: Image | None, **fields: object) -> None:
    with stubs(link.server) as (transmitter, _):
        transmitter.Transmit(TransmitRequest(image=image, **fields), timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty; send"),
        (b"no image at all", "cannot be decoded; send"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "cannot be decoded; send"),
        (bomb(9000, 9000), "9000x9000 pixels, over the limit of 4000000 pixels"),
        (bomb(60000, 60000), "over the limit of 4000000 pixels"),
    ],
)
def test_images_that_are_none(link: LocalLink, data: bytes, sentence: str) -> None:
    with refused(INVALID, sentence):
        transmit(link, Image(encoded=data))


def test_a_truncated_photograph(link: LocalLink, cat: Pixels) -> None:
    whole = encode_image(cat)
    with refused(INVALID, "undamaged"):
        transmit(link, Image(encoded=whole[: len(whole) // 2]))


def test_no_image(link: LocalLink) -> None:
    with refused(INVALID, "no image; set"):
        transmit(link, None)


@pytest.mark.parametrize(
    ("width", "height", "length", "sentence"),
    [
        (4, 4, 47, "send 48 bytes"),
        (0, 4, 0, "at least one pixel"),
        (2**31, 2**31, 0, "over the limit"),
    ],
)
def test_raw_pixels_that_disagree(link: LocalLink, width: int, height: int, length: int, sentence: str) -> None:
    with refused(INVALID, sentence):
        transmit(link, Image(raw=RawImage(width=width, height=height, data=bytes(length))))


@pytest.mark.parametrize("snr_db", [math.nan, math.inf, -math.inf, 1e9])
def test_an_snr_out_of_range(link: LocalLink, photograph: Pixels, snr_db: float) -> None:
    image, channel = Image(encoded=encode_image(photograph)), ChannelRequest(snr_db=snr_db)
    with refused(INVALID, "-30 to 100 dB"):
        transmit(link, image, channel=channel)
    with stubs(link.services["channel"].address) as (_, receiver), refused(INVALID, "-30 to 100 dB"):
        request = receive_request(photograph)
        request.channel.snr_db = snr_db
        receiver.Receive(request, timeout=TIMEOUT_S)
    with grpc.insecure_channel(link.services["channel"].address) as connection, refused(INVALID, "-30 to 100 dB"):
        ChannelServiceStub(connection).SetConditions(SetConditionsRequest(snr_db=snr_db), timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"codec": "jpeg-9000"}, NOT_FOUND, "no codec 'jpeg-9000' here; installed: deep-jscc"),
        ({"bpp": 7.0}, NOT_FOUND, "no rate of 7 bpp here; installed: "),
        ({"bpp": math.nan}, NOT_FOUND, "no rate of nan bpp here"),
        ({"delivery": Delivery(task="poetry")}, NOT_FOUND, "no task 'poetry' here; ask for one of: imagenet, stl10"),
        ({"delivery": Delivery(image_format=77)}, INVALID, "format 77 is unknown"),
    ],
)
def test_what_is_not_there(
    link: LocalLink, photograph: Pixels, fields: dict[str, object], code: grpc.StatusCode, sentence: str
) -> None:
    with refused(code, sentence):
        transmit(link, Image(encoded=encode_image(photograph)), **fields)


def test_a_message_over_the_limit(link: LocalLink) -> None:
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, str(32 * 2**20)):
        transmit(link, Image(encoded=bytes(33 * 2**20)))


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"codec": ""}, INVALID, "names no codec"),
        ({"codec": "x"}, NOT_FOUND, "no codec 'x'"),
        ({"weights_sha256": "0" * 64}, grpc.StatusCode.FAILED_PRECONDITION, "install the same version on both"),
        ({"constellation": "qam-16"}, INVALID, "uses the constellation 'unipolar-iq'"),
        ({"width": 0}, INVALID, "at least one pixel"),
        ({"width": 10**6, "height": 10**6}, INVALID, "over the limit"),
        ({"width": 90, "height": 70}, INVALID, r"takes bits of shape \[16, 9, 12\]"),
        ({"bit_shape": [16, 1, 1]}, INVALID, "takes bits of shape"),
        ({"bits": BitTensor(shape=[16, 13, 19], data=bytes(3))}, INVALID, "send 494 bytes"),
        ({"bits": BitTensor(shape=[8], data=bytes(1))}, INVALID, r"shape \[8\]"),
        ({"bits": BitTensor()}, INVALID, "send 1 to 8 dimensions"),
        ({"symbols": SymbolTensor(shape=[5], element_type=ELEMENT_TYPE_FLOAT32, data=bytes(40))}, INVALID, r"\[1976\]"),
        ({"symbols": SymbolTensor(shape=[1976], element_type=9, data=bytes(40))}, INVALID, "element type 9"),
        ({"symbols": pack_symbols(np.full(1976, np.nan, np.complex64))}, INVALID, "finite"),
    ],
)
def test_transmissions_that_cannot_be_received(
    link: LocalLink, photograph: Pixels, changes: dict[str, object], code: grpc.StatusCode, sentence: str
) -> None:
    with stubs(link.services["receiver"].address) as (_, receiver), refused(code, sentence):
        receiver.Receive(receive_request(photograph, **changes), timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"constellation": "qam-16"}, NOT_FOUND, "no constellation 'qam-16'"),
        ({"bits": BitTensor(shape=[9], data=bytes(2))}, INVALID, r"bit_shape is \[16, 13, 19\]"),
        ({"bits": BitTensor(shape=[16, 13, 19], data=bytes(3))}, INVALID, "send 494 bytes"),
        ({"symbols": SymbolTensor(shape=[2**32 - 1], element_type=1, data=b"")}, INVALID, "bytes"),
        ({"symbols": pack_symbols(np.full(1976, np.inf, np.complex64))}, INVALID, "finite"),
    ],
)
def test_transmissions_that_cannot_cross_the_channel(
    link: LocalLink, photograph: Pixels, changes: dict[str, object], code: grpc.StatusCode, sentence: str
) -> None:
    with stubs(link.services["channel"].address) as (_, receiver), refused(code, sentence):
        receiver.Receive(receive_request(photograph, **changes), timeout=TIMEOUT_S)


@pytest.mark.parametrize("name", ["channel", "receiver"])
def test_an_empty_transmission(link: LocalLink, photograph: Pixels, name: str) -> None:
    request = receive_request(photograph)
    request.transmission.ClearField("bits")
    with stubs(link.services[name].address) as (_, receiver), refused(INVALID, "the transmission is empty; set"):
        receiver.Receive(request, timeout=TIMEOUT_S)


def test_forged_conditions(link: LocalLink, photograph: Pixels) -> None:
    request = receive_request(photograph)
    request.conditions.append(ChannelConditions(model="awgn", snr_db=math.nan))
    with stubs(link.services["receiver"].address) as (_, receiver), refused(INVALID, "-30 to 100 dB"):
        receiver.Receive(request, timeout=TIMEOUT_S)


def test_bytes_that_are_no_message(link: LocalLink) -> None:
    with grpc.insecure_channel(link.server) as connection:
        unary = connection.unary_unary("/sdjscc.v1.TransmitterService/Transmit")
        with refused(INVALID, "cannot be parsed"):
            unary(b"\xff\xff\xff\xff", timeout=TIMEOUT_S)
        stream = connection.stream_stream("/sdjscc.v1.TransmitterService/TransmitStream")
        with refused(INVALID, "cannot be parsed"):
            list(stream(iter([b"\xff\xff\xff\xff"]), timeout=TIMEOUT_S))


async def test_bad_requests_leave_those_beside_them_unharmed(link: LocalLink, photograph: Pixels) -> None:
    good = encode_image(photograph)
    bad = [b"no image", good[:100], bomb(9000, 9000), good[:-40]]
    async with AsyncClient(link.server) as client:
        alone = await client.transmit(good, snr_db=5, seed=1)
        calls = [client.transmit(data, snr_db=5, seed=1) for data in [good, *bad, good, *bad, good]]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, LinkError) and answer.code is INVALID for answer in answers) == 8
    for i in (0, 5, 10):
        assert np.abs(answers[i].image.astype(int) - alone.image).max() <= 1


def test_what_is_wrong_in_a_file_is_no_news_for_the_log(link: LocalLink) -> None:
    log = link.services["transmitter"].log
    before = len(log.read_text().splitlines())
    transmit(link, Image(encoded=tiff_of_damaged_tags(5000)))
    assert len(log.read_text().splitlines()) - before == 1


def tiff_of_damaged_tags(count: int) -> bytes:
    """A picture of 16x16 pixels in a file whose tags, of a million shorts each, lie beyond its end."""
    buffer = io.BytesIO()
    PillowImage.new("RGB", (16, 16)).save(buffer, "TIFF")
    file = bytearray(buffer.getvalue())
    at = struct.unpack_from("<I", file, 4)[0]
    own = struct.unpack_from("<H", file, at)[0]
    tags = file[at + 2 : at + 2 + 12 * own]
    for number in range(count):
        tags += struct.pack("<HHII", 40_000 + number, 3, 10**6, 2**31)
    struct.pack_into("<I", file, 4, len(file))
    return bytes(file + struct.pack("<H", own + count) + tags + bytes(4))
