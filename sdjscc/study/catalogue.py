"""All experiments, in the order in which ``sdjscc study all`` runs them."""

from __future__ import annotations

from sdjscc.study import envelope, equal_uses, fig4, fig5, fig6, fig7, fig8, gain, table1
from sdjscc.study.part import Part

__all__ = ["PARTS"]

PARTS: tuple[Part, ...] = (
    fig4.PART,
    table1.PART,
    fig5.PART,
    gain.PART,
    fig6.PART,
    fig7.PART,
    fig8.PART,
    equal_uses.PART,
    envelope.PART,
)
