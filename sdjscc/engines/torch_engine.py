"""torch, eagerly: the engine that always works, and what the others are held against."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sdjscc.engines.base import Engine, LayerRanges, Runner

__all__ = ["TorchEngine"]


class TorchEngine(Engine):
    """Runs a module as it is, in float32. Its layers' weights are best in channels_last."""

    name = "torch"

    def runner(self, network: nn.Module, ranges: LayerRanges | None = None) -> Runner:
        @torch.inference_mode()
        def run(array: NDArray[Any]) -> NDArray[Any]:
            # torch does not share read-only memory, which what comes from a message or a file is in.
            result = network(torch.from_numpy(np.require(array, requirements="W")))
            return np.ascontiguousarray(result.numpy())

        return run
