"""What a service can do at most, found by Locust in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case
from bench.sample import rate_after
from sdjscc.errors import SdjsccError
from tests.load.traffic import Service

__all__ = ["Capacity", "capacity"]

_ROOT = Path(__file__).parents[2]
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_WAIT_FOR_ANSWERS_S = 60


@dataclass(frozen=True)
class Capacity:
    """A closed loop at saturation."""

    per_s: float
    """Answers with a result a second, after the warm-up; NaN for fewer than two."""
    calls: int
    """All that were answered, the warm-up's included."""
    failures: Mapping[str, int]
    """By status."""
    generator_cores: float
    """CPU time of Locust over wall time."""


def capacity(address: str, service: Service, case: Case, users: int, seconds: float, warm_up_s: float) -> Capacity:
    """Keep ``users`` calls under way at ``address`` for ``seconds`` (rounded up to whole ones) beside the warm-up.

    Raises `SdjsccError` where Locust fails or nothing is answered.
    """
    with tempfile.TemporaryDirectory(prefix="sdjscc-") as folder:
        seen_file = Path(folder) / "seen.json"
        options = {
            "locustfile": _LOCUSTFILE,
            "host": address,
            "users": users,
            "spawn-rate": users,
            "run-time": f"{math.ceil(seconds + warm_up_s)}s",
            # Calls under way at the end are answered and counted, as their CPU time is.
            "stop-timeout": f"{_WAIT_FOR_ANSWERS_S}s",
            "exit-code-on-error": 0,
            "loglevel": "ERROR",
            "service": service,
            "size": case.size,
            "format": case.format,
            "task": case.task,
            "seen": seen_file,
        }
        command = [sys.executable, "-m", "locust", "--headless", "--only-summary"]
        command += [f"--{name}={value}" for name, value in options.items()]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
        if not seen_file.is_file():
            last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
            raise SdjsccError(f"Locust ended with status {done.returncode}: {last}")
        seen = json.loads(seen_file.read_text())
    finished, failures = seen["finished_s"], seen["failures"]
    if not finished:
        raise SdjsccError(f"{address} answered none of Locust's calls ({failures or 'none came back'})")
    return Capacity(
        per_s=rate_after(finished, seen["begin_s"] + warm_up_s),
        calls=len(finished) + sum(failures.values()),
        failures=failures,
        generator_cores=seen["cores"],
    )
