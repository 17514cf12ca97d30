"""``python -m tests.load`` and Locust run over real services; their figures are not judged here."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from hdrh.histogram import HdrHistogram

from deploy.local import LocalLink
from tests.load.__main__ import main

ROOT = Path(__file__).parents[2]


def test_a_service_beside_its_stub(tmp_path: Path) -> None:
    chosen = ["--quick", "--service", "channel", "--sizes", "64", "--task", "stl10", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "tests.load", *chosen]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=250)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "load.png").stat().st_size > 0
    table = (tmp_path / "load.md").read_text()
    assert "| channel | 64x64 |" in table
    [measured] = json.loads((tmp_path / "load.json").read_text())["measured"]
    assert measured["capacity"]["calls"] > 10
    assert measured["capacity"]["failures"] == {}
    assert len(measured["points"]) >= 3
    for point in measured["points"]:
        assert point["sent"] == point["ok"] + point["shed"] + sum(point["errors"].values())
        assert point["p50_ms"] <= point["p95_ms"] <= point["p99_ms"] <= point["max_ms"]
        assert HdrHistogram.decode(point["histogram"]).get_total_count() == point["ok"]
    time_ms = measured["core_time"]
    assert 0 < time_ms["work"]["core_ms"] < time_ms["whole_ms"]
    assert time_ms["echo_ms"] > 0


def test_services_that_run_already(link: LocalLink, tmp_path: Path) -> None:
    chosen = ["--target", link.server, "--rate", "4", "--seconds", "1.5s", "--sizes", "64", "--arrivals", "poisson"]
    done = CliRunner().invoke(main, [*chosen, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    [measured] = json.loads((tmp_path / "load.json").read_text())["measured"]
    assert measured["service"] == "chain"
    [point] = measured["points"]
    assert (point["offered_per_s"], point["sent"], point["ok"]) == (4.0, 6, 6)
    assert measured["core_time"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seconds", "0"], "give a time such as 6s"),
        (["--target", "127.0.0.1:1", "--service", "channel", "--service", "chain"], "name the one --service"),
        (["--target", "127.0.0.1:1", "--rate", "1"], "start the service or give another address"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code != 0
    assert sentence in done.output


def test_locust_shows_its_page() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = ["--web-host", "127.0.0.1", "--web-port", str(port), "--host", "127.0.0.1:50051"]
    command = [sys.executable, "-m", "locust", "-f", "tests/load/locustfile.py", *page]
    locust = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        shown = ""
        deadline = time.monotonic() + 60
        while not shown and time.monotonic() < deadline and locust.poll() is None:
            try:
                shown = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read().decode()
            except OSError:
                time.sleep(0.1)
    finally:
        locust.terminate()
        locust.wait()
    assert "Locust" in shown
    assert "side of the square photographs" in shown
