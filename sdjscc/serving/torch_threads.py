"""How services run torch: one image, one thread, one core."""

from __future__ import annotations

import torch

__all__ = ["one_core_per_thread"]


def one_core_per_thread() -> None:
    """Keep torch from splitting one image over several cores in the calling thread and in threads begun after.

    Two images side by side on a core each are faster than one after the other on two, and do not collapse when the
    cores have other work as well.
    """
    torch.set_num_threads(1)
