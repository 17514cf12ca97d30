"""Every kind of image file that users send, and what is no image at all."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sdjscc.data.images import OutputFormat, decode_image, encode_image
from sdjscc.errors import InvalidRequest, TooLarge

Pixels = NDArray[np.uint8]


def file_of(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size without bringing the pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_lossless_formats_come_back_as_they_went(photograph: Pixels, format: OutputFormat) -> None:
    assert np.array_equal(decode_image(encode_image(photograph, format)), photograph)


def test_jpeg_comes_back_nearly_as_it_went(photograph: Pixels) -> None:
    received = decode_image(encode_image(photograph, "JPEG"))
    assert abs(received.astype(int) - photograph).mean() < 4


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_files_of_every_format_are_read(photograph: Pixels, format: str) -> None:
    assert decode_image(file_of(Image.fromarray(photograph), format)).shape == photograph.shape


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "PA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(photograph: Pixels, mode: str) -> None:
    image = Image.fromarray(photograph)
    palettes = {"P": image.quantize, "PA": image.convert("RGBA").quantize}
    image = palettes[mode]() if mode in palettes else image.convert(mode)
    received = decode_image(file_of(image, "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"))
    assert received.dtype == np.uint8
    assert received.shape == photograph.shape
    if mode in {"RGBA", "PA", "CMYK", "YCbCr", "P"}:
        assert abs(received.astype(int) - photograph).mean() < 12


def test_grey_is_the_same_in_all_channels(photograph: Pixels) -> None:
    grey = Image.fromarray(photograph).convert("L")
    assert np.array_equal(decode_image(file_of(grey)), np.repeat(np.asarray(grey)[..., None], 3, 2))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format: str) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)[None].repeat(4, 0)
    received = decode_image(file_of(Image.fromarray(ramp), format))
    assert np.array_equal(received[0, :, 0], np.arange(256))


def test_transparency_lies_over_white() -> None:
    clear = Image.new("RGBA", (4, 4), (200, 10, 10, 0))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert (decode_image(file_of(clear)) == 255).all()
    assert (decode_image(file_of(half)) == 127).all()


def test_exif_rotation_is_applied(photograph: Pixels) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate 90 degrees clockwise to view
    received = decode_image(file_of(Image.fromarray(photograph), "PNG", exif=exif.tobytes()))
    assert np.array_equal(received, np.rot90(photograph, -1))


def test_the_first_frame_of_an_animation_counts(photograph: Pixels) -> None:
    frames = [Image.fromarray(photograph), Image.fromarray(255 - photograph)]
    animation = file_of(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert np.array_equal(decode_image(animation), photograph)


def test_one_pixel_is_an_image() -> None:
    assert decode_image(file_of(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x00" * 100, b"GIF89a", b"%PDF-1.7"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="send"):
        decode_image(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(photograph: Pixels, format: str, share: float) -> None:
    whole = file_of(Image.fromarray(photograph), format)
    with pytest.raises(InvalidRequest, match="undamaged"):
        decode_image(whole[: int(share * len(whole))])


def test_the_pixel_limit_holds_before_anything_is_decoded() -> None:
    with pytest.raises(TooLarge, match=r"5000x5000 pixels, over the limit of 1000000 pixels; .*--max-pixels"):
        decode_image(bomb(5000, 5000), max_pixels=1_000_000)
    with pytest.raises(TooLarge):
        decode_image(bomb(60_000, 60_000), max_pixels=1_000_000)


def test_an_image_of_zero_size_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        decode_image(bomb(0, 10))
