"""Clients that send at fixed times whatever became of the requests before, and write down what they see."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sdjscc.client import AsyncClient, LinkError, Result
from tests.faults.history import Event, Returned, Sent, Stalled
from tests.faults.images import Images, Pixels

__all__ = ["Clients", "now"]

DEADLINES_S = (2.0, 15.0)
"""Of every other request: too short and long enough to outlast the time in which a frozen peer is given up."""

_FRAME_DEADLINE_S = 45.0
"""Frames have no deadline of the client's; the transmitter gives each 30 s, and the client's pings find a dead one."""
_FRAMES = 4
_STALL_S = 0.2
_FRAMES_PER_S = 4.0


def now() -> float:
    """Seconds of the clock of all events."""
    return time.monotonic()


@dataclass
class _Stream:
    under_way: deque[str] = field(default_factory=deque)
    """Frames without an answer, in order."""
    end: str = ""
    """Status that the stream came to, once it is over."""


class Clients:
    """Sends ``rate_per_s`` requests a second to ``target``, and beside them one stream of frames after the other.

    Sends inside an ``async with`` block; leaving it waits for the ends of all.

    ``history`` receives what is seen.
    """

    def __init__(self, target: str, images: Images, rate_per_s: float, history: list[Event]) -> None:
        self._target, self._images, self._rate_per_s, self._history = target, images, rate_per_s, history

    async def __aenter__(self) -> None:
        self._clients = [AsyncClient(self._target, timeout_s=deadline_s, insecure=True) for deadline_s in DEADLINES_S]
        self._under_way: set[asyncio.Task[None]] = set()
        self._number, self._ending = 0, False
        self._sending = [asyncio.create_task(self._send()), asyncio.create_task(self._stream())]
        self._watching = asyncio.create_task(self._watch())

    async def __aexit__(self, *error: object) -> None:
        self._ending = True
        await asyncio.gather(*self._sending)
        await asyncio.gather(*self._under_way)
        self._watching.cancel()
        for client in self._clients:
            await client.close()

    async def _send(self) -> None:
        begin, due = now(), 0
        while not self._ending:
            await asyncio.sleep(max(0.0, begin + due / self._rate_per_s - now()))
            task = asyncio.create_task(self._request(self._next()))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            due += 1

    async def _watch(self) -> None:
        while True:
            begin, wait_s = now(), 0.05
            await asyncio.sleep(wait_s)
            late_s = now() - begin - wait_s
            if late_s > _STALL_S:
                self._history.append(Stalled(now(), late_s))

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _request(self, number: int) -> None:
        deadline_s = DEADLINES_S[number % len(DEADLINES_S)]
        request = self._sent(number, deadline_s)
        try:
            result = await self._clients[number % len(DEADLINES_S)].transmit(
                self._images.pixels(number), **self._images.options
            )
        except LinkError as error:
            self._returned(request, error)
        else:
            self._returned(request, result)

    async def _stream(self) -> None:
        while not self._ending:
            stream = _Stream()
            try:
                async for answer in self._clients[0].stream(self._frames(stream), **self._images.options):
                    self._returned(stream.under_way.popleft(), answer)
            except LinkError as error:
                stream.end = error.code.name
            else:
                # Nothing may be left then; the checker knows no such status.
                stream.end = "INCOMPLETE"
            for request in stream.under_way:
                self._history.append(Returned(now(), request, stream.end))

    async def _frames(self, stream: _Stream) -> AsyncIterator[Pixels]:
        for _ in range(_FRAMES):
            # gRPC reads on for a while when the stream is over.
            if stream.end:
                return
            number = self._next()
            stream.under_way.append(self._sent(number, _FRAME_DEADLINE_S))
            yield self._images.pixels(number)
            await asyncio.sleep(1 / _FRAMES_PER_S)

    def _sent(self, number: int, deadline_s: float) -> str:
        request = f"{number:07}"
        self._history.append(Sent(now(), request, self._images.image(number), deadline_s))
        return request

    def _returned(self, request: str, answer: Result | LinkError) -> None:
        at = now()
        if isinstance(answer, LinkError):
            self._history.append(Returned(at, request, answer.code.name))
        else:
            self._history.append(Returned(at, request, "OK", self._images.recognise(answer)))
