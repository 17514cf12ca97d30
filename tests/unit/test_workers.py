"""Work in threads: bounded, shared out, dropped when nobody waits, and each item's fate its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from sdjscc.serving.status import Overloaded
from sdjscc.serving.workers import Work, Workers, one_by_one


class Gate:
    """Work that records its batches and ends when the gate opens; odd numbers fail."""

    def __init__(self, together: int = 1) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.work: Work[int, int] = Work(self._do, together)

    def _do(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        assert self.open.wait(10)
        return [ValueError(f"{item} is odd") if item % 2 else 10 * item for item in items]


async def until(condition) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not come about")


async def test_what_waits_is_done_together_and_fails_alone() -> None:
    workers, gate = Workers(1, 10), Gate(together=4)
    tasks = [asyncio.create_task(workers.run(gate.work, item)) for item in range(7)]
    await until(lambda: gate.batches)
    gate.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [0, 20, 40, 60]
    assert [str(outcome) for outcome in outcomes if isinstance(outcome, ValueError)] == [
        "1 is odd",
        "3 is odd",
        "5 is odd",
    ]
    workers.close()


async def test_free_threads_share_what_waits() -> None:
    workers, gate = Workers(2, 10), Gate(together=8)
    tasks = [asyncio.create_task(workers.run(gate.work, 2 * item)) for item in range(8)]
    await until(lambda: len(gate.batches) == 2)
    gate.open.set()
    assert await asyncio.gather(*tasks) == [20 * item for item in range(8)]
    assert sorted(map(len, gate.batches))[:2] == [1, 1]
    assert max(map(len, gate.batches)) <= 6
    workers.close()


async def test_work_of_different_kinds_is_not_mixed_and_keeps_its_order() -> None:
    workers, gate = Workers(1, 10), Gate(together=4)
    single = one_by_one(lambda item: gate.batches.append([-item]) or item)
    tasks = [asyncio.create_task(workers.run(gate.work, 0))]
    await until(lambda: gate.batches)
    tasks += [
        asyncio.create_task(workers.run(work, item)) for work, item in ((gate.work, 2), (single, 3), (gate.work, 4))
    ]
    await asyncio.sleep(0.05)
    gate.open.set()
    assert await asyncio.gather(*tasks) == [0, 20, 3, 40]
    assert gate.batches == [[0], [2], [-3], [4]]
    workers.close()


async def test_beyond_the_queue_it_is_refused_at_once() -> None:
    workers, gate = Workers(1, 2), Gate()
    tasks = [asyncio.create_task(workers.run(gate.work, 2 * item)) for item in range(3)]
    await until(lambda: gate.batches)
    with pytest.raises(Overloaded, match="2 images are waiting already"):
        await workers.run(gate.work, 8)
    tasks[1].cancel()
    await asyncio.sleep(0.05)
    tasks.append(asyncio.create_task(workers.run(gate.work, 8)))
    await asyncio.sleep(0.05)
    gate.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert [outcomes[0], *outcomes[2:]] == [0, 40, 80]
    assert gate.batches == [[0], [4], [8]]
    workers.close()


async def test_what_a_function_raises_reaches_all_it_was_given() -> None:
    def broken(items: Sequence[int]) -> list[int | Exception]:
        raise MemoryError(f"{len(items)}")

    workers = Workers(1, 4)
    with pytest.raises(MemoryError):
        await workers.run(Work(broken, together=4), 1)
    assert await workers.run(one_by_one(lambda item: item + 1), 1) == 2
    workers.close()
