"""What a codec is to the services, the experiments and the baselines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels.constellation import Constellation
from sdjscc.engines import Engine

__all__ = ["Codec", "Outcome", "Reception", "Size"]

Size = tuple[int, int]
"""Width and height in pixels."""


class Outcome(Enum):
    """What became of a transmission."""

    RECEIVED = "received"
    DAMAGED = "damaged"
    """No whole file came through, or one that the source coder cannot decode."""
    NOTHING_SENT = "nothing sent"
    """Not even the lowest quality had fitted the budget, and an empty frame came through."""


@dataclass(frozen=True)
class Reception:
    """One image at the receiver."""

    image: NDArray[np.uint8]
    """RGB pixels, uint8 ``(h, w, 3)``; a stand-in where the outcome is not `Outcome.RECEIVED`."""
    outcome: Outcome = Outcome.RECEIVED
    failed_words: int = 0
    """Code words that fulfil their parity checks not even after the last iteration."""


class Codec(ABC):
    """Images to bits at the transmitter, received symbols to images at the receiver.

    Both work on batches of images of one size; an image's result does not depend on the others in its batch.
    """

    name: str
    bpp: float
    """Bits of the encoded image per pixel, before channel coding, of an image that needs no padding."""
    weights_sha256: str
    """Identity of the weights, hex; empty for a codec without weights."""
    constellation: Constellation
    """How the bits become symbols."""

    @abstractmethod
    def bit_shape(self, size: Size) -> tuple[int, ...]:
        """Shape of the bits of one image of ``size``, those of padded pixels included."""

    @abstractmethod
    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB images, uint8 ``(n, h, w, 3)``, to bits (0 or 1), uint8 ``(n, *bit_shape((w, h)))``.

        What is sent: with channel coding, coded bits. Raises `InvalidRequest` for a size that the codec cannot take.
        """

    @abstractmethod
    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Received symbols to RGB images, uint8 ``(n, h, w, 3)``.

        Args:
            symbols: complex64 ``(n, channel uses)``.
            size: of the images.
            noise_power: total sigma^2 that the channels added to each transmission, ``(n,)``; 0 where there was none.
        """

    def run_on(self, engine: Engine, weights: Path) -> None:  # noqa: B027
        """Run the networks by ``engine`` from now on; called before the first image, if at all.

        A codec without networks, or that knows no engines, need not override this. ``weights`` is the file that they
        came from; what else an engine needs lies beside it. Raises `InvalidRequest` where that is missing.
        """

    def receive(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> list[Reception]:
        """`decode`, with what became of each transmission; same arguments. A codec that makes an image of whatever it
        receives need not override this."""
        return [Reception(image) for image in self.decode(symbols, size, noise_power)]
