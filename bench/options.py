"""Kinds of option that several measurements take."""

from __future__ import annotations

import click

__all__ = ["Sizes"]


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
