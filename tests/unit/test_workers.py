"""Work in threads: bounded, shared out, dropped when nobody waits, and each item's fate its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from sdjscc.serving.status import DeadlinePassed, Overloaded
from sdjscc.serving.workers import Job, Work, Workers, one_by_one


class Gate:
    """Work that records its batches and ends when the gate opens; odd numbers fail."""

    def __init__(self, together: int = 1, delay_s: float = 0.0) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.work: Work[int, int] = Work(self._do, together, delay_s)

    def _do(self, jobs: Sequence[Job[int]]) -> list[int | Exception]:
        items = [job.item for job in jobs]
        self.batches.append(items)
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


async def test_what_comes_together_is_done_together_from_the_first() -> None:
    workers, gate = Workers(1, 3), Gate(together=4)
    gate.open.set()
    outcomes = await workers.run_all([(gate.work, item, None) for item in range(6)])
    assert gate.batches == [[0, 1, 2, 3]]
    assert [type(outcome) for outcome in outcomes] == [int, ValueError, int, ValueError, Overloaded, Overloaded]
    assert outcomes[2] == 20
    workers.close()


async def test_cancelling_the_call_drops_all_that_came_together() -> None:
    workers, gate = Workers(1, 10), Gate(together=2)
    call = asyncio.create_task(workers.run_all([(gate.work, item, None) for item in range(6)]))
    await until(lambda: gate.batches)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gate.open.set()
    assert await workers.run(gate.work, 8) == 80
    assert gate.batches == [[0, 1], [8]]
    workers.close()


async def test_one_by_one_fails_alone_and_drops_what_nobody_waits_for() -> None:
    workers = Workers(1, 10)
    done: list[int] = []

    def do(item: int) -> int:
        done.append(item)
        if item == 0:
            time.sleep(0.1)
        return 1 // (2 - item)

    work = one_by_one(do, together=4)
    outcomes = await workers.run_all([(work, item, None) for item in (1, 2, 3)])
    assert [type(outcome) for outcome in outcomes] == [int, ZeroDivisionError, int]
    late = await workers.run_all([(work, item, None) for item in (0, 1)], remaining_s=0.05)
    assert late[0] == 0
    assert isinstance(late[1], DeadlinePassed)
    assert done == [1, 2, 3, 0]
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


async def test_work_of_different_kinds_is_not_mixed() -> None:
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
    assert gate.batches == [[0], [2, 4], [-3]]
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


async def test_one_that_makes_a_batch_raise_fails_alone() -> None:
    batches: list[list[int]] = []

    def sensitive(jobs: Sequence[Job[int]]) -> list[int | Exception]:
        batches.append([job.item for job in jobs])
        if 3 in batches[-1]:
            raise MemoryError("of 3")
        return [10 * item for item in batches[-1]]

    workers, gate = Workers(1, 10), Gate()
    first = asyncio.create_task(workers.run(gate.work, 0))
    work = Work(sensitive, together=4)
    tasks = [asyncio.create_task(workers.run(work, item)) for item in (1, 2, 3, 4)]
    await asyncio.sleep(0.05)
    gate.open.set()
    outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert outcomes[:3] + outcomes[4:] == [0, 10, 20, 40]
    assert isinstance(outcomes[3], MemoryError)
    assert batches == [[1, 2, 3, 4], [1], [2], [3], [4]]
    workers.close()


async def test_only_what_is_alike_is_done_together_and_the_oldest_first() -> None:
    workers, gate = Workers(1, 20), Gate(together=3)
    tasks = [asyncio.create_task(workers.run(gate.work, 0))]
    await until(lambda: gate.batches)
    sizes = {2: "small", 4: "large", 6: "small", 8: "small", 10: "small", 12: "large"}
    tasks += [asyncio.create_task(workers.run(gate.work, item, alike)) for item, alike in sizes.items()]
    await asyncio.sleep(0.05)
    gate.open.set()
    assert await asyncio.gather(*tasks) == [0, *(10 * item for item in sizes)]
    assert gate.batches == [[0], [2, 6, 8], [4, 12], [10]]
    workers.close()


async def test_an_item_waits_for_others_no_longer_than_the_delay() -> None:
    workers, gate = Workers(1, 20), Gate(together=3, delay_s=0.3)
    gate.open.set()
    begin = time.monotonic()
    tasks = [asyncio.create_task(workers.run(gate.work, 2 * item)) for item in range(4)]
    assert await asyncio.gather(*tasks[:3]) == [0, 20, 40]
    assert await tasks[3] == 60
    assert time.monotonic() - begin >= 0.3
    assert gate.batches == [[0, 2, 4], [6]]
    workers.close()


async def test_work_whose_deadline_has_passed_is_never_run() -> None:
    workers, gate = Workers(1, 20), Gate(together=4)
    tasks = [asyncio.create_task(workers.run(gate.work, 0))]
    await until(lambda: gate.batches)
    tasks += [
        asyncio.create_task(workers.run(gate.work, 2 + 2 * number, remaining_s=remaining_s))
        for number, remaining_s in enumerate((0.05, 60.0, None))
    ]
    await asyncio.sleep(0.1)
    gate.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[1], DeadlinePassed)
    assert [outcomes[0], *outcomes[2:]] == [0, 40, 60]
    assert gate.batches == [[0], [4, 6]]
    workers.close()


async def test_a_job_says_when_nobody_waits_for_it_any_more() -> None:
    wanted: list[bool] = []
    begun, go = threading.Event(), threading.Event()

    def stages(jobs: Sequence[Job[int]]) -> list[int | Exception]:
        begun.set()
        assert go.wait(10)
        for job in jobs:
            try:
                job.check_wanted()
            except DeadlinePassed:
                wanted.append(False)
            else:
                wanted.append(True)
        return [0 for _ in jobs]

    workers = Workers(1, 4)
    for cancel in (False, True):
        begun.clear()
        go.clear()
        task = asyncio.create_task(workers.run(Work(stages), 1))
        await until(begun.is_set)
        if cancel:
            task.cancel()
            await asyncio.sleep(0)
        go.set()
        await asyncio.gather(task, return_exceptions=True)
    await until(lambda: len(wanted) == 2)
    assert wanted == [True, False]
    workers.close()


async def test_who_is_refused_learns_how_long_the_queue_takes() -> None:
    workers = Workers(1, 3)
    slow: Work[int, int] = one_by_one(lambda item: time.sleep(0.1) or item)
    await workers.run(slow, 0)
    tasks = [asyncio.create_task(workers.run(slow, item)) for item in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await workers.run(slow, 4)
    assert 0.25 < refused.value.retry_after_s < 60
    await asyncio.gather(*tasks)
    workers.close()
