"""Short trainings that an experiment compares, each from shipped weights; they stay beside the results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sdjscc.data.folder import scan
from sdjscc.study.datasets import Dataset
from sdjscc.study.measure import Study
from sdjscc.training.config import TrainConfig, load_config
from sdjscc.training.publish import publish
from sdjscc.training.trainer import Trainer

__all__ = ["STEPS", "FineTune", "train"]

STEPS = 200
"""Of a fine-tune, as far as its changes do not tell otherwise."""
# One validation, at the end, chooses nothing: few images do.
_SHORT = {
    "steps": STEPS,
    "validate_every": STEPS,
    "validation_images": 100,
    "warmup": STEPS // 10,
    "ema": 0.98,
}


@dataclass(frozen=True)
class FineTune:
    """A shipped configuration with a short schedule and changes, under a name of its own."""

    scheme: str
    """What the results call its codec."""
    config: str
    changes: Mapping[str, Any]
    """Settings of `TrainConfig` in place of the configuration's."""

    @property
    def settings(self) -> TrainConfig:
        shipped = load_config(self.config).model_dump()
        return TrainConfig.model_validate({**shipped, **_SHORT, **self.changes, "codec": self.scheme})


def train(tunes: Iterable[FineTune], dataset: Dataset, study: Study) -> None:
    """Train each on the training images of ``dataset``, as far as it is not trained yet; `Study.weights` receives them.

    Raises `InvalidRequest` where the study's folder holds a run of other settings.
    """
    for tune in tunes:
        run = study.out / "runs" / tune.scheme
        trainer = Trainer(tune.settings, scan(study.data / dataset.train), run)
        trainer.resume()
        trainer.fit()
        publish(
            run,
            study.weights,
            lambda _: [],
            data_name=dataset.name,
            task=dataset.task,
            measured_by=lambda _: "",
        )
