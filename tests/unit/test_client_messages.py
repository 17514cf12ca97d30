"""Requests that the clients build."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sdjscc.client.errors import status_from_number
from sdjscc.client.messages import Options, build_request
from sdjscc.errors import InvalidRequest
from sdjscc.wire.images import unpack_image
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


@pytest.mark.parametrize("value", ["", "a" * 65, "two\nlines", 'quote"', b"bytes"])
def test_request_ids_that_could_forge_a_log_are_replaced(value: str | bytes) -> None:
    assert read_request_id([(REQUEST_ID_KEY, value)]) != value
    assert read_request_id([(REQUEST_ID_KEY, "mine-1")]) == "mine-1"
