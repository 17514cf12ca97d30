"""Threads for the heavy work, so that the event loop stays free to answer health checks and refuse what is too much."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from sdjscc.observability.meter import meter
from sdjscc.serving.cores import usable_cores
from sdjscc.serving.status import Overloaded

__all__ = ["Work", "Workers", "one_by_one"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Work(Generic[Item, Result]):
    """A kind of work that may be done for several items together.

    ``function`` takes the items and returns, in their order, a result or an exception for each: one that fails does not
    fail those beside it.
    """

    function: Callable[[Sequence[Item]], Sequence[Result | Exception]]
    together: int = 1
    """Items that are done together at most."""


def one_by_one(function: Callable[[Item], Result]) -> Work[Item, Result]:
    """Work whose items are done each by itself."""

    def do(items: Sequence[Item]) -> list[Result | Exception]:
        return [function(item) for item in items]

    return Work(do)


@dataclass(eq=False)
class _Waiting:
    work: Work[Any, Any]
    item: Any
    future: asyncio.Future[Any]
    since_s: float
    """When it began to wait, by ``time.perf_counter``."""


class Workers:
    """A bounded queue in front of a fixed number of threads.

    Nothing waits to be joined by others: a free thread takes what is there, and of what waits behind the first it takes
    its share of the same `Work`, so that the other free threads get theirs. Work whose call was cancelled, or whose
    deadline passed, while it waited is never run: gRPC cancels the call's task, and with it the future it waits on.

    Use from one event loop.

    Args:
        threads: batches worked on at a time; 0 means the cores this process may use.
        queue: items that may wait; beyond it `run` raises `Overloaded` at once.
        initializer: run once in each thread.
    """

    def __init__(self, threads: int, queue: int, initializer: Callable[[], None] | None = None) -> None:
        self.threads = threads or usable_cores()
        self._queue = queue
        self._free = self.threads
        self._waiting: deque[_Waiting] = deque()
        self._executor = ThreadPoolExecutor(self.threads, "worker", initializer)
        meter().watch_queue(lambda: len(self._waiting), queue)

    async def run(self, work: Work[Item, Result], item: Item) -> Result:
        """The result of ``item``; raises the exception that ``work`` gave it, or raised."""
        if not self._free:
            self._drop_cancelled()
            if len(self._waiting) >= self._queue:
                raise Overloaded(f"{len(self._waiting)} images are waiting already; try again in a moment")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, item, future, time.perf_counter()))
        self._start()
        return await future

    def close(self) -> None:
        """Drop what waits and let what runs finish."""
        self._waiting.clear()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        while self._free:
            self._drop_cancelled()
            if not self._waiting:
                return
            batch = self._take()
            meter().batch([time.perf_counter() - waiting.since_s for waiting in batch])
            self._free -= 1
            done = self._executor.submit(batch[0].work.function, [waiting.item for waiting in batch])
            done.add_done_callback(partial(_in_loop, asyncio.get_running_loop(), partial(self._finish, batch)))

    def _take(self) -> list[_Waiting]:
        work = self._waiting[0].work
        share = min(work.together, -(-len(self._waiting) // self._free))
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < share and self._waiting[0].work is work:
            batch.append(self._waiting.popleft())
        return batch

    def _finish(self, batch: list[_Waiting], done: Future[Any]) -> None:
        self._free += 1
        error = done.exception()
        outcomes = [error] * len(batch) if error is not None else done.result()
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.cancelled():
                continue
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
        self._start()

    def _drop_cancelled(self) -> None:
        if any(waiting.future.cancelled() for waiting in self._waiting):
            self._waiting = deque(waiting for waiting in self._waiting if not waiting.future.cancelled())


def _in_loop(loop: asyncio.AbstractEventLoop, finish: Callable[[Future[Any]], None], done: Future[Any]) -> None:
    # Work that outlasts the grace ends after the loop, when nobody waits for it any more.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(finish, done)
