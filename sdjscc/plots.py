"""Figures that read in grey: markers and dashes tell curves apart, and error bars are 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sdjscc.evaluation import Point

__all__ = ["plot_over_snr", "plot_weights"]

_MARKERS = "osD^vP"
_DASHES = ("-", "--", "-.", ":")


def plot_over_snr(points: Sequence[Point], file: Path) -> None:
    """PSNR and accuracy over the SNR, one curve for each codec and rate among ``points``.

    Raises OSError or ValueError where ``file`` cannot be written or its suffix is no image format.
    """
    figure, (fidelity, accuracy) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    curves = groupby(sorted(points, key=_curve), key=_curve)
    for number, ((codec, bpp), members) in enumerate(curves):
        curve = sorted(members, key=lambda p: p.snr_db)
        snrs_db = [p.snr_db for p in curve]
        style = {
            "label": f"{codec}, {bpp:g} bpp",
            "marker": _MARKERS[number % len(_MARKERS)],
            "linestyle": _DASHES[number % len(_DASHES)],
            "capsize": 3,
        }
        fidelity.errorbar(snrs_db, [p.psnr_db for p in curve], [p.psnr_db_ci95 for p in curve], **style)
        percent, half_width = [100 * p.accuracy for p in curve], [100 * p.accuracy_ci95 for p in curve]
        accuracy.errorbar(snrs_db, percent, half_width, **style)
    for axes, quantity in ((fidelity, "PSNR (dB)"), (accuracy, "accuracy (%)")):
        axes.set_xlabel("SNR (dB)")
        axes.set_ylabel(quantity)
        axes.grid(alpha=0.3)
    fidelity.legend()
    figure.suptitle(f"{min(p.n for p in points)} images")
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


def _curve(point: Point) -> tuple[str, float]:
    return point.codec, point.bpp
