"""What a fuzz target is, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

__all__ = ["MAX_PIXELS", "Target", "Verdict", "check_image", "parsed", "picture"]

MAX_PIXELS = 64 * 64

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


def picture(size: tuple[int, int] = (24, 16), seed: int = 1) -> NDArray[np.uint8]:
    """A smooth gradient under some noise, so that files of it hold a bit of everything; another for each seed."""
    width, height = size
    ramp = np.add.outer(np.arange(height) * 5, np.arange(width) * 3)[..., None] + np.array([0, 60, 120])
    noise = np.random.default_rng(seed).integers(0, 30, (height, width, 3))
    return ((ramp + noise + 97 * (seed - 1)) % 256).astype(np.uint8)


def check_image(pixels: NDArray[np.uint8], max_pixels: int = MAX_PIXELS) -> None:
    assert pixels.dtype == np.uint8, pixels.dtype
    assert pixels.ndim == 3, pixels.shape
    assert pixels.shape[2] == 3, pixels.shape
    assert 1 <= pixels.shape[0] * pixels.shape[1] <= max_pixels, pixels.shape


def parsed(kind: type[Message], data: bytes) -> Message | None:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None
