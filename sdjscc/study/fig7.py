"""The paper's fig. 7: accuracy over the temperature tau of GSW, by short fine-tunes that differ in nothing else."""

from __future__ import annotations

from pathlib import Path

from sdjscc.plots import plot_over_tau
from sdjscc.study.datasets import STL10
from sdjscc.study.fine_tunes import STEPS, FineTune, train
from sdjscc.study.measure import Study
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Cell, Record, Results
from sdjscc.study.tables import accuracy, gain, origin, psnr, table
from sdjscc.training.config import SemanticLossConfig, load_config

__all__ = ["PART", "TAUS"]

TAUS = (0.0, 300.0, 1_200.0, 5_000.0, 20_000.0)
_BPP, _SNR_DB = 0.5, 20.0
_CONFIG = "sd-jscc-0.5bpp"


def tune(tau: float) -> FineTune:
    """The fine-tune of one temperature."""
    loss = load_config(_CONFIG).loss
    assert isinstance(loss, SemanticLossConfig)
    changes = {"loss": loss.model_copy(update={"tau": tau}).model_dump()}
    return FineTune(f"sd-jscc-tau-{tau:g}", _CONFIG, changes)


def collect(study: Study) -> None:
    train([tune(tau) for tau in TAUS], STL10, study)
    study.measure(_cell(tau) for tau in TAUS)


def write(results: Results, out: Path) -> None:
    records = {tau: results[_cell(tau)] for tau in TAUS}
    rows = [(f"{tau:g}", accuracy(r), _over_ablation(r, records[0.0]), psnr(r)) for tau, r in records.items()]
    config = tune(0.0).settings
    text = (
        f"# Accuracy over tau at {_BPP:g} bpp and {_SNR_DB:g} dB\n\n"
        "The paper's fig. 7, in which accuracy over tau rises, falls, rises and falls. Here on STL-10, where the paper "
        f"has ImageNet, by {STEPS} steps of batch {config.batch} from {config.init}, seed {config.seed}, one training "
        "for each tau. tau = 0 is the ablation without GSW; gains over it are in percentage points.\n\n"
        f"{table(('tau', 'accuracy %', 'over tau = 0', 'PSNR dB'), rows)}\n{origin(PART.name, records[0.0])}"
    )
    (out / "fig7.md").write_text(text)
    plot_over_tau({tau: record.point for tau, record in records.items()}, out / "fig7.png")


def _over_ablation(record: Record, ablation: Record) -> str:
    return "-" if record is ablation else gain(record, ablation)


def _cell(tau: float) -> Cell:
    return grid([tune(tau).scheme], [_BPP], [_SNR_DB], STL10)[0]


PART = Part("fig7", "accuracy over the temperature tau, by short fine-tunes", (), write, collect=collect)
