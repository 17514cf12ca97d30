"""Work spread over processes, whose results come back one by one while it goes on."""

from __future__ import annotations

import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from sdjscc.errors import NotReady, SdjsccError

__all__ = ["spread"]

Task = TypeVar("Task")
Message = TypeVar("Message")


def spread(
    work: Callable[[Task, Callable[[Message], None]], None],
    tasks: Sequence[Task],
    workers: int,
    handle: Callable[[Message], None],
) -> None:
    """Call ``work(task, send)`` for each task in one of ``workers`` processes, and ``handle(message)`` here for all
    that it sends, at once.

    With one worker or task all is done in this process. Otherwise each worker's torch has one thread, and ``work``, the
    tasks and the messages are pickled. What ``work`` raises is raised here, and the other workers are ended; raises
    `NotReady` where a worker was killed.
    """
    if workers == 1 or len(tasks) <= 1:
        for task in tasks:
            work(task, handle)
        return
    # A forked copy of a process that has run torch's threads can hang.
    context = get_context("spawn")
    waiting = deque(tasks)
    pipes: list[Connection[Any, Any]] = []
    processes = []
    try:
        for _ in range(min(workers, len(tasks))):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(work, theirs), daemon=True)
            process.start()
            theirs.close()
            ours.send(waiting.popleft())
            pipes.append(ours)
            processes.append(process)
        while pipes:
            for pipe in wait(pipes):
                assert isinstance(pipe, Connection)
                kind, content = _receive(pipe)
                if kind == "message":
                    handle(content)
                elif kind == "error":
                    raise content
                elif waiting:
                    pipe.send(waiting.popleft())
                else:
                    pipe.close()
                    pipes.remove(pipe)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _receive(pipe: Connection[Any, Any]) -> tuple[str, Any]:
    try:
        kind, content = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise NotReady(
            "a worker process was killed, perhaps because memory ran out; run the same again with --workers 1"
        ) from None
    return kind, content


def _serve(work: Callable[[Any, Callable[[Any], None]], None], pipe: Connection[Any, Any]) -> None:
    """A worker: takes tasks until the pipe closes."""
    # The terminal sends its interrupt to all; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What `work` needs was imported with it.
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    try:
        while True:
            task = pipe.recv()
            try:
                work(task, lambda message: pipe.send(("message", message)))
            except Exception as error:
                if not isinstance(error, SdjsccError):
                    error.add_note(traceback.format_exc())
                pipe.send(("error", error))
                return
            pipe.send(("done", None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
