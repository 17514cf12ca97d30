"""Kinds of option that several commands take."""

from __future__ import annotations

import re

import click

from sdjscc.channels import check_snr_db
from sdjscc.errors import InvalidRequest

__all__ = ["Duration", "SnrList"]


class SnrList(click.ParamType[tuple[float, ...]]):
    """SNRs in dB with commas between: ``0,5,10``."""

    name = "DB[,DB...]"

    def convert(
        self, value: str | tuple[float, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(check_snr_db(float(part)) for part in value.split(","))
        except InvalidRequest as error:
            self.fail(str(error), param, ctx)
        except ValueError:
            self.fail(f"{value!r} is no list of SNRs; give numbers with commas between, as 0,5,10", param, ctx)


class Duration(click.ParamType[float]):
    """A time such as ``45m``, ``1.5h``, ``90s`` or ``90``, in seconds."""

    name = "TIME"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value)
        if match is None:
            self.fail(f"{value!r} is no time; give one such as 90s, 45m or 1.5h", param, ctx)
        return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
