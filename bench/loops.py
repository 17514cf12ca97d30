"""Two ways to call a service over and over: when the last call is answered, or when the next one is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

__all__ = ["Timed", "closed_loop", "open_loop"]

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Timed(Generic[Outcome]):
    """One call; times are of the event loop's clock, seconds."""

    due_s: float
    begun_s: float
    """Later than `due_s` by what the caller itself was late."""
    done_s: float
    outcome: Outcome
    """What the call returned."""


async def closed_loop(
    call: Callable[[int], Awaitable[Outcome]], in_flight: int, seconds: float, note: Callable[[Timed[Outcome]], None]
) -> float:
    """For ``seconds``, begin a call whenever one of ``in_flight`` ends; a call is due when it begins.

    A service that stalls is asked less while it does, so this shows what a service can do, never what its users wait.

    Args:
        call: gets the number of the call; what it raises ends the loop.
        note: told of each call that ended.

    Returns:
        When it began, by the event loop's clock.
    """
    numbers = count()
    now = asyncio.get_running_loop().time
    begin = now()

    async def caller() -> None:
        while (start := now()) < begin + seconds:
            outcome = await call(next(numbers))
            note(Timed(start, start, now(), outcome))

    await asyncio.gather(*[caller() for _ in range(in_flight)])
    return begin


async def open_loop(
    call: Callable[[int], Awaitable[Outcome]], due_after_s: Iterable[float], note: Callable[[Timed[Outcome]], None]
) -> float:
    """Begin a call at each of ``due_after_s``, seconds from now in rising order, whatever became of those before.

    Args:
        call: gets the number of the call; what it raises cancels the others and comes out in an `ExceptionGroup`.
        note: told of each call that ended.

    Returns:
        When it began, by the event loop's clock.
    """
    now = asyncio.get_running_loop().time
    begin = now()

    async def one(number: int, due_s: float) -> None:
        begun_s = now()
        outcome = await call(number)
        note(Timed(due_s, begun_s, now(), outcome))

    async with asyncio.TaskGroup() as calls:
        for number, after_s in enumerate(due_after_s):
            # Even when late: calls begin only once this gives way.
            await asyncio.sleep(max(0.0, begin + after_s - now()))
            calls.create_task(one(number, begin + after_s))
    return begin
