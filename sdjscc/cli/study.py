"""``sdjscc study``"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from sdjscc.errors import InvalidRequest
from sdjscc.serving.cores import usable_cores
from sdjscc.study.catalogue import PARTS
from sdjscc.study.files import alone_in
from sdjscc.study.measure import Study
from sdjscc.study.results import Results

__all__ = ["command"]

_WIDTH = max(len(part.name) for part in PARTS)
_LIST = "\n".join(f"  {part.name:{_WIDTH}} {part.summary}" for part in PARTS)


@click.command(
    "study",
    help=f"Run the experiment PART, or `all`.\n\n\b\n{_LIST}\n\nWhat was measured is kept, and not measured again. "
    "Results on more images are never replaced by results on fewer.",
)
@click.argument("part", type=click.Choice([*(part.name for part in PARTS), "all"]))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of the data sets: stl10/test/<class>/<image>, imagewoof160/val/..., and train beside both.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of results.json, tables and plots.")
@click.option("--limit", type=click.IntRange(2), help="Use so many images of each data set, chosen by the seed.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31))
@click.option("--workers", type=click.IntRange(1), help="Processes that measure; one for each core where left out.")
@click.option("--redraw", is_flag=True, help="Only write tables and plots again, from what is in the folder of --out.")
def command(
    part: str, data: Path | None, out: Path, limit: int | None, seed: int, workers: int | None, redraw: bool
) -> None:
    if data is None and not redraw:
        raise InvalidRequest("there is no data to measure on; give --data, or --redraw for what was measured before")
    with nullcontext() if redraw else alone_in(out):
        results = Results(out / "results.json")
        for chosen in PARTS:
            if part not in (chosen.name, "all"):
                continue
            if data is not None and not redraw:
                chosen.measure(Study(results, data, limit, seed, workers or usable_cores()))
            try:
                chosen.write(results, out)
            except OSError as error:
                raise InvalidRequest(f"{error.filename} cannot be written ({error.strerror}); move it away") from error
            click.echo(f"wrote {out / chosen.name}.md")
