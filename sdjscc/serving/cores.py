"""How many cores this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["usable_cores"]


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores by CPU affinity and, where it is lower, by the cgroup's quota (rounded up); at least 1.

    A container limited to half a core still sees every core of the machine, and threads beyond the quota only make it
    be throttled.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, math.ceil(_quota(cgroup))))


def _quota(cgroup: Path) -> float:
    for read in (_quota_v2, _quota_v1):
        try:
            return read(cgroup)
        except (OSError, ValueError):
            continue
    return 1e9


def _quota_v2(cgroup: Path) -> float:
    quota, period = (cgroup / "cpu.max").read_text().split()
    return 1e9 if quota == "max" else int(quota) / int(period)


def _quota_v1(cgroup: Path) -> float:
    quota = int((cgroup / "cpu/cpu.cfs_quota_us").read_text())
    return 1e9 if quota <= 0 else quota / int((cgroup / "cpu/cpu.cfs_period_us").read_text())
