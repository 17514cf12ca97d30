"""What the semantic loss gains over eq. 5, and GSW over weights of one: the accuracy at every rate and SNR."""

from __future__ import annotations

from pathlib import Path

from sdjscc.plots import plot_over_snr
from sdjscc.study.comparison import AT_5_DB
from sdjscc.study.datasets import STL10
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Results
from sdjscc.study.schemes import DEEP, SEMANTIC
from sdjscc.study.tables import accuracy, gain, origin, psnr, table

__all__ = ["PART", "RATES", "SNRS_DB", "WITHOUT_GSW"]

RATES = (0.125, 0.25, 0.5)
SNRS_DB = (0.0, 5.0, 10.0, 20.0)
WITHOUT_GSW = "sd-jscc-no-gsw"

_AT_5_DB = grid(AT_5_DB, [0.25], SNRS_DB, STL10)


def write(results: Results, out: Path) -> None:
    by_scheme = (grid([scheme], RATES, SNRS_DB, STL10) for scheme in (DEEP, WITHOUT_GSW, SEMANTIC))
    rows, points = [], []
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
    header = ("bpp", "SNR dB", "deep JSCC %", "without GSW %", "SD-JSCC %", "over deep JSCC", "over without GSW")
    fidelity = ("PSNR deep JSCC dB", "PSNR SD-JSCC dB")
    text = (
        "# SD-JSCC against deep JSCC, and against itself without GSW\n\n"
        "Accuracy of the STL-10 task; same network, bits and channel, trained for SNRs from 0 to 20 dB. Gains in "
        "percentage points, from the differences image by image.\n\n"
        f"{table((*header, *fidelity), rows)}\n{_trained_at_5_db(results)}{origin(PART.name, semantic)}"
    )
    (out / "gain.md").write_text(text)
    plot_over_snr(points, out / "gain.png")


def _trained_at_5_db(results: Results) -> str:
    if not all(cell in results for cell in _AT_5_DB):
        return ""
    deep, semantic = _AT_5_DB[: len(SNRS_DB)], _AT_5_DB[len(SNRS_DB) :]
    rows = [
        (f"{s.cell.snr_db:g}", accuracy(d), accuracy(s), gain(s, d), psnr(d), psnr(s))
        for d, s in ((results[a], results[b]) for a, b in zip(deep, semantic, strict=True))
    ]
    header = ("SNR dB", "deep JSCC %", "SD-JSCC %", "over deep JSCC", "PSNR deep JSCC dB", "PSNR SD-JSCC dB")
    return f"Trained at 5 dB alone, the paper's protocol, at 0.25 bpp:\n\n{table(header, rows)}\n"


PART = Part(
    "gain",
    "accuracy at three rates and four SNRs: deep JSCC, SD-JSCC, and SD-JSCC without GSW",
    grid((DEEP, WITHOUT_GSW, SEMANTIC), RATES, SNRS_DB, STL10),
    write,
    optional=_AT_5_DB,
)
