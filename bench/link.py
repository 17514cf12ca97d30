"""Measurements of one case: through the services, and in one process beside them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from bench import in_process, load
from bench.cases import Case
from bench.cpu_time import cpu_s
from bench.load import Calls
from bench.sample import Sample, rate_after
from deploy.local import LocalLink
from sdjscc.errors import SdjsccError

__all__ = ["Bench", "ProcessOfItsOwn", "Threads", "ways_to_use"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Threads:
    """How one process uses its cores."""

    workers: int
    """Images worked on at a time."""
    torch_threads: int
    """Threads that torch may split one image over."""
    together: int = 1
    """Images of one size that a worker takes at a time."""

    @property
    def title(self) -> str:
        together = f", {self.together} images each" if self.together > 1 else ""
        return f"{self.workers} x {self.torch_threads}{together}"


def ways_to_use(cores: int, together: int = 1) -> tuple[Threads, ...]:
    """Ways to use ``cores`` in one process, where images come ``together``; the fastest is what the services are held
    against."""
    return tuple(dict.fromkeys((Threads(cores, 1), Threads(cores, 1, together), Threads(1, cores))))


class ProcessOfItsOwn:
    """Runs functions one at a time in a fresh process, which keeps what it has loaded."""

    def __init__(self) -> None:
        self._executor = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self.pid = self.run(os.getpid)

    def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``function`` returns or raises there; `SdjsccError` where the process dies."""
        try:
            return self._executor.submit(function, *args, **kwargs).result()
        except BrokenProcessPool:
            raise SdjsccError("a measuring process died; is there enough memory?") from None

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)


class Bench:
    """The three services, a client process, and a process a way of using the cores; up inside a ``with`` block.

    Args:
        ways: how the process beside the services uses the cores.
        warm_up_s: left out of rates and latencies at the begin of every measurement, seconds.
    """

    def __init__(self, ways: tuple[Threads, ...], warm_up_s: float) -> None:
        self._ways, self._warm_up_s = ways, warm_up_s

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._link = stack.enter_context(LocalLink())
            self._client = self._process(stack)
            self._beside = {way: self._process(stack) for way in self._ways}
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def warm_up(self, case: Case, ways: Iterable[Threads]) -> None:
        """Load what each process of ``ways`` needs for a case, so that no measurement pays for it."""
        self.closed(case, 1, 0.0)
        for way in ways:
            self.in_process(case, way, 0.0)

    def in_process(self, case: Case, way: Threads, seconds: float) -> Sample:
        """The same work in one process."""
        return self._beside[way].run(
            in_process.measure, case, way.workers, way.torch_threads, way.together, seconds, self._warm_up_s
        )

    def closed(self, case: Case, in_flight: int, seconds: float) -> Sample:
        """Through the services, with ``in_flight`` calls under way all the time."""
        return self._through(
            case,
            lambda: self._client.run(load.closed_loop, self._link.server, case, in_flight, seconds + self._warm_up_s),
        )

    def open(self, case: Case, rate_per_s: float, seconds: float) -> Sample:
        """Through the services, ``rate_per_s`` images a second in calls at equal distances."""
        return self._through(
            case,
            lambda: self._client.run(
                load.open_loop, self._link.server, case, rate_per_s / case.per_call, seconds + self._warm_up_s
            ),
        )

    def _process(self, stack: ExitStack) -> ProcessOfItsOwn:
        process = ProcessOfItsOwn()
        stack.callback(process.close)
        return process

    def _through(self, case: Case, run: Callable[[], Calls]) -> Sample:
        before = self._cpu_s()
        calls = run()
        # One more than was timed: the call that opened the connection.
        images = case.per_call * (len(calls.times_s) + 1)
        start = calls.begin_s + self._warm_up_s
        return Sample(
            images=images,
            images_per_s=case.per_call * rate_after([end for _, end in calls.times_s], start),
            latencies_ms=tuple(1e3 * (end - due) for due, end in calls.times_s if end >= start),
            cpu_ms={name: 1e3 * (after - before[name]) / images for name, after in self._cpu_s().items()},
        )

    def _cpu_s(self) -> dict[str, float]:
        services = {name: cpu_s(service.process.pid) for name, service in self._link.services.items()}
        return {**services, "client": cpu_s(self._client.pid)}
