"""Engines: what runs the networks. Importing this needs neither torch nor OpenVINO; choosing one does."""

from __future__ import annotations

from sdjscc.engines.base import Engine, Runner
from sdjscc.engines.ranges import Ranges, ranges_file, read_ranges
from sdjscc.engines.selection import ENGINES, EngineName, select

__all__ = ["ENGINES", "Engine", "EngineName", "Ranges", "Runner", "ranges_file", "read_ranges", "select"]
