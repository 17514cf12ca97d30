"""``python -m bench``"""

from __future__ import annotations

import itertools
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from bench.cases import FORMATS, Case, Format
from bench.link import Bench, ways_to_use
from bench.machine import describe
from bench.options import Sizes, out_option, repeats_option, seconds_option
from bench.report import Measurements, markdown, summary
from bench.results import results_in
from sdjscc.errors import SdjsccError
from sdjscc.serving.cores import usable_cores
from sdjscc.serving.settings import ComputeSettings
from sdjscc.tasks import task_names

_OFFERED_SHARE = 0.5
_LEAST_CALLS = 3
_QUEUE: int = ComputeSettings.model_fields["queue"].default


@click.command()
@out_option
@seconds_option("5s")
@repeats_option(5)
@click.option("--sizes", type=Sizes(), default="96,512", show_default=True, help="Sides of the square images.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    default=("png",),
    show_default=True,
    help="How images travel: PNG or raw pixels both ways, or PNG one way and labels alone back; may be repeated.",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.Choice(task_names()),
    default=("imagenet",),
    show_default=True,
    help="Classifier at the receiver; may be repeated.",
)
@click.option(
    "--images-per-call",
    "per_calls",
    type=click.IntRange(1, 64),
    multiple=True,
    default=(1, 8),
    show_default=True,
    help="Images of one call; may be repeated.",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, 60),
    default=8,
    show_default=True,
    help="Images under way at saturation; at least 3 calls, if their images find room in a queue.",
)
@click.option("--quick", is_flag=True, help="One measurement of 1 s of each kind: does it run?")
def main(
    out: Path,
    seconds: float,
    repeats: int,
    sizes: tuple[int, ...],
    formats: tuple[Format, ...],
    tasks: tuple[str, ...],
    per_calls: tuple[int, ...],
    in_flight: int,
    quick: bool,
) -> None:
    """Images a second and latency through the three services, beside the same work in one process on the same cores.

    Starts the services on this machine, and measures in turn: one process, the services, one process, ... Writes
    bench.json and the Markdown tables bench.md.
    """
    if quick:
        seconds, repeats = 1.0, 1
    cases = [Case(*parts) for parts in itertools.product(sizes, formats, tasks, per_calls)]
    with results_in(out, "bench") as write:
        measured = _measure(cases, seconds, repeats, in_flight)
        machine = describe()
        settings = {"seconds": seconds, "repeats": repeats, "in_flight": in_flight, "offered_share": _OFFERED_SHARE}
        write(summary(measured, machine, settings), markdown(measured, machine, settings))


def _measure(cases: list[Case], seconds: float, repeats: int, in_flight: int) -> list[Measurements]:
    all_measured = [
        Measurements(case, {way: [] for way in ways_to_use(usable_cores(), case.per_call)}, [], [], [])
        for case in cases
    ]
    ways = tuple(dict.fromkeys(way for measured in all_measured for way in measured.in_process))
    steps = repeats * sum(len(measured.in_process) + 3 for measured in all_measured)
    warm_up_s = min(1.0, seconds / 2)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("starting the services", total=steps)
        with Bench(ways, warm_up_s) as bench:
            for measured in all_measured:
                progress.update(bar, description=f"{measured.case.title}, warming up")
                bench.warm_up(measured.case, measured.in_process)
            for number, measured in itertools.product(range(repeats), all_measured):
                progress.update(bar, description=f"{measured.case.title}, {number + 1} of {repeats}")
                # Before and after the services by turns, so that a machine that slows down favours nobody.
                first, *others = list(measured.in_process)[:: 1 if number % 2 == 0 else -1]
                measured.in_process[first].append(bench.in_process(measured.case, first, seconds))
                progress.advance(bar)
                measured.saturated.append(bench.closed(measured.case, _calls(measured.case, in_flight), seconds))
                progress.advance(bar)
                for way in others:
                    measured.in_process[way].append(bench.in_process(measured.case, way, seconds))
                    progress.advance(bar)
                measured.unloaded.append(bench.closed(measured.case, 1, seconds))
                progress.advance(bar)
                offered = _OFFERED_SHARE * measured.saturated[-1].images_per_s
                if not offered > 0:
                    raise SdjsccError(f"too few images finished within {seconds:g} s; give more --seconds")
                measured.offered.append(bench.open(measured.case, offered, seconds))
                progress.advance(bar)
    return all_measured


def _calls(case: Case, images: int) -> int:
    """Calls under way for so many images: enough to keep three services busy, and no more than their queues take."""
    if case.per_call == 1:
        return images
    return max(images // case.per_call, min(_LEAST_CALLS, _QUEUE // case.per_call))


if __name__ == "__main__":
    main()
