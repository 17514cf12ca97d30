"""Model cards: what shipped weights are, how they came about, and what they achieve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sdjscc.errors import InvalidRequest

__all__ = ["Figure", "ModelCard", "read_card"]


class Figure(BaseModel):
    """One measured point."""

    model_config = ConfigDict(frozen=True)

    data: str
    """Data set and split, such as "STL-10 test"."""
    n: int
    """Number of images."""
    snr_db: float
    psnr_db: float
    """Mean over the images of each one's PSNR."""
    psnr_db_ci95: float
    """Half width of the 95 % confidence interval of that mean."""
    ssim: float
    """Mean over the images."""
    task: str
    accuracy: float
    """Share of images whose label is right, 0 to 1."""
    accuracy_ci95: float
    f1: float
    """Mean over the classes."""


class ModelCard(BaseModel):
    """Kept as JSON beside the weights, under the same name."""

    model_config = ConfigDict(frozen=True)

    codec: str
    bpp: float
    family: str
    """The implementation that the weights fit, such as "jscc"."""
    architecture: dict[str, Any]
    parameters: int
    weights_sha256: str
    training: dict[str, Any]
    """Data, number of images, steps, batch, rate, SNRs, seed, software."""
    figures: tuple[Figure, ...] = ()
    measured_by: str = ""
    """The command that made the figures."""
    licence: str = "Apache-2.0"

    @property
    def stem(self) -> str:
        """Name of the card's and the weights' files, less the suffix."""
        return f"{self.codec}-{self.bpp:g}bpp"


def read_card(path: Path) -> ModelCard:
    """The card in a JSON file; raises `InvalidRequest` where it is not one."""
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidRequest(f"{path} is not a readable model card; remove it or fetch it again") from error
