"""Ranges of what goes into each layer: what 8-bit arithmetic must know of a network beside its weights."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sdjscc.errors import InvalidRequest

__all__ = ["STEPS", "Ranges", "ranges_file", "read_ranges", "with_zero", "write_ranges"]

STEPS = 255
"""Between the least and the greatest of 256 values."""


class Ranges(BaseModel):
    """Kept as JSON beside the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights_sha256: str
    """Of the weights that were looked at; others have other ranges."""
    data: str
    """The images that went through, such as "STL-10 train"."""
    images: int
    networks: dict[str, dict[str, tuple[float, float]]]
    """Where the inputs of each layer are cut off below and above, by network ("encoder", "decoder", ...) and layer."""


def with_zero(low: float, high: float) -> tuple[float, float]:
    """The range that 256 values cover, moved so that zero is one of them: zero is what convolutions pad with, and most
    of what an activation leaves."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = max(high - low, 1e-12) / STEPS
    below = round(-low / step)
    return -below * step, (STEPS - below) * step


def ranges_file(weights: Path) -> Path:
    """Where the ranges of a safetensors file are."""
    return weights.with_suffix(".int8.json")


def read_ranges(file: Path, weights_sha256: str) -> Ranges:
    """The ranges in ``file``; raises `InvalidRequest` where there are none, or those of other weights."""
    how = "write it with: sdjscc engines calibrate --data TRAINING_IMAGES"
    try:
        ranges = Ranges.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise InvalidRequest(f"int8 needs {file}, which is not there; {how}") from None
    except (OSError, ValidationError) as error:
        raise InvalidRequest(f"{file} does not hold the ranges of a network; {how}") from error
    if ranges.weights_sha256 != weights_sha256:
        raise InvalidRequest(f"{file} is of other weights than those at hand; {how}")
    return ranges


def write_ranges(file: Path, ranges: Ranges) -> None:
    """With five significant digits."""
    networks = {
        network: {layer: (float(f"{low:.5g}"), float(f"{high:.5g}")) for layer, (low, high) in layers.items()}
        for network, layers in ranges.networks.items()
    }
    file.write_text(ranges.model_copy(update={"networks": networks}).model_dump_json(indent=1) + "\n")
