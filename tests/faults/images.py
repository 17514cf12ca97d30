"""Requests whose answers tell whose they are."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from sdjscc.channels import get_channel, noise_generator, noise_power
from sdjscc.client import Result
from sdjscc.client.messages import Options
from sdjscc.codecs import CodecRegistry
from sdjscc.engines import select

__all__ = ["Images", "LightImages", "Pixels", "RealImages"]

Pixels = NDArray[np.uint8]


class Images(ABC):
    """What is sent as the ``number``-th request, and whose answer a result is."""

    options: Options
    """How all are sent."""

    @abstractmethod
    def image(self, number: int) -> int:
        """Which image the request sends."""

    @abstractmethod
    def pixels(self, number: int) -> Pixels:
        """The image itself, uint8 ``(h, w, 3)``."""

    @abstractmethod
    def recognise(self, result: Result) -> int | None:
        """Which image the result is the answer of; None where it is nobody's."""


class LightImages(Images):
    """For the light chain, which gives back what it was sent: every request has an image of its own."""

    # Nothing is left of the noise, and without a seed every attempt draws its own.
    options = Options(snr_db=40.0, received_format="raw")

    def image(self, number: int) -> int:
        return number

    def pixels(self, number: int) -> Pixels:
        pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
        pixels.reshape(-1)[:8] = np.frombuffer(number.to_bytes(8), np.uint8)
        return pixels

    def recognise(self, result: Result) -> int | None:
        if result.image is None:
            return None
        number = int.from_bytes(result.image.tobytes()[:8])
        return number if np.array_equal(result.image, self.pixels(number)) else None


class RealImages(Images):
    """For the real chain: images whose answers were computed here, in this process."""

    _COUNT, _SIZE, _SNR_DB, _SEED = 12, 32, 12.0, 5
    options = Options(snr_db=_SNR_DB, seed=_SEED, task="stl10", received_format="raw")

    def __init__(self) -> None:
        codec = CodecRegistry(engine=select()).load()
        noise_powers = np.array([noise_power(self._SNR_DB)])
        self._expected = []
        for number in range(self._COUNT):
            symbols = codec.constellation.modulate(codec.encode(self.pixels(number)[None])[0].reshape(-1))
            received = get_channel("awgn").transmit(symbols, self._SNR_DB, noise_generator(self._SEED))
            size = self._SIZE, self._SIZE
            self._expected.append(codec.decode(received[None], size, noise_powers)[0])

    def image(self, number: int) -> int:
        return number % self._COUNT

    def pixels(self, number: int) -> Pixels:
        image = self.image(number)
        rows, columns = np.mgrid[: self._SIZE, : self._SIZE]
        waves = [np.sin(rows / (2 + image) + columns * (channel + 1) / 7 + image) for channel in range(3)]
        return (127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8)

    def recognise(self, result: Result) -> int | None:
        if result.image is None:
            return None
        # Beside others in a batch a grey level may be rounded differently.
        distances = [int(np.abs(result.image.astype(int) - expected).max()) for expected in self._expected]
        nearest = int(np.argmin(distances))
        return nearest if distances[nearest] <= 1 else None
