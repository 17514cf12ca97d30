"""A short run of the faults: the real services are broken in turn, and a checker judges what clients saw."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.checker import broken_promises
from tests.faults.history import Event, Returned, read
from tests.faults.table import table
from tests.faults.wire import own_network

ROOT = Path(__file__).parents[2]
RUNS = {
    "light": ["--short"],
    "real": ["--real", "--replicas=1", "--only=kill -9 one channel"],
}


class Run:
    """A chain that is being broken, in a process of its own."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._folder = folder
        command = [sys.executable, "-m", "tests.faults", f"--folder={folder}", *flags]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def history(self) -> list[Event]:
        """What its clients saw, all promises kept."""
        printed, _ = self.process.communicate(timeout=270)
        assert self.process.returncode == 0, printed
        events = read(self._folder / "history.jsonl")
        assert broken_promises(events) == []
        assert table(events) in printed
        return events


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """Side by side, for they mostly wait; in turn where they would have to share one network."""
    started: dict[str, Run] = {}
    try:
        for name, flags in RUNS.items():
            started[name] = Run(tmp_path_factory.mktemp(name), *flags)
            if not own_network():
                started[name].process.wait(280)
        yield started
    finally:
        for run in started.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)


def returned(events: list[Event]) -> list[Returned]:
    return [event for event in events if isinstance(event, Returned)]


def test_the_real_chain_keeps_its_promises(runs: dict[str, Run]) -> None:
    assert sum(event.status == "OK" for event in returned(runs["real"].history())) > 20


def test_the_light_chain_keeps_its_promises(runs: dict[str, Run]) -> None:
    seen = returned(runs["light"].history())
    failed = sum(event.status != "OK" for event in seen)
    assert len(seen) > 400
    # Both receivers killed at once must show, or nothing was broken; and that is all that shows.
    assert 0 < failed < len(seen) / 4


@pytest.mark.skipif(not own_network(), reason="no network of our own can be made here: the network was NOT broken")
def test_the_network_can_be_broken_here() -> None:
    """Tells in the report of a test run whether the faults of the network were part of it."""
