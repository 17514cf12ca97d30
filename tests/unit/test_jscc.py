"""The learned codec: sizes, padding, batches, and what the shipped weights achieve."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sdjscc.channels import AWGN, UNIPOLAR_IQ, noise_generator, noise_power
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.codecs.jscc.network import Architecture, Decoder, Encoder
from sdjscc.errors import InvalidRequest, UnknownName
from sdjscc.metrics import psnr_db

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return CodecRegistry().load("deep-jscc", 0.25)


def cross(codec: Codec, images: Pixels, snr_db: float, seed: int = 0) -> Pixels:
    """Images over AWGN, each with noise of its own seed."""
    n, height, width, _ = images.shape
    bits = codec.encode(images).reshape(n, -1)
    symbols = np.stack(
        [AWGN().transmit(UNIPOLAR_IQ.modulate(row), snr_db, noise_generator(seed + i)) for i, row in enumerate(bits)]
    )
    return codec.decode(symbols, (width, height), np.full(n, noise_power(snr_db)))


@pytest.mark.parametrize("channels", [8, 16, 32])
def test_rate_is_latent_channels_over_64(channels: int) -> None:
    assert Architecture(latent_channels=channels).bpp == channels / 64


def test_an_image_of_96_pixels_takes_2304_bits(codec: Codec) -> None:
    assert codec.bit_shape((96, 96)) == (16, 12, 12)
    bits = codec.encode(np.zeros((1, 96, 96, 3), np.uint8))
    assert bits.shape == (1, 16, 12, 12)
    assert set(np.unique(bits)) <= {0, 1}


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (97, 95), (150, 100)])
def test_any_size_comes_back_and_padded_bits_are_counted(codec: Codec, size: tuple[int, int]) -> None:
    width, height = size
    images = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    bits = codec.encode(images)
    assert bits.size == 16 * -(-width // 8) * -(-height // 8) == np.prod(codec.bit_shape(size))
    assert cross(codec, images, 20.0).shape == images.shape


def test_an_image_does_not_depend_on_its_batch(codec: Codec, cat: Pixels) -> None:
    images = np.stack([cat[:96, :96], cat[100:196, 100:196], cat[200:296, 300:396]])
    together = codec.encode(images)
    alone = np.concatenate([codec.encode(image[None]) for image in images])
    # A sum in another order may move a value across the threshold, and then by one bit.
    assert (together != alone).mean() < 1e-3
    symbols = np.stack([UNIPOLAR_IQ.modulate(row) for row in together.reshape(3, -1)])
    no_noise = np.zeros(3)
    decoded = codec.decode(symbols, (96, 96), no_noise)
    for i in range(3):
        one = codec.decode(symbols[i : i + 1], (96, 96), no_noise[:1])[0]
        assert abs(one.astype(int) - decoded[i]).max() <= 1


def test_the_same_seed_gives_the_same_image(codec: Codec, photograph: Pixels) -> None:
    first, again = (cross(codec, photograph[None], 5.0, seed=3) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, cross(codec, photograph[None], 5.0, seed=4))


def test_shipped_weights_reconstruct_photographs_better_as_the_snr_grows(codec: Codec, cat: Pixels) -> None:
    psnrs = [psnr_db(cross(codec, cat[None], snr_db)[0], cat) for snr_db in (0.0, 5.0, 10.0, 20.0)]
    assert psnrs == sorted(psnrs)
    assert psnrs[0] > 20
    assert psnrs[3] > 25


def test_gradients_reach_the_encoder_through_quantizer_and_decoder() -> None:
    architecture = Architecture(latent_channels=8, width=16, encoder_blocks=(0, 1), decoder_blocks=(1, 0, 0))
    from sdjscc.training.link import Link

    link = Link(architecture)
    reconstructed = link(torch.rand(2, 3, 16, 16), torch.tensor([0.0, 20.0]))
    assert reconstructed.shape == (2, 3, 16, 16)
    reconstructed.square().mean().backward()
    first = next(link.encoder.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


def test_networks_are_what_the_architecture_says() -> None:
    small = Architecture(latent_channels=8, width=16, encoder_blocks=(0, 1), decoder_blocks=(1, 0, 0))
    e = Encoder(small)(torch.rand(1, 3, 24, 16))
    assert e.shape == (1, 8, 3, 2)
    assert 0 < e.min() < e.max() < 1
    assert Decoder(small)(e).shape == (1, 3, 24, 16)


def test_unknown_codecs_and_rates_name_what_is_there() -> None:
    registry = CodecRegistry()
    with pytest.raises(UnknownName, match="installed: deep-jscc"):
        registry.load("jpeg-9000")
    with pytest.raises(UnknownName, match=r"no rate of 7 bpp here; installed: .*0\.25"):
        registry.load("deep-jscc", 7.0)


def test_weights_that_are_not_those_of_their_card_are_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = CodecRegistry().find("deep-jscc", 0.25)
    assert entry.card is not None
    assert entry.weights is not None
    card = entry.card.model_copy(update={"codec": "damaged"})
    (tmp_path / "damaged.json").write_text(card.model_dump_json())
    (tmp_path / "damaged.safetensors").write_bytes(entry.weights.read_bytes()[:-1] + b"\x7f")
    monkeypatch.setenv("SDJSCC_WEIGHTS", str(tmp_path))
    with pytest.raises(InvalidRequest, match="not the file its card describes"):
        CodecRegistry().load("damaged")
