"""A task of one's own: a linear layer on the frozen features of EfficientNet-Lite0, kept in two small files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from sdjscc.engines import ranges_file
from sdjscc.errors import InvalidRequest
from sdjscc.tasks.efficientnet import EfficientNetClassifier, load_lite0

__all__ = ["Accuracy", "HeadCard", "LinearHeadClassifier"]


class Accuracy(BaseModel):
    """Share of images whose most probable class is right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    accuracy: float
    interval_95: tuple[float, float]
    """Wilson's interval for a share."""


class HeadCard(BaseModel):
    """What a head is and where it comes from; a JSON file next to the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trunk: str
    input_size: int
    class_names: tuple[str, ...]
    data: str
    training_images: int
    recipe: str
    weight_decay: float
    seed: int
    validation: Accuracy
    """Of the head that was trained without these images, while the weight decay was chosen."""
    test: Accuracy | None
    sha256: str
    """Of the safetensors file."""


class LinearHeadClassifier(EfficientNetClassifier):
    """A head that `sdjscc.tasks.train_head` has written.

    Args:
        weights: a safetensors file with ``weight``, float32 ``(classes, 1280)``, and ``bias``, ``(classes,)``; its
            card is next to it with the suffix ``.json``.

    Raises `InvalidRequest` where either cannot be read or they do not fit each other.
    """

    def __init__(self, weights: Path) -> None:
        try:
            card = HeadCard.model_validate_json(weights.with_suffix(".json").read_text(encoding="utf-8"))
            data = weights.read_bytes()
            if hashlib.sha256(data).hexdigest() != card.sha256:
                raise InvalidRequest(f"{weights} is not the file its card describes; fetch both again")
            state = load(data)
            with torch.device("meta"):
                head = nn.Linear(1280, len(card.class_names))
            head.load_state_dict(state, assign=True)
        except OSError as error:
            raise InvalidRequest(f"{error.filename} cannot be read: {error.strerror}") from error
        except (ValidationError, SafetensorError, RuntimeError) as error:
            raise InvalidRequest(f"{weights} and its card are no linear head; write them with train-head") from error
        trunk, _ = load_lite0(card.input_size)
        super().__init__(trunk, head, card.class_names)
        self.card = card
        self.ranges_file, self.weights_sha256 = ranges_file(weights), card.sha256
