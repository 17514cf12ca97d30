"""Looking at what goes into each layer while images pass through a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sdjscc.engines.ranges import STEPS, with_zero

__all__ = ["layer_ranges"]

_BINS = 2048
# Shares of the whole range at which its two ends are tried.
_SHARES = np.linspace(0.3, 1.0, 15)

Range = tuple[float, float]


def layer_ranges(network: nn.Module, inputs: Sequence[Tensor]) -> dict[str, Range]:
    """The range of each convolution's and linear layer's input in which 256 values lose the least of all that
    ``inputs`` make of it, by the mean squared error.

    That is less than the whole range: a few great values cut off cost less than coarse steps for all others.
    """
    whole: dict[str, Range] = {}
    counts: dict[str, NDArray[np.float64]] = {}

    def widen(name: str, x: Tensor) -> None:
        low, high = (float(bound) for bound in x.aminmax())
        before = whole.get(name, (low, high))
        whole[name] = min(low, before[0]), max(high, before[1])

    def count(name: str, x: Tensor) -> None:
        counts[name] = counts.get(name, 0.0) + np.histogram(x.numpy(), _BINS, whole[name])[0]

    _look(network, inputs, widen)
    _look(network, inputs, count)
    return {name: _least_error(counts[name], whole[name]) for name in whole}


@torch.inference_mode()
def _look(network: nn.Module, inputs: Sequence[Tensor], look: Callable[[str, Tensor], None]) -> None:
    """Show ``look`` the input of each layer, with its name."""

    def watch(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return layer.register_forward_pre_hook(lambda _, arguments: look(name, arguments[0]))

    handles = [watch(n, layer) for n, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    try:
        for x in inputs:
            network(x)
    finally:
        for handle in handles:
            handle.remove()


def _least_error(counts: NDArray[np.float64], whole: Range) -> Range:
    low, high = whole
    values = low + (np.arange(_BINS) + 0.5) * (high - low) / _BINS

    def error(tried: Range) -> float:
        least, greatest = with_zero(*tried)
        step = (greatest - least) / STEPS
        nearest = (np.clip(values, least, greatest) / step).round() * step
        return float(counts @ (nearest - values) ** 2)

    return min(((low * below, high * above) for below in _SHARES for above in _SHARES), key=error)
