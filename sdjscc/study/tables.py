"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from sdjscc.study.results import Record

__all__ = ["accuracy", "gain", "origin", "percent", "psnr", "reach", "table"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are aligned to the right."""
    lines = [header, ["---:"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def accuracy(record: Record) -> str:
    """Accuracy in percent and half its 95 % interval."""
    point = record.point
    return f"{100 * point.accuracy:.1f} ± {100 * point.accuracy_ci95:.1f}"


def gain(record: Record, over: Record) -> str:
    """Difference of two accuracies in percentage points, and half its 95 % interval over the same images."""
    mean, half = record.gain_over(over)
    return f"{100 * mean:+.1f} ± {100 * half:.1f}"


def psnr(record: Record) -> str:
    """Mean PSNR in dB."""
    return f"{record.point.psnr_db:.2f}"


def percent(share: float) -> str:
    """A share of 0 to 1 in percent."""
    return f"{100 * share:.1f} %"


def reach(record: Record) -> str:
    """How many images fit no file, or that the rate cannot be reached for them."""
    if record.delivery is None:
        return "-"
    return percent(record.unfit) if record.reachable else f"cannot be reached ({percent(record.unfit)} of images)"


def origin(part: str, record: Record) -> str:
    """The sentence that says where figures come from."""
    conditions = record.conditions
    limit = "" if conditions.limit is None else f" --limit {conditions.limit}"
    return (
        f"{conditions.n} images of `{record.cell.data}`, noise of seed {conditions.seed}, 95 % intervals; made by "
        f"`sdjscc study {part} --data DATA --out docs/results --seed {conditions.seed}{limit}`.\n"
    )
