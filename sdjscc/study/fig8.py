"""The paper's fig. 8: SD-JSCC trained at one SNR and tested at others, by short fine-tunes."""

from __future__ import annotations

from pathlib import Path

from sdjscc.plots import plot_curves
from sdjscc.study.datasets import STL10
from sdjscc.study.fine_tunes import STEPS, FineTune, train
from sdjscc.study.measure import Study
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Cell, Results
from sdjscc.study.schemes import SEMANTIC, label
from sdjscc.study.tables import accuracy, origin, table

__all__ = ["PART", "TEST_SNRS_DB", "TRAIN_SNRS_DB"]

TRAIN_SNRS_DB = (0.0, 5.0, 10.0, 20.0)
TEST_SNRS_DB = (0.0, 5.0, 10.0, 15.0, 20.0)
_BPP = 0.5


def tune(snr_db: float) -> FineTune:
    """The fine-tune at one SNR in dB, from the weights for all."""
    changes = {"init": f"{SEMANTIC}@{_BPP:g}", "snr_db": (snr_db, snr_db)}
    return FineTune(f"sd-jscc-trained-at-{snr_db:g}-db", "sd-jscc-0.5bpp", changes)


def collect(study: Study) -> None:
    train([tune(snr_db) for snr_db in TRAIN_SNRS_DB], STL10, study)
    study.measure(cell for scheme in _schemes() for cell in _cells(scheme))


def write(results: Results, out: Path) -> None:
    curves = {name: [results[cell] for cell in _cells(scheme)] for scheme, name in _schemes().items()}
    config = tune(0.0).settings
    text = (
        f"# SD-JSCC trained at one SNR and tested at others, {_BPP:g} bpp\n\n"
        "The paper's fig. 8: no cliff where the SNR falls below that of the training. "
        f"{STEPS} steps of batch {config.batch} from {config.init}, seed {config.seed}, for each SNR of training. "
        "Accuracy in percent:\n\n"
        + table(
            ("trained at", *(f"tested at {snr_db:g} dB" for snr_db in TEST_SNRS_DB)),
            [(name, *(accuracy(record) for record in records)) for name, records in curves.items()],
        )
        + "\n"
        + origin(PART.name, next(iter(curves.values()))[0])
    )
    (out / "fig8.md").write_text(text)
    points = {f"trained at {name}": [record.point for record in records] for name, records in curves.items()}
    plot_curves(points, out / "fig8.png")


def _schemes() -> dict[str, str]:
    """What each curve is called, by scheme."""
    fixed = {tune(snr_db).scheme: f"{snr_db:g} dB" for snr_db in TRAIN_SNRS_DB}
    return {**fixed, SEMANTIC: f"0 to 20 dB ({label(SEMANTIC)} as shipped)"}


def _cells(scheme: str) -> tuple[Cell, ...]:
    return grid([scheme], [_BPP], TEST_SNRS_DB, STL10)


PART = Part("fig8", "SD-JSCC trained at one SNR and tested at others", _cells(SEMANTIC), write, collect=collect)
