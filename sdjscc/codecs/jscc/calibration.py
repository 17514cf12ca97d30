"""What int8 must know of the learned codec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdjscc.channels import AWGN, UNIPOLAR_IQ, noise_generator
from sdjscc.codecs.jscc.codec import JsccCodec
from sdjscc.engines.calibration import layer_ranges

__all__ = ["SNRS_DB", "calibrate"]

SNRS_DB = (0.0, 10.0, 20.0)
"""The noise with which the decoder is looked at, in turn."""


def calibrate(codec: JsccCodec, batches: Sequence[NDArray[np.uint8]]) -> dict[str, dict[str, tuple[float, float]]]:
    """Ranges of encoder and decoder over batches of images of one size each, uint8 ``(n, h, w, 3)`` with sides a
    multiple of 8, sent over AWGN. The same images give the same ranges."""
    return {
        "encoder": layer_ranges(codec.encoder, [torch.tensor(images) for images in batches]),
        "decoder": layer_ranges(codec.decoder, list(_received(codec, batches))),
    }


def _received(codec: JsccCodec, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Tensor]:
    for number, images in enumerate(batches):
        bits = codec.encode(images)
        symbols = UNIPOLAR_IQ.modulate(bits.reshape(-1))
        noisy = AWGN().transmit(symbols, SNRS_DB[number % len(SNRS_DB)], noise_generator(number))
        yield torch.from_numpy(UNIPOLAR_IQ.components(noisy, bits.size).reshape(bits.shape))
