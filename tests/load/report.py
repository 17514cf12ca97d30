"""Tables and JSON from measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bench.machine import sentence
from bench.report import short, table
from tests.load.point import KEEPS_UP, LATE_MS, Point, knee
from tests.load.session import CoreTime, Measured

__all__ = ["details", "headline", "summary"]


def summary(
    measured: Sequence[Measured], machine: Mapping[str, object], settings: Mapping[str, object]
) -> dict[str, object]:
    """Everything, ready for JSON; latencies as percentiles and as histograms, and null for what is not known."""
    return {"machine": machine, "settings": settings, "measured": [_without_nan(_one(one)) for one in measured]}


def headline(measured: Sequence[Measured], machine: Mapping[str, object], settings: Mapping[str, object]) -> str:
    """What each service bears, and what a core buys, as Markdown tables."""
    case = measured[0].case
    parts = [
        f"Measured on: {sentence(machine)} {settings['cores']}; load average {settings['load_average']} before. Images "
        f"as {case.format}, task {case.task}; {settings['seconds']:g} s a rate, {settings['arrivals']} arrivals.",
        table(
            (
                "service",
                "image",
                "capacity, images/s",
                "cores then, service / Locust",
                "knee, images/s",
                "p50 / p95 / p99 at the knee, ms",
                "bound on p99, ms",
            ),
            [(*_title(one), *_knee_cells(one)) for one in measured],
        ),
    ]
    if core_times := [(one, one.core_time) for one in measured if one.core_time is not None]:
        parts += [
            "What a core-second buys, and where the CPU time of an image goes, in milliseconds:",
            table(
                (
                    "service",
                    "image",
                    "images a core-second",
                    "bare work alone",
                    "ratio",
                    "whole",
                    "bare work",
                    "image files",
                    "empty echo",
                    "rest",
                ),
                [(*_title(one), *_core_cells(time)) for one, time in core_times],
            ),
        ]
    return "\n\n".join(parts) + "\n"


def details(measured: Sequence[Measured]) -> str:
    """Every offered rate, as a Markdown table."""
    parts = [
        "Every offered rate; latencies in milliseconds, from when a call was due:",
        table(
            (
                "service",
                "image",
                "offered, images/s",
                "achieved",
                "sent",
                "p50",
                "p95",
                "p99",
                "greatest",
                "errors",
                "shed",
                "generator late, p99",
                "generator, cores",
            ),
            [(*_title(one), *_point_cells(point)) for one in measured for point in one.points],
        ),
    ]
    if any(not point.valid for one in measured for point in one.points):
        parts.append(
            f"\\* The generator was late by more than {LATE_MS:g} ms: the row tells about it, not the service."
        )
    return "\n\n".join(parts) + "\n"


def _one(one: Measured) -> dict[str, object]:
    best = knee(one.points, one.bound_ms)
    time = one.core_time
    return {
        "service": one.service,
        **asdict(one.case),
        "capacity": asdict(one.capacity) if one.capacity else None,
        "knee_per_s": best.offered_per_s if best else None,
        "bound_ms": one.bound_ms,
        "keeps_up": KEEPS_UP,
        "points": [{**asdict(point), "valid": point.valid} for point in one.points],
        "core_time": {**asdict(time), "rest_ms": time.rest_ms, "share_of_bound": time.share_of_bound} if time else None,
    }


def _without_nan(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _title(one: Measured) -> Sequence[str]:
    return one.service, f"{one.case.size}x{one.case.size}"


def _knee_cells(one: Measured) -> Sequence[str]:
    best = knee(one.points, one.bound_ms)
    rate, latencies = "none", "-"
    if best is not None:
        # Where the highest rate was borne, the knee lies beyond.
        rate = ("at least " if best is one.points[-1] else "") + short(best.offered_per_s)
        latencies = " / ".join(short(ms) for ms in (best.p50_ms, best.p95_ms, best.p99_ms))
    return *_capacity_cells(one), rate, latencies, short(one.bound_ms)


def _capacity_cells(one: Measured) -> Sequence[str]:
    if one.capacity is None:
        return "-", "-"
    failures = ", ".join(f"{number} {code}" for code, number in one.capacity.failures.items())
    service_cores = one.core_time.whole_ms / 1e3 * one.capacity.per_s if one.core_time else math.nan
    return (
        short(one.capacity.per_s) + (f" ({failures})" if failures else ""),
        f"{_known(service_cores)} / {one.capacity.generator_cores:.2g}",
    )


def _core_cells(time: CoreTime) -> Sequence[str]:
    per_core_second = (1e3 / time.whole_ms, 1e3 / time.work.core_ms)
    parts = (time.whole_ms, time.work.core_ms, time.work.files_ms, time.echo_ms, time.rest_ms)
    return (
        *(_known(number) for number in per_core_second),
        f"{time.share_of_bound:.2f}",
        *(_known(milliseconds) for milliseconds in parts),
    )


def _point_cells(point: Point) -> Sequence[str]:
    latencies = (point.p50_ms, point.p95_ms, point.p99_ms, point.max_ms)
    errors = ", ".join(f"{number} {code}" for code, number in point.errors.items()) or "0"
    return (
        short(point.offered_per_s),
        _known(point.achieved_per_s),
        str(point.sent),
        *(_known(milliseconds) for milliseconds in latencies),
        errors,
        str(point.shed),
        short(point.late_p99_ms) + ("" if point.valid else " \\*"),
        f"{point.generator_cores:.2f}",
    )


def _known(number: float) -> str:
    return "-" if math.isnan(number) else short(number)
