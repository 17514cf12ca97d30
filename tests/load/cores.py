"""Who gets which cores, so that what sends load does not take them from what is under load."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Cores", "Shares", "running_on", "share_out"]

Cores = frozenset[int]
"""Numbers of cores; empty: wherever the system puts it."""


@dataclass(frozen=True)
class Shares:
    """Cores of a service that is measured alone, and those of everything beside it."""

    service: Cores
    others: Cores


def share_out() -> Shares:
    """One core for the service and the rest for the others; no pinning where there is but one, or outside Linux."""
    if not hasattr(os, "sched_getaffinity"):
        return Shares(Cores(), Cores())
    first, *rest = sorted(os.sched_getaffinity(0))
    return Shares(Cores({first}), Cores(rest)) if rest else Shares(Cores(), Cores())


@contextmanager
def running_on(cores: Cores) -> Iterator[None]:
    """Processes that this thread starts inside run on ``cores`` and see no others."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
