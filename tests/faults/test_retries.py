"""What is tried again, how often, and what is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from deploy.local import ServiceProcess
from sdjscc.v1.channel_pb2 import SetConditionsRequest, SetConditionsResponse
from sdjscc.v1.channel_pb2_grpc import ChannelServiceServicer, ChannelServiceStub, add_ChannelServiceServicer_to_server
from sdjscc.v1.receiver_pb2 import ReceiveRequest, ReceiveResponse, Transmission
from sdjscc.v1.receiver_pb2_grpc import (
    ReceiverServiceServicer,
    ReceiverServiceStub,
    add_ReceiverServiceServicer_to_server,
)
from sdjscc.wire.options import channel_options, server_options
from sdjscc.wire.service_config import NO_RETRY, RETRY_PUSHBACK_KEY
from sdjscc.wire.tensors import pack_bits

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
ATTEMPTS = 4


class Failing(ReceiverServiceServicer, ChannelServiceServicer):
    """Fails the first ``fails`` calls."""

    def __init__(self, fails: int, code: grpc.StatusCode = UNAVAILABLE, trailing: tuple[tuple[str, str], ...] = ()):
        self._fails, self._code, self._trailing = fails, code, trailing
        self.calls = 0
        self.seen: list[bytes] = []

    async def Receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        self.seen.append(request.SerializeToString(deterministic=True))
        await self._fail(context)
        return ReceiveResponse(task="served")

    async def SetConditions(
        self, request: SetConditionsRequest, context: grpc.aio.ServicerContext
    ) -> SetConditionsResponse:
        await self._fail(context)
        return SetConditionsResponse()

    async def _fail(self, context: grpc.aio.ServicerContext) -> None:
        self.calls += 1
        if self.calls <= self._fails:
            await context.abort(self._code, "not now", self._trailing)


@asynccontextmanager
async def served(service: Failing) -> AsyncIterator[str]:
    server = grpc.aio.server(options=server_options(32 * 2**20))
    add_ReceiverServiceServicer_to_server(service, server)
    add_ChannelServiceServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def receive(address: str, request: ReceiveRequest | None = None) -> str:
    """What one call comes to: the task of a result, or the name of a status."""
    async with grpc.aio.insecure_channel(address, channel_options()) as connection:
        try:
            return (await ReceiverServiceStub(connection).Receive(request or ReceiveRequest(), timeout=30)).task
        except grpc.aio.AioRpcError as error:
            return error.code().name


@pytest.mark.parametrize("size", [0, 20 * 2**20])
async def test_a_call_that_nobody_took_is_tried_again(size: int) -> None:
    request = ReceiveRequest(transmission=Transmission(codec="x" * size))
    async with served(Failing(2)) as address:
        assert await receive(address, request) == "served"


async def test_only_so_often() -> None:
    service = Failing(100)
    async with served(service) as address:
        assert await receive(address) == "UNAVAILABLE"
        assert service.calls == ATTEMPTS


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT]
)
async def test_what_a_service_decided_is_not_tried_again(code: grpc.StatusCode) -> None:
    service = Failing(1, code)
    async with served(service) as address:
        assert await receive(address) == code.name
        assert service.calls == 1


async def test_a_service_can_say_when_and_that_it_should_not_be() -> None:
    async with served(Failing(1, trailing=((RETRY_PUSHBACK_KEY, "700"),))) as address:
        begin = time.monotonic()
        assert await receive(address) == "served"
        assert time.monotonic() - begin > 0.65
    service = Failing(1, trailing=(NO_RETRY,))
    async with served(service) as address:
        assert await receive(address) == "UNAVAILABLE"
        assert service.calls == 1


async def test_setting_conditions_is_not_tried_again() -> None:
    service = Failing(1)
    async with served(service) as address, grpc.aio.insecure_channel(address, channel_options()) as connection:
        with pytest.raises(grpc.aio.AioRpcError):
            await ChannelServiceStub(connection).SetConditions(SetConditionsRequest(snr_db=3), timeout=30)
        assert service.calls == 1


async def test_the_budget_ends_what_is_down_for_good() -> None:
    service = Failing(10_000)
    async with served(service) as address, grpc.aio.insecure_channel(address, channel_options()) as connection:
        stub = ReceiverServiceStub(connection)
        calls = [stub.Receive(ReceiveRequest(), timeout=30) for _ in range(200)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, grpc.aio.AioRpcError) for answer in answers)
    # Half of 100 tokens, one for each failure. Without a budget it were 800 calls.
    assert 200 <= service.calls <= 200 + 50


async def test_hops_do_not_multiply_attempts_and_a_repetition_is_the_same(tmp_path: Path) -> None:
    service = Failing(10_000)
    request = ReceiveRequest(
        transmission=Transmission(bit_shape=[16], constellation="unipolar-iq", bits=pack_bits(np.ones(16, np.uint8)))
    )
    async with served(service) as address:
        second = ServiceProcess("channel", tmp_path / "second.log", {"upstream": address})
        first = ServiceProcess("channel", tmp_path / "first.log", {"upstream": second.wait_serving()})
        try:
            assert await receive(first.wait_serving(), request) == "UNAVAILABLE"
        finally:
            first.stop()
            second.stop()
    assert service.calls == ATTEMPTS
    assert len(set(service.seen)) == 1
