"""Semantic weights W' (paper, eq. 10): made of gradient statistics, and kept in a file for each task."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sdjscc.errors import InvalidRequest, UnknownName
from sdjscc.semantics.gradients import MapGradients

__all__ = ["Form", "read_gradients", "semantic_weights", "shipped_gradients", "write_gradients"]

Form = Literal["mean", "centred"]


def semantic_weights(gradients: Tensor, tau: float) -> Tensor:
    """W' = r softmax(tau W) with r = K, so that the mean weight is 1 (eq. 10).

    ``gradients`` is W, ``(K,)``. tau = 0 gives all ones (the ablation without GSW), a large tau all weight to one map.
    """
    return gradients.numel() * torch.softmax(tau * gradients.double(), 0).float()


def shipped_gradients(task: str) -> Path:
    """Where the package keeps the gradient statistics of a task."""
    return Path(str(resources.files("sdjscc.semantics") / f"{task}.safetensors"))


def write_gradients(file: Path, gradients: dict[str, MapGradients], facts: dict[str, str]) -> None:
    """Write statistics by layer; ``facts`` (data, number of images, seed) are kept in the file's header."""
    tensors = {
        f"{layer}.{form}": getattr(of_layer, form)
        for layer, of_layer in gradients.items()
        for form in ("mean", "centred")
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file, facts)


def read_gradients(file: Path, layer: str, form: Form) -> Tensor:
    """W of one layer, ``(K,)``. Raises `InvalidRequest` for no such file and `UnknownName` for no such layer."""
    if not file.is_file():
        raise InvalidRequest(f"there are no semantic weights at {file}; make them with: sdjscc semantic-weights")
    with safe_open(file, "pt") as stored:
        names = stored.keys()
        if f"{layer}.{form}" not in names:
            layers = ", ".join(sorted({name.split(".")[0] for name in names}))
            raise UnknownName(f"{file} has no {form} weights of the layer {layer!r}; it has: {layers}")
        tensor: Tensor = stored.get_tensor(f"{layer}.{form}")
    return tensor
