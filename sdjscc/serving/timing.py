"""How long the stages of a request took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sdjscc.observability.meter import meter
from sdjscc.observability.tracer import tracer
from sdjscc.v1.receiver_pb2 import StageTiming

__all__ = ["Stopwatch"]


class Stopwatch:
    """Collects stage timings of one request in one service, and tells the meter and the tracer of them.

    Make it in the task that serves the request: stages that run in other threads are then part of its trace.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._here = tracer().here()
        self.timings: list[StageTiming] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body as ``service/name``, in wall milliseconds."""
        begin = time.perf_counter()
        yield
        self.add(name, 1e3 * (time.perf_counter() - begin))

    def add(self, name: str, milliseconds: float) -> None:
        """Note a stage that has just ended and was timed elsewhere, as that of several requests together is."""
        stage = f"{self._service}/{name}"
        self.timings.append(StageTiming(stage=stage, milliseconds=milliseconds))
        meter().stage(stage, 1e-3 * milliseconds)
        tracer().stage(stage, self._here, milliseconds)
