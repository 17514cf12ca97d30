"""``python -m sdjscc.cli``, for launchers that start modules."""

from __future__ import annotations

from sdjscc.cli import main

main()
