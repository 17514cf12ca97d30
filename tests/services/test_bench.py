"""The benchmark runs and writes what the docs are made of; its figures are not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import observability

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=250)


def test_a_short_run_writes_its_tables(tmp_path: Path) -> None:
    done = bench("--out", str(tmp_path), "--seconds", "0.5", "--repeats", "1", "--sizes", "64", "--task", "stl10")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "bench.json").read_text())
    assert {"machine", "settings"} <= results.keys()
    table = (tmp_path / "bench.md").read_text()
    assert "64x64, png, stl10" in table
    assert "CPU ratio" in table


def test_channels_take_the_stub_of_the_observability_benchmark_for_a_receiver(tmp_path: Path) -> None:
    with observability._answering() as stub:
        measured = observability._by_turns(observability._channels(tmp_path, stub), seconds=0.1, repeats=1)
    assert {mode for modes in measured.values() for mode in modes} == {"neither", "metrics", "traces"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sizes", "big"], "give sides with commas between"),
        (["--seconds", "0"], "give a time such as 5s"),
        (["--out", "README.md/x"], "cannot be written"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], sentence: str) -> None:
    done = bench(*arguments)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
