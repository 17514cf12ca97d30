"""Options that several measurements take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sdjscc.cli.options import Duration

__all__ = ["Sizes", "out_option", "repeats_option", "seconds_option"]

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

out_option: Option = click.option(
    "--out", type=click.Path(path_type=Path), default="bench-results", show_default=True, help="Folder of the results."
)


def seconds_option(default: str, help: str = "Length of one measurement.") -> Option:
    """``--seconds``, a time above 0."""

    def above_0(ctx: click.Context, param: click.Parameter, value: float) -> float:
        if value <= 0:
            raise click.UsageError(f"--seconds is 0; give a time such as {default}", ctx)
        return value

    return click.option("--seconds", type=Duration(), default=default, show_default=True, callback=above_0, help=help)


def repeats_option(default: int, most: int = 100, help: str = "Measurements of one kind.") -> Option:
    """``--repeats``, 1 to ``most``."""
    return click.option("--repeats", type=click.IntRange(1, most), default=default, show_default=True, help=help)


class Sizes(click.ParamType[tuple[int, ...]]):
    """Sides of square images in pixels, with commas between: ``96,512``."""

    name = "PIXELS[,PIXELS...]"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of sizes; give sides with commas between, as 96,512", param, ctx)
        if not all(8 <= size <= 2000 for size in sizes):
            self.fail(f"{value!r} has a side outside 8 to 2000 pixels; give sides such as 96,512", param, ctx)
        return tuple(dict.fromkeys(sizes))
