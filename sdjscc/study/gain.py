"""What the semantic loss gains over eq. 5, and GSW over weights of one: the accuracy at every rate and SNR."""

from __future__ import annotations

from pathlib import Path

from sdjscc.plots import plot_over_snr
from sdjscc.study.datasets import STL10
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Results
from sdjscc.study.tables import accuracy, gain, origin, psnr, table

__all__ = ["PART"]

RATES = (0.125, 0.25, 0.5)
SNRS_DB = (0.0, 5.0, 10.0, 20.0)
DEEP, WITHOUT, SEMANTIC = "deep-jscc", "sd-jscc-no-gsw", "sd-jscc"


def write(results: Results, out: Path) -> None:
    header = ("bpp", "SNR dB", "deep JSCC %", "without GSW %", "SD-JSCC %", "over deep JSCC", "over without GSW")
    fidelity = ("PSNR deep JSCC dB", "PSNR SD-JSCC dB")
    rows, points = [], []
    by_scheme = (grid([scheme], RATES, SNRS_DB, STL10) for scheme in (DEEP, WITHOUT, SEMANTIC))
    for cells in zip(*by_scheme, strict=True):
        deep, without, semantic = (results[cell] for cell in cells)
        rows.append(
            (
                f"{semantic.cell.bpp:g}",
                f"{semantic.cell.snr_db:g}",
                *(accuracy(record) for record in (deep, without, semantic)),
                gain(semantic, deep),
                gain(semantic, without),
                psnr(deep),
                psnr(semantic),
            )
        )
        if semantic.cell.bpp == 0.25:
            points += [deep.point, semantic.point]
    text = (
        "# SD-JSCC against deep JSCC, and against itself without GSW\n\n"
        "Accuracy of the STL-10 task; same network, bits and channel. Gains in percentage points, from the differences "
        "image by image.\n\n" + table((*header, *fidelity), rows) + "\n" + origin(PART.name, semantic)
    )
    (out / "gain.md").write_text(text)
    plot_over_snr(points, out / "gain.png")


PART = Part(
    "gain",
    "accuracy at three rates and four SNRs: deep JSCC, SD-JSCC, and SD-JSCC without GSW",
    grid((DEEP, WITHOUT, SEMANTIC), RATES, SNRS_DB, STL10),
    write,
)
