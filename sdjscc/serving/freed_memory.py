"""Keeping memory that was freed, for what comes next."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Blocks up to the first are kept, up to the second in all of an arena: enough for the tensors of some large images.
_LARGEST_BLOCK, _MOST = 4 * 2**20, 16 * 2**20


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks of up to 4 MiB, 16 MiB in all a thread, instead of handing them back.

    The system clears every page before it hands it out again. For a service that does little else than copy tensors of
    some hundred kilobytes this takes longer than the copying.

    Returns:
        Whether the C library heeds it; others than glibc do not.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)) and bool(mallopt(_M_TRIM_THRESHOLD, _MOST))
