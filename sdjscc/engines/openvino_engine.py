"""OpenVINO on the CPU."""

from __future__ import annotations

from functools import cache
from threading import Lock, local
from typing import Any, Literal

import numpy as np
import openvino
from numpy.typing import NDArray
from torch import nn

from sdjscc.engines.base import Engine, LayerRanges, Runner
from sdjscc.engines.openvino_graph import translate
from sdjscc.errors import NotReady

__all__ = ["OpenVinoEngine", "Precision"]

Precision = Literal["", "f32", "bf16", "int8"]

# Kernels kept by each network for shapes seen before. OpenVINO's own bound lets memory grow with every new image size.
_KERNELS_KEPT = 64


class OpenVinoEngine(Engine):
    """Runs a module's translation, made directly from its layers: OpenVINO's converter takes seconds a network.

    Args:
        precision: of the convolutions; "" is bf16 where the processor multiplies it in hardware, else f32. With int8
            what is not a convolution or a linear layer is done in float32.
        threads: calls that run side by side, on a core each.
    """

    def __init__(self, precision: Precision, threads: int) -> None:
        self._precision = precision or _fast_precision()
        self._threads = threads
        self.name = f"openvino-{self._precision}"
        self.needs_ranges = self._precision == "int8"

    def runner(self, network: nn.Module, ranges: LayerRanges | None = None) -> Runner:
        if self.needs_ranges and ranges is None:
            raise NotReady(f"{self.name} needs the ranges of the layers' inputs; choose another engine")
        model = translate(network, ranges if self.needs_ranges else None)
        return _Runner(model, "bf16" if self._precision == "bf16" else "f32", self._threads)


class _Runner:
    """Compiled at the first call. A request belongs to one thread, for requests are not safe to share."""

    def __init__(self, model: openvino.Model, hint: str, threads: int) -> None:
        self._model, self._hint, self._threads = model, hint, threads
        self._lock = Lock()
        self._compiled: openvino.CompiledModel | None = None
        self._own = local()

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        request: openvino.InferRequest | None = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compile().create_infer_request()
        request.infer({0: np.ascontiguousarray(array)}, share_inputs=True)
        # The request overwrites its own array at the next call.
        return np.array(request.get_output_tensor(0).data)

    def _compile(self) -> openvino.CompiledModel:
        with self._lock:
            if self._compiled is None:
                # As many streams as callers, and one thread for each: a stream is what one call at a time runs on.
                self._compiled = _core().compile_model(
                    self._model,
                    "CPU",
                    {
                        "INFERENCE_PRECISION_HINT": self._hint,
                        "NUM_STREAMS": self._threads,
                        "INFERENCE_NUM_THREADS": self._threads,
                        "ENABLE_CPU_PINNING": False,
                        "CPU_RUNTIME_CACHE_CAPACITY": _KERNELS_KEPT,
                    },
                )
            return self._compiled


@cache
def _core() -> openvino.Core:
    return openvino.Core()


def _fast_precision() -> Precision:
    """What OpenVINO would choose by itself: bf16 only where the processor has instructions for it."""
    hint = _core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    return "bf16" if hint == openvino.Type.bf16 else "f32"
