"""What defines a training run: one TOML file."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdjscc.codecs.jscc.network import STRIDE, Architecture
from sdjscc.errors import InvalidRequest

__all__ = ["TrainConfig", "load_config", "shipped_configs"]


class TrainConfig(BaseModel):
    """A training run; equal configs, data and seed give equal weights on the same machine and software."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: str = Field(description="name the weights are published under")
    architecture: Architecture
    loss: Literal["mse"] = Field("mse", description="mse: eq. 5")

    snr_db: tuple[float, float] = Field((0.0, 20.0), description="SNR of each training image is drawn from here, in dB")
    crop: int = Field(96, ge=STRIDE, multiple_of=STRIDE, description="side of the random square crops, pixels")
    validation_fraction: float = Field(0.1, gt=0, lt=1, description="share of the training images held out")

    batch: int = Field(32, gt=0, description="images a step and process")
    steps: int = Field(gt=0)
    learning_rate: float = Field(gt=0, description="peak; linear warm-up, then cosine decay to 1/100")
    warmup: int = Field(200, ge=0, description="steps")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the weight average that is validated and published")
    precision: Literal["no", "bf16", "fp16"] = Field("bf16", description="mixed precision")
    seed: int = 0

    validate_every: int = Field(500, gt=0, description="steps between validations and checkpoints")
    validation_images: int = Field(256, gt=0, description="at most so many are looked at")
    validation_snr_db: tuple[float, ...] = (0.0, 5.0, 10.0, 20.0)

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError("snr_db is [lowest, highest]")
        return self


def shipped_configs() -> dict[str, Path]:
    """Names and paths of the configurations inside the package."""
    folder = Path(str(resources.files("sdjscc.training") / "configs"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_config(name_or_path: str) -> TrainConfig:
    """The shipped configuration of that name, or the one in a TOML file; raises `InvalidRequest`."""
    path = shipped_configs().get(name_or_path, Path(name_or_path))
    if not path.is_file():
        known = ", ".join(shipped_configs())
        raise InvalidRequest(f"there is no configuration {name_or_path}; give a TOML file or one of: {known}")
    try:
        return TrainConfig.model_validate(tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "configuration"
        raise InvalidRequest(f"{path}: {where}: {first['msg']}") from error
