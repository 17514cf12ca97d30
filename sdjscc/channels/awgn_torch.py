"""Additive white Gaussian noise on torch bits, as training sees it; tested against `sdjscc.channels.awgn`."""

from __future__ import annotations

import torch
from torch import Tensor

from sdjscc.channels.signal import noise_power

__all__ = ["awgn"]


def awgn(bits: Tensor, snr_db: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Received components q + N of `UnipolarIQ` symbols (paper, algorithm 1, line 7).

    Args:
        bits: float bits in {0, 1}, shape ``(n, ...)``; each is one real component of a symbol.
        snr_db: SNR in dB, shape ``(n,)``, one for each image.
        generator: source of the noise, on the device of ``bits``.

    Returns:
        Shape and dtype of ``bits``; noise of variance ``noise_power(snr_db) / 2`` a component. Gradients pass.
    """
    std = (noise_power(snr_db) / 2).sqrt().view(-1, *[1] * (bits.dim() - 1))
    noise = torch.randn(bits.shape, generator=generator, device=bits.device, dtype=torch.float32)
    return bits + (std * noise).to(bits.dtype)
