"""What a codec is to the services, the experiments and the baselines."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels.constellation import Constellation

__all__ = ["Codec", "Size"]

Size = tuple[int, int]
"""Width and height in pixels."""


class Codec(ABC):
    """Images to bits at the transmitter, received symbols to images at the receiver.

    Both work on batches of images of one size; an image's result does not depend on the others in its batch.
    """

    name: str
    bpp: float
    """Bits per pixel of an image that needs no padding."""
    weights_sha256: str
    """Identity of the weights, hex; empty for a codec without weights."""
    constellation: Constellation
    """How the bits become symbols."""

    @abstractmethod
    def bit_shape(self, size: Size) -> tuple[int, ...]:
        """Shape of the bits of one image of ``size``, those of padded pixels included."""

    @abstractmethod
    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB images, uint8 ``(n, h, w, 3)``, to bits (0 or 1), uint8 ``(n, *bit_shape((w, h)))``."""

    @abstractmethod
    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Received symbols to RGB images, uint8 ``(n, h, w, 3)``.

        Args:
            symbols: complex64 ``(n, channel uses)``.
            size: of the images.
            noise_power: total sigma^2 that the channels added to each transmission, ``(n,)``; 0 where there was none.
        """
