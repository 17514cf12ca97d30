"""The paper's table I: all metrics on an ImageNet split at 0.125 bpp over a good channel."""

from __future__ import annotations

from pathlib import Path

from sdjscc.plots import plot_bars
from sdjscc.study.datasets import IMAGEWOOF
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Record, Results
from sdjscc.study.schemes import AGREED, DEEP, ORIGINAL, PAIRS, PLAIN, SEMANTIC, label, parse
from sdjscc.study.tables import accuracy, origin, psnr, reach, table

__all__ = ["BPP", "PART", "SNR_DB"]

BPP = 0.125
SNR_DB = 20.0
_ORIGINAL_BPP = 24.0

_PAPER = {
    ORIGINAL: ("89.42", "0.894", "-", "1"),
    "jpeg": ("39.78", "0.395", "22.00", "0.530"),
    "webp": ("74.50", "0.745", "27.83", "0.689"),
    "bpg": ("79.57", "0.795", "29.39", "0.732"),
    "hevc": ("79.57", "0.795", "29.39", "0.732"),
    DEEP: ("71.22", "0.713", "28.89", "0.840"),
    SEMANTIC: ("82.16", "0.821", "27.02", "0.764"),
}
"""Accuracy in percent, F1, PSNR in dB and SSIM."""

_CELLS = grid([ORIGINAL], [_ORIGINAL_BPP], [SNR_DB], IMAGEWOOF) + grid(
    (*PLAIN, *AGREED, DEEP, SEMANTIC), [BPP], [SNR_DB], IMAGEWOOF
)


def write(results: Results, out: Path) -> None:
    records = _records(results)
    header = ("scheme", "images that fit no file", "uses/pixel", "accuracy %", "F1", "PSNR dB", "SSIM")
    paper = ("paper: accuracy %", "F1", "PSNR dB", "SSIM")
    text = (
        "# All metrics on ten classes of ImageNet at 0.125 bpp and 20 dB\n\n"
        "The paper's table I on another split of ImageNet, whose classes are breeds of dogs, with another classifier: "
        "the paper's figures stand beside ours for the order of the schemes, not for their values. Accuracy among the "
        "ten classes; F1 is the mean over the classes. BPG's figures of the paper stand beside HEVC intra where "
        "BPG's tools were not at hand.\n\n"
        + table((*header, *paper), [_row(record) for record in records])
        + "\n"
        + origin(PART.name, records[-1])
    )
    (out / "table1.md").write_text(text)
    names = [label(record.cell.scheme) for record in records]
    bars = {
        name: (100 * record.point.accuracy, 100 * record.point.accuracy_ci95) if record.reachable else None
        for name, record in zip(names, records, strict=True)
    }
    beside = {name: float(_paper(record)[0]) for name, record in zip(names, records, strict=True)}
    plot_bars(bars, beside, out / "table1.png")


def _records(results: Results) -> list[Record]:
    """The original, both forms of each source coder that was measured, the learned codecs."""
    separation = grid([scheme for pair in PAIRS for scheme in pair], [BPP], [SNR_DB], IMAGEWOOF)
    (first,) = grid([ORIGINAL], [_ORIGINAL_BPP], [SNR_DB], IMAGEWOOF)
    learned = grid((DEEP, SEMANTIC), [BPP], [SNR_DB], IMAGEWOOF)
    return [results[cell] for cell in (first, *(cell for cell in separation if cell in results), *learned)]


def _row(record: Record) -> tuple[str, ...]:
    point, original = record.point, record.cell.scheme == ORIGINAL
    figures = (accuracy(record), f"{point.f1:.3f}", "-" if original else psnr(record), f"{point.ssim:.3f}")
    return (
        label(record.cell.scheme),
        reach(record),
        "-" if original else f"{point.channel_uses_per_pixel:.4f}",
        *(figures if record.reachable else ["-"] * len(figures)),
        *_paper(record),
    )


def _paper(record: Record) -> tuple[str, ...]:
    chain = parse(record.cell.scheme)
    return _PAPER[chain.source.name if chain else record.cell.scheme]


PART = Part("table1", "accuracy, F1, PSNR and SSIM on ten classes of ImageNet at 0.125 bpp and 20 dB", _CELLS, write)
