"""Images into a link without pause until SIGTERM, and then what became of them; runs inside a container.

``python load.py TARGET CALLS``: that many calls of one of the project's own clients are under way at a time. Prints one
JSON object: ``answers``, the number of calls by status; ``wrong``, of answers that belong to another image;
``longest_s``, the longest time between an answer and the next; ``lost``, the first and the last time of each status but
"OK", by the clock.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter

import numpy as np

from sdjscc.client import AsyncClient, LinkError

_DEADLINE_S = 30.0
# Sides tell images apart.
_SIDES = range(32, 65, 8)


def _status(error: LinkError) -> str:
    """Status and words; those of gRPC, where it made them up, for they name the address."""
    cause = error.__cause__
    details = getattr(cause, "details", lambda: None)() or str(error)
    return f"{error.code.name}: {details}"


async def main(target: str, calls: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    answers: Counter[str] = Counter()
    lost: dict[str, tuple[str, str]] = {}
    wrong, longest_s, last = 0, 0.0, time.monotonic()
    random = np.random.default_rng(0)

    async def send(client: AsyncClient, place: int) -> None:
        nonlocal wrong, longest_s, last
        sent = 0
        while not stop.is_set():
            shape = (_SIDES[place % len(_SIDES)], _SIDES[sent % len(_SIDES)], 3)
            image = random.integers(0, 256, shape, np.uint8)
            sent += 1
            try:
                result = await client.transmit(image, task="stl10", received_format="raw")
            except LinkError as error:
                status, now = _status(error), time.strftime("%H:%M:%S")
                answers[status] += 1
                lost[status] = lost.get(status, (now, now))[0], now
                await asyncio.sleep(0.05)
                continue
            answers["OK"] += 1
            wrong += result.image is None or result.image.shape != shape
            longest_s, last = max(longest_s, time.monotonic() - last), time.monotonic()

    async with AsyncClient(target, timeout_s=_DEADLINE_S, insecure=True) as client:
        await client.codecs()
        print("sending", flush=True)
        last = time.monotonic()
        await asyncio.gather(*(send(client, place) for place in range(calls)))
    printed = {"answers": answers, "wrong": wrong, "longest_s": round(longest_s, 2), "lost": lost}
    print(json.dumps(printed), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
