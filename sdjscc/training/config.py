"""What defines a training run: one TOML file."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdjscc.codecs.jscc.network import STRIDE, Architecture
from sdjscc.errors import InvalidRequest
from sdjscc.training.augmentation import Augmentation

__all__ = ["TrainConfig", "load_config", "shipped_configs"]


class PixelLossConfig(BaseModel):
    """Mean squared error of pixels (eq. 5)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mse"]


class SemanticLossConfig(BaseModel):
    """Squared error of feature maps, weighted by GSW (eq. 13), and a share of eq. 5 where asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["semantic"]
    task: str
    layer: str = Field(description="layer of the task's network whose feature maps are compared")
    form: Literal["mean", "centred"] = Field("centred", description="mean: eq. 9 to the letter")
    tau: float = Field(ge=0, description="temperature of eq. 10; 0: all weights one, the ablation without GSW")
    pixel: float = Field(0.0, ge=0, description="factor of eq. 5, added")


class DistillationLossConfig(BaseModel):
    """KL divergence of the task's logits, and a share of eq. 5 where asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["distillation"]
    task: str
    temperature: float = Field(1.0, gt=0)
    pixel: float = Field(0.0, ge=0, description="factor of eq. 5, added")


Loss = PixelLossConfig | SemanticLossConfig | DistillationLossConfig


class TrainConfig(BaseModel):
    """A training run; equal configs, data and seed give equal weights on the same machine and software."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: str = Field(description="name the weights are published under")
    architecture: Architecture
    init: str = Field(
        "", description="codec to start from, such as deep-jscc@0.25 or a run's safetensors; none: afresh"
    )
    loss: Loss = Field(PixelLossConfig(kind="mse"), discriminator="kind")

    rates: tuple[int, ...] = Field(
        (), description="numbers of latent channels, of which each step draws one to send; none: all are always sent"
    )
    snr_db: tuple[float, float] = Field((0.0, 20.0), description="SNR of each training image is drawn from here, in dB")
    crop: int = Field(96, ge=STRIDE, multiple_of=STRIDE, description="side of the random square crops, pixels")
    augmentation: Augmentation = Field(
        "crop",
        description="crop: random crops and mirror images; strong: parts of random size and shape, scaled, recoloured; "
        "cutmix: both kinds recoloured, half of them with a rectangle of another",
    )
    validation_fraction: float = Field(0.1, gt=0, lt=1, description="share of the training images held out")

    batch: int = Field(32, gt=0, description="images a step and process")
    steps: int = Field(gt=0)
    learning_rate: float = Field(gt=0, description="peak; linear warm-up, then cosine decay to 1/100")
    warmup: int = Field(200, ge=0, description="steps")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the weight average that is validated and published")
    precision: Literal["auto", "no", "bf16", "fp16"] = Field(
        "auto", description="mixed precision; auto: bf16 where the device is fast in it, else none"
    )
    seed: int = 0

    validate_every: int = Field(500, gt=0, description="steps between validations and checkpoints")
    validation_images: int = Field(256, gt=0, description="at most so many are looked at")
    validation_snr_db: tuple[float, ...] = (0.0, 5.0, 10.0, 20.0)
    validation_task: str = Field(
        "", description="task whose accuracy is measured, and decides what is best; none: PSNR"
    )

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError("snr_db is [lowest, highest]")
        if any(not 0 < channels <= self.architecture.latent_channels for channels in self.rates):
            raise ValueError(f"rates are between 1 and the {self.architecture.latent_channels} latent channels")
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
        return TrainConfig.model_validate(_read(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "configuration"
        raise InvalidRequest(f"{path}: {where}: {first['msg']}") from error


def _read(path: Path) -> dict[str, Any]:
    """The settings in a file, over those of the shipped configuration that its ``extends`` names."""
    try:
        settings = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{path} is not valid TOML: {error}") from error
    base = settings.pop("extends", None)
    if base is None:
        return settings
    if base not in shipped_configs():
        raise InvalidRequest(f"{path} extends {base!r}; it can extend one of: {', '.join(shipped_configs())}")
    return {**_read(shipped_configs()[base]), **settings}
