"""All experiments, in the order in which ``sdjscc study all`` runs them."""

from __future__ import annotations

from sdjscc.study import gain
from sdjscc.study.part import Part

__all__ = ["PARTS"]

PARTS: tuple[Part, ...] = (gain.PART,)
