"""Too much to do: what runs together, what is refused and with which words, what is dropped, and what stays cheap."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from numpy.typing import NDArray
from torch import Tensor

from deploy.local import ServiceProcess
from receiver.service import Receiver
from sdjscc.channels import get_constellation
from sdjscc.client import AsyncClient, LinkError
from sdjscc.client.errors import link_error
from sdjscc.codecs import Codec, Size
from sdjscc.serving.admission import Admission
from sdjscc.serving.interceptor import RequestInterceptor
from sdjscc.serving.peer import client_identity
from sdjscc.serving.status import upstream_failure
from sdjscc.serving.workers import Workers
from sdjscc.tasks.base import Classifier
from sdjscc.v1.receiver_pb2 import Delivery, ReceiveRequest, ReceiveResponse, Transmission
from sdjscc.v1.receiver_pb2_grpc import (
    ReceiverServiceServicer,
    ReceiverServiceStub,
    add_ReceiverServiceServicer_to_server,
)
from sdjscc.wire.options import channel_options
from sdjscc.wire.retry import NOT_TAKEN_RETRY_S, read_retry_after_s
from sdjscc.wire.tensors import pack_bits
from tests.services.requests import TIMEOUT_S

Pixels = NDArray[np.uint8]


class GatedCodec(Codec):
    """A bit a pixel; decodes when the gate opens, and remembers the batches: their size and their first bytes."""

    name, bpp, weights_sha256 = "gated", 1.0, ""
    constellation = get_constellation("unipolar-iq")

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[tuple[Size, int]] = []

    def bit_shape(self, size: Size) -> tuple[int, ...]:
        return (size[0] * size[1],)

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        raise NotImplementedError

    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> Pixels:
        self.batches.append((size, len(symbols)))
        assert self.open.wait(60)
        return np.zeros((len(symbols), size[1], size[0], 3), np.uint8)


class CountingTask(Classifier):
    name, class_names, input_size, layers = "counting", ("nothing", "something"), 8, ()

    def __init__(self) -> None:
        super().__init__()
        self.classified = 0

    def forward_with_features(self, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        self.classified += len(images)
        return torch.zeros(len(images), 2), {}


class OneCodec:
    """A registry that has nothing but the gated codec."""

    def __init__(self, codec: GatedCodec) -> None:
        self._codec = codec

    def load(self, name: str, bpp: float) -> Codec:
        return self._codec


def request(width: int, height: int, **delivery: object) -> ReceiveRequest:
    count = width * height
    transmission = Transmission(
        codec="gated", bpp=1.0, width=width, height=height, bit_shape=(count,), constellation="unipolar-iq",
        bits=pack_bits(np.zeros(count, np.uint8)),
    )  # fmt: skip
    return ReceiveRequest(transmission=transmission, delivery=Delivery(**delivery))


@asynccontextmanager
async def serving(
    servicer: ReceiverServiceServicer, most: int = 100, listen: str = "127.0.0.1:0"
) -> AsyncIterator[tuple[ReceiverServiceStub, int]]:
    """The servicer behind what every service has in front of its own, and a stub to it."""
    server = grpc.aio.server(interceptors=[RequestInterceptor("receiver", Admission(most))])
    add_ReceiverServiceServicer_to_server(servicer, server)
    healthy = health.aio.HealthServicer()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = server.add_insecure_port(listen)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as connection:
            yield ReceiverServiceStub(connection), port
    finally:
        await server.stop(0)


@asynccontextmanager
async def gated_receiver(queue: int = 64) -> AsyncIterator[tuple[ReceiverServiceStub, GatedCodec, CountingTask]]:
    """The receiver on one thread, over a real connection."""
    codec, task, workers = GatedCodec(), CountingTask(), Workers(1, queue)
    receiver = Receiver(OneCodec(codec), {"counting": task}, "counting", workers, 8, 0.0, 4_000_000, 64)  # type: ignore[arg-type]
    try:
        async with serving(receiver) as (stub, _):
            yield stub, codec, task
    finally:
        codec.open.set()
        workers.close()


async def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not come about in time")


async def test_what_waits_runs_together_by_size_and_a_bad_request_fails_alone() -> None:
    async with gated_receiver() as (stub, codec, task):
        calls = [stub.Receive(request(8, 8), timeout=TIMEOUT_S)]
        await eventually(lambda: len(codec.batches) == 1)
        damaged = request(16, 8)
        damaged.transmission.bits.data = b"1"
        others = (
            request(16, 8), request(8, 16), request(16, 8), damaged, request(16, 8, image_format=77),
            request(16, 8, task="poetry"), request(8, 16), request(16, 8), request(512, 512), request(512, 512),
        )  # fmt: skip
        calls += [stub.Receive(other, timeout=TIMEOUT_S) for other in others]
        await asyncio.sleep(0.3)
        codec.open.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(codec.batches[1:]) == [((8, 16), 2), ((16, 8), 4), ((512, 512), 1), ((512, 512), 1)]
    bad = {4: grpc.StatusCode.INVALID_ARGUMENT, 5: grpc.StatusCode.INVALID_ARGUMENT, 6: grpc.StatusCode.NOT_FOUND}
    for place, answer in enumerate(answers):
        if place in bad:
            assert isinstance(answer, grpc.aio.AioRpcError)
            assert answer.code() is bad[place]
        else:
            assert isinstance(answer, ReceiveResponse)
    assert task.classified == 9


async def test_what_nobody_waits_for_is_never_decoded_and_costs_nothing_further() -> None:
    async with gated_receiver() as (stub, codec, task):
        under_way = stub.Receive(request(8, 8), timeout=TIMEOUT_S)
        await eventually(lambda: len(codec.batches) == 1)
        late = stub.Receive(request(16, 8), timeout=0.3)
        given_up = stub.Receive(request(24, 8), timeout=TIMEOUT_S)
        wanted = stub.Receive(request(32, 8), timeout=TIMEOUT_S)
        await asyncio.sleep(0.2)
        under_way.cancel()
        given_up.cancel()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await late
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.sleep(0.3)
        codec.open.set()
        assert isinstance(await wanted, ReceiveResponse)
    # What was being decoded when its caller left was not classified any more; what only waited was not even decoded.
    assert codec.batches == [((8, 8), 1), ((32, 8), 1)]
    assert task.classified == 1


async def test_beyond_the_queue_the_refusal_is_immediate_and_says_when_to_come_back() -> None:
    async with gated_receiver(queue=2) as (stub, codec, _):
        calls = [stub.Receive(request(8, 8), timeout=TIMEOUT_S)]
        await eventually(lambda: len(codec.batches) == 1)
        calls += [stub.Receive(request(8, 8), timeout=TIMEOUT_S) for _ in range(2)]
        await asyncio.sleep(0.2)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            # While the gate is shut nothing else can answer.
            await stub.Receive(request(8, 8), timeout=TIMEOUT_S)
        assert not codec.open.is_set()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailing = dict(refused.value.trailing_metadata())
        assert int(trailing["grpc-retry-pushback-ms"]) >= 20
        error = link_error(refused.value, "here", "id", None)
        assert error.retry_after_s == int(trailing["grpc-retry-pushback-ms"]) / 1e3
        codec.open.set()
        assert len(await asyncio.gather(*calls)) == 3


async def test_calls_that_grpc_itself_drops_are_refused_in_the_same_words(tmp_path: Path) -> None:
    """Far more at once than gRPC lets wait in front of a service."""
    with service("channel", tmp_path, upstream="127.0.0.1:1", log_level="warning") as channel:
        async with grpc.aio.insecure_channel(channel.address, channel_options(balanced=False)) as connection:
            stub = ReceiverServiceStub(connection)
            calls = [stub.Receive(request(8, 8), timeout=TIMEOUT_S) for _ in range(4000)]
            errors = await asyncio.gather(*calls, return_exceptions=True)
    dropped = [error for error in errors if error.code() is grpc.StatusCode.CANCELLED]
    assert dropped, "gRPC takes more than it did; what stands in docs/services.md of CANCELLED is out of date"
    for_client = link_error(dropped[0], "here", "id", None)
    upstream = upstream_failure(dropped[0], "there", 1.0)
    for error, where in ((for_client, "here"), (upstream, "there")):
        assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert error.retry_after_s == NOT_TAKEN_RETRY_S
        assert f"{where} did not take the call in" in str(error)


class Waiting(ReceiverServiceServicer):
    """Answers when told to; remembers who called."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.clients: list[str] = []

    async def Receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        self.clients.append(client_identity(context))
        await self.go.wait()
        return ReceiveResponse(task="waited")


async def test_one_client_may_have_so_many_calls_under_way_and_others_are_not_held_back() -> None:
    waiting = Waiting()
    async with serving(waiting, most=2, listen="[::]:0") as (stub, port):
        calls = [stub.Receive(request(8, 8), timeout=TIMEOUT_S) for _ in range(2)]
        await eventually(lambda: len(waiting.clients) == 2)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Receive(request(8, 8), timeout=TIMEOUT_S)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "2 calls of yours are under way already" in refused.value.details()
        assert read_retry_after_s(refused.value.trailing_metadata()) == 0.1

        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as same, same_machine(port) as other:
            # Another connection is no other client, and health checks are not counted.
            with pytest.raises(grpc.aio.AioRpcError):
                await ReceiverServiceStub(same).Receive(request(8, 8), timeout=TIMEOUT_S)
            check = health_pb2_grpc.HealthStub(same).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
            assert (await check).status == health_pb2.HealthCheckResponse.SERVING
            calls.append(ReceiverServiceStub(other).Receive(request(8, 8), timeout=TIMEOUT_S))
            await eventually(lambda: len(waiting.clients) == 3)
            waiting.go.set()
            await asyncio.gather(*calls)
        assert len(set(waiting.clients)) == 2
        assert (await stub.Receive(request(8, 8), timeout=TIMEOUT_S)).task == "waited"


def same_machine(port: int) -> grpc.aio.Channel:
    """A connection from an address other than 127.0.0.1."""
    return grpc.aio.insecure_channel(f"[::1]:{port}")


@contextmanager
def service(name: str, folder: Path, **flags: object) -> Iterator[ServiceProcess]:
    process = ServiceProcess(name, folder / f"{name}.log", {k.replace("_", "-"): v for k, v in flags.items()})
    try:
        process.wait_serving()
        yield process
    finally:
        process.stop()


async def test_a_refusal_passes_the_chain_and_is_told_from_a_service_that_stops(
    tmp_path: Path, photograph: Pixels
) -> None:
    waiting = Waiting()
    async with serving(waiting, most=1) as (_, port):
        with (
            service("channel", tmp_path, upstream=f"127.0.0.1:{port}", drain_delay_s=0) as channel,
            service("transmitter", tmp_path, upstream=channel.address) as transmitter,
        ):
            async with AsyncClient(transmitter.address) as client:
                served = asyncio.create_task(client.transmit(photograph, received_format="none"))
                await eventually(lambda: len(waiting.clients) == 1)
                with pytest.raises(LinkError) as refused:
                    await client.transmit(photograph)
                assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert refused.value.retry_after_s == 0.1
                frames = [answer async for answer in client.stream([photograph])]
                assert isinstance(frames[0], LinkError)
                assert (frames[0].code, frames[0].retry_after_s) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 0.1)

                channel.process.send_signal(signal.SIGTERM)
                await eventually(lambda: "draining" in channel.log.read_text())
                await asyncio.sleep(0.2)
                with pytest.raises(LinkError) as stopping:
                    await client.transmit(photograph)
                assert stopping.value.code is grpc.StatusCode.UNAVAILABLE
                assert stopping.value.retry_after_s is None
                waiting.go.set()
                assert (await served).task == "waited"


async def test_the_bound_on_a_clients_calls_is_a_setting(tmp_path: Path) -> None:
    waiting = Waiting()
    async with serving(waiting) as (_, port):
        with service("channel", tmp_path, upstream=f"127.0.0.1:{port}", max_client_calls=3) as channel:
            async with grpc.aio.insecure_channel(channel.address) as connection:
                stub = ReceiverServiceStub(connection)
                calls = [stub.Receive(request(8, 8), timeout=TIMEOUT_S) for _ in range(10)]
                await eventually(lambda: sum(call.done() for call in calls) == 7)
                waiting.go.set()
                answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, ReceiveResponse) for answer in answers) == 3
