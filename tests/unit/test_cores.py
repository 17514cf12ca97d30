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


@pytest.mark.parametrize(
    ("line", "folder", "file"),
    [
        ("0::/system.slice/link.service", "system.slice", "cpu.max"),
        ("3:cpu,cpuacct:/docker/4711", "cpu,cpuacct/docker/4711", "v1"),
        ("1:cpu:/half", "cpu/half", "v1"),
    ],
)
def test_quota_of_the_own_group_and_those_above(tmp_path: Path, line: str, folder: str, file: str) -> None:
    own = tmp_path / "own"
    own.write_text(f"9:name=systemd:/\n{line}\n")
    assert usable_cores(tmp_path, own) == ALL
    group = tmp_path / folder
    group.mkdir(parents=True)
    if file == "v1":
        (group / "cpu.cfs_quota_us").write_text("50000")
        (group / "cpu.cfs_period_us").write_text("100000")
    else:
        (group / file).write_text("50000 100000")
    assert usable_cores(tmp_path, own) == 1
