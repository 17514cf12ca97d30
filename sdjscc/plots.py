"""Figures that read in grey: markers and dashes tell curves apart, and error bars are 95 % intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sdjscc.evaluation import Point

__all__ = ["Picture", "plot_bars", "plot_curves", "plot_over_snr", "plot_over_tau", "plot_pictures", "plot_weights"]

_MARKERS = "osD^vPX*"
_DASHES = ("-", "--", "-.", ":")
_MOST_IN_AXES = 3
"""Curves whose legend has room beside them."""


def plot_over_snr(points: Sequence[Point], file: Path) -> None:
    """PSNR and accuracy over the SNR, one curve for each codec and rate among ``points``.

    Raises OSError or ValueError where ``file`` cannot be written or its suffix is no image format.
    """
    curves = groupby(sorted(points, key=_curve), key=_curve)
    plot_curves({f"{codec}, {bpp:g} bpp": list(members) for (codec, bpp), members in curves}, file)


def plot_curves(curves: Mapping[str, Sequence[Point]], file: Path, over: Literal["snr_db", "bpp"] = "snr_db") -> None:
    """PSNR and accuracy over SNR or rate; ``curves`` by what the legend calls them. Raises as `plot_over_snr`."""
    in_legend = len(curves) > _MOST_IN_AXES
    size = (9, 4.4) if in_legend else (9, 3.4)
    figure, (fidelity, accuracy) = plt.subplots(1, 2, figsize=size, layout="constrained")
    for number, (label, points) in enumerate(curves.items()):
        curve = sorted(points, key=attrgetter(over))
        x = [getattr(p, over) for p in curve]
        style = {
            "label": label,
            "marker": _MARKERS[number % len(_MARKERS)],
            "linestyle": _DASHES[number % len(_DASHES)],
            "capsize": 3,
        }
        fidelity.errorbar(x, [p.psnr_db for p in curve], [p.psnr_db_ci95 for p in curve], **style)
        percent, half_width = [100 * p.accuracy for p in curve], [100 * p.accuracy_ci95 for p in curve]
        accuracy.errorbar(x, percent, half_width, **style)
    for axes, quantity in ((fidelity, "PSNR (dB)"), (accuracy, "accuracy (%)")):
        if over == "snr_db":
            axes.set_xlabel("SNR (dB)")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        else:
            axes.set_xlabel("rate (bits per pixel)")
        axes.set_ylabel(quantity)
        axes.grid(alpha=0.3)
    if in_legend:
        figure.legend(*fidelity.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    else:
        fidelity.legend()
    figure.suptitle(f"{min(p.n for points in curves.values() for p in points)} images")
    _save(figure, file)


def plot_over_tau(points: Mapping[float, Point], file: Path) -> None:
    """Accuracy over the temperature tau of GSW; ``points`` by tau, 0 among them. Raises as `plot_over_snr`."""
    figure, axes = plt.subplots(figsize=(4.5, 3.4), layout="constrained")
    taus = sorted(points)
    accuracies = [100 * points[tau].accuracy for tau in taus]
    axes.errorbar(taus, accuracies, [100 * points[tau].accuracy_ci95 for tau in taus], marker="o", capsize=3)
    # Logarithmic, with a place for 0.
    axes.set_xscale("symlog", linthresh=min(tau for tau in taus if tau))
    axes.set_xlabel("tau")
    axes.set_ylabel("accuracy (%)")
    axes.grid(alpha=0.3)
    axes.set_title(f"{min(point.n for point in points.values())} images", fontsize=10)
    _save(figure, file)


def plot_bars(bars: Mapping[str, tuple[float, float] | None], beside: Mapping[str, float], file: Path) -> None:
    """Accuracies in percent with half their intervals, and other figures beside them.

    Args:
        bars: by the name under each; None where there is nothing to draw, which is marked.
        beside: the paper's figures, by the same names, of all or some.
        file: raises as `plot_over_snr`.
    """
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for place, (name, bar) in enumerate(bars.items()):
        if bar is None:
            axes.text(place - 0.2, 1, "cannot be reached", rotation=90, ha="center", va="bottom", fontsize=8)
        else:
            axes.bar(place - 0.2, bar[0], 0.38, yerr=bar[1], capsize=3, color="0.6", edgecolor="black")
        if name in beside:
            axes.bar(place + 0.2, beside[name], 0.38, color="white", edgecolor="black", hatch="//")
    axes.set_xticks(range(len(bars)), [_in_lines(name) for name in bars], fontsize=8)
    axes.set_ylabel("accuracy (%)")
    axes.set_ylim(0, 105)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    handles = [
        Patch(facecolor="0.6", edgecolor="black", label="measured here"),
        Patch(facecolor="white", edgecolor="black", hatch="//", label="the paper's"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=8)
    _save(figure, file)


@dataclass(frozen=True)
class Picture:
    """One image and what is said of it."""

    pixels: NDArray[np.uint8]
    """RGB, uint8 ``(h, w, 3)``."""
    caption: str
    right: bool
    """Decides the mark and the frame: a tick and a solid line, or a cross and a dashed one."""


def plot_pictures(columns: Mapping[str, Sequence[Picture]], file: Path) -> None:
    """Pictures side by side, ``columns`` by their headings. Raises as `plot_over_snr`."""
    rows = len(next(iter(columns.values())))
    size = 1.7 * len(columns), 1.95 * rows + 0.5
    figure, grid = plt.subplots(rows, len(columns), figsize=size, layout="constrained", squeeze=False)
    for column, (heading, pictures) in enumerate(columns.items()):
        for row, picture in enumerate(pictures):
            axes = grid[row][column]
            axes.imshow(picture.pixels, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_xlabel(f"{'✓' if picture.right else '✗'} {picture.caption}", fontsize=8)
            for spine in axes.spines.values():
                spine.set_linewidth(2)
                spine.set_linestyle("-" if picture.right else (0, (2, 2)))
            if row == 0:
                axes.set_title(_in_lines(heading), fontsize=8)
    _save(figure, file)


def plot_weights(curves: Mapping[tuple[str, float], NDArray[np.float32]], file: Path) -> None:
    """Semantic weights W' of each layer, heaviest map first, one curve for each tau; ``curves`` by (layer, tau).

    Raises as `plot_over_snr`.
    """
    layers = list(dict.fromkeys(layer for layer, _ in curves))
    figure, grid = plt.subplots(1, len(layers), figsize=(2.6 * len(layers), 3), layout="constrained", squeeze=False)
    for axes, layer in zip(grid[0], layers, strict=True):
        of_layer = [(tau, weights) for (name, tau), weights in curves.items() if name == layer]
        for number, (tau, weights) in enumerate(of_layer):
            share = np.linspace(0, 1, len(weights))
            axes.semilogy(share, weights, _DASHES[number % len(_DASHES)], label=f"tau {tau:g}")
        axes.set_title(f"{layer}, {len(of_layer[0][1])} maps", fontsize=9)
        axes.set_xlabel("maps, heaviest first (share)")
        axes.set_ylim(1e-3, None)
    grid[0][0].set_ylabel("weight W'")
    grid[0][0].legend(fontsize=8)
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    try:
        figure.savefig(file, dpi=150)
    finally:
        plt.close(figure)


def _in_lines(name: str) -> str:
    """A scheme's name for a narrow column."""
    return textwrap.fill(name, 15)


def _curve(point: Point) -> tuple[str, float]:
    return point.codec, point.bpp
