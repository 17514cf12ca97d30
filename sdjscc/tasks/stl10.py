"""STL-10's ten classes: a linear head on EfficientNet-Lite0 at 128x128."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from sdjscc.tasks.linear_head import LinearHeadClassifier

__all__ = ["Stl10Classifier"]


class Stl10Classifier(LinearHeadClassifier):
    """airplane, bird, car, cat, deer, dog, horse, monkey, ship or truck; accuracy in ``stl10_head.json``."""

    name = "stl10"

    def __init__(self) -> None:
        super().__init__(Path(str(resources.files("sdjscc.tasks") / "stl10_head.safetensors")))
