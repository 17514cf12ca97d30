"""Figures of an evaluation against values that can be told beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sdjscc.channels import UNIPOLAR_IQ
from sdjscc.codecs import Codec, Size
from sdjscc.data.folder import scan
from sdjscc.evaluation import confidence_95, evaluate
from sdjscc.metrics import psnr_db


class GreyLevelCodec(Codec):
    """Sends each image's grey level mod 2 and gives back a plain image: everything about it can be computed by hand."""

    name, bpp, weights_sha256, constellation = "grey", 1.0, "", UNIPOLAR_IQ

    def bit_shape(self, size: Size) -> tuple[int, ...]:
        return (size[1], size[0])

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return images[..., 0] % 2

    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> NDArray[np.uint8]:
        width, height = size
        bits = UNIPOLAR_IQ.components(symbols, width * height) > 0.5
        return np.repeat(bits.reshape(-1, height, width, 1).astype(np.uint8), 3, axis=3)


class ByFirstPixel:
    """Says class 1 where the first pixel is not black, of the classes a, b and c."""

    class_names = ("c", "a", "b")

    def class_index(self, name: str) -> int:
        return self.class_names.index(name)

    def logits(self, pixels: NDArray[np.uint8]) -> Tensor:
        bright = torch.from_numpy(pixels[:, 0, 0, 0] > 0)
        return torch.stack([torch.full((len(pixels),), 9.0), 1.0 - bright.float(), bright.float()], 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Class a: black, black, nearly black; class b: nearly black. Sizes differ."""
    for name, levels in (("a", (0, 0, 1)), ("b", (1,))):
        (tmp_path / name).mkdir()
        for i, level in enumerate(levels):
            Image.new("RGB", (16, 16 + 2 * i), (level, level, level)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_accuracy_f1_and_channel_uses(data: Path) -> None:
    [point] = evaluate(GreyLevelCodec(), ByFirstPixel(), scan(data), (60.0,), seed=0)  # type: ignore[arg-type]
    assert point.n == 4
    assert point.accuracy == 0.75
    # Class a: precision 1, recall 2/3; class b: precision 1/2, recall 1.
    assert point.f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert point.channel_uses_per_pixel == 0.5
    assert point.psnr_db == math.inf
    assert point.ssim == pytest.approx(1)


def test_psnr_of_a_known_error() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr_db(black, black + 255) == pytest.approx(0)
    assert psnr_db(black, black + 1) == pytest.approx(20 * math.log10(255))
    assert psnr_db(black, black) == math.inf


def test_ssim_is_that_of_another_library() -> None:
    from skimage.metrics import structural_similarity

    from sdjscc.evaluation import _ssim

    original = skimage.data.cat()[:96, :96]
    noise = np.random.default_rng(0).normal(0, 10, original.shape)
    received = np.clip(original + noise, 0, 255).astype(np.uint8)
    expected = structural_similarity(
        received, original, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert _ssim(received[None], original[None])[0] == pytest.approx(expected, abs=5e-3)


def test_confidence_interval_of_a_mean() -> None:
    values = np.array([0.0, 1.0] * 50)
    mean, half_width = confidence_95(values)
    assert mean == 0.5
    assert half_width == pytest.approx(1.96 * values.std(ddof=1) / 10, rel=1e-3)
