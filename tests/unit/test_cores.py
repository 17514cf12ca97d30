"""Cores that a container's quota leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdjscc.serving.cores import usable_cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000", ALL), ("50000 100000", 1), ("100000 100000", 1), ("150000 100000", min(2, ALL)), ("nonsense", ALL)],
)
def test_quota_of_version_2(tmp_path: Path, text: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [(-1, ALL), (30000, 1), (120000, min(2, ALL))])
def test_quota_of_version_1(tmp_path: Path, quota: int, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(str(quota))
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert usable_cores(tmp_path) == cores


def test_no_cgroup(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == ALL
