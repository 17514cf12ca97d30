"""Accuracy over the SNR of learned codecs and separation schemes: what `fig4` and `equal-uses` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdjscc.plots import plot_curves
from sdjscc.study.datasets import Dataset
from sdjscc.study.part import Part, grid
from sdjscc.study.results import Cell, Record, Results
from sdjscc.study.schemes import AGREED, DEEP, PAIRS, PLAIN, SEMANTIC, label
from sdjscc.study.tables import accuracy, gain, origin, percent, psnr, reach, table

__all__ = ["AT_5_DB", "Comparison"]

AT_5_DB = ("deep-jscc-snr5", "sd-jscc-snr5")
"""The learned codecs of the paper's fig. 4, trained at 5 dB alone."""


@dataclass(frozen=True)
class Comparison:
    """All schemes at the same SNRs on one data set."""

    name: str
    """Of the part."""
    dataset: Dataset
    snrs_db: tuple[float, ...]
    learned_bpp: float
    separation_bpp: float
    heading: str
    """Markdown before the tables."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        learned = grid((DEEP, SEMANTIC), [self.learned_bpp], self.snrs_db, self.dataset)
        return learned + grid((*PLAIN, *AGREED), [self.separation_bpp], self.snrs_db, self.dataset)

    @property
    def optional(self) -> tuple[Cell, ...]:
        return grid(AT_5_DB, [self.learned_bpp], self.snrs_db, self.dataset)

    def part(self, summary: str) -> Part:
        """The experiment of this comparison."""
        return Part(self.name, summary, self.cells, self.write, optional=self.optional)

    def write(self, results: Results, out: Path) -> None:
        """``<name>.md`` and ``<name>.png``. Raises `InvalidRequest` where a result is missing."""
        learned = [self._records(results, scheme) for scheme in (DEEP, SEMANTIC)]
        learned += [self._records(results, scheme) for scheme in AT_5_DB if self._measured(results, scheme)]
        measured = [scheme for pair in PAIRS for scheme in pair if self._measured(results, scheme)]
        separation = [self._records(results, scheme) for scheme in measured]
        reached = [records for records in separation if records[0].reachable]
        drawn = learned + reached
        text = f"{self.heading}\n\n" + "\n".join(
            (
                "Accuracy in percent:\n",
                self._table(learned + separation, accuracy, ("bpp", "uses/pixel", "images that fit no file"), _facts),
                "PSNR in dB:\n",
                self._table(drawn, psnr),
                "Transmissions of which no whole file came through; the mean image of the training set is shown and "
                "classified then:\n",
                self._table(reached, _damaged),
                *self._gains(drawn),
                origin(self.name, learned[0][0]),
            )
        )
        (out / f"{self.name}.md").write_text(text)
        plot_curves(
            {label(records[0].cell.scheme): [record.point for record in records] for records in drawn},
            out / f"{self.name}.png",
        )

    def _gains(self, drawn: Sequence[Sequence[Record]]) -> list[str]:
        texts = []
        for scheme in (SEMANTIC, AT_5_DB[1]):
            best = next((records for records in drawn if records[0].cell.scheme == scheme), None)
            if best is None:
                continue
            rows = [
                (label(other[0].cell.scheme), *(gain(*pair) for pair in zip(best, other, strict=True)))
                for other in drawn
                if other is not best
            ]
            texts += [
                f"{label(scheme)} over each, in percentage points from the differences image by image:\n",
                table(("over", *self._snrs()), rows),
            ]
        return texts

    def _table(
        self,
        lines: Sequence[Sequence[Record]],
        cell: Callable[[Record], str],
        facts_header: Sequence[str] = (),
        facts: Callable[[Record], Sequence[str]] = lambda _: (),
    ) -> str:
        """A line for each scheme, with facts that do not depend on the SNR and a cell for each SNR."""
        rows = [
            (
                label(records[0].cell.scheme),
                *facts(records[0]),
                *(cell(record) if record.reachable else "-" for record in records),
            )
            for records in lines
        ]
        return table(("scheme", *facts_header, *self._snrs()), rows)

    def _snrs(self) -> list[str]:
        return [f"{snr_db:g} dB" for snr_db in self.snrs_db]

    def _line(self, scheme: str) -> tuple[Cell, ...]:
        bpp = self.separation_bpp if any(scheme in pair for pair in PAIRS) else self.learned_bpp
        return grid([scheme], [bpp], self.snrs_db, self.dataset)

    def _measured(self, results: Results, *schemes: str) -> bool:
        return all(cell in results for scheme in schemes for cell in self._line(scheme))

    def _records(self, results: Results, scheme: str) -> list[Record]:
        return [results[cell] for cell in self._line(scheme)]


def _facts(record: Record) -> tuple[str, str, str]:
    return f"{record.cell.bpp:.4g}", f"{record.point.channel_uses_per_pixel:.4f}", reach(record)


def _damaged(record: Record) -> str:
    assert record.delivery is not None
    return percent(record.delivery.damaged / record.conditions.n)
