"""Replicas behind one name share the calls; one that dies is left out, one that is added is found; no proxy."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from deploy.local import ServiceProcess
from sdjscc.v1.channel_pb2 import GetConditionsRequest
from sdjscc.v1.channel_pb2_grpc import ChannelServiceStub
from sdjscc.wire.options import channel_options
from tests.faults.names import Names

PORT = 50081


def address(replica: int) -> str:
    return f"127.0.0.{replica}"


class Channels:
    """Channels on one port of several addresses, told apart by their SNR."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running: dict[int, ServiceProcess] = {}

    def start(self, *replicas: int) -> None:
        for replica in replicas:
            flags = {"listen": f"{address(replica)}:{PORT}", "snr-db": replica, "max-connection-age-s": 1}
            flags["upstream"] = f"{address(1)}:1"
            self.running[replica] = ServiceProcess("channel", self._folder / f"{replica}.log", flags)
        for replica in replicas:
            self.running[replica].wait_serving()


@pytest.fixture
def channels(tmp_path: Path) -> Iterator[Channels]:
    with ExitStack() as stopping:
        made = Channels(tmp_path)
        stopping.callback(lambda: [process.process.kill() for process in made.running.values()])
        made.start(1, 2, 3)
        yield made


def calls(stub: ChannelServiceStub, count: int) -> Counter[int]:
    """Calls that each replica answered; any that fails fails the test."""
    return Counter(round(stub.GetConditions(GetConditionsRequest(), timeout=10).snr_db) for _ in range(count))


def until(condition, timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.02)


def test_replicas_behind_a_name(channels: Channels) -> None:
    known = [address(replica) for replica in (1, 2, 3)]
    with Names({"channels": known}) as names:
        target = names.target("channels", PORT)
        with grpc.insecure_channel(target, channel_options()) as connection:
            stub = ChannelServiceStub(connection)
            until(lambda: len(calls(stub, 30)) == 3)
            assert all(90 <= count <= 110 for count in calls(stub, 300).values())

            # One more is found once a connection has lived for its age.
            channels.start(4)
            known.append(address(4))
            until(lambda: 4 in calls(stub, 40))

            # One that is killed is dropped without one call that fails.
            channels.running[2].process.kill()
            assert sum(calls(stub, 300).values()) == 300
            assert 2 not in calls(stub, 100)

            # So is one that is told to end, and it is not called any more while it still answers.
            channels.running[1].process.send_signal(signal.SIGTERM)
            assert sum(calls(stub, 300).values()) == 300
            assert 1 not in calls(stub, 100)
            assert channels.running[1].process.wait(15) == 0

            channels.start(2)
            until(lambda: 2 in calls(stub, 40))


def test_replicas_by_their_addresses(channels: Channels) -> None:
    target = "ipv4:" + ",".join(f"{address(replica)}:{PORT}" for replica in (1, 2, 3))
    with grpc.insecure_channel(target, channel_options()) as connection:
        stub = ChannelServiceStub(connection)
        until(lambda: len(calls(stub, 30)) == 3)
        channels.running[3].process.kill()
        assert calls(stub, 200).keys() <= {1, 2, 3}
        assert calls(stub, 100).keys() == {1, 2}
