"""Looking at what goes into each layer while images pass through a network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["layer_ranges"]


@torch.inference_mode()
def layer_ranges(network: nn.Module, inputs: Iterable[Tensor]) -> dict[str, tuple[float, float]]:
    """Least and greatest input of each convolution and linear layer, over all that ``inputs`` make of it."""
    found: dict[str, tuple[float, float]] = {}

    def watch(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def look(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            low, high = (float(bound) for bound in arguments[0].aminmax())
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])

        return layer.register_forward_pre_hook(look)

    handles = [watch(n, layer) for n, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    try:
        for x in inputs:
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    return found
