"""``python -m tests.load``"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress

from bench.cases import FORMATS, Case, Format
from bench.machine import describe
from bench.options import Sizes, out_option, seconds_option
from sdjscc.errors import SdjsccError
from sdjscc.tasks import task_names
from tests.load.cores import share_out
from tests.load.generator import Arrivals
from tests.load.plot import plot
from tests.load.report import details, headline, summary
from tests.load.session import Measured, Plan, Session
from tests.load.traffic import SERVICES, Service


@click.command()
@click.option(
    "--service",
    "services",
    multiple=True,
    type=click.Choice(SERVICES),
    help="What is put under load; may be repeated.  [default: each alone, and the chain]",
)
@click.option(
    "--target",
    metavar="HOST:PORT",
    help="Load this address, where --service runs already (default chain: a transmitter with what is behind it), "
    "instead of services started here. Only at machines that are yours to load.",
)
@click.option("--sizes", type=Sizes(), default="96,512", show_default=True, help="Sides of the square images.")
@click.option("--format", type=click.Choice(FORMATS), default="png", show_default=True, help="How images travel.")
@click.option("--task", type=click.Choice(task_names()), default="imagenet", show_default=True, help="Classifier.")
@seconds_option("6s")
@click.option(
    "--rate",
    "rates",
    multiple=True,
    type=click.FloatRange(0, min_open=True),
    help="Images a second to offer, in place of a sweep around the capacity; may be repeated.",
)
@click.option(
    "--arrivals",
    type=click.Choice(("even", "poisson")),
    default="even",
    show_default=True,
    help="Calls at equal distances, or as users send who know nothing of each other.",
)
@click.option(
    "--bound",
    "bound_ms",
    type=click.FloatRange(0, min_open=True),
    metavar="MS",
    help="What p99 must keep under at the knee.  [default: four times the median at the lowest rate, at least 50 ms]",
)
@click.option(
    "--users", type=click.IntRange(1, 60), default=8, show_default=True, help="Calls under way for the capacity."
)
@out_option
@click.option("--quick", is_flag=True, help="1 s a rate, three rates, 96x96 alone.")
def main(
    services: tuple[Service, ...],
    target: str | None,
    sizes: tuple[int, ...],
    format: Format,
    task: str,
    seconds: float,
    rates: tuple[float, ...],
    arrivals: Arrivals,
    bound_ms: float | None,
    users: int,
    out: Path,
    quick: bool,
) -> None:
    """What each service can do, and what its users wait meanwhile.

    Locust finds the capacity with a closed loop; an open loop then offers rates around it, and times each call from
    when it was due. Writes load.json, the Markdown tables load.md and load.png.
    """
    services = services or (("chain",) if target else SERVICES)
    if target and len(services) > 1:
        raise click.UsageError("--target is one address; name the one --service that runs there")
    if quick:
        seconds, sizes = 1.0, sizes[:1]
    plan = Plan(seconds, users, arrivals, rates, bound_ms, quick)
    kinds = list(itertools.product((Case(size, format, task) for size in sizes), services))
    try:
        out.mkdir(parents=True, exist_ok=True)
        machine = describe()
        settings = {
            "seconds": seconds,
            "arrivals": arrivals,
            "users": users,
            "target": target,
            "cores": _cores_sentence(target),
            "load_average": f"{os.getloadavg()[0]:.1f}",
        }
        found = ""
        # Written again after each, so that what was measured stays where a later one fails.
        for measured in _measured(plan, target, kinds):
            facts = summary(measured, machine, settings)
            (out / "load.json").write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n")
            found = headline(measured, machine, settings)
            (out / "load.md").write_text(f"{found}\n{details(measured)}")
            plot(measured, out / "load.png")
    except SdjsccError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written ({error.strerror}); give another --out") from error
    Console().print(Markdown(found))
    click.echo(f"wrote load.json, load.md and load.png into {out}")


def _measured(plan: Plan, target: str | None, kinds: Sequence[tuple[Case, Service]]) -> Iterator[Sequence[Measured]]:
    """All that was measured so far, each time that there is one more."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("starting", total=len(kinds))

        def report(doing: str) -> None:
            progress.update(bar, description=doing)

        measured: list[Measured] = []
        with Session(plan, target, report) as session:
            for case, service in kinds:
                measured.append(session.measure(service, case))
                progress.advance(bar)
                yield measured


def _cores_sentence(target: str | None) -> str:
    if target:
        return "Services that ran already"
    if not share_out().service:
        return "Services and generator shared their cores"
    return "Each service alone on one core, stub and generators on the others, the chain on all"


if __name__ == "__main__":
    main()
