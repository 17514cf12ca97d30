"""Threads for the heavy work, so that the event loop stays free to answer health checks and refuse what is too much."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from sdjscc.serving.cores import usable_cores
from sdjscc.serving.status import Overloaded

__all__ = ["Workers"]

P = ParamSpec("P")
R = TypeVar("R")


class Workers:
    """A bounded queue in front of a fixed number of threads.

    A call that is cancelled, or whose deadline passes, while it waits is never run: gRPC cancels its task, and that
    takes the work out of the queue.

    Args:
        threads: work done at a time; 0 means the cores this process may use.
        queue: work that may wait; beyond it `run` raises `Overloaded` at once.
        initializer: run once in each thread.
    """

    def __init__(self, threads: int, queue: int, initializer: Callable[[], None] | None = None) -> None:
        self.threads = threads or usable_cores()
        self._limit = self.threads + queue
        self._pending = 0
        self._executor = ThreadPoolExecutor(self.threads, "worker", initializer)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``function`` in a thread and return what it returns or raises."""
        if self._pending >= self._limit:
            raise Overloaded(f"{self._pending} images are being worked on or waiting already; try again in a moment")
        self._pending += 1
        future = self._executor.submit(function, *args, **kwargs)
        # Counted until the thread is done with it, which for a cancelled call may be after its task has ended.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: self._done(loop))
        return await asyncio.wrap_future(future)

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        # Work that outlasts the grace ends after the loop, when nobody counts any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self._pending -= 1

    def close(self) -> None:
        """Drop what waits and let what runs finish."""
        self._executor.shutdown(wait=False, cancel_futures=True)
