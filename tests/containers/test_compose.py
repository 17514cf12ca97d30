"""The link in containers: what the files say, and, where an engine answers, that they do it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import yaml
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from numpy.typing import NDArray
from PIL import Image

from sdjscc.client import Client
from sdjscc.serving.healthcheck import health_problem

ROOT = Path(__file__).parent.parent
SERVICES = ("receiver", "channel", "transmitter")
IMAGES = (*SERVICES, "demo")
PROJECT = "sdjscc-test"
SNR_DB = 7.0
HEALTHY_WITHIN_S = 60.0


def compose_file() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def stages(name: str) -> dict[str, list[str]]:
    """Instructions of a Dockerfile by stage, without comments; the stage without a name is ''."""
    text = re.sub(r"(?m)^#.*\n|\\\n", "", (ROOT / name / "Dockerfile").read_text())
    found: dict[str, list[str]] = {}
    for line in filter(None, text.splitlines()):
        if line.startswith("FROM "):
            found[line.partition(" AS ")[2]] = current = []
        current.append(line)
    return found


def test_compose_file_names_a_dockerfile_for_each_service() -> None:
    services = compose_file()["services"]
    assert sorted(services) == sorted(IMAGES)
    for name, service in services.items():
        assert service["build"]["dockerfile"] == f"{name}/Dockerfile"
        assert (ROOT / name / "Dockerfile").is_file()


def test_containers_have_no_more_rights_than_they_need() -> None:
    for name, service in compose_file()["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert any(line.startswith("USER 10001") for line in stages(name)[""]), name


@pytest.mark.parametrize("name", SERVICES)
def test_health_is_asked_for_in_the_same_way_with_and_without_compose(name: str) -> None:
    check = compose_file()["services"][name]["healthcheck"]
    in_image = next(line for line in stages(name)[""] if line.startswith("HEALTHCHECK"))
    assert in_image.endswith(str(check["test"]).replace("'CMD', ", "").replace("'", '"'))
    assert f"--interval={check['interval']} " in in_image


def test_channel_has_no_networks() -> None:
    instructions = "\n".join(line for lines in stages("channel").values() for line in lines)
    assert "torch" not in instructions.lower()
    assert "codec" not in instructions
    assert "baselines" not in instructions


def test_images_with_torch_share_their_layers() -> None:
    first, *others = (stages(name) for name in ("transmitter", "receiver", "demo"))
    shared = first[""][: first[""].index("WORKDIR /app") + 1]
    for other in others:
        for stage in ("requirements", "dependencies", "package"):
            assert other[stage] == first[stage]
        assert other[""][: len(shared)] == shared


def test_one_version_of_torch() -> None:
    files = [ROOT / "Makefile", ROOT / "docker-compose.yml", *(ROOT / name / "Dockerfile" for name in IMAGES)]
    assert len({version for file in files for version in re.findall(r"\btorch==[\w.]+", file.read_text())}) == 1


@pytest.mark.parametrize(("status", "problem"), [("SERVING", ""), ("NOT_SERVING", " reports NOT_SERVING")])
def test_healthcheck_of_a_service_that_answers(status: str, problem: str) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        assert health_problem(address) == (address + problem if problem else "")
    finally:
        server.stop(grace=1).wait()


def test_healthcheck_of_a_service_that_is_not_there() -> None:
    address = f"127.0.0.1:{free_port()}"
    assert health_problem(address) == f"{address} does not answer health checks: UNAVAILABLE"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Containers:
    """The project while it is up."""

    port: int
    out: Path
    up_s: float

    def id_of(self, service: str) -> str:
        labels = (f"label=com.docker.compose.project={PROJECT}", f"label=com.docker.compose.service={service}")
        return run("docker", "ps", "--all", "--quiet", "--filter", labels[0], "--filter", labels[1]).strip()

    def inspect(self, service: str, template: str) -> str:
        return run("docker", "inspect", "--format", template, self.id_of(service)).strip()

    def log(self, service: str) -> str:
        return run("docker", "logs", self.id_of(service))


def run(*command: str, timeout_s: float = 120.0, env: dict[str, str] | None = None) -> str:
    """What a command that must succeed prints, on standard error too."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def works(*command: str) -> bool:
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """All four services built and up, under a project name and on ports of their own."""
    if not works("docker", "version"):
        pytest.skip("CONTAINERS NOT TESTED: no Docker engine answers (docker version)")
    command = next((c for c in (["docker", "compose"], ["docker-compose"]) if works(*c, "version")), None)
    if command is None:
        pytest.skip("CONTAINERS NOT TESTED: there is neither `docker compose` nor `docker-compose`")
    compose = [*command, "--file", "docker-compose.yml", "--project-name", PROJECT]
    port, out = free_port(), tmp_path_factory.mktemp("out")
    env = {
        **os.environ,
        "SDJSCC_PORT": str(port),
        "SDJSCC_PORT_CHANNEL": str(free_port()),
        "SDJSCC_OUT": str(out),
        "SNR_DB": str(SNR_DB),
    }
    run(*compose, "build", timeout_s=1500, env=env)
    try:
        begin = time.monotonic()
        run(*compose, "up", "--detach", timeout_s=300, env=env)
        yield Containers(port, out, time.monotonic() - begin)
    finally:
        run(*compose, "down", "--volumes", "--rmi", "local", env=env)


# The first of these waits for the build, which may have to fetch torch.
@pytest.mark.containers
@pytest.mark.timeout(1800)
class TestInContainers:
    def test_services_become_healthy(self, containers: Containers) -> None:
        # The demo is started last, when all before it are healthy, and only then does `up` return.
        assert containers.up_s < HEALTHY_WITHIN_S
        for service in SERVICES:
            assert containers.inspect(service, "{{.State.Health.Status}}") == "healthy"

    def test_demo_leaves_its_picture_and_the_services_stay(self, containers: Containers) -> None:
        assert run("docker", "wait", containers.id_of("demo"), timeout_s=300).strip() == "0"
        assert "received as" in containers.log("demo")
        with Image.open(containers.out / "demo.png") as picture:
            picture.load()
        for service in SERVICES:
            assert containers.inspect(service, "{{.State.Status}}") == "running"

    def test_published_port_and_snr_of_the_shell(self, containers: Containers, photograph: NDArray[np.uint8]) -> None:
        with Client(f"127.0.0.1:{containers.port}") as client:
            result = client.transmit(photograph)
        assert [crossed.snr_db for crossed in result.conditions] == [SNR_DB]
        assert result.image is not None
        assert result.image.shape == photograph.shape

    def test_channel_image_has_no_torch(self, containers: Containers) -> None:
        python = ("docker", "run", "--rm", "--entrypoint", "python", containers.inspect("channel", "{{.Image}}"), "-c")
        done = subprocess.run((*python, "import torch"), capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert "No module named 'torch'" in done.stderr

    def test_sigterm_ends_each_service_in_order(self, containers: Containers) -> None:
        for service in reversed(SERVICES):
            run("docker", "kill", "--signal", "TERM", containers.id_of(service))
            assert run("docker", "wait", containers.id_of(service), timeout_s=60).strip() == "0"
            assert '"event": "stopped"' in containers.log(service)
