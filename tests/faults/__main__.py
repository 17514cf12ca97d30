"""``python -m tests.faults``: break a chain of two transmitters, two channels and two receivers under load, and judge
what its clients saw.

Leaves ``history.jsonl`` and the processes' logs in a folder, prints a table and each broken promise, and ends with the
number of those. The network between the services is broken as well where a network namespace can be made.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.chain import Chain, Kind
from tests.faults.checker import BACK_S, broken_promises
from tests.faults.clients import Clients, now
from tests.faults.faults import Breakage, Scene, breakages
from tests.faults.history import Event, Fault, Healed, write
from tests.faults.images import LightImages, RealImages
from tests.faults.table import table
from tests.faults.wire import Wire, own_network

_ROOT = Path(__file__).parents[2]
_CALM_S = BACK_S + 1.0
_LOOPBACK: dict[Kind, Sequence[str]] = {
    "transmitter": ("127.0.0.11", "127.0.0.12"),
    "channel": ("127.0.0.21", "127.0.0.22"),
    "receiver": ("127.0.0.31", "127.0.0.32"),
}
# Transmitters and receivers at the far end, so that every hop crosses the wire. Connections from there come from the
# first address: whoever is cut off is so from those who call it.
_NEAR, _FAR = ("10.99.1.1", "10.99.1.2"), ("10.99.2.1", "10.99.2.2", "10.99.2.3", "10.99.2.4", "10.99.2.5")
_WIRED: dict[Kind, Sequence[str]] = {"transmitter": _FAR[1:3], "channel": _NEAR, "receiver": _FAR[3:]}


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of broken promises."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0, help="go on for as long, in random order; 0: each once")
    parser.add_argument("--short", action="store_true", help="only the faults that a short run is made of")
    parser.add_argument("--only", default="", help="only faults with these words in their name")
    parser.add_argument("--real", action="store_true", help="with the real networks")
    parser.add_argument("--replicas", type=int, default=2, choices=(1, 2), help="of transmitter and receiver")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; 0: 12, or 4 with --real")
    parser.add_argument("--folder", type=Path, default=_ROOT / "build" / "faults", help="for the history and the logs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unshare = [] if options.inside else own_network()
    if unshare:
        os.execvp(unshare[0], [*unshare, sys.executable, "-m", "tests.faults", "--inside", *sys.argv[1:]])
    if options.inside:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    else:
        print("no network namespace can be made here: the faults of the network are LEFT OUT", flush=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    history = asyncio.run(_run(options, network=options.inside))
    write(history, options.folder / "history.jsonl")
    print(table(history))
    broken = broken_promises(history)
    print("\n".join(broken) or "all promises are kept")
    return min(len(broken), 100)


async def _run(options: argparse.Namespace, *, network: bool) -> list[Event]:
    history: list[Event] = []
    images = RealImages() if options.real else LightImages()
    with contextlib.ExitStack() as opened:
        wire = opened.enter_context(Wire(_NEAR, _FAR)) if network else None
        addresses = {
            kind: several if kind == "channel" else several[: options.replicas]
            for kind, several in (_WIRED if wire else _LOOPBACK).items()
        }
        chain = Chain(
            options.folder,
            addresses,
            light=not options.real,
            enter={"transmitter": wire.enter, "receiver": wire.enter} if wire else {},
            names_at=_NEAR[0] if wire else "127.0.0.1",
        )
        scene = Scene(opened.enter_context(chain), wire, history)
        async with Clients(chain.target, images, options.rate or (4.0 if options.real else 12.0), history):
            await asyncio.sleep(2.0)
            for breakage in _plan(options, network):
                await _break(scene, breakage)
    return history


def _plan(options: argparse.Namespace, network: bool) -> Iterator[Breakage]:
    chosen = [
        breakage
        for breakage in breakages(network=network)
        if options.only in breakage.name and (breakage.short or not options.short)
    ]
    until, order = now() + 60 * options.minutes, random.Random(1)
    yield from chosen
    while now() < until:
        yield order.choice(chosen)


async def _break(scene: Scene, breakage: Breakage) -> None:
    scene.history.append(Fault(now(), breakage.name, breakage.lossless))
    await breakage.run(scene)
    scene.history.append(Healed(now(), breakage.name))
    await asyncio.sleep(_CALM_S)


if __name__ == "__main__":
    sys.exit(main())
