"""A name that could not be resolved for a while is found again soon, by clients and by services."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from sdjscc.client import AsyncClient, Client, LinkError
from sdjscc.serving.tls import RenewedStub
from sdjscc.v1.transmitter_pb2 import ListCodecsRequest, ListCodecsResponse
from sdjscc.v1.transmitter_pb2_grpc import (
    TransmitterServiceServicer,
    TransmitterServiceStub,
    add_TransmitterServiceServicer_to_server,
)
from sdjscc.wire.options import channel_options, server_options
from sdjscc.wire.tls import PLAINTEXT
from tests.faults.names import Names

PORT = 50083
BEFORE, AFTER = "127.0.0.1", "127.0.0.2"

# gRPC's own pause is over 5 s by then, at least.
LOST_S = 17.0
# A channel opened anew looks up after 0, 1 and 2.6 s, give or take a fifth; after 5 s the next takes its place.
LONGEST_PAUSE_S = 4.0

Call = Callable[[], Awaitable[object]]


class Codecs(TransmitterServiceServicer):
    async def ListCodecs(self, request: ListCodecsRequest, context: grpc.aio.ServicerContext) -> ListCodecsResponse:
        return ListCodecsResponse()


@asynccontextmanager
async def transmitter(host: str) -> AsyncIterator[None]:
    server = grpc.aio.server(options=server_options(2**20))
    add_TransmitterServiceServicer_to_server(Codecs(), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    server.add_insecure_port(f"{host}:{PORT}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


@asynccontextmanager
async def asyncio_client(target: str) -> AsyncIterator[Call]:
    async with AsyncClient(target, insecure=True) as client:
        yield client.codecs


@asynccontextmanager
async def client(target: str) -> AsyncIterator[Call]:
    with Client(target, insecure=True) as client:
        yield lambda: asyncio.to_thread(client.codecs)


@asynccontextmanager
async def service(target: str) -> AsyncIterator[Call]:
    upstream = RenewedStub(TransmitterServiceStub, target, channel_options(), PLAINTEXT, insecure=True)

    async def call() -> None:
        try:
            await upstream.get().ListCodecs(ListCodecsRequest(), timeout=10)
        except grpc.aio.AioRpcError as error:
            upstream.failed(error)
            raise
        upstream.answered()

    yield call
    await upstream.close()


@pytest.mark.parametrize("opened", [asyncio_client, client, service])
async def test_name_that_was_lost(opened: Callable[[str], contextlib.AbstractAsyncContextManager[Call]]) -> None:
    known = [BEFORE]
    with Names({"transmitters": known}) as names:
        async with opened(names.target("transmitters", PORT)) as call:
            async with transmitter(BEFORE):
                await call()
                await asyncio.sleep(1)
                known.clear()
                lost_s = time.monotonic()
            while time.monotonic() - lost_s < LOST_S:
                with contextlib.suppress(LinkError, grpc.aio.AioRpcError):
                    await call()
                    pytest.fail("nobody is there, and a call was answered")
                await asyncio.sleep(0.1)
            asked_s = [at_s for at_s in names.asked_s if at_s > lost_s]
            assert max(after - before for before, after in pairwise(asked_s)) < LONGEST_PAUSE_S
            async with transmitter(AFTER):
                known.append(AFTER)
                back_s = time.monotonic()
                while True:
                    with contextlib.suppress(LinkError, grpc.aio.AioRpcError):
                        await call()
                        break
                    await asyncio.sleep(0.1)
                assert time.monotonic() - back_s < LONGEST_PAUSE_S
