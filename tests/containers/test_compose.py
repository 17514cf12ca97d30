"""The link in containers, as docker-compose.yml brings it up: driven, looked into, and broken."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import numpy as np
import pytest
from click.testing import CliRunner
from docker.models.containers import Container
from numpy.typing import NDArray
from PIL import Image

from deploy.sizes import BASE, sizes_mb
from sdjscc.cli.dev_ca import command as dev_ca
from sdjscc.client import Client, LinkError, TlsFiles
from tests.containers.engine import IMAGES, SERVICES, compose_command, load, run, wait_until

PROJECT = "sdjscc-test"
SNR_DB = 7.0
HEALTHY_WITHIN_S = 60.0
CHANNEL_MB = 120
HEALTH_CHECK = ("python", "-m", "sdjscc.serving.healthcheck")
PORTS = {"receiver": 50053, "channel": 50052, "transmitter": 50051}


@dataclass
class Link:
    """The project while it is up."""

    engine: docker.DockerClient
    compose: list[str]
    env: dict[str, str]
    out: Path
    up_s: float
    project: str

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.env['SDJSCC_PORT']}"

    def replicas(self, service: str) -> list[Container]:
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        return self.engine.containers.list(all=True, filters={"label": labels})

    def container(self, service: str) -> Container:
        (only,) = self.replicas(service)
        return only

    def healthy(self, service: str) -> int:
        return [replica.attrs["State"]["Health"]["Status"] for replica in self.replicas(service)].count("healthy")

    def scale(self, service: str, replicas: int) -> None:
        command = ("up", "--detach", "--no-deps", "--no-recreate", "--scale", f"{service}={replicas}", service)
        run(*self.compose, *command, timeout_s=300, env=self.env)
        wait_until(lambda: self.healthy(service) == replicas, f"{replicas} of {service} healthy", 240)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def up(
    engine: docker.DockerClient, images: str, out: Path, project: str, *files: str, **variables: str
) -> Iterator[Link]:
    """All four services of the ``files`` up, under a project name and on ports of their own."""
    compose = [*compose_command(), *(part for file in files for part in ("--file", file)), "--project-name", project]
    env = {
        "SDJSCC_TAG": images,
        "SDJSCC_PORT": str(free_port()),
        "SDJSCC_PORT_CHANNEL": str(free_port()),
        "SDJSCC_OUT": str(out),
        "SNR_DB": str(SNR_DB),
        **variables,
    }
    try:
        begin = time.monotonic()
        run(*compose, "up", "--detach", "--no-build", timeout_s=300, env=env)
        yield Link(engine, compose, env, out, time.monotonic() - begin, project)
    finally:
        run(*compose, "down", "--volumes", "--timeout", "5", env=env)


@pytest.fixture(scope="module")
def link(engine: docker.DockerClient, images: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    with up(engine, images, tmp_path_factory.mktemp("out"), PROJECT, "docker-compose.yml") as link:
        yield link


def calls_answered(receiver: Container, since: float) -> int:
    """Images that a receiver has answered, by its log."""
    return receiver.logs(since=since).count(b'.ReceiverService/Receive"')


# The first of these waits for the build, which may have to fetch torch.
@pytest.mark.containers
@pytest.mark.timeout(1800)
class TestCompose:
    def test_services_become_healthy(self, link: Link) -> None:
        # The demo is started last, when all before it are healthy, and only then does `up` return.
        print(f"healthy after {link.up_s:.1f} s")
        assert link.up_s < HEALTHY_WITHIN_S
        for service in SERVICES:
            assert link.healthy(service) == 1

    def test_demo_leaves_its_picture_and_the_services_stay(self, link: Link) -> None:
        demo = link.container("demo")
        assert demo.wait(timeout=300)["StatusCode"] == 0
        assert b"received as" in demo.logs()
        with Image.open(link.out / "demo.png") as picture:
            picture.load()
        for service in SERVICES:
            assert link.container(service).status == "running"

    def test_published_port_and_snr_of_the_shell(self, link: Link, photograph: NDArray[np.uint8]) -> None:
        with Client(link.server) as client:
            result = client.transmit(photograph)
        assert [crossed.snr_db for crossed in result.conditions] == [SNR_DB]
        assert result.image is not None
        assert result.image.shape == photograph.shape

    @pytest.mark.parametrize("service", IMAGES)
    def test_container_can_do_no_more_than_it_needs(self, link: Link, service: str) -> None:
        container = link.container(service)
        host = container.attrs["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] > 0
        assert host["NanoCpus"] > 0
        assert host["PidsLimit"] > 0

    @pytest.mark.parametrize("service", SERVICES)
    def test_service_is_locked_in(self, link: Link, service: str) -> None:
        # What the kernel says of the service's own process, not what the engine was asked for.
        status = link.container(service).exec_run(["cat", "/proc/1/status"]).output.decode()
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert facts["Uid"].split() == ["10001"] * 4
        assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
        assert facts["NoNewPrivs"] == "1"
        assert link.container(service).exec_run(["touch", "/app/new"]).exit_code != 0
        code = "import shutil; print([c for c in ('cc', 'gcc', 'clang', 'ld', 'make') if shutil.which(c)])"
        assert link.container(service).exec_run(["python", "-c", code]).output.strip() == b"[]"

    def test_images_hold_no_more_than_they_need(self, link: Link) -> None:
        code = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
        for service in SERVICES:
            packages = link.container(service).exec_run(["python", "-c", code]).output.decode().split()
            assert not [name for name in packages if name.startswith(("nvidia", "cuda", "triton"))], service
            assert "pip" not in link.container(service).exec_run(["ls", "/venv/bin"]).output.decode().split()
            assert ("torch" in packages) == (service != "channel")
        assert sizes_mb(link.engine, link.env["SDJSCC_TAG"])["channel"] <= CHANNEL_MB, f"over {BASE}"

    def test_added_receivers_are_found_and_get_their_share(self, link: Link) -> None:
        link.scale("receiver", 3)
        with load(link.engine, f"{PROJECT}_default") as record:
            begin = time.time()

            def shares() -> list[int]:
                return [calls_answered(receiver, begin) for receiver in link.replicas("receiver")]

            # A connection that was there before looks up the name again at the end of its age.
            wait_until(lambda: min(shares()) > 0, "all receivers are called", 120)
            begin = time.time()
            wait_until(lambda: sum(shares()) >= 150, "150 images", 240)
            answered = shares()
        print(f"images by receiver: {answered}")
        assert not record.failed
        assert not record.wrong
        assert min(answered) > 0.75 * sum(answered) / 3

    def test_killed_receiver_is_survived_and_comes_back(self, link: Link) -> None:
        receivers = link.replicas("receiver")
        with load(link.engine, f"{PROJECT}_default") as record:
            # All processes of the container but the first, which then ends as after a crash.
            receivers[0].exec_run(["python", "-c", "import os; os.kill(-1, 9)"])
            wait_until(lambda: link.healthy("receiver") == 2, "one receiver is down", 30)
            back_s = wait_until(lambda: link.healthy("receiver") == 3, "it is back", 240)
        print(f"back after {back_s:.1f} s; {record}")
        assert not record.failed
        assert not record.wrong
        assert record.answers["OK"] > 0

    def test_sigterm_ends_each_service_in_order(self, link: Link) -> None:
        link.scale("receiver", 1)
        for service in reversed(SERVICES):
            container = link.container(service)
            container.kill("SIGTERM")
            assert container.wait(timeout=60)["StatusCode"] == 0
            assert b'"event": "stopped"' in container.logs()


@pytest.mark.containers
@pytest.mark.timeout(1800)
def test_mutual_tls_between_containers_and_towards_this_machine(
    engine: docker.DockerClient, images: str, photograph: NDArray[np.uint8], tmp_path: Path
) -> None:
    """As the head of docker-compose.tls.yml says: certificates by the project's own command, every hop by TLS."""
    certificates, out = tmp_path / "certificates", tmp_path / "out"
    out.mkdir()
    made = CliRunner().invoke(dev_ca, [str(certificates)], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    variables = {
        "SDJSCC_CERTIFICATES": str(certificates),
        "SDJSCC_UID": str(os.getuid()),
        "SDJSCC_GID": str(os.getgid()),
    }
    files = "docker-compose.yml", "docker-compose.tls.yml"
    with up(engine, images, out, f"{PROJECT}-tls", *files, **variables) as link:
        assert link.container("demo").wait(timeout=300)["StatusCode"] == 0, link.container("demo").logs()
        ca, cert, key = (certificates / "client" / file for file in ("ca.crt", "tls.crt", "tls.key"))
        with Client(link.server, tls=TlsFiles(ca, cert, key)) as client:
            assert client.transmit(photograph).labels
        for service in SERVICES:
            # Compose publishes the transmitter and the channel; the receiver is asked from inside.
            check = [*HEALTH_CHECK, f"127.0.0.1:{PORTS[service]}"]
            assert link.container(service).exec_run(check).exit_code == 0
            plaintext = {"SDJSCC_TLS_CA": "", "SDJSCC_TLS_CERT": "", "SDJSCC_TLS_KEY": ""}
            assert link.container(service).exec_run(check, environment=plaintext).exit_code == 1
        with Client(link.server, tls=TlsFiles(ca)) as stranger, pytest.raises(LinkError):
            stranger.transmit(photograph)
        log = link.container("transmitter").logs()
    assert b"handshake refused" in log
    assert b"it sent no certificate" in log
    assert b"it speaks no TLS" in log
