"""Tables and JSON from measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from bench.cases import SNR_DB, Case
from bench.link import Threads
from bench.machine import sentence
from bench.sample import Sample, Spread, percentile_ms

__all__ = ["Measurements", "how_measured", "markdown", "over", "short", "summary", "table"]

T = TypeVar("T")


@dataclass(frozen=True)
class Measurements:
    """All samples of one case, in the order they were taken; the n-th of each were neighbours in time."""

    case: Case
    in_process: Mapping[Threads, list[Sample]]
    saturated: list[Sample]
    unloaded: list[Sample]
    """One call under way at a time."""
    offered: list[Sample]
    """Calls at equal distances, at a share of the saturated rate; latency from when each was due."""

    @property
    def best(self) -> Threads:
        """The faster way of using the cores in one process."""
        return max(self.in_process, key=lambda way: _rates(self.in_process[way]).median)

    @property
    def ratios(self) -> Spread:
        """Rate through the services over that of the `best` process, neighbour by neighbour."""
        pairs = zip(self.saturated, self.in_process[self.best], strict=True)
        return Spread.of(through.images_per_s / beside.images_per_s for through, beside in pairs)

    @property
    def thriftiest(self) -> Threads:
        """The way of using the cores in one process that takes the least CPU time an image."""
        return min(self.in_process, key=lambda way: sum(_cpu_ms(self.in_process[way]).values()))

    @property
    def cpu_ratio(self) -> float:
        """CPU time an image of the `thriftiest` process over that of the services and the client together."""
        beside, through = _cpu_ms(self.in_process[self.thriftiest]), _cpu_ms(self.saturated)
        return sum(beside.values()) / sum(through.values())


def summary(
    measured: Sequence[Measurements], machine: Mapping[str, object], settings: Mapping[str, object]
) -> dict[str, object]:
    """Everything, ready for JSON; latencies as percentiles."""
    return {"machine": machine, "settings": settings, "cases": [_case(one) for one in measured]}


def markdown(measured: Sequence[Measurements], machine: Mapping[str, object], settings: Mapping[str, object]) -> str:
    """The tables, to be put into a document as they are."""
    parts = [
        how_measured(f"{sentence(machine)} SNR {SNR_DB:g} dB;", settings["repeats"], settings["seconds"]),
        table(
            ("image", "one process, images/s", "workers x torch threads", "services, images/s", "ratio", "CPU ratio"),
            [
                (
                    one.case.title,
                    _rates(one.in_process[one.best]).text(short),
                    one.best.title,
                    _rates(one.saturated).text(short),
                    one.ratios.text(lambda ratio: f"{ratio:.2f}"),
                    f"{one.cpu_ratio:.2f}",
                )
                for one in measured
            ],
        ),
        "Latency through the services in milliseconds, p50 / p99 (number of calls):",
        table(
            (
                "image",
                "one call at a time",
                f"a call every so often, at {settings['offered_share']:.0%} of the saturated rate",
                f"saturated, {settings['in_flight']} images under way",
            ),
            [
                (one.case.title, *(_latency_text(samples) for samples in (one.unloaded, one.offered, one.saturated)))
                for one in measured
            ],
        ),
        "CPU time an image in milliseconds, at saturation:",
        table(
            ("image", "one process", "transmitter", "channel", "receiver", "client"),
            [
                (
                    one.case.title,
                    short(_cpu_ms(one.in_process[one.thriftiest])["process"]),
                    *(short(_cpu_ms(one.saturated)[name]) for name in ("transmitter", "channel", "receiver", "client")),
                )
                for one in measured
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _case(one: Measurements) -> dict[str, object]:
    return {
        **asdict(one.case),
        "in_process": [{**asdict(way), **_figures(samples)} for way, samples in one.in_process.items()],
        "services": {
            "saturated": _figures(one.saturated),
            "unloaded": _figures(one.unloaded),
            "offered": _figures(one.offered),
        },
        "ratio": one.ratios.as_dict(),
        "ratio_of_medians": _rates(one.saturated).median / _rates(one.in_process[one.best]).median,
        "cpu_ratio": one.cpu_ratio,
    }


def _figures(samples: Sequence[Sample]) -> dict[str, object]:
    latencies = _latencies_ms(samples)
    return {
        "images_per_s": _rates(samples).as_dict(),
        "images_per_s_each": [sample.images_per_s for sample in samples],
        "latency_ms": {"p50": percentile_ms(latencies, 50), "p99": percentile_ms(latencies, 99)},
        "calls": len(latencies),
        "cpu_ms_per_image": _cpu_ms(samples),
    }


def _rates(samples: Sequence[Sample]) -> Spread:
    return Spread.of(sample.images_per_s for sample in samples)


def _latencies_ms(samples: Sequence[Sample]) -> list[float]:
    return [latency for sample in samples for latency in sample.latencies_ms]


def _latency_text(samples: Sequence[Sample]) -> str:
    latencies = _latencies_ms(samples)
    return f"{short(percentile_ms(latencies, 50))} / {short(percentile_ms(latencies, 99))} ({len(latencies)})"


def _cpu_ms(samples: Sequence[Sample]) -> dict[str, float]:
    return {name: Spread.of(sample.cpu_ms[name] for sample in samples).median for name in samples[0].cpu_ms}


def how_measured(machine: str, repeats: object, seconds: object) -> str:
    """The sentence above a table of spreads."""
    return (
        f"Measured on: {machine} {repeats} measurements of {seconds:g} s of each kind, by turns; median (least to "
        "greatest)."
    )


def over(samples: Iterable[T], show: Callable[[T], float]) -> str:
    """The spread of what ``show`` finds in each sample, for a table."""
    return Spread.of(map(show, samples)).text(short)


def short(number: float) -> str:
    """Three significant digits, never with an exponent."""
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are set to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
