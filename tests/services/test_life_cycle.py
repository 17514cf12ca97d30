"""Services that start, stop, and stand in front of an upstream that is down, slow or something else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from numpy.typing import NDArray

from deploy.local import LocalLink, ServiceProcess
from sdjscc.client import AsyncClient, Client, LinkError
from sdjscc.errors import SdjsccError
from sdjscc.v1.receiver_pb2 import ReceiveBatchRequest, ReceiveRequest, ReceiveResponse
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceServicer, add_ReceiverServiceServicer_to_server
from tests.services.requests import TIMEOUT_S, receive_request, refused, stubs

Pixels = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]


class SlowReceiver(ReceiverServiceServicer):
    """Takes its time; remembers who gave up waiting, and how long they would have waited."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.deadlines_s: list[float | None] = []
        self.cancelled = 0
        self.answered = 0

    async def Receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        self.deadlines_s.append(context.time_remaining())
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.answered += 1
        return ReceiveResponse(task="slow")


@asynccontextmanager
async def slow_receiver(seconds: float) -> AsyncIterator[tuple[str, SlowReceiver]]:
    server, receiver = grpc.aio.server(), SlowReceiver(seconds)
    add_ReceiverServiceServicer_to_server(receiver, server)
    # Or gRPC itself writes into the logs of those who call it.
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", receiver
    finally:
        await server.stop(0)


@contextmanager
def service(name: str, folder: Path, **flags: object) -> Iterator[ServiceProcess]:
    process = ServiceProcess(name, folder / f"{name}.log", {k.replace("_", "-"): v for k, v in flags.items()})
    try:
        process.wait_serving()
        yield process
    finally:
        process.stop()


def unused_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_an_upstream_that_is_down(tmp_path: Path, photograph: Pixels) -> None:
    nowhere = unused_address()
    with service("channel", tmp_path, upstream=nowhere) as channel, stubs(channel.address) as (_, receiver):
        begin = time.monotonic()
        with refused(grpc.StatusCode.UNAVAILABLE, f"the upstream {nowhere} cannot be reached; start it"):
            receiver.Receive(receive_request(photograph), timeout=TIMEOUT_S)
        assert time.monotonic() - begin < 10


def test_a_batch_whose_upstream_is_down_fails_image_by_image(tmp_path: Path, photograph: Pixels) -> None:
    nowhere = unused_address()
    with service("channel", tmp_path, upstream=nowhere) as channel, stubs(channel.address) as (_, receiver):
        sound, empty = receive_request(photograph), ReceiveRequest()
        batch = ReceiveBatchRequest(requests=[sound, empty, sound])
        failures = [result.failure for result in receiver.ReceiveBatch(batch, timeout=TIMEOUT_S).results]
    unavailable, invalid = (code.value[0] for code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT))
    assert [failure.code for failure in failures] == [unavailable, invalid, unavailable]
    assert f"{nowhere} cannot be reached" in failures[0].message
    assert "transmission is empty" in failures[1].message


def test_an_upstream_that_comes_up_later_is_found(link: LocalLink, tmp_path: Path, photograph: Pixels) -> None:
    address = unused_address()
    with service("channel", tmp_path, upstream=address) as channel, stubs(channel.address) as (_, receiver):
        with refused(grpc.StatusCode.UNAVAILABLE, "cannot be reached"):
            receiver.Receive(receive_request(photograph), timeout=TIMEOUT_S)
        second = tmp_path / "second"
        second.mkdir()
        with service("channel", second, upstream=link.services["receiver"].address, listen=address):
            deadline = time.monotonic() + 10
            while True:
                try:
                    response = receiver.Receive(receive_request(photograph), timeout=TIMEOUT_S)
                    break
                except grpc.RpcError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
        assert len(response.conditions) == 2


def test_an_upstream_of_another_kind(link: LocalLink, tmp_path: Path, photograph: Pixels) -> None:
    with (
        service("channel", tmp_path, upstream=link.server) as channel,
        stubs(channel.address) as (_, receiver),
        refused(grpc.StatusCode.FAILED_PRECONDITION, "is no ReceiverService; point --upstream at"),
    ):
        receiver.Receive(receive_request(photograph), timeout=TIMEOUT_S)


async def test_deadline_and_cancellation_travel_the_chain(tmp_path: Path, photograph: Pixels) -> None:
    async with slow_receiver(30.0) as (address, slow):
        with (
            service("channel", tmp_path, upstream=address) as channel,
            service("transmitter", tmp_path, upstream=channel.address) as transmitter,
        ):
            async with AsyncClient(transmitter.address, timeout_s=1.5) as client:
                with pytest.raises(LinkError) as late:
                    await client.transmit(photograph)
                assert late.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
                assert slow.deadlines_s[0] is not None
                assert 0 < slow.deadlines_s[0] < 1.5
                await _eventually(lambda: slow.cancelled == 1)

            async with AsyncClient(transmitter.address) as client:
                task = asyncio.create_task(client.transmit(photograph))
                await _eventually(lambda: len(slow.deadlines_s) == 2)
                task.cancel()
                await _eventually(lambda: slow.cancelled == 2)

                frames = client.stream([photograph] * 3)
                waiting = asyncio.create_task(anext(frames))
                await _eventually(lambda: len(slow.deadlines_s) == 5)
                waiting.cancel()
                await _eventually(lambda: slow.cancelled == 5)


async def test_a_slow_upstream_is_given_up_where_the_caller_set_no_deadline(tmp_path: Path, photograph: Pixels) -> None:
    async with slow_receiver(30.0) as (address, _):
        with service("channel", tmp_path, upstream=address, upstream_timeout_s=0.5) as channel:
            request = receive_request(photograph)
            call = asyncio.to_thread(_receive_without_deadline, channel.address, request)
            with refused(grpc.StatusCode.DEADLINE_EXCEEDED, r"did not answer within 0\.5 s; allow more time"):
                await asyncio.wait_for(call, 20)


async def test_sigterm_finishes_what_is_in_flight(tmp_path: Path, photograph: Pixels) -> None:
    async with slow_receiver(2.0) as (address, slow):
        with service("channel", tmp_path, upstream=address, drain_delay_s=1.0) as channel:
            call = asyncio.create_task(
                asyncio.to_thread(_receive_without_deadline, channel.address, receive_request(photograph))
            )
            await _eventually(lambda: len(slow.deadlines_s) == 1)
            channel.process.send_signal(signal.SIGTERM)
            await _eventually(lambda: _health(channel.address) == health_pb2.HealthCheckResponse.NOT_SERVING)
            assert (await call).task == "slow"
            assert await asyncio.to_thread(channel.process.wait, 10) == 0
            assert slow.answered == 1
        events = [json.loads(line)["event"] for line in channel.log.read_text().splitlines()]
        assert events == ["serving", "draining", "call", "stopped"]


async def test_sigterm_waits_no_longer_than_the_grace(tmp_path: Path, photograph: Pixels) -> None:
    async with slow_receiver(60.0) as (address, slow):
        with service("channel", tmp_path, upstream=address, grace_s=0.5, drain_delay_s=0) as channel:
            call = asyncio.create_task(
                asyncio.to_thread(_receive_without_deadline, channel.address, receive_request(photograph))
            )
            await _eventually(lambda: len(slow.deadlines_s) == 1)
            begin = time.monotonic()
            channel.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(channel.process.wait, 10) == 0
            assert time.monotonic() - begin < 8
            with pytest.raises(grpc.RpcError):
                await call


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.5])
def test_sigterm_while_it_starts_ends_it(tmp_path: Path, seconds: float) -> None:
    """Ignored by default, as by the first process of a container."""
    code = "import signal, sys, runpy; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.argv = ['receiver']; "
    code += "print('begun', flush=True); runpy.run_module('receiver', run_name='__main__')"
    flags = {**os.environ, "SDJSCC_RECEIVER_LISTEN": "127.0.0.1:0"}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=flags, stdout=-1, stderr=-1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(1.0 + seconds)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_too_much_at_once_is_refused_at_once(tmp_path: Path, cat: Pixels) -> None:
    with service("receiver", tmp_path, threads=1, queue=1) as receiver:
        request = receive_request(cat)

        async def flood() -> list[object]:
            from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceStub

            async with grpc.aio.insecure_channel(receiver.address) as connection:
                stub = ReceiverServiceStub(connection)
                calls = [stub.Receive(request, timeout=TIMEOUT_S) for _ in range(12)]
                return await asyncio.gather(*calls, return_exceptions=True)

        answers = asyncio.run(flood())
        served = [answer for answer in answers if isinstance(answer, ReceiveResponse)]
        shed = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert len(served) >= 2
        assert len(served) + len(shed) == 12
        assert {error.code() for error in shed} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert "try again in a moment" in shed[0].details()


def test_a_smaller_pixel_limit_is_the_operators_choice(tmp_path: Path, photograph: Pixels) -> None:
    with service("transmitter", tmp_path, max_pixels=10_000) as transmitter, Client(transmitter.address) as client:
        with pytest.raises(LinkError, match="over the limit of 10000 pixels") as caught:
            client.transmit(photograph)
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.request_id


@pytest.mark.parametrize(
    ("name", "flags", "sentence"),
    [
        ("channel", {"snr-db": "loud"}, "--snr-db"),
        ("channel", {"snr-db": "nan"}, "--snr-db"),
        ("channel", {"listen": "127.0.0.1:99999"}, "cannot listen on 127.0.0.1:99999"),
        ("transmitter", {"codec": "telepathy"}, "no codec 'telepathy'"),
        ("receiver", {"task": "poetry"}, "no task 'poetry'; set --task to one of: imagenet, stl10"),
        ("receiver", {"threads": "-1"}, "--threads"),
    ],
)
def test_mistakes_at_the_start_are_one_sentence(
    tmp_path: Path, name: str, flags: dict[str, object], sentence: str
) -> None:
    process = ServiceProcess(name, tmp_path / "log", flags)
    with pytest.raises(SdjsccError, match="ended with status"):
        process.wait_serving()
    log = process.log.read_text()
    assert "Traceback" not in log
    assert sentence in log
    assert process.process.returncode in {1, 2}


def test_a_taken_address_is_one_sentence(link: LocalLink, tmp_path: Path) -> None:
    process = ServiceProcess("channel", tmp_path / "log", {"listen": link.server})
    with pytest.raises(SdjsccError, match=f"cannot listen on {link.server}"):
        process.wait_serving()


def test_nobody_at_the_address() -> None:
    with Client(unused_address(), timeout_s=5) as client, pytest.raises(LinkError, match="no transmitter answers at"):
        client.codecs()


def test_the_wrong_service_at_the_address(link: LocalLink) -> None:
    with (
        Client(link.services["receiver"].address) as client,
        pytest.raises(LinkError, match="is no transmitter; give the transmitter's address"),
    ):
        client.codecs()


def _receive_without_deadline(address: str, request: ReceiveRequest) -> ReceiveResponse:
    with stubs(address) as (_, receiver):
        return receiver.Receive(request)


def _health(address: str) -> int | None:
    with grpc.insecure_channel(address) as connection:
        try:
            return health_pb2_grpc.HealthStub(connection).Check(health_pb2.HealthCheckRequest(), timeout=5).status
        except grpc.RpcError:
            return None


async def _eventually(condition, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "did not come about in time"
        await asyncio.sleep(0.05)
