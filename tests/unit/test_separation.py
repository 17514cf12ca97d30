"""The separation chain: frames, what is sent and counted, the cliff, and what is shown below it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from sdjscc.channels import AWGN, BPSK, QAM16, QAM64, QPSK, noise_generator, noise_power
from sdjscc.channels.ldpc import ldpc_rates
from sdjscc.channels.qam import QAM
from sdjscc.codecs.base import Codec
from sdjscc.codecs.separation import HevcIntra, Jpeg, Outcome, Reception, SeparationCodec, WebP
from sdjscc.codecs.separation.frame import frame, frame_words, unframe
from sdjscc.errors import InvalidRequest, Undecodable, UnknownName
from sdjscc.metrics import psnr_db

Pixels = NDArray[np.uint8]

STAND_IN = np.full((4, 4, 3), (110, 100, 90), np.uint8)


@pytest.fixture(scope="module")
def images() -> Pixels:
    """Six photographs of 96x96."""
    astronaut = skimage.data.astronaut()[::2, ::2]
    return np.stack([astronaut[y : y + 96, x : x + 96] for y in (0, 96) for x in (0, 80, 160)])


@pytest.fixture(scope="module")
def codec() -> SeparationCodec:
    return SeparationCodec(HevcIntra(agreed_headers=True), 0.25, STAND_IN)


def send(codec: SeparationCodec, bits: NDArray[np.uint8], snr_db: float, seed: int = 0) -> NDArray[np.complex64]:
    """Symbols received over AWGN, each transmission with noise of its own seed."""
    sent = (codec.constellation.modulate(row.reshape(-1)) for row in bits)
    return np.stack([AWGN().transmit(row, snr_db, noise_generator(seed + i)) for i, row in enumerate(sent)])


def cross(codec: SeparationCodec, images: Pixels, snr_db: float) -> list[Reception]:
    n, height, width, _ = images.shape
    received = send(codec, codec.encode(images), snr_db)
    return codec.receive(received, (width, height), np.full(n, noise_power(snr_db)))


@pytest.mark.parametrize("length", [0, 1, 100, 181, 182])
def test_a_frame_gives_its_file_back(length: int) -> None:
    for fill in (b"\0", b"\xff", b"\x01"):
        bits = frame(length * fill, 1458)
        assert bits.shape == (1458,)
        assert set(np.unique(bits)) == {0, 1}
        assert unframe(bits) == length * fill


def test_a_frame_has_room_for_its_file_and_a_mark() -> None:
    assert frame_words(182, 1458) == 1
    assert frame_words(183, 1458) == 2
    with pytest.raises(InvalidRequest, match="shorten the file"):
        frame(bytes(183), 1458)


def test_a_frame_without_an_end_is_refused() -> None:
    padding = frame(b"", 1458)
    padding[0] ^= 1
    with pytest.raises(Undecodable):
        unframe(padding)
    padding[3] ^= 1
    with pytest.raises(Undecodable):
        unframe(padding)


def test_the_scrambler_is_that_of_802_11() -> None:
    """IEEE Std 802.11-2020, 17.3.5.5: the sequence of the all-ones state begins 00001110 11110010 11001001."""
    scrambled = frame(b"", 1458)
    scrambled[0] ^= 1  # the end mark
    assert "".join(map(str, scrambled[:24])) == "000011101111001011001001"
    assert np.array_equal(scrambled[127:], scrambled[:-127])


def test_it_is_a_codec_of_which_every_symbol_is_counted(codec: SeparationCodec, images: Pixels) -> None:
    assert isinstance(codec, Codec)
    assert codec.budget_bytes((96, 96)) == 288
    assert codec.bit_shape((96, 96)) == (2, 1944)
    bits = codec.encode(images)
    assert bits.shape == (6, 2, 1944)
    assert bits.dtype == np.uint8
    symbols = send(codec, bits, 20.0)
    assert symbols.shape == (6, 972)
    assert symbols.size / (6 * 96 * 96) == codec.channel_uses_per_pixel((96, 96)) == pytest.approx(0.1055, abs=1e-4)
    assert codec.decode(symbols, (96, 96), np.full(6, 0.01)).shape == images.shape


@pytest.mark.parametrize(("bpp", "size", "budget", "words"), [(0.125, (96, 96), 144, 1), (0.3, (7, 9), 3, 1)])
def test_budgets_are_rounded_up_to_bytes(bpp: float, size: tuple[int, int], budget: int, words: int) -> None:
    codec = SeparationCodec(Jpeg(agreed_headers=True), bpp, STAND_IN)
    assert codec.budget_bytes(size) == budget
    assert codec.bit_shape(size) == (words, 1944)


def test_files_keep_the_budget_and_come_through_bit_by_bit(codec: SeparationCodec, images: Pixels) -> None:
    files = codec.files(images)
    assert all(file is not None and 200 < len(file) <= 288 for file in files)
    for reception, file in zip(cross(codec, images, 15.0), files, strict=True):
        assert file is not None
        assert (reception.outcome, reception.failed_words) == (Outcome.RECEIVED, 0)
        assert np.array_equal(reception.image, codec.source.decode(file, (96, 96)))


def test_there_is_a_cliff(codec: SeparationCodec, images: Pixels) -> None:
    above, below = cross(codec, images, 12.0), cross(codec, images, 9.0)
    assert all(reception.outcome is Outcome.RECEIVED for reception in above)
    assert all(psnr_db(r.image, image) > 20 for r, image in zip(above, images, strict=True))
    assert all(reception.outcome is Outcome.DAMAGED and reception.failed_words > 0 for reception in below)
    assert all((reception.image == STAND_IN[0, 0]).all() for reception in below)


def test_what_does_not_fit_is_sent_as_an_empty_frame_and_told(images: Pixels) -> None:
    codec = SeparationCodec(Jpeg(), 0.25, STAND_IN)
    assert codec.files(images) == [None] * 6
    assert {reception.outcome for reception in cross(codec, images, 12.0)} == {Outcome.NOTHING_SENT}
    assert {reception.outcome for reception in cross(codec, images, 5.0)} == {Outcome.DAMAGED}


def test_padding_is_sent_with_the_mean_power_of_symbols(images: Pixels) -> None:
    codec = SeparationCodec(Jpeg(), 0.25, STAND_IN)
    symbols = codec.constellation.modulate(codec.encode(images[:1]).reshape(-1))
    # The variance of 16-QAM's power is 0.32: five standard deviations of the mean of 972.
    assert (abs(symbols) ** 2).mean() == pytest.approx(1.0, abs=5 * math.sqrt(0.32 / 972))


def test_an_image_does_not_depend_on_its_batch(codec: SeparationCodec, images: Pixels) -> None:
    received, noise = send(codec, codec.encode(images), 10.25), np.full(6, noise_power(10.25))
    together = codec.decode(received, (96, 96), noise)
    alone = [codec.decode(received[i : i + 1], (96, 96), noise[i : i + 1]) for i in range(6)]
    assert np.array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("rate", ldpc_rates())
@pytest.mark.parametrize("constellation", QAM, ids=lambda qam: qam.name)
def test_every_rate_and_constellation_carries_an_image(constellation: object, rate: str) -> None:
    assert constellation in (BPSK, QPSK, QAM16, QAM64)
    codec = SeparationCodec(WebP(), 1.0, STAND_IN, rate=rate, constellation=constellation)
    image = skimage.data.astronaut()[:60, :60][None]
    (reception,) = cross(codec, image, 24.0)
    assert reception.outcome is Outcome.RECEIVED
    bits = math.prod(codec.bit_shape((60, 60)))
    assert codec.channel_uses_per_pixel((60, 60)) == bits / constellation.bits_per_symbol / 3600
    assert codec.name == f"webp+ldpc-{rate}+{constellation.name}"


def test_bits_that_crossed_no_channel_decode(codec: SeparationCodec, images: Pixels) -> None:
    symbols = np.stack([codec.constellation.modulate(row.reshape(-1)) for row in codec.encode(images)])
    receptions = codec.receive(symbols, (96, 96), np.zeros(6))
    assert {reception.outcome for reception in receptions} == {Outcome.RECEIVED}


def test_damaged_files_are_decoded_where_asked_for(images: Pixels) -> None:
    codec = SeparationCodec(Jpeg(agreed_headers=True), 0.5, STAND_IN, use_damaged=True)
    bits = codec.encode(images)
    received = send(codec, bits, 20.0)
    # Only the first of the words is lost, and that by its parity bits: the end mark stands in the last.
    received[:, 365:486] *= -1
    receptions = codec.receive(received, (96, 96), np.full(6, 0.01))
    assert all(reception.failed_words == 1 for reception in receptions)
    assert any(reception.outcome is Outcome.RECEIVED for reception in receptions)
    assert all(reception.image.shape == (96, 96, 3) for reception in receptions)


def test_the_stand_in_takes_the_size_of_the_image() -> None:
    codec = SeparationCodec(WebP(), 0.01, STAND_IN)
    (reception,) = cross(codec, np.zeros((1, 30, 50, 3), np.uint8), 20.0)
    assert reception.outcome is Outcome.NOTHING_SENT
    assert reception.image.shape == (30, 50, 3)


def test_wrong_use_is_refused_in_a_sentence() -> None:
    with pytest.raises(UnknownName, match="use one of: 1/2"):
        SeparationCodec(WebP(), 0.25, STAND_IN, rate="4/5")
    for bpp in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InvalidRequest, match="finite value above 0"):
            SeparationCodec(WebP(), bpp, STAND_IN)
