"""Encoder, quantizer, channel and decoder as one differentiable network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdjscc.channels.awgn_torch import awgn
from sdjscc.codecs.jscc.network import Architecture, Decoder, Encoder
from sdjscc.codecs.jscc.quantizer import quantize_ste

__all__ = ["Link", "first_channels"]


class Link(nn.Module):
    """x' = D(Q(E(x)) + N) (paper, algorithm 1, lines 5 to 7)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)

    def forward(
        self, images: Tensor, snr_db: Tensor, generator: torch.Generator | None = None, channels: int | None = None
    ) -> Tensor:
        """Images ``(n, 3, h, w)`` in [0, 1] and SNRs ``(n,)`` in dB to reconstructed images, unclipped.

        Of the latent only the first ``channels`` are sent, where given (see `first_channels`).
        """
        received = awgn(quantize_ste(self.encoder(images)), snr_db, generator)
        return self.decoder(received if channels is None else first_channels(received, channels))  # type: ignore[no-any-return]


def first_channels(received: Tensor, channels: int) -> Tensor:
    """Received components ``(n, C, h, w)`` with 0.5, which tells nothing of a bit, in place of those after the first
    ``channels``. To the decoder, which takes it for 0, it is the same as to have no weights for them: so a network
    that was trained for several rates can be cut to each (`cut_to_rate`)."""
    kept, rest = received[:, :channels], received[:, channels:]
    return torch.cat([kept, torch.full_like(rest, 0.5)], 1)
