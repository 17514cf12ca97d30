"""Augmented views: of the right shape, drawn from the seed alone, and made of the photograph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sdjscc.training.augmentation import pasted, random_crop, random_part, recoloured

Pixels = NDArray[np.uint8]
View = Callable[[Pixels, np.random.Generator], Pixels]


def part_of(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return random_part(pixels, 64, rng)


def crop_of(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return random_crop(pixels, 64, rng)


def mirrored_into(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return pasted(pixels, pixels[:, ::-1], rng)


@pytest.mark.parametrize("view", [part_of, crop_of, mirrored_into, recoloured])
def test_a_view_depends_on_its_seed_alone(photograph: Pixels, view: View) -> None:
    first, again, other = (view(photograph, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_parts_hold_35_to_100_percent_of_the_area() -> None:
    """On a ramp of one grey level a column, the range of levels in a part is its width."""
    ramp = np.broadcast_to(np.arange(100, dtype=np.uint8)[None, :, None], (100, 100, 3)).copy()
    parts = [random_part(ramp, 32, np.random.default_rng(seed)) for seed in range(300)]
    widths = np.array([int(part.max()) - int(part.min()) for part in parts])
    assert all(part.shape == (32, 32, 3) for part in parts)
    # Narrowest: 35 % of the area, a third higher than wide. Cubic interpolation may cut off a level on each side.
    assert 100 * np.sqrt(0.35 * 3 / 4) - 4 < widths.min() < 60
    assert widths.max() >= 97


def test_a_crop_is_a_piece_of_the_photograph_as_it_is() -> None:
    numbered = np.arange(20 * 30 * 3, dtype=np.uint16).astype(np.uint8).reshape(20, 30, 3)
    windows = np.lib.stride_tricks.sliding_window_view(numbered, (8, 8, 3))
    for seed in range(20):
        crop = random_crop(numbered, 8, np.random.default_rng(seed))
        assert (windows == crop).all((-3, -2, -1)).any()
    assert np.array_equal(random_crop(numbered, 20, np.random.default_rng(0)).shape, (20, 20, 3))


def test_a_pasted_rectangle_lies_where_it_lay() -> None:
    """Black with a rectangle of white: of one shape, and over many of 20 to 80 % of the area, less what is cut off."""
    black, white = np.zeros((40, 60, 3), np.uint8), np.full((40, 60, 3), 255, np.uint8)
    shares = []
    for seed in range(200):
        mixed = pasted(black, white, np.random.default_rng(seed))[..., 0] == 255
        rows, columns = mixed.any(1), mixed.any(0)
        assert np.array_equal(mixed, rows[:, None] & columns[None])
        shares.append(mixed.mean())
    assert 0.04 < min(shares) < 0.15
    assert 0.6 < max(shares) <= 0.82
    assert not black.any()


def test_an_image_long_and_narrow_has_parts() -> None:
    strip = np.zeros((4, 300, 3), np.uint8)
    assert random_part(strip, 16, np.random.default_rng(0)).shape == (16, 16, 3)


def test_grey_stays_grey_and_mean_brightness_moves_by_30_percent_at_most() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    for seed in range(50):
        view = recoloured(grey, np.random.default_rng(seed)).astype(int)
        assert np.ptp(view) <= 1
        assert 69 <= view.mean() <= 131
