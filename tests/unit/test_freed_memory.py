"""Freed memory is kept: what is allocated again costs no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
import numpy as np
from sdjscc.serving.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()
# What glibc learns by itself from the first large block that is freed must not be what is measured.
sizes = [150_000 + 40_000 * (i % 5) for i in range(200)]
for size in sizes[:20]:
    np.ones(size, np.float32) + np.ones(size, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for size in sizes:
    np.ones(size, np.float32) + np.ones(size, np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone can be told")
def test_freed_blocks_are_used_again() -> None:
    assert page_faults("kept") < page_faults("as ever") / 10
