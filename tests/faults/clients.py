"""Clients that send at fixed times whatever became of the requests before, and write down what they see."""

from __future__ import annotations

import asyncio
import time

from sdjscc.client import AsyncClient, LinkError
from tests.faults.history import Event, Returned, Sent
from tests.faults.images import Images

__all__ = ["Clients", "now"]

DEADLINES_S = (2.0, 15.0)
"""Of every other request: too short and long enough to outlast the time in which a frozen peer is given up."""


def now() -> float:
    """Seconds of the clock of all events."""
    return time.monotonic()


class Clients:
    """Sends ``rate_per_s`` requests a second to ``target`` inside an ``async with`` block; leaving it waits for their
    ends.

    ``history`` receives what is seen.
    """

    def __init__(self, target: str, images: Images, rate_per_s: float, history: list[Event]) -> None:
        self._target, self._images, self._rate_per_s, self._history = target, images, rate_per_s, history

    async def __aenter__(self) -> None:
        self._clients = [AsyncClient(self._target, timeout_s=deadline_s) for deadline_s in DEADLINES_S]
        self._under_way: set[asyncio.Task[None]] = set()
        self._sending = asyncio.create_task(self._send())

    async def __aexit__(self, *error: object) -> None:
        self._sending.cancel()
        await asyncio.gather(*self._under_way)
        for client in self._clients:
            await client.close()

    async def _send(self) -> None:
        begin, number = now(), 0
        while True:
            await asyncio.sleep(max(0.0, begin + number / self._rate_per_s - now()))
            task = asyncio.create_task(self._request(number))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            number += 1

    async def _request(self, number: int) -> None:
        deadline_s = DEADLINES_S[number % len(DEADLINES_S)]
        pixels, options = self._images.request(number)
        request = f"{number:07}"
        self._history.append(Sent(now(), request, self._images.image(number), deadline_s))
        try:
            result = await self._clients[number % len(DEADLINES_S)].transmit(pixels, **options)
        except LinkError as error:
            self._history.append(Returned(now(), request, error.code.name))
        else:
            at = now()
            self._history.append(Returned(at, request, "OK", self._images.recognise(result)))
