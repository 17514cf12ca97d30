"""The least that a channel in Python can be: a proxy that makes numpy's noise and sends it on, whatever it gets."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import numpy as np

from bench.apart import Answer, Apart, apart, serve
from bench.echo import RECEIVE, RECEIVE_BATCH
from sdjscc.channels import noise_generator
from sdjscc.serving.freed_memory import keep_freed_memory
from sdjscc.wire.options import channel_options

__all__ = ["bare_proxy"]


def bare_proxy(file: Path, upstream: str, values: int) -> AbstractContextManager[Apart]:
    """It sends ``values`` float32 of noise to ``upstream`` for each call, and hands back the answer; no message is
    read, nothing checked, drawn anew or logged."""
    return apart("bench.bare_proxy", file, upstream, str(values))


async def _main(file: Path, upstream: str, values: int) -> None:
    keep_freed_memory()
    generator = noise_generator(0)
    async with grpc.aio.insecure_channel(upstream, channel_options()) as channel:

        def hand_on(method: str) -> Answer:
            call = channel.unary_unary(method)

            async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
                noise = generator.standard_normal(values, dtype=np.float32).tobytes()
                answered: bytes = await call(noise)
                return answered

            return answer

        await serve(file, {method: hand_on(method) for method in (RECEIVE, RECEIVE_BATCH)})


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
