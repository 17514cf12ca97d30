"""What an experiment is to the command: the cells it needs, and the tables and plots made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from sdjscc.study.datasets import Dataset
from sdjscc.study.measure import Study
from sdjscc.study.results import Cell, Results

__all__ = ["Part", "grid"]


@dataclass(frozen=True)
class Part:
    """One experiment."""

    name: str
    summary: str
    cells: tuple[Cell, ...]
    write: Callable[[Results, Path], None]
    """Writes ``<name>.md`` and plots into a folder, from the results and what `collect` kept beside them alone."""
    optional: tuple[Cell, ...] = ()
    """Cells that are measured where their codecs are installed."""
    collect: Callable[[Study], None] | None = None
    """Measures what is no cell, or which cells to measure, after `cells`."""

    def measure(self, study: Study) -> None:
        """All that `write` needs. Raises as `Study.measure`."""
        study.measure(self.cells, self.optional)
        if self.collect is not None:
            self.collect(study)


def grid(
    schemes: Iterable[str], rates: Iterable[float], snrs_db: Iterable[float], dataset: Dataset
) -> tuple[Cell, ...]:
    """Every scheme at every rate in bpp and every SNR in dB, on one data set's test images."""
    return tuple(
        Cell(scheme=scheme, bpp=bpp, snr_db=snr_db, data=dataset.test, task=dataset.task)
        for scheme, bpp, snr_db in product(schemes, rates, snrs_db)
    )
