"""What comes back from the link, as plain Python objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sdjscc.metrics import psnr_db

__all__ = ["ChannelConditions", "CodecInfo", "Label", "Outcome", "Result"]

Outcome = Literal["received", "damaged", "nothing sent"]
"""What became of an image. Damaged: the SNR was below what the codec's channel code bears. Nothing sent: at the codec's
rate the image does not fit even at the lowest quality."""


@dataclass(frozen=True)
class Label:
    """A class and its softmax probability."""

    name: str
    probability: float


@dataclass(frozen=True)
class ChannelConditions:
    """What one channel did: its model, the SNR in dB that held, and the seed of its noise."""

    model: str
    snr_db: float
    seed: int


@dataclass(frozen=True)
class CodecInfo:
    """A codec and rate, in bits a pixel before channel coding, that the transmitter offers."""

    name: str
    bpp: float
    weights_sha256: str


@dataclass(frozen=True, eq=False)
class Result:
    """One image's way over the link."""

    original: NDArray[np.uint8] | None
    """RGB pixels that were sent, uint8 ``(h, w, 3)``; None where no image was asked for."""
    image: NDArray[np.uint8] | None
    """RGB pixels that were received, of the same shape; None where no image was asked for. A stand-in where
    ``outcome`` is not "received", and the labels are those of the stand-in."""
    labels: tuple[Label, ...]
    """The most probable first."""
    task: str
    codec: str
    bpp: float
    """Rate of the codec, before channel coding."""
    bits: int
    """Bits that were sent, those of padding and parity included."""
    channel_uses: int
    """Complex symbols that the bits took."""
    conditions: tuple[ChannelConditions, ...]
    """What each channel did, in order; empty where no channel was crossed."""
    timings_ms: dict[str, float]
    """Wall milliseconds of each stage, ``service/stage``."""
    round_trip_ms: float
    """Wall milliseconds from sending to the answer, as this side saw it."""
    request_id: str
    outcome: Outcome = "received"

    @property
    def psnr_db(self) -> float | None:
        """PSNR of the received image against what was sent; None where no image was asked for."""
        if self.original is None or self.image is None:
            return None
        return psnr_db(self.image, self.original)
