"""Threads that libraries make for themselves."""

from __future__ import annotations

import os

__all__ = ["no_threads_of_libraries"]

_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # Where somebody sets more threads all the same, they sleep while they wait instead of keeping a core from others.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def no_threads_of_libraries() -> None:
    """Keep numpy's and torch's libraries from starting a thread for each core they see, whatever the quota.

    The services divide their cores between images themselves. Call it before numpy is imported, which reads the
    environment once; variables that are set already win.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
