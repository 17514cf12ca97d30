"""Work in other processes: what comes back, and what becomes of mistakes and killed workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from sdjscc.errors import InvalidRequest, NotReady
from sdjscc.study.spread import spread


def work(task: int, send: Callable[[tuple[int, int]], None]) -> None:
    if task == 13:
        raise InvalidRequest("13 is no number to work with")
    if task == 99:
        os.kill(os.getpid(), signal.SIGKILL)
    for part in range(2):
        send((task, part))


@pytest.mark.parametrize("workers", [1, 2])
def test_all_messages_of_all_tasks_come_back(workers: int) -> None:
    messages: list[tuple[int, int]] = []
    spread(work, [1, 2, 3], workers, messages.append)
    assert sorted(messages) == [(task, part) for task in (1, 2, 3) for part in (0, 1)]


def test_a_mistake_in_a_worker_is_raised_here_as_it_is() -> None:
    with pytest.raises(InvalidRequest, match="13 is no number"):
        spread(work, [1, 13], 2, lambda _: None)


def test_a_killed_worker_is_told_in_a_sentence() -> None:
    with pytest.raises(NotReady, match="--workers 1"):
        spread(work, [1, 99], 2, lambda _: None)
