"""What a service did at one offered rate, and the highest rate that it bears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["KEEPS_UP", "LATE_MS", "Point", "knee"]

LATE_MS = 10.0
"""A generator that begins more than 1 % of its calls later than this tells about itself, not about the service."""

KEEPS_UP = 0.98
"""Share of the offered rate that must be achieved."""


@dataclass(frozen=True)
class Point:
    """One run of the open-loop generator. Latencies are of answered calls, from when each was due, in milliseconds."""

    offered_per_s: float
    achieved_per_s: float
    """Answers with a result a second; NaN for fewer than two calls."""
    sent: int
    ok: int
    shed: int
    """Refused with RESOURCE_EXHAUSTED."""
    errors: Mapping[str, int]
    """Other failures by status."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    late_p99_ms: float
    """How late the generator itself began its calls; part of every latency."""
    generator_cores: float
    """CPU time of the generator over wall time."""
    histogram: str
    """All latencies in microseconds, as HdrHistogram's compressed base64; such histograms can be added up."""

    @property
    def valid(self) -> bool:
        """Whether the generator kept its own times."""
        return self.late_p99_ms <= LATE_MS

    def borne(self, bound_ms: float) -> bool:
        """Whether the service kept up with the rate and p99 under the bound."""
        return self.valid and self.p99_ms <= bound_ms and self.achieved_per_s >= KEEPS_UP * self.offered_per_s


def knee(points: Sequence[Point], bound_ms: float) -> Point | None:
    """The point of the highest offered rate that was borne; None where none was."""
    return max(
        (point for point in points if point.borne(bound_ms)), key=lambda point: point.offered_per_s, default=None
    )
