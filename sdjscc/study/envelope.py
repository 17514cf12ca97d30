"""Learned codecs against adaptive modulation and coding, and against a channel code that carries capacity.

Adaptive: at each SNR the transmitter takes, of 802.11n's LDPC rates and constellations, the mode that carries the
longest file in the channel uses of one image with no more than `TARGET` of the images lost, by block error rates that
were measured beforehand on random words; where no mode does, the one that loses least. It knows the SNR, and no test
image has a say. What is then reported was measured by sending the test images in that mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdjscc.errors import InvalidRequest
from sdjscc.plots import plot_curves
from sdjscc.study.block_errors import BlockErrors, Key, measure_block_errors, read_block_errors
from sdjscc.study.carriers import capacity_bits
from sdjscc.study.datasets import STL10
from sdjscc.study.equal_uses import PIXELS, USES
from sdjscc.study.fig4 import SNRS_DB as _OF_FIG4
from sdjscc.study.measure import Study
from sdjscc.study.modes import MODES, Mode, bpp_of
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Cell, Record, Results
from sdjscc.study.schemes import BPG, CAPACITY, DEEP, SEMANTIC, label
from sdjscc.study.tables import accuracy, gain, origin, percent, psnr, reach, table

__all__ = ["PART", "SNRS_DB", "TARGET", "capacity_bytes", "choose"]

SNRS_DB = tuple(sorted({*_OF_FIG4, 2.0, 8.0}))
TARGET = 0.01
"""The largest share of images that the adaptive scheme takes the loss of."""
_LEARNED_BPP = 0.25
_CANDIDATES = tuple(mode for mode in MODES if mode.words(USES))


def capacity_bytes(snr_db: float, uses: int) -> int:
    """Whole bytes that ``uses`` complex symbols carry at capacity."""
    return int(uses * capacity_bits(snr_db)) // 8


def choose(errors: Mapping[Key, BlockErrors], snr_db: float, uses: int) -> Mode:
    """The mode of the adaptive scheme at ``snr_db``. Raises `InvalidRequest` where a mode was not measured there."""

    def lost(mode: Mode) -> float:
        key = mode.rate, mode.constellation.name, snr_db
        if key not in errors:
            raise InvalidRequest(f"there are no block errors of {mode.label} at {snr_db:g} dB; run without --redraw")
        return errors[key].image_error_rate(mode.words(uses))

    candidates = [mode for mode in MODES if mode.words(uses)]
    good = [mode for mode in candidates if lost(mode) <= TARGET]
    if good:
        return max(good, key=lambda mode: (mode.file_bytes(uses), -lost(mode)))
    return min(candidates, key=lambda mode: (lost(mode), mode.file_bytes(uses)))


def collect(study: Study) -> None:
    errors = measure_block_errors(_CANDIDATES, SNRS_DB, study.out, study.seed, study.workers)
    study.measure(_adaptive(errors, BPG, snr_db) for snr_db in SNRS_DB)


def write(results: Results, out: Path) -> None:
    errors = read_block_errors(out)
    source = next((name for name in ("bpg", "hevc") if all(c in results for c in _ideal(name))), BPG)
    adaptive = [results[_adaptive(errors, source, snr_db)] for snr_db in SNRS_DB]
    ideal = [results[cell] for cell in _ideal(source)]
    deep, semantic = ([results[cell] for cell in _learned(scheme)] for scheme in (DEEP, SEMANTIC))
    coder = label(adaptive[0].cell.scheme)
    header = ("SNR dB", "mode", "file, bytes", "uses/pixel", "images that fit no file", "images lost", "accuracy %")
    rows = [_row(errors, *records) for records in zip(adaptive, ideal, deep, semantic, strict=True)]
    ideal_header = ("ideal: file, bytes", "images that fit no file", "accuracy %")
    learned = ("deep JSCC %", "SD-JSCC %", "SD-JSCC over adaptive")
    fidelity = [
        (f"{records[0].cell.snr_db:g}", *(psnr(record) if record.reachable else "-" for record in records))
        for records in zip(adaptive, ideal, deep, semantic, strict=True)
    ]
    unused = ", ".join(sorted({mode.constellation.name for mode in MODES if not mode.words(USES)}))
    text = (
        "# Learned codecs against adaptive modulation and coding, and against capacity\n\n"
        f"At {USES / PIXELS:g} channel uses a pixel, {USES} complex symbols for an image of 96x96 pixels. The source "
        f"coder is {coder}.\n\n"
        "*Adaptive*: at each SNR the transmitter, which knows it, takes the mode of 802.11n that carries the longest "
        f"file with no more than {percent(TARGET)} of the images lost, by block error rates measured beforehand "
        "(`block-errors.json`: random words, at most 50 iterations of sum-product). Where there is no such mode, it "
        "takes the one that loses least. Only whole words of 1944 bits are sent, which leaves out "
        f"{unused}: {USES} symbols carry no word. *Ideal*: the same coder's files at the channel's capacity of "
        "log2(1 + SNR) bits a symbol, without errors. Where more than 1 % of the images fit no file, the rate cannot "
        "be reached and is not drawn.\n\n"
        + table((*header, *ideal_header, *learned), rows)
        + "\nPSNR in dB:\n\n"
        + table(("SNR dB", "adaptive", "ideal", "deep JSCC", "SD-JSCC"), fidelity)
        + "\n"
        + origin(PART.name, semantic[0])
    )
    (out / "envelope.md").write_text(text)
    curves = {"deep JSCC": deep, "SD-JSCC": semantic, f"{coder},\nadaptive 802.11n": adaptive}
    curves |= {f"{coder},\nat capacity": ideal}
    reached = {name: [record.point for record in records if record.reachable] for name, records in curves.items()}
    plot_curves({name: points for name, points in reached.items() if points}, out / "envelope.png")


def _row(
    errors: Mapping[Key, BlockErrors], adaptive: Record, ideal: Record, deep: Record, semantic: Record
) -> list[str]:
    snr_db = adaptive.cell.snr_db
    mode = choose(errors, snr_db, USES)
    assert adaptive.delivery is not None
    return [
        f"{snr_db:g}",
        mode.label,
        f"{mode.file_bytes(USES)}",
        f"{adaptive.point.channel_uses_per_pixel:.4f}",
        reach(adaptive),
        percent(adaptive.delivery.damaged / adaptive.conditions.n),
        accuracy(adaptive) if adaptive.reachable else "-",
        f"{capacity_bytes(snr_db, USES)}",
        reach(ideal),
        accuracy(ideal) if ideal.reachable else "-",
        accuracy(deep),
        accuracy(semantic),
        gain(semantic, adaptive) if adaptive.reachable else "-",
    ]


def _adaptive(errors: Mapping[Key, BlockErrors], source: str, snr_db: float) -> Cell:
    mode = choose(errors, snr_db, USES)
    bpp = bpp_of(mode.file_bytes(USES), PIXELS)
    (cell,) = grid([mode.scheme(f"{source}-agreed")], [bpp], [snr_db], STL10)
    return cell


def _ideal(source: str) -> tuple[Cell, ...]:
    rates = {snr_db: bpp_of(capacity_bytes(snr_db, USES), PIXELS) for snr_db in SNRS_DB}
    cells = (grid([f"{source}-agreed+{CAPACITY}"], [bpp], [snr_db], STL10) for snr_db, bpp in rates.items())
    return tuple(cell for (cell,) in cells)


def _learned(scheme: str) -> tuple[Cell, ...]:
    return grid([scheme], [_LEARNED_BPP], SNRS_DB, STL10)


PART = Part(
    "envelope",
    "at 0.125 channel uses a pixel, against the best mode of 802.11n at each SNR and against capacity",
    _learned(DEEP) + _learned(SEMANTIC) + _ideal(BPG),
    write,
    collect=collect,
)
