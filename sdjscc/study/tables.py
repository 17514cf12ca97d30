"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from sdjscc.study.results import Record

__all__ = ["accuracy", "gain", "origin", "psnr", "table"]


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


def origin(part: str, record: Record) -> str:
    """The sentence that says where figures come from."""
    conditions = record.conditions
    return (
        f"{conditions.n} images of `{record.cell.data}`, noise of seed {conditions.seed}, 95 % intervals; made by "
        f"`sdjscc study {part} --data DATA --out docs/results` from the shipped weights.\n"
    )
