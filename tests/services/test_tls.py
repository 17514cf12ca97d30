"""TLS between real processes: who gets in, who does not, what the server's log says, and certificates that change."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import CliRunner
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from numpy.typing import NDArray

from deploy.local import LocalLink, ServiceProcess
from sdjscc.cli.dev_ca import command as dev_ca
from sdjscc.client import AsyncClient, Client, LinkError, TlsFiles
from sdjscc.data.images import encode_image
from sdjscc.errors import SdjsccError
from sdjscc.serving.tls import RenewedStub, server_credentials
from sdjscc.v1 import channel_pb2, receiver_pb2, transmitter_pb2
from sdjscc.v1.channel_pb2 import GetConditionsRequest, SetConditionsRequest
from sdjscc.v1.channel_pb2_grpc import ChannelServiceStub
from sdjscc.v1.image_pb2 import Image
from sdjscc.v1.receiver_pb2 import Delivery, ReceiveRequest
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceStub
from sdjscc.v1.transmitter_pb2 import TransmitRequest
from sdjscc.v1.transmitter_pb2_grpc import TransmitterServiceStub
from sdjscc.wire.options import channel_options
from sdjscc.wire.tls import open_channel
from tests.services.requests import TIMEOUT_S, receive_request, refused

Pixels = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]
SERVICES = ("transmitter", "channel", "receiver")
# Longer than a service leaves its files unlooked at.
_LOOKED_AT_S = 1.1
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

# Imported by Python itself when a process starts: notes what is opened, listed, connected to or run.
WITNESS = """
import os, sys
if "SDJSCC_WITNESS" in os.environ:
    _notes = os.open(f"{os.environ['SDJSCC_WITNESS']}/{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _events = {"open", "os.listdir", "os.scandir", "socket.connect", "socket.getaddrinfo", "subprocess.Popen"}
    def _note(event, args):
        if event in _events:
            os.write(_notes, f"{event} {args!r}\\n".encode())
    sys.addaudithook(_note)
"""


def make_certificates(folder: Path, *arguments: str) -> None:
    made = CliRunner().invoke(dev_ca, [str(folder), *arguments], catch_exceptions=False)
    assert made.exit_code == 0, made.output


def files(folder: Path, name: str) -> TlsFiles:
    return TlsFiles(*(folder / name / file for file in ("ca.crt", "tls.crt", "tls.key")))


def flags(folder: Path, name: str) -> dict[str, object]:
    of_service = files(folder, name)
    return {"tls-ca": of_service.ca, "tls-cert": of_service.cert, "tls-key": of_service.key}


def options(tls: TlsFiles) -> list[str]:
    return [f"--tls-ca={tls.ca}", f"--tls-cert={tls.cert}", f"--tls-key={tls.key}"]


def log_lines(service: ServiceProcess, event: str) -> list[dict[str, Any]]:
    """Lines of that event; each line of the log must be a JSON object."""
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def eventually(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.05)


@contextmanager
def channel_service(folder: Path, **given: object) -> Iterator[ServiceProcess]:
    process = ServiceProcess("channel", folder / "channel.log", given)
    try:
        process.wait_serving()
        yield process
    finally:
        process.stop()


def conditions(address: str, tls: TlsFiles, snr_db: float | None = None) -> float:
    """The SNR in force, after setting it where one is given."""
    with open_channel(address, channel_options(), tls) as connection:
        stub = ChannelServiceStub(connection)
        if snr_db is None:
            return stub.GetConditions(GetConditionsRequest(), timeout=TIMEOUT_S).snr_db
        return stub.SetConditions(SetConditionsRequest(snr_db=snr_db), timeout=TIMEOUT_S).snr_db


@dataclass
class Secured:
    """A link with mutual TLS on every hop, and the files of those who come to it."""

    link: LocalLink
    pki: Path
    foreign: Path
    witnesses: Path
    """A file for each process, named by its number: what it opened."""

    @property
    def user(self) -> TlsFiles:
        return files(self.pki, "user")

    def address(self, name: str) -> str:
        return self.link.services[name].address

    def opened(self, name: str) -> str:
        return (self.witnesses / str(self.link.services[name].process.pid)).read_text()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    pki, foreign, witnesses, logs = (folder / name for name in ("pki", "foreign", "witnesses", "logs"))
    for needed in (witnesses, logs):
        needed.mkdir()
    hosts = [f"--host={name}" for name in SERVICES]
    make_certificates(pki, *hosts, "--client=user", "--client=operator")
    # A second: over before anyone shows it.
    make_certificates(pki, "--client=late", f"--days={1 / 86400}")
    make_certificates(foreign, "--client=user")
    (folder / "sitecustomize.py").write_text(WITNESS)
    of_services = {name: flags(pki, name) for name in SERVICES}
    of_services["channel"]["conditions-clients"] = "operator, someone-else"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("SDJSCC_WITNESS", str(witnesses))
        link = LocalLink(logs, of_services)
        link.__enter__()
    try:
        yield Secured(link, pki, foreign, witnesses)
    finally:
        link.__exit__(None, None, None)


async def test_a_photograph_crosses_the_link(secured: Secured, photograph: Pixels) -> None:
    server = secured.link.server
    with Client(server, tls=secured.user) as client:
        result = client.transmit(photograph, snr_db=10, seed=1, task="stl10")
    assert result.conditions[0].snr_db == 10
    async with AsyncClient(server, tls=secured.user) as client:
        again = await client.transmit(photograph, snr_db=10, seed=1, task="stl10")
    assert np.array_equal(result.image, again.image)


@pytest.mark.parametrize("name", SERVICES)
def test_health_and_reflection_answer_under_tls(secured: Secured, name: str) -> None:
    with open_channel(secured.address(name), channel_options(), secured.user) as connection:
        health = health_pb2_grpc.HealthStub(connection).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(connection)
        answer = next(iter(stub.ServerReflectionInfo(iter([asked]), timeout=TIMEOUT_S)))
        names = {service.name for service in answer.list_services_response.service}
    assert any(served.startswith("sdjscc.v1.") for served in names)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120", **environment},
        timeout=120,
    )


def test_commands_speak_tls(secured: Secured, photograph: Pixels, tmp_path: Path) -> None:
    picture = tmp_path / "coffee.png"
    picture.write_bytes(encode_image(photograph))
    sent = run("sdjscc.cli", "send", str(picture), "--server", secured.link.server, *options(secured.user))
    assert sent.returncode == 0, sent.stderr
    assert "coffee.png" in sent.stdout

    channel = secured.address("channel")
    variables = {f"SDJSCC_TLS_{part.upper()}": str(getattr(secured.user, part)) for part in ("ca", "cert", "key")}
    read = run("sdjscc.cli", "conditions", "--server", channel, **variables)
    assert read.stdout.startswith("awgn at "), read.stderr
    denied = run("sdjscc.cli", "conditions", "--server", channel, "--snr=3", **variables)
    assert denied.returncode == 1
    assert "error: user may not set the conditions; use a certificate that" in denied.stderr

    assert run("sdjscc.serving.healthcheck", channel, **variables).returncode == 0
    assert run("sdjscc.serving.healthcheck", channel, *options(secured.user)).returncode == 0
    without = run("sdjscc.serving.healthcheck", channel)
    assert without.returncode == 1
    assert "closed the connection while it was made; where it asks for TLS give --tls-ca" in without.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_who_has_no_valid_certificate_is_refused_and_logged(secured: Secured, name: str) -> None:
    foreign = files(secured.foreign, "user")
    comers = {
        "it speaks no TLS": TlsFiles(),
        "it sent no certificate": TlsFiles(secured.pki / "ca.crt"),
        "its certificate is of another authority": TlsFiles(secured.pki / "ca.crt", foreign.cert, foreign.key),
        "its certificate has expired": files(secured.pki, "late"),
    }
    service = secured.link.services[name]
    for reason, tls in comers.items():
        known = len(log_lines(service, "handshake refused"))
        with open_channel(service.address, channel_options(), tls) as connection:
            check = health_pb2_grpc.HealthStub(connection).Check
            with refused(UNAVAILABLE, "Socket closed"):
                check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        eventually(lambda known=known: len(log_lines(service, "handshake refused")) > known)
        line = log_lines(service, "handshake refused")[known]
        assert line["reason"] == reason
        assert line["level"] == "warning"
        assert line["service"] == name
        assert line["peer"].startswith("ipv4:127.0.0.1:")


def test_a_client_refuses_a_server_of_another_authority(secured: Secured) -> None:
    tls = TlsFiles(secured.foreign / "ca.crt", secured.user.cert, secured.user.key)
    with (
        Client(secured.link.server, tls=tls, timeout_s=20) as client,
        pytest.raises(LinkError, match=rf"certificate of {secured.link.server} is refused .*--tls-ca is its authority"),
    ):
        client.codecs()


def test_a_client_in_plaintext_is_told_what_to_do(secured: Secured) -> None:
    with Client(secured.link.server, timeout_s=20) as client, pytest.raises(LinkError, match="asks for TLS give"):
        client.codecs()


def test_only_named_clients_set_the_conditions(secured: Secured) -> None:
    channel = secured.link.services["channel"]
    assert conditions(channel.address, files(secured.pki, "operator"), 12.5) == 12.5
    with refused(grpc.StatusCode.PERMISSION_DENIED, "user may not set the conditions; use a certificate that"):
        conditions(channel.address, secured.user, 3.0)
    assert conditions(channel.address, secured.user) == 12.5
    assert [line["client"] for line in log_lines(channel, "conditions set")] == ["operator"]


def test_certificates_of_another_name_are_refused(secured: Secured, tmp_path: Path) -> None:
    # What dev-ca makes for a host is for 127.0.0.1, too, and not for its neighbour.
    with channel_service(tmp_path, listen="127.0.0.2:0", **flags(secured.pki, "channel")) as channel:
        with open_channel(channel.address, channel_options(), secured.user) as connection:
            check = health_pb2_grpc.HealthStub(connection).Check
            with refused(UNAVAILABLE, "(?i)peer certificate|hostname verification"):
                check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        with Client(channel.address, tls=secured.user) as client, pytest.raises(LinkError, match="of other names"):
            client.codecs()


def test_new_certificates_are_taken_up_without_a_restart(tmp_path: Path, photograph: Pixels) -> None:
    pki, before, behind = tmp_path / "pki", tmp_path / "before", tmp_path / "behind"
    for folder in (before, behind):
        folder.mkdir()
    make_certificates(pki, "--host=channel", "--client=user")
    request = receive_request(photograph)

    def hand_on(tls: TlsFiles) -> None:
        """Over both channels; the second has nobody behind it, which it says itself."""
        with open_channel(first.address, channel_options(), tls) as connection, refused(UNAVAILABLE, nobody):
            receive(connection, request)

    nobody = "the upstream 127.0.0.1:1 cannot be reached"
    with (
        channel_service(behind, upstream="127.0.0.1:1", **flags(pki, "channel")) as second,
        channel_service(before, upstream=second.address, **flags(pki, "channel")) as first,
    ):
        hand_on(files(pki, "user"))
        shutil.copytree(pki, tmp_path / "old")

        # Another authority altogether: what still held the old files on either side would be refused.
        for name in ("ca.crt", "ca.key"):
            (pki / name).unlink()
        make_certificates(pki, "--host=channel", "--client=user")
        time.sleep(_LOOKED_AT_S)
        hand_on(files(pki, "user"))
        for channel in (first, second):
            assert log_lines(channel, "certificates renewed")
        assert log_lines(first, "connection renewed")
        with (
            open_channel(first.address, channel_options(), files(tmp_path / "old", "user")) as connection,
            refused(UNAVAILABLE, "CERTIFICATE_VERIFY_FAILED"),
        ):
            receive(connection, request)

        # Files that are no use leave what is held, and say so.
        files(pki, "channel").cert.write_text("not yet written")
        time.sleep(_LOOKED_AT_S)
        hand_on(files(pki, "user"))
        for event in ("certificates not renewed", "connection not renewed"):
            assert "tls.crt" in log_lines(first, event)[-1]["error"]
        make_certificates(pki, "--host=channel")
        hand_on(files(pki, "user"))
        assert (
            log_lines(first, "certificates renewed")[-1]["timestamp"]
            > (log_lines(first, "certificates not renewed")[-1]["timestamp"])
        )


def test_plaintext_to_another_machine_has_to_be_asked_for(tmp_path: Path) -> None:
    elsewhere = "receiver.invalid:50053"
    with (
        pytest.raises(SdjsccError, match=f"status 2: error: the connection to {elsewhere} would be in plaintext"),
        channel_service(tmp_path, upstream=elsewhere),
    ):
        pass
    with channel_service(tmp_path, upstream=elsewhere, insecure=True) as channel:
        assert conditions(channel.address, TlsFiles()) == 10.0


def test_tls_without_certificates_of_clients(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    make_certificates(pki, "--host=channel")
    tls = {**flags(pki, "channel"), "tls-clients": "anyone"}
    del tls["tls-ca"]
    with channel_service(tmp_path, **tls) as channel:
        assert conditions(channel.address, TlsFiles(pki / "ca.crt"), 4.0) == 4.0
        assert log_lines(channel, "conditions set")[0]["client"] == "ipv4:127.0.0.1"
        with open_channel(channel.address, channel_options()) as connection, refused(UNAVAILABLE, "Socket closed"):
            ChannelServiceStub(connection).GetConditions(GetConditionsRequest(), timeout=TIMEOUT_S)


def strings_of(message: Descriptor, path: str = "") -> Iterator[str]:
    for field in message.fields:
        name = f"{path}{field.name}"
        if field.type == FieldDescriptor.TYPE_STRING:
            yield name
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from strings_of(field.message_type, f"{name}.")


def test_every_string_that_a_client_can_send_is_known() -> None:
    """A new one belongs into the test below."""
    messages = [
        message
        for file in (transmitter_pb2, receiver_pb2, channel_pb2)
        for served in file.DESCRIPTOR.services_by_name.values()
        for message in (method.input_type for method in served.methods)
    ]
    found = {name.rpartition(".")[2] for message in messages for name in strings_of(message)}
    assert found == {"codec", "task", "constellation", "weights_sha256", "model"}


@pytest.mark.parametrize(
    "name",
    [
        "../../../../../../../../{}",
        "{}/../sd-jscc",
        "/tmp/{}",
        "sd-jscc-0.25bpp.safetensors/{}",
        "file:///tmp/{}",
        "http://127.0.0.1:1/{}",
        "sdjscc.codecs.{}:load",
        "{}\n" + '{{"event": "forged"}}\r\n',
        "{}\0",
        "{}" + "x" * 100_000,
    ],
)
def test_names_open_nothing_and_forge_no_line(secured: Secured, photograph: Pixels, name: str) -> None:
    mark = "witness-me"
    name = name.format(mark)
    image, not_found = Image(encoded=encode_image(photograph)), grpc.StatusCode.NOT_FOUND
    limits = channel_options(64 * 2**20)
    with open_channel(secured.link.server, limits, secured.user) as connection:
        transmit = TransmitterServiceStub(connection).Transmit
        with refused(not_found, "there is no codec"):
            transmit(TransmitRequest(image=image, codec=name), timeout=TIMEOUT_S)
        with refused(not_found, "there is no task"):
            transmit(TransmitRequest(image=image, delivery=Delivery(task=name)), timeout=TIMEOUT_S)
    with (
        open_channel(secured.address("channel"), limits, secured.user) as connection,
        refused(not_found, "there is no constellation"),
    ):
        receive(connection, receive_request(photograph, constellation=name))
    with open_channel(secured.address("receiver"), limits, secured.user) as connection:
        with refused(not_found, "there is no codec"):
            receive(connection, receive_request(photograph, codec=name))
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "install the same version"):
            receive(connection, receive_request(photograph, weights_sha256=name))
        with refused(grpc.StatusCode.INVALID_ARGUMENT, "uses the constellation"):
            receive(connection, receive_request(photograph, constellation=name))
        request = receive_request(photograph)
        request.conditions.add(model=name, snr_db=10)
        receive(connection, request)
    for service_name in SERVICES:
        opened = secured.opened(service_name)
        assert "open " in opened
        assert mark not in opened
        assert not log_lines(secured.link.services[service_name], "forged")
        assert max(map(len, secured.link.services[service_name].log.read_text().splitlines())) < 4000


def test_the_witness_sees_what_is_opened(secured: Secured) -> None:
    assert ".safetensors" in secured.opened("receiver")
    assert "tls.crt" in secured.opened("channel")


def receive(connection: grpc.Channel, request: ReceiveRequest) -> None:
    ReceiverServiceStub(connection).Receive(request, timeout=TIMEOUT_S)


async def test_calls_under_way_end_on_the_connection_they_began_on(tmp_path: Path) -> None:
    make_certificates(tmp_path, "--host=echo")
    tls, begun = files(tmp_path, "echo"), asyncio.Event()

    async def answer(seconds: bytes, context: grpc.aio.ServicerContext) -> bytes:
        begun.set()
        await asyncio.sleep(float(seconds))
        return seconds

    server = grpc.aio.server()
    handlers = {"Wait": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Waiter", handlers),))
    target = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', server_credentials(tls, certified_clients=True))}"
    await server.start()
    waiter = RenewedStub(
        lambda channel: channel.unary_unary("/test.Waiter/Wait"), target, channel_options(), tls, insecure=False
    )
    try:
        slow = asyncio.ensure_future(waiter.get()(b"3", timeout=TIMEOUT_S))
        await begun.wait()
        before = waiter.get()
        make_certificates(tmp_path, "--host=echo")
        await asyncio.sleep(_LOOKED_AT_S)
        assert waiter.get() is not before
        assert await waiter.get()(b"0", timeout=TIMEOUT_S) == b"0"
        assert not slow.done()
        assert await slow == b"3"
    finally:
        await waiter.close()
        await server.stop(0)
