"""Encoder, quantizer, channel and decoder as one differentiable network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdjscc.channels.awgn_torch import awgn
from sdjscc.codecs.jscc.network import Architecture, Decoder, Encoder
from sdjscc.codecs.jscc.quantizer import quantize_ste

__all__ = ["Link"]


class Link(nn.Module):
    """x' = D(Q(E(x)) + N) (paper, algorithm 1, lines 5 to 7)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)

    def forward(self, images: Tensor, snr_db: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images ``(n, 3, h, w)`` in [0, 1] and SNRs ``(n,)`` in dB to reconstructed images, unclipped."""
        return self.decoder(awgn(quantize_ste(self.encoder(images)), snr_db, generator))  # type: ignore[no-any-return]
