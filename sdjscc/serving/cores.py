"""How many cores this process may really use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["usable_cores"]


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Cores by CPU affinity and, where it is lower, by the cgroup's quota (rounded up); at least 1.

    A container limited to half a core still sees every core of the machine, and threads beyond the quota only make it
    be throttled.

    Args:
        cgroup: where the control groups are mounted. A container finds its own limits right there.
        own: names the groups of this process; on the machine itself the limits are there and in those above.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = min((_read(read, group) for read, group in _groups(cgroup, own)), default=math.inf)
    return affinity if math.isinf(quota) else max(1, min(affinity, math.ceil(quota)))


def _groups(cgroup: Path, own: Path) -> Iterator[tuple[Callable[[Path], float], Path]]:
    yield _quota_v2, cgroup
    yield _quota_v1, cgroup / "cpu"
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mounts, read = (cgroup, cgroup / "unified"), _quota_v2
        elif "cpu" in controllers.split(","):
            mounts, read = (cgroup / "cpu", cgroup / controllers), _quota_v1
        else:
            continue
        parts = Path(path).parts[1:]
        for mount in mounts:
            for depth in range(len(parts)):
                yield read, mount.joinpath(*parts[: depth + 1])


def _read(read: Callable[[Path], float], group: Path) -> float:
    try:
        return read(group)
    except (OSError, ValueError):
        return math.inf


def _quota_v2(group: Path) -> float:
    quota, period = (group / "cpu.max").read_text().split()
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_v1(group: Path) -> float:
    quota = int((group / "cpu.cfs_quota_us").read_text())
    return math.inf if quota <= 0 else quota / int((group / "cpu.cfs_period_us").read_text())
