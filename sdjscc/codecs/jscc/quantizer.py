"""The one-bit quantizer between encoder and channel."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["quantize", "quantize_ste"]


def quantize(e: Tensor) -> Tensor:
    """Q(e) = 1 where e > 0.5, else 0 (paper, eq. 14; exactly 0.5 gives 0). Any shape; same dtype. No gradient."""
    return (e > 0.5).to(e.dtype)


def quantize_ste(e: Tensor) -> Tensor:
    """`quantize` with the straight-through gradient: dQ/de = 1 everywhere."""
    return _StraightThrough.apply(e)  # type: ignore[no-untyped-call,no-any-return]


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, e: Tensor) -> Tensor:
        return quantize(e)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grad: Tensor) -> Tensor:
        return grad[0]
