"""Training losses. Each is a module called as ``loss(reconstructed, original)`` on images, float ``(n, 3, h, w)``."""

from __future__ import annotations

from torch import Tensor, nn

from sdjscc.errors import UnknownName

__all__ = ["PixelLoss", "build_loss"]


class PixelLoss(nn.Module):
    """Mean squared error (paper, eq. 5) over all pixels and channels of images in [0, 1]; a scalar in float32."""

    def forward(self, reconstructed: Tensor, original: Tensor) -> Tensor:
        return (reconstructed.float() - original.float()).square().mean()


def build_loss(name: str) -> nn.Module:
    """The loss that a configuration names; raises `UnknownName`."""
    if name == "mse":
        return PixelLoss()
    raise UnknownName(f"there is no loss {name!r}; use: mse")
