"""What was measured, in one JSON file with all that is needed to repeat it."""

from __future__ import annotations

import base64
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from sdjscc.errors import InvalidRequest
from sdjscc.evaluation import Point, confidence_95
from sdjscc.study.files import write_whole

__all__ = ["Cell", "Conditions", "Delivery", "Record", "Results", "software"]

_MOST_UNFIT = 0.01


class Cell(BaseModel):
    """One point of an experiment."""

    model_config = ConfigDict(frozen=True)

    scheme: str
    """Name of the codec."""
    bpp: float
    snr_db: float
    data: str
    """Folder of the test images below that of all data."""
    task: str


class Conditions(BaseModel):
    """What else decides a result: with these the same, a cell need not be measured again."""

    model_config = ConfigDict(frozen=True)

    weights_sha256: str
    """Of a separation scheme, that of its stand-in's pixels; empty where there is neither."""
    images_sha256: str
    """Of the images' paths and sizes in bytes, in their order."""
    n: int
    seed: int
    limit: int | None = None
    """As it was given; the images are in an order of their own where there was one."""


class Delivery(BaseModel):
    """What became of the files of a separation scheme; the stand-in was shown for all images counted here."""

    model_config = ConfigDict(frozen=True)

    unfit: int
    """Images of which not even the worst quality kept the budget."""
    damaged: int
    """Transmissions of which no decodable file came through, those of empty frames included."""


class Record(BaseModel):
    """One measured cell."""

    # The PSNR of images that arrive unchanged is infinite, which JSON proper has no word for.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    cell: Cell
    conditions: Conditions
    figures: dict[str, Any]
    """Those of `sdjscc.evaluation.Point`."""
    right: str
    """Which images were classified right: bits, the first image's the highest of the first byte, in base64."""
    software: dict[str, str]
    delivery: Delivery | None = None
    """None for a scheme without files."""

    @classmethod
    def of(cls, cell: Cell, conditions: Conditions, point: Point, delivery: Delivery | None = None) -> Record:
        right = base64.b64encode(np.packbits(point.right).tobytes()).decode()
        return cls(
            cell=cell,
            conditions=conditions,
            figures=point.figures(),
            right=right,
            software=software(),
            delivery=delivery,
        )

    @property
    def unfit(self) -> float:
        """Share of images of which no file keeps the budget, 0 to 1."""
        return self.delivery.unfit / self.conditions.n if self.delivery else 0.0

    @property
    def reachable(self) -> bool:
        """Whether the scheme has this rate at all: no more than 1 % of the images fit no file."""
        return self.unfit <= _MOST_UNFIT

    @property
    def point(self) -> Point:
        return Point(**self.figures, right=self.outcomes)

    @property
    def outcomes(self) -> NDArray[np.bool_]:
        """Whether each image was classified right, ``(n,)``."""
        packed = np.frombuffer(base64.b64decode(self.right), np.uint8)
        return np.unpackbits(packed, count=self.conditions.n).astype(bool)

    def gain_over(self, other: Record) -> tuple[float, float]:
        """Difference of the accuracies, 0 to 1, and half its 95 % interval.

        The same images crossed the same noise, so the interval is that of the mean of each image's difference: much
        narrower than two separate intervals let expect. Raises `InvalidRequest` where the images differ.
        """
        if (self.conditions.images_sha256, self.conditions.seed) != (
            other.conditions.images_sha256,
            other.conditions.seed,
        ):
            raise InvalidRequest(f"{self.cell.scheme} and {other.cell.scheme} were measured on different images")
        return confidence_95(self.outcomes.astype(float) - other.outcomes.astype(float))


class Results:
    """The records of one file, which each new one is written to at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._records: dict[Cell, Record] = {}
        if file.is_file():
            try:
                self._records = {r.cell: r for r in map(Record.model_validate, json.loads(file.read_text()))}
            except (ValueError, ValidationError) as error:
                raise InvalidRequest(f"{file} is not a file of results; move it away or give another --out") from error

    def __getitem__(self, cell: Cell) -> Record:
        """The record of a cell. Raises `InvalidRequest` where it was not measured."""
        try:
            return self._records[cell]
        except KeyError:
            raise InvalidRequest(
                f"{self.file} has no result of {cell.scheme} at {cell.bpp:g} bpp and {cell.snr_db:g} dB"
            ) from None

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._records

    def has(self, cell: Cell, conditions: Conditions) -> bool:
        """Whether the cell was measured under just these conditions.

        Raises `InvalidRequest` where it was measured on more images, so that a record of these would be a loss.
        """
        record = self._records.get(cell)
        if record is not None and record.conditions.n > conditions.n:
            raise InvalidRequest(
                f"{self.file} has {cell.scheme} at {cell.bpp:g} bpp and {cell.snr_db:g} dB on {record.conditions.n} "
                f"images, which a result on {conditions.n} would replace; give another --out"
            )
        return record is not None and record.conditions == conditions

    def points_of(self, weights_sha256: str, task: str) -> list[Point]:
        """What was measured of these weights for a task. Raises `InvalidRequest` where that is nothing."""
        return [record.point for record in self._of_weights(weights_sha256, task)]

    def command_of(self, weights_sha256: str, task: str) -> str:
        """The command that measured these weights for a task. Raises as `points_of`, and where it was more than one."""
        limit, *others = {record.conditions.limit for record in self._of_weights(weights_sha256, task)}
        if others:
            raise InvalidRequest(f"{self.file} holds these weights on several numbers of images; use one --limit")
        return "sdjscc study all" + (f" --limit {limit}" if limit else "")

    def _of_weights(self, weights_sha256: str, task: str) -> list[Record]:
        records = self._records.values()
        found = [r for r in records if r.conditions.weights_sha256 == weights_sha256 and r.cell.task == task]
        if not found:
            raise InvalidRequest(f"{self.file} has no results of these weights; measure them with: sdjscc study")
        return sorted(found, key=lambda r: r.cell.snr_db)

    def add(self, record: Record) -> None:
        """Keep a record, in place of an older one of its cell. A process killed at any moment leaves a whole file."""
        self._records[record.cell] = record
        ordered = sorted(self._records.values(), key=lambda r: tuple(r.cell.model_dump().values()))
        lines = ",\n".join(record.model_dump_json() for record in ordered)
        write_whole(self.file, f"[\n{lines}\n]\n")


def software() -> dict[str, str]:
    """Versions that results may depend on."""
    packages = ("torch", "numpy", "pillow", "torchmetrics")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
