"""How images of any size become the square that a classifier looks at."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from sdjscc.errors import InvalidRequest

__all__ = ["centre_square"]


def centre_square(images: Tensor, size: int) -> Tensor:
    """The largest centred square of each image, scaled to ``size`` x ``size`` pixels.

    Cropping keeps the shapes of things, which squashing would not. Scaling is bilinear with antialiasing, so it is
    differentiable and shrinking averages over all pixels.

    Args:
        images: float ``(n, 3, h, w)``, h and w at least 1.
        size: side of the result in pixels.

    Returns:
        float32 ``(n, 3, size, size)``. Raises `InvalidRequest` for another shape or dtype.
    """
    if images.dim() != 4 or images.shape[1] != 3 or 0 in images.shape[2:] or not images.is_floating_point():
        raise InvalidRequest(
            f"images are {images.dtype} of shape {tuple(images.shape)}; give RGB in [0, 1], float of shape (n, 3, h, w)"
        )
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = images[:, :, top : top + side, left : left + side].float()
    if side == size:
        return square
    return functional.interpolate(square, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
