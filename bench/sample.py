"""What one measurement yields, and how several become one figure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

__all__ = ["Sample", "Spread", "percentile_ms", "rate_after"]


@dataclass(frozen=True)
class Sample:
    """One run of one case."""

    images: int
    """Images finished, those of the warm-up included."""
    images_per_s: float
    """After the warm-up."""
    latencies_ms: tuple[float, ...]
    """Of each image after the warm-up."""
    cpu_ms: Mapping[str, float]
    """CPU time an image in milliseconds, by process."""


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))

    def as_dict(self) -> dict[str, float]:
        return asdict(self)

    def text(self, show: Callable[[float], str]) -> str:
        """Such as "12.1 (11.8 to 12.3)"."""
        return f"{show(self.median)} ({show(self.low)} to {show(self.high)})"


def rate_after(finished_s: Sequence[float], begin_s: float) -> float:
    """Images a second from the first that finished after ``begin_s`` to the last.

    Counted from completion to completion, so that images under way at the edges do not bias it. NaN for fewer than two.
    """
    late = [time for time in sorted(finished_s) if time >= begin_s]
    return (len(late) - 1) / (late[-1] - late[0]) if len(late) > 1 else float("nan")


def percentile_ms(latencies_ms: Sequence[float], percent: float) -> float:
    """Linear between the two nearest; NaN where there are none."""
    return float(np.percentile(latencies_ms, percent)) if latencies_ms else float("nan")
