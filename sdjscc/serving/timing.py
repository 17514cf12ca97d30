"""How long the stages of a request took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sdjscc.v1.receiver_pb2 import StageTiming

__all__ = ["Stopwatch"]


class Stopwatch:
    """Collects stage timings of one request in one service."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.timings: list[StageTiming] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body as ``service/name``, in wall milliseconds."""
        begin = time.perf_counter()
        yield
        self.add(name, 1e3 * (time.perf_counter() - begin))

    def add(self, name: str, milliseconds: float) -> None:
        """Note a stage that was timed elsewhere, as that of several requests together is."""
        self.timings.append(StageTiming(stage=f"{self._service}/{name}", milliseconds=milliseconds))
