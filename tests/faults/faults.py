"""What goes wrong, and how it is put right again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.faults.chain import Chain, Kind, Replica
from tests.faults.clients import now
from tests.faults.history import Ended, Event
from tests.faults.wire import Wire

__all__ = ["Breakage", "Scene", "breakages"]

_GIVEN_UP_S = 12.0
"""Longer than clients take to give up a peer that does not answer their pings."""


@dataclass(frozen=True)
class Scene:
    """What can be broken; ``wire`` is None where no network of our own can be made."""

    chain: Chain
    wire: Wire | None
    history: list[Event]


@dataclass(frozen=True)
class Breakage:
    """A fault: ``run`` begins it and returns when it is healed."""

    name: str
    run: Callable[[Scene], Awaitable[None]]
    lossless: bool = False
    short: bool = True
    """Whether it is part of a short run."""


def breakages(*, network: bool) -> list[Breakage]:
    """All faults; those of the network only where asked for."""
    of_processes = [
        Breakage("kill -9 one receiver", _killing("receiver", 1), short=False),
        Breakage("kill -9 both receivers", _killing("receiver", 2)),
        Breakage("kill -9 one channel", _killing("channel", 1), short=False),
        Breakage("kill -9 both channels", _killing("channel", 2), short=False),
        Breakage("kill -9 one transmitter", _killing("transmitter", 1)),
        Breakage("kill -9 both transmitters", _killing("transmitter", 2), short=False),
        Breakage("SIGTERM one of each, in turn", _terminate_one_of_each, lossless=True),
        Breakage("freeze one receiver", _freezing("receiver", 1)),
        Breakage("freeze one channel", _freezing("channel", 1), short=False),
        Breakage("freeze one transmitter", _freezing("transmitter", 1), short=False),
        Breakage("freeze both receivers", _freezing("receiver", 2), short=False),
    ]
    of_network = [
        Breakage("0.1 s more each way, on all hops", _network(6.0, delay_s=0.1), short=False),
        Breakage("5 % of the packets lost, on all hops", _network(5.0, loss=0.05)),
        Breakage("20 % of the packets lost, on all hops", _network(10.0, loss=0.2), short=False),
        Breakage("one receiver cut off", _network(_GIVEN_UP_S, loss=1.0, of=("receiver", 1)), short=False),
        Breakage("both receivers cut off", _network(3.0, loss=1.0, of=("receiver", 2))),
        Breakage("both receivers cut off for long", _network(_GIVEN_UP_S, loss=1.0, of=("receiver", 2)), short=False),
        Breakage("one transmitter cut off", _network(_GIVEN_UP_S, loss=1.0, of=("transmitter", 1)), short=False),
    ]
    return [*of_processes, *(of_network if network else [])]


def _killing(kind: Kind, count: int) -> Callable[[Scene], Awaitable[None]]:
    async def run(scene: Scene) -> None:
        replicas = scene.chain.replicas[kind][:count]
        for replica in replicas:
            await asyncio.to_thread(replica.kill)
        await asyncio.sleep(1.0)
        await _start(replicas)

    return run


async def _terminate_one_of_each(scene: Scene) -> None:
    for replicas in scene.chain.replicas.values():
        status = await asyncio.to_thread(replicas[0].terminate)
        scene.history.append(Ended(now(), replicas[0].name, status))
        await _start(replicas[:1])


def _freezing(kind: Kind, count: int) -> Callable[[Scene], Awaitable[None]]:
    async def run(scene: Scene) -> None:
        replicas = scene.chain.replicas[kind][:count]
        for replica in replicas:
            replica.freeze()
        await asyncio.sleep(_GIVEN_UP_S)
        for replica in replicas:
            replica.thaw()

    return run


def _network(
    seconds: float, *, delay_s: float = 0.0, loss: float = 0.0, of: tuple[Kind, int] | None = None
) -> Callable[[Scene], Awaitable[None]]:
    async def run(scene: Scene) -> None:
        assert scene.wire is not None
        replicas = scene.chain.replicas[of[0]][: of[1]] if of else []
        scene.wire.carry(delay_s=delay_s, loss=loss, only=[replica.address for replica in replicas])
        await asyncio.sleep(seconds)
        scene.wire.carry()

    return run


async def _start(replicas: Sequence[Replica]) -> None:
    for replica in replicas:
        replica.start()
    for replica in replicas:
        await asyncio.to_thread(replica.wait_serving)
