"""Where a measurement leaves its results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import click
from rich.console import Console
from rich.markdown import Markdown

from sdjscc.errors import SdjsccError

__all__ = ["results_in"]

Write = Callable[[Mapping[str, object], str], None]
"""Takes what becomes JSON, and the tables in Markdown."""


@contextmanager
def results_in(out: Path, name: str) -> Iterator[Write]:
    """What shows a measurement's tables and writes ``name``.json and ``name``.md into the folder ``out``.

    The folder is made, and tried before anything is measured. A folder that cannot be written to, and any `SdjsccError`
    of the block, end the command with one sentence.
    """

    def write(facts: Mapping[str, object], tables: str) -> None:
        # Shown first: what was measured is not lost where it cannot be written.
        Console().print(Markdown(tables))
        with _writing(out):
            (out / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
            (out / f"{name}.md").write_text(tables)
        click.echo(f"wrote {out / name}.json and {out / name}.md")

    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=out).close()
    try:
        yield write
    except SdjsccError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written ({error.strerror}); give another --out") from error
