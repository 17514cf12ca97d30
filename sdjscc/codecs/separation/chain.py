"""The whole separation chain as a codec: source coder, LDPC code, QAM, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from sdjscc.channels.belief_propagation import BeliefPropagation
from sdjscc.channels.ldpc import get_ldpc_code
from sdjscc.channels.qam import QAM16, SquareQAM
from sdjscc.codecs.base import Codec, Outcome, Reception, Size
from sdjscc.codecs.separation.frame import frame, frame_words, unframe
from sdjscc.codecs.separation.source import Image, SourceCoder
from sdjscc.errors import InvalidRequest, Undecodable

__all__ = ["SeparationCodec"]


class SeparationCodec(Codec):
    """A file of the best quality within ``bpp``, protected by an 802.11n LDPC code and sent by QAM.

    ::

        image -> source coder -> frame -> LDPC -> QAM -> channel -> LLRs -> BP -> file -> source decoder -> image
                 at most         whole                                               \\
                 bpp a pixel     code words                                           `-> damaged: stand-in

    ``bpp`` is the source's rate, as the paper compares. Every image of one size takes the same code words, those of
    the full budget, and all their symbols are counted: a quarter bit a pixel of 96x96 pixels are 288 bytes, which take
    two words of rate 3/4 and by 16-QAM 972 channel uses, 0.105 a pixel where 0.083 would do without padding.

    There is no interleaver: a memoryless channel has nothing to spread.
    """

    weights_sha256 = ""
    constellation: SquareQAM

    def __init__(
        self,
        source: SourceCoder,
        bpp: float,
        stand_in: Image,
        *,
        rate: str = "3/4",
        constellation: SquareQAM = QAM16,
        iterations: int = 50,
        use_damaged: bool = False,
        name: str = "",
    ) -> None:
        """
        Args:
            source: makes the files.
            bpp: budget of a file in bits a pixel; rounded up to whole bytes.
            stand_in: shown where an image cannot be received, resized if need be; the mean image of the training set
                is this project's choice.
            rate: of the LDPC code, as "3/4".
            constellation: carries the coded bits.
            iterations: the most that the decoder gives a code word.
            use_damaged: hand the source decoder also files with failed code words, and show what it makes of them. Over
                the cliff this scored a lower PSNR than the stand-in for JPEG and HEVC, and the same for WebP.
            name: of the codec; empty for one that tells all parts.
        """
        if not (math.isfinite(bpp) and bpp > 0):
            raise InvalidRequest(f"the rate is {bpp} bpp; give a finite value above 0")
        self.source, self.bpp, self.constellation = source, bpp, constellation
        self.name = name or f"{source.name}+ldpc-{rate}+{constellation.name}"
        self.code = get_ldpc_code(rate)
        self._iterations = iterations
        self._stand_in, self._use_damaged = stand_in, use_damaged

    def budget_bytes(self, size: Size) -> int:
        """The longest file of an image of ``size``."""
        return math.ceil(self.bpp * size[0] * size[1] / 8)

    def bit_shape(self, size: Size) -> tuple[int, int]:
        """Code words of one image, and their bits: these are coded bits, more than `budget_bytes` tells."""
        return frame_words(self.budget_bytes(size), self.code.k), self.code.n

    def channel_uses_per_pixel(self, size: Size) -> float:
        """Complex symbols a pixel, those of padding included."""
        return self.constellation.symbol_count(math.prod(self.bit_shape(size))) / (size[0] * size[1])

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        _, height, width, _ = images.shape
        return self.protect(self.files(images), (width, height))

    def files(self, images: NDArray[np.uint8]) -> list[bytes | None]:
        """The first half of `encode`: each image's best file within the budget, None where none fits."""
        _, height, width, _ = images.shape
        budget = self.budget_bytes((width, height))
        return [self.source.encode_within(image, budget) for image in images]

    def protect(self, files: Sequence[bytes | None], size: Size) -> NDArray[np.uint8]:
        """The second half of `encode`: coded bits of files of images of ``size``; None is sent as an empty frame."""
        words, n = self.bit_shape(size)
        frames = [frame(file or b"", words * self.code.k) for file in files]
        information = np.array(frames, np.uint8).reshape(len(files) * words, self.code.k)
        return self.code.encode(information).reshape(len(files), words, n)

    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> NDArray[np.uint8]:
        width, height = size
        images = [reception.image for reception in self.receive(symbols, size, noise_power)]
        return np.array(images, np.uint8).reshape(len(images), height, width, 3)

    def receive(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> list[Reception]:
        words, n = self.bit_shape(size)
        llrs = self.constellation.llrs(symbols, noise_power)[:, : words * n]
        decoded = self._decoder.decode(llrs.reshape(-1, n))
        frames = decoded.information.reshape(len(symbols), words * self.code.k)
        failed = words - decoded.satisfied.reshape(len(symbols), words).sum(axis=1)
        return [self._open(bits, int(count), size) for bits, count in zip(frames, failed, strict=True)]

    @cached_property
    def _decoder(self) -> BeliefPropagation:
        # Not before the first reception: who only sends need not wait for the import of Sionna, nor hold it.
        return BeliefPropagation(self.code, self._iterations)

    def _open(self, bits: NDArray[np.uint8], failed_words: int, size: Size) -> Reception:
        outcome = Outcome.DAMAGED
        if not failed_words or self._use_damaged:
            try:
                file = unframe(bits)
                if file:
                    return Reception(self.source.decode(file, size), Outcome.RECEIVED, failed_words)
                outcome = Outcome.NOTHING_SENT
            except Undecodable:
                pass
        resized = PillowImage.fromarray(self._stand_in).resize(size, PillowImage.Resampling.BILINEAR)
        return Reception(np.asarray(resized), outcome, failed_words)
