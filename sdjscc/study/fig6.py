"""The paper's fig. 6: accuracy over the rate with and without GSW, at a good channel."""

from __future__ import annotations

from pathlib import Path

from sdjscc.plots import plot_curves
from sdjscc.study.datasets import STL10
from sdjscc.study.gain import RATES, WITHOUT_GSW
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Results
from sdjscc.study.schemes import DEEP, SEMANTIC, label
from sdjscc.study.tables import accuracy, gain, origin, table

__all__ = ["PART"]

_SCHEMES = (DEEP, WITHOUT_GSW, SEMANTIC)
_SNR_DB = 20.0


def write(results: Results, out: Path) -> None:
    curves = {s: [results[cell] for cell in grid([s], RATES, [_SNR_DB], STL10)] for s in _SCHEMES}
    rows = [
        (f"{bpp:g}", accuracy(deep), accuracy(without), accuracy(semantic), gain(semantic, without))
        for bpp, deep, without, semantic in zip(RATES, *curves.values(), strict=True)
    ]
    header = ("bpp", *(f"{label(scheme)} %" for scheme in _SCHEMES), "GSW gains")
    text = (
        f"# Accuracy over the rate at {_SNR_DB:g} dB, with and without GSW\n\n"
        "The paper's fig. 6, in which GSW gains at every rate. The gain is in percentage points, from the differences "
        f"image by image.\n\n{table(header, rows)}\n{origin(PART.name, curves[SEMANTIC][0])}"
    )
    (out / "fig6.md").write_text(text)
    points = {label(scheme): [record.point for record in records] for scheme, records in curves.items()}
    plot_curves(points, out / "fig6.png", over="bpp")


PART = Part(
    "fig6", "accuracy over the rate at 20 dB, with and without GSW", grid(_SCHEMES, RATES, [_SNR_DB], STL10), write
)
