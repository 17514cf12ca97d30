"""Requests whose answers tell whose they are."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels import get_channel, noise_generator, noise_power
from sdjscc.client import Result
from sdjscc.client.messages import Options
from sdjscc.codecs import CodecRegistry

__all__ = ["Images", "LightImages", "RealImages"]

Pixels = NDArray[np.uint8]


class Images(ABC):
    """What is sent as the ``number``-th request, and whose answer a result is."""

    @abstractmethod
    def image(self, number: int) -> int:
        """Which image the request sends."""

    @abstractmethod
    def request(self, number: int) -> tuple[Pixels, Options]:
        """The image and how it is sent."""

    @abstractmethod
    def recognise(self, result: Result) -> int | None:
        """Which image the result is the answer of; None where it is nobody's."""


class LightImages(Images):
    """For the light chain, which gives back what it was sent: every request has an image of its own."""

    def image(self, number: int) -> int:
        return number

    def request(self, number: int) -> tuple[Pixels, Options]:
        # Nothing is left of the noise, and without a seed every attempt draws its own.
        return self._pixels(number), Options(snr_db=40.0, received_format="raw")

    def recognise(self, result: Result) -> int | None:
        if result.image is None:
            return None
        number = int.from_bytes(result.image.tobytes()[:8])
        return number if np.array_equal(result.image, self._pixels(number)) else None

    @staticmethod
    def _pixels(number: int) -> Pixels:
        pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
        pixels.reshape(-1)[:8] = np.frombuffer(number.to_bytes(8), np.uint8)
        return pixels


class RealImages(Images):
    """For the real chain: images and seeds whose answers were computed here, in this process."""

    _COUNT, _SIZE, _SNR_DB = 12, 32, 12.0

    def __init__(self) -> None:
        codec = CodecRegistry().load()
        noise_powers = np.array([noise_power(self._SNR_DB)])
        self._expected = []
        for number in range(self._COUNT):
            symbols = codec.constellation.modulate(codec.encode(self._pixels(number)[None])[0].reshape(-1))
            received = get_channel("awgn").transmit(symbols, self._SNR_DB, noise_generator(number))
            size = self._SIZE, self._SIZE
            self._expected.append(codec.decode(received[None], size, noise_powers)[0])

    def image(self, number: int) -> int:
        return number % self._COUNT

    def request(self, number: int) -> tuple[Pixels, Options]:
        image = self.image(number)
        return self._pixels(image), Options(snr_db=self._SNR_DB, seed=image, task="stl10", received_format="raw")

    def recognise(self, result: Result) -> int | None:
        if result.image is None:
            return None
        # Beside others in a batch a grey level may be rounded differently.
        distances = [int(np.abs(result.image.astype(int) - expected).max()) for expected in self._expected]
        nearest = int(np.argmin(distances))
        return nearest if distances[nearest] <= 1 else None

    def _pixels(self, image: int) -> Pixels:
        rows, columns = np.mgrid[: self._SIZE, : self._SIZE]
        waves = [np.sin(rows / (2 + image) + columns * (channel + 1) / 7 + image) for channel in range(3)]
        return (127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8)
