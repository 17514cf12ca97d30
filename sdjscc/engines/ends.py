"""What stands before and behind a network, so that arrays go in and come out as they are sent: bytes, not floats.

Each is a module that every engine knows, and may be folded into its neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ChannelsLast", "FromPixels", "ToBits", "ToPixels"]


class FromPixels(nn.Module):
    """RGB pixels, uint8 ``(n, h, w, 3)``, to images in [0, 1], float ``(n, 3, h, w)``."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.permute(0, 3, 1, 2).float().div_(255)


class ToPixels(nn.Module):
    """Images, float ``(n, 3, h, w)``, to the nearest RGB pixels, uint8 ``(n, h, w, 3)``; clips to [0, 1]."""

    def forward(self, images: Tensor) -> Tensor:
        return (images * 255).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


class ToBits(nn.Module):
    """e in (0, 1) to bits, uint8 of the same shape: 1 where e > 0.5 (paper, eq. 14)."""

    def forward(self, e: Tensor) -> Tensor:
        return (e > 0.5).to(torch.uint8)


class ChannelsLast(nn.Module):
    """The same values ``(n, c, h, w)`` in the layout in which torch convolves fastest."""

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)
