"""What an engine is to the codecs and the tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Engine", "LayerRanges", "Runner"]

Runner = Callable[[NDArray[Any]], NDArray[Any]]
"""Runs one network on a batch, in the calling thread and on one core. Safe to call from several threads at a time. The
result is the caller's own; that of one item does not depend on the others in its batch beyond the rounding of sums."""

LayerRanges = Mapping[str, tuple[float, float]]
"""Least and greatest input of each convolution and linear layer, by the layer's name in the network."""


class Engine(ABC):
    """Runs networks that are given as torch modules.

    A module takes one array and returns one; its first and last layers may be those of `sdjscc.engines.ends`, which
    turn pixels into floats and back. Batch and image sizes may differ from call to call.
    """

    name: str
    """Such as "torch" or "openvino-bf16"; a log or a table can say which it was."""
    needs_ranges: bool = False
    """Whether `runner` asks for the ranges of the layers' inputs, because it computes with integers."""

    @abstractmethod
    def runner(self, network: nn.Module, ranges: LayerRanges | None = None) -> Runner:
        """What runs ``network``, which is frozen and in eval mode.

        Quick: whatever takes long is done at the first call. Raises `InvalidRequest` for a network that the engine
        cannot run, and `NotReady` where ranges are needed and not given.
        """
