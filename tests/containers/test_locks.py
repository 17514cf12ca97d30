"""The pinned requirements of the images are those of pyproject.toml."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from deploy.lock import LOCKS, NOT_IN_CHANNEL, pins, requirements
from deploy.scan import found
from tests.containers.engine import ROOT


@pytest.mark.parametrize("name", LOCKS)
def test_lock_fits_what_is_required(name: str) -> None:
    held = pins(name)
    for need in map(Requirement, (need for part in LOCKS[name] for need in requirements()[part])):
        assert need.specifier.contains(held[need.name]), f"{need}: run make lock and commit"


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_has_hashes(name: str) -> None:
    blocks = re.split(r"(?m)^(?=[\w.-]+==)", (ROOT / f"deploy/requirements/{name}.txt").read_text())[1:]
    assert len(blocks) == len(pins(name).keys() - {"torch"})
    assert all("--hash=sha256:" in block for block in blocks)


def test_locks_agree_and_bring_no_cuda() -> None:
    for name in LOCKS:
        assert pins(name).items() <= pins("demo").items() or name == "build"
        assert not [package for package in pins(name) if package.startswith(("nvidia", "cuda", "triton"))]


def test_channel_serves_without_what_is_left_out_of_its_image() -> None:
    assert not NOT_IN_CHANNEL & set(pins("channel"))
    absent = "".join(f"sys.modules[{name!r}] = None; " for name in ("click", "PIL", "rich", "torch"))
    code = f"import sys; {absent}import channel.app, sdjscc.serving.healthcheck"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_scan_lists_vulnerabilities() -> None:
    one = {"name": "a", "version": "1.0", "vulns": [{"id": "X-1", "fix_versions": ["1.1"]}]}
    audit = json.dumps({"dependencies": [one, {"name": "b", "version": "2.0", "vulns": []}]})
    assert found(audit) == (2, ["a 1.0: X-1, fixed in 1.1"])


@pytest.mark.parametrize("audit", ["", '{"dependencies": [{"name": "a", "skip_reason": "not found"}]}'])
def test_scan_takes_what_nobody_judged_for_no_good_news(audit: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting value|1 of 1 packages were not judged"):
        found(audit)
