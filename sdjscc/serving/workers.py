"""Threads for the heavy work, so that the event loop stays free to answer health checks and refuse what is too much."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar, cast

from sdjscc.observability.meter import meter
from sdjscc.serving.cores import usable_cores
from sdjscc.serving.status import DeadlinePassed, Overloaded

__all__ = ["Job", "Work", "Workers", "one_by_one"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# What a client is told at the least: a shorter wait than a round trip helps nobody.
_LEAST_RETRY_S = 0.02


@dataclass(eq=False)
class Job(Generic[Item]):
    """An item in a worker's hands, and whether anybody still waits for it."""

    item: Item
    deadline_s: float | None = None
    """When its call ends, of ``time.monotonic``; None for never."""
    _future: asyncio.Future[Any] | None = None

    def check_wanted(self) -> None:
        """Raises `DeadlinePassed` where that is so or the call was cancelled.

        For work of several stages to call between them, in any thread, so that nothing further is spent.
        """
        cancelled = self._future is not None and self._future.cancelled()
        if cancelled or (self.deadline_s is not None and time.monotonic() > self.deadline_s):
            raise DeadlinePassed("the caller's deadline has passed; allow more time or ask less")


@dataclass(frozen=True, eq=False)
class Work(Generic[Item, Result]):
    """A kind of work that may be done for several items together.

    ``function`` takes jobs and returns, in their order, a result or an exception for each: one that fails does not fail
    those beside it.
    """

    function: Callable[[Sequence[Job[Item]]], Sequence[Result | Exception]]
    together: int = 1
    """Items that are done together at most."""
    delay_s: float = 0.0
    """How long an item may wait for others, seconds, though a thread is free."""


def one_by_one(function: Callable[[Item], Result], together: int = 1) -> Work[Item, Result]:
    """Work whose items are done each by itself, though one thread may take ``together`` of them at a time."""

    def do(jobs: Sequence[Job[Item]]) -> list[Result | Exception]:
        return [outcome(job) for job in jobs]

    def outcome(job: Job[Item]) -> Result | Exception:
        try:
            job.check_wanted()
            return function(job.item)
        except Exception as error:
            return error

    return Work(do, together)


@dataclass(eq=False)
class _Waiting:
    work: Work[Any, Any]
    alike: Hashable
    job: Job[Any]
    future: asyncio.Future[Any]
    since_s: float = field(default_factory=time.monotonic)

    def goes_with(self, other: _Waiting) -> bool:
        return self.work is other.work and self.alike == other.alike


class Workers:
    """A bounded queue in front of a fixed number of threads.

    A free thread takes the item that has waited longest, and of those behind it that go with it (the same `Work`, equal
    ``alike``) so many that the other free threads get their share. Only where a work has a ``delay_s`` does a thread
    stay free for others to come, and no longer than that.

    Work whose call was cancelled, or whose deadline passed, while it waited is never run: gRPC cancels the call's task,
    and with it the future it waits on; a deadline that is given holds even where that comes late.

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
        self._waiting: list[_Waiting] = []
        self._item_s = 0.0
        self._wake: asyncio.TimerHandle | None = None
        self._executor = ThreadPoolExecutor(self.threads, "worker", initializer)
        meter().watch_queue(lambda: len(self._waiting), queue)

    async def run(
        self,
        work: Work[Item, Result],
        item: Item,
        alike: Hashable = None,
        remaining_s: float | None = None,
    ) -> Result:
        """The result of ``item``; raises the exception that ``work`` gave it, or raised.

        Args:
            work: what is done.
            item: what it is done to.
            alike: only items whose ``alike`` is equal are done together.
            remaining_s: what is left until the caller's deadline, seconds; `DeadlinePassed` is raised, and nothing run,
                where no thread is free before. None for no deadline.
        """
        future = self._put(work, item, alike, remaining_s)
        self._start()
        return await future

    async def run_all(
        self, tasks: Sequence[tuple[Work[Item, Result], Item, Hashable]], remaining_s: float | None = None
    ) -> list[Result | Exception]:
        """As `run`, for items that came together, each with its work and its ``alike``.

        Returns:
            A result or an exception for each, in their order.
        """
        futures: list[asyncio.Future[Result]] = []
        for work, item, alike in tasks:
            try:
                future = self._put(work, item, alike, remaining_s)
            except Overloaded as error:
                future = asyncio.get_running_loop().create_future()
                future.set_exception(error)
            futures.append(future)
        self._start()
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        # A future is cancelled only with the call itself, and then nothing is returned.
        return cast("list[Result | Exception]", outcomes)

    def close(self) -> None:
        """Drop what waits and let what runs finish."""
        self._waiting.clear()
        if self._wake is not None:
            self._wake.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _put(
        self, work: Work[Item, Result], item: Item, alike: Hashable, remaining_s: float | None
    ) -> asyncio.Future[Result]:
        if len(self._waiting) >= self._queue + self._free:
            self._drop_unwanted()
            if len(self._waiting) >= self._queue + self._free:
                sentence = f"{len(self._waiting)} images are waiting already; try again in a moment"
                raise Overloaded(sentence, self._until_worked_off_s())
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        deadline_s = None if remaining_s is None else time.monotonic() + remaining_s
        self._waiting.append(_Waiting(work, alike, Job(item, deadline_s, future), future))
        return future

    def _start(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        while self._free and self._waiting:
            self._drop_unwanted()
            batch = self._next_batch()
            if not batch:
                return
            self._waiting = [waiting for waiting in self._waiting if waiting not in batch]
            meter().batch([time.monotonic() - waiting.since_s for waiting in batch])
            self._free -= 1
            begin_s = time.monotonic()
            done = self._executor.submit(_outcomes, batch[0].work, [waiting.job for waiting in batch])
            done.add_done_callback(partial(_in_loop, asyncio.get_running_loop(), partial(self._finish, batch, begin_s)))

    def _next_batch(self) -> list[_Waiting]:
        """What a free thread takes now: nothing where all that waits may still wait for others, and then a timer is
        set."""
        now_s = time.monotonic()
        due_s = float("inf")
        share = -(-len(self._waiting) // self._free)
        for first in self._waiting:
            batch = [other for other in self._waiting if other.goes_with(first)][: first.work.together]
            first_due_s = first.since_s + first.work.delay_s
            if len(batch) == first.work.together or first_due_s <= now_s:
                return batch[:share]
            due_s = min(due_s, first_due_s)
        if due_s < float("inf"):
            self._wake = asyncio.get_running_loop().call_later(due_s - now_s, self._start)
        return []

    def _finish(self, batch: list[_Waiting], begin_s: float, done: Future[Any]) -> None:
        self._free += 1
        item_s = (time.monotonic() - begin_s) / len(batch)
        self._item_s = 0.9 * self._item_s + 0.1 * item_s if self._item_s else item_s
        for waiting, outcome in zip(batch, done.result(), strict=True):
            if waiting.future.cancelled():
                continue
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
        self._start()

    def _drop_unwanted(self) -> None:
        kept = []
        for waiting in self._waiting:
            try:
                waiting.job.check_wanted()
            except DeadlinePassed as error:
                if not waiting.future.cancelled():
                    waiting.future.set_exception(error)
            else:
                kept.append(waiting)
        self._waiting = kept

    def _until_worked_off_s(self) -> float:
        return max(_LEAST_RETRY_S, self._item_s * len(self._waiting) / self.threads)


def _outcomes(work: Work[Item, Result], jobs: Sequence[Job[Item]]) -> Sequence[Result | Exception]:
    """What ``work`` makes of the jobs; where it raises, each is done by itself, so that only the culprit fails."""
    try:
        return work.function(jobs)
    except Exception as error:
        if len(jobs) == 1:
            return [error]
        return [outcome for job in jobs for outcome in _outcomes(work, [job])]


def _in_loop(loop: asyncio.AbstractEventLoop, finish: Callable[[Future[Any]], None], done: Future[Any]) -> None:
    # Work that outlasts the grace ends after the loop, when nobody waits for it any more.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(finish, done)
