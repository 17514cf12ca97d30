"""Images into a link without pause until SIGTERM, and then what became of them; runs inside a container.

``python load.py TARGET CALLS``: that many calls are under way at a time. Prints one JSON object: ``answers``, the
number of calls by status; ``wrong``, of answers that belong to another image; ``longest_s``, the longest time between
an answer and the next.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter

import grpc

from sdjscc.v1.image_pb2 import IMAGE_FORMAT_RAW, Image, RawImage
from sdjscc.v1.receiver_pb2 import Delivery
from sdjscc.v1.transmitter_pb2 import TransmitRequest
from sdjscc.v1.transmitter_pb2_grpc import TransmitterServiceStub
from sdjscc.wire.options import channel_options

_DEADLINE_S = 30.0
# Sides tell images apart.
_SIDES = range(32, 65, 8)


def _request(width: int, height: int) -> TransmitRequest:
    raw = RawImage(width=width, height=height, data=os.urandom(width * height * 3))
    return TransmitRequest(image=Image(raw=raw), delivery=Delivery(task="stl10", image_format=IMAGE_FORMAT_RAW))


async def main(target: str, calls: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    answers: Counter[str] = Counter()
    wrong, longest_s, last = 0, 0.0, time.monotonic()

    async def send(stub: TransmitterServiceStub, place: int) -> None:
        nonlocal wrong, longest_s, last
        sent = 0
        while not stop.is_set():
            width, height = _SIDES[place % len(_SIDES)], _SIDES[sent % len(_SIDES)]
            sent += 1
            try:
                answer = await stub.Transmit(_request(width, height), timeout=_DEADLINE_S)
            except grpc.aio.AioRpcError as error:
                answers[f"{error.code().name}: {error.details()}"] += 1
                await asyncio.sleep(0.05)
                continue
            answers["OK"] += 1
            image = answer.received.image.raw
            wrong += (image.width, image.height) != (width, height)
            longest_s, last = max(longest_s, time.monotonic() - last), time.monotonic()

    async with grpc.aio.insecure_channel(target, channel_options()) as channel:
        stub = TransmitterServiceStub(channel)
        await channel.channel_ready()
        print("sending", flush=True)
        last = time.monotonic()
        await asyncio.gather(*(send(stub, place) for place in range(calls)))
    print(json.dumps({"answers": answers, "wrong": wrong, "longest_s": round(longest_s, 2)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
