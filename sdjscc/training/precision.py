"""Which mixed precision a device is fast in."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["MixedPrecision", "fast_precision"]

MixedPrecision = Literal["no", "bf16", "fp16"]


def fast_precision(device: Literal["cuda", "cpu"]) -> MixedPrecision:
    """bf16 where ``device`` computes it fast, else "no", which is float32.

    A processor without AVX-512 can do bfloat16, but takes several times as long for it as for float32.
    """
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if torch.backends.cpu.get_cpu_capability() == "AVX512" else "no"
