"""A process in a real control group that may use half a core. Skipped, with the reason, where none can be made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.quota import cpu_quota
from sdjscc.errors import SdjsccError

ROOT = Path(__file__).parents[2]

# What every service does before it imports anything heavy; then, all threads that torch and numpy have made.
CODE = """
import os, sys
sys.stdin.readline()
from sdjscc.serving.library_threads import no_threads_of_libraries
no_threads_of_libraries()
import numpy, torch
from sdjscc.serving.cores import usable_cores
numpy.ones((512, 512)) @ numpy.ones((512, 512))
torch.ones(512, 512) @ torch.ones(512, 512)
print(usable_cores(), torch.get_num_threads(), len(os.listdir("/proc/self/task")))
"""


def test_half_a_core_is_one_thread() -> None:
    try:
        with cpu_quota(0.5, "sdjscc-test") as share:
            process = subprocess.Popen(
                [sys.executable, "-c", CODE], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            with process:
                share.add(process.pid)
                printed, _ = process.communicate("go\n", timeout=200)
    except SdjsccError as error:
        pytest.skip(f"NOT TESTED, no control group: {error}")
    assert printed.split() == ["1", "1", "1"]
