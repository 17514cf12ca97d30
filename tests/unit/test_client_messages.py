"""Requests that the clients build, and answers that they read."""

from __future__ import annotations

import math

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sdjscc.client.errors import LinkError, status_from_number
from sdjscc.client.messages import Frames, Options, build_batch, build_request, read_batch, read_result
from sdjscc.errors import InvalidRequest
from sdjscc.v1 import image_pb2
from sdjscc.v1.failure_pb2 import Failure
from sdjscc.v1.receiver_pb2 import ReceiveResponse
from sdjscc.v1.transmitter_pb2 import TransmitBatchResponse, TransmitResponse, TransmitResult, TransmitStreamResponse
from sdjscc.wire.images import pack_raw, unpack_image
from sdjscc.wire.metadata import REQUEST_ID_KEY, read_request_id

Pixels = NDArray[np.uint8]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"])
def test_pillow_images_of_every_mode_can_be_sent(photograph: Pixels, mode: str) -> None:
    image = Image.fromarray(photograph)
    image = image.convert("L").convert(mode) if mode in {"I", "F", "I;16", "LA"} else _convert(image, mode)
    request = build_request(image, Options())
    assert unpack_image(request.image, 10**6).shape == photograph.shape


def _convert(image: Image.Image, mode: str) -> Image.Image:
    return Image.new("LAB", image.size) if mode == "LAB" else image.convert(mode)


def test_pixels_go_as_they_are(photograph: Pixels) -> None:
    request = build_request(photograph, Options(snr_db=5.0, seed=0, top_k=3))
    assert np.array_equal(unpack_image(request.image, 10**6), photograph)
    assert request.channel.HasField("seed")
    assert (request.channel.snr_db, request.channel.seed, request.delivery.top_k) == (5.0, 0, 3)
    assert not build_request(photograph, Options()).channel.HasField("snr_db")


@pytest.mark.parametrize(
    ("image", "options", "sentence"),
    [
        (np.zeros((4, 4)), {}, "give RGB pixels, uint8"),
        (np.zeros((4, 4, 3), np.float32), {}, "give RGB pixels, uint8"),
        ("nowhere.png", {}, "nowhere.png cannot be read"),
        (b"x", {"seed": -1}, "0 to 2"),
        (b"x", {"top_k": 0}, "ask for 1 to 1000 labels"),
        (b"x", {"received_format": "bmp"}, "use one of: png"),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(image: object, options: Options, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        build_request(image, options)  # type: ignore[arg-type]


def test_statuses_from_numbers() -> None:
    assert status_from_number(3) is grpc.StatusCode.INVALID_ARGUMENT
    assert status_from_number(99) is grpc.StatusCode.UNKNOWN
    # No failure is one without an error.
    assert status_from_number(0) is grpc.StatusCode.UNKNOWN


def showing(image: image_pb2.Image) -> TransmitResponse:
    return TransmitResponse(received=ReceiveResponse(image=image))


def answers_that_are_none(photograph: Pixels) -> dict[str, TransmitResult]:
    """To a photograph, with what is said of them."""
    return {
        "no image": TransmitResult(response=showing(image_pb2.Image(encoded=b"no image"))),
        "a larger one than was sent": TransmitResult(response=showing(pack_raw(np.vstack([photograph] * 2)))),
        "pixels came back for an image of": TransmitResult(response=showing(pack_raw(photograph[:8]))),
        "does not say why": TransmitResult(),
        "try again": TransmitResult(failure=Failure(message="try again")),
    }


def test_an_answer_that_is_none_spoils_no_other(photograph: Pixels) -> None:
    good = TransmitResult(response=showing(pack_raw(photograph)))
    for sentence, bad in answers_that_are_none(photograph).items():
        request = build_batch([photograph] * 3, Options())
        first, spoilt, last = read_batch(TransmitBatchResponse(results=[good, bad, good]), request, 1.0, "mine")
        assert np.array_equal(first.image, photograph)
        assert np.array_equal(last.image, photograph)
        assert isinstance(spoilt, LinkError)
        assert sentence in str(spoilt)
        assert spoilt.code in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
        if bad.HasField("response"):
            with pytest.raises(LinkError, match=sentence):
                read_result(bad.response, request.requests[0], 1.0, "mine")
            frames = Frames(Options())
            (frame,) = frames.requests([photograph])
            answer = frames.answer(TransmitStreamResponse(frame_id=frame.frame_id, response=bad.response), "mine")
            assert str(answer) == str(spoilt)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0])
def test_a_wait_that_nobody_can_wait_is_none(photograph: Pixels, seconds: float) -> None:
    failure = Failure(code=8, message="later", retry_after_s=seconds)
    request = build_batch([photograph], Options())
    (answer,) = read_batch(TransmitBatchResponse(results=[TransmitResult(failure=failure)]), request, 1.0, "mine")
    assert isinstance(answer, LinkError)
    assert answer.retry_after_s is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_with_more_or_fewer_answers_is_none(photograph: Pixels, count: int) -> None:
    good = TransmitResult(response=showing(pack_raw(photograph)))
    with pytest.raises(LinkError, match=f"{count} answers came back for 2 images"):
        read_batch(TransmitBatchResponse(results=[good] * count), build_batch([photograph] * 2, Options()), 1.0, "mine")


def test_an_answer_to_no_frame_ends_the_stream(photograph: Pixels) -> None:
    frames = Frames(Options())
    (frame,) = frames.requests([photograph])
    answer = TransmitStreamResponse(frame_id=frame.frame_id, response=showing(pack_raw(photograph)))
    assert np.array_equal(frames.answer(answer, "mine").image, photograph)
    with pytest.raises(LinkError, match="a frame 0 came back, which is not under way"):
        frames.answer(answer, "mine")


@pytest.mark.parametrize("value", ["", "a" * 65, "two\nlines", 'quote"', b"bytes"])
def test_request_ids_that_could_forge_a_log_are_replaced(value: str | bytes) -> None:
    assert read_request_id([(REQUEST_ID_KEY, value)]) != value
    assert read_request_id([(REQUEST_ID_KEY, "mine-1")]) == "mine-1"
