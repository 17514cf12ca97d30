"""The latency and the achieved rate of each service over the offered rate; reads in grey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.load.point import knee
from tests.load.session import Measured

__all__ = ["plot"]

_MARKERS = "osD^"
_DASHES = ("-", "--", "-.", ":")


def plot(measured: Sequence[Measured], file: Path) -> None:
    """A row for each kind of traffic; the knee is ringed, and rates at which the generator was late are hollow."""
    cases = list(dict.fromkeys(one.case for one in measured))
    services = list(dict.fromkeys(one.service for one in measured))
    figure = Figure(figsize=(9, 3.2 * len(cases) + 0.4), layout="constrained")
    rows = figure.subplots(len(cases), 2, squeeze=False)
    for case, (latency, achieved) in zip(cases, rows, strict=True):
        for one in (one for one in measured if one.case == case):
            _curves(one, services.index(one.service), latency, achieved)
        for axes in (latency, achieved):
            axes.set_xscale("log")
            axes.set_xlabel("offered (images/s)")
            axes.grid(alpha=0.3, which="both")
        latency.set_title(case.title, fontsize=10)
        latency.set_yscale("log")
        latency.set_ylabel("latency from when due, p99 (ms)")
        achieved.set_ylabel("achieved / offered")
        achieved.set_ylim(bottom=0)
    figure.legend(*rows[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(file, dpi=120)


def _curves(one: Measured, number: int, latency: Axes, achieved: Axes) -> None:
    color = f"C{number}"
    offered = [point.offered_per_s for point in one.points]
    best = knee(one.points, one.bound_ms)
    for axes, values in (
        (latency, [point.p99_ms for point in one.points]),
        (achieved, [point.achieved_per_s / point.offered_per_s for point in one.points]),
    ):
        axes.plot(offered, values, _DASHES[number % 4], label=one.service, color=color)
        for x, y, point in zip(offered, values, one.points, strict=True):
            fill = color if point.valid else "none"
            axes.plot(x, y, _MARKERS[number % 4], color=color, markerfacecolor=fill, markersize=5)
            if point is best:
                axes.plot(x, y, "o", color="black", markerfacecolor="none", markersize=12)
