"""What the files of the containers say."""

from __future__ import annotations

import inspect
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from sdjscc.serving.healthcheck import health_problem
from tests.containers.engine import IMAGES, ROOT, SERVICES

STACK = "deploy/swarm/stack.yml"


def read(file: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())
    return content


def stages(name: str) -> dict[str, list[str]]:
    """Instructions of a Dockerfile by stage, without comments; the stage without a name is ''."""
    text = re.sub(r"(?m)^#.*\n|\\\n", "", (ROOT / name / "Dockerfile").read_text())
    found: dict[str, list[str]] = {"arguments": (current := [])}
    for line in filter(None, text.splitlines()):
        if line.startswith("FROM "):
            found[line.partition(" AS ")[2]] = current = []
        current.append(line)
    return found


def test_compose_file_names_a_dockerfile_for_each_service() -> None:
    services = read("docker-compose.yml")["services"]
    for name in IMAGES:
        assert services[name]["build"]["dockerfile"] == f"{name}/Dockerfile"
        assert services[name]["image"].startswith(f"sdjscc-{name}:")


def test_containers_have_no_more_rights_than_they_need() -> None:
    services = read("docker-compose.yml")["services"]
    for name in IMAGES:
        service = services[name]
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert any(line.startswith("USER 10001") for line in stages(name)[""]), name
    for name, service in read(STACK)["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name


def test_containers_are_limited() -> None:
    services = read("docker-compose.yml")["services"]
    for name in IMAGES:
        assert {"cpus", "mem_limit", "pids_limit"} <= set(services[name]), name
    for name, service in read(STACK)["services"].items():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name


@pytest.mark.parametrize("name", SERVICES)
def test_health_is_asked_for_in_the_same_way_everywhere(name: str) -> None:
    check = read("docker-compose.yml")["services"][name]["healthcheck"]
    in_image = next(line for line in stages(name)[""] if line.startswith("HEALTHCHECK"))
    assert in_image.endswith(str(check["test"]).replace("'CMD', ", "").replace("'", '"'))
    for part in ("interval", "timeout", "start_period", "retries"):
        assert f"--{part.replace('_', '-')}={check[part]} " in in_image
    in_swarm = read(STACK)["services"][name]["healthcheck"]
    # Rarer there: nothing waits for its verdict, and replicas share a machine.
    assert {**in_swarm, "interval": check["interval"], "retries": check["retries"]} == check


@pytest.mark.parametrize("name", SERVICES)
def test_a_busy_machine_kills_no_replica(name: str) -> None:
    """A check may take as long as the one that is run waits for an answer, and a replica that is stopped may end."""
    check = read(STACK)["services"][name]["healthcheck"]
    seconds = {part: int(check[part].rstrip("s")) for part in ("interval", "timeout", "start_period")}
    assert seconds["timeout"] > inspect.signature(health_problem).parameters["timeout_s"].default
    assert seconds["start_period"] >= 600
    assert check["retries"] * seconds["interval"] >= 60
    for file in ("docker-compose.yml", STACK):
        assert int(read(file)["services"][name]["stop_grace_period"].rstrip("s")) >= 60


def test_channel_has_no_networks() -> None:
    instructions = "\n".join(line for lines in stages("channel").values() for line in lines)
    assert "torch" not in instructions.lower()
    assert "networks.txt" not in instructions


def test_images_with_torch_share_their_layers() -> None:
    first, *others = (stages(name) for name in ("transmitter", "receiver", "demo"))
    shared = first[""][: first[""].index("WORKDIR /app") + 1]
    for other in others:
        for stage in ("arguments", "dependencies", "package"):
            assert other[stage] == first[stage]
        assert other[""][: len(shared)] == shared


def test_nothing_is_installed_without_hashes_but_torch() -> None:
    for name in IMAGES:
        for line in (line for lines in stages(name).values() for line in lines):
            for command in re.findall(r"install[^&|]*", line) if line.startswith("RUN") else ():
                assert "--require-hashes" in command or "torch.txt" in command or "--no-index" in command, command


def test_one_version_of_torch() -> None:
    files = ["Makefile", "docker-compose.yml", "deploy/lock.py", *(f"{name}/Dockerfile" for name in IMAGES)]
    texts = [(ROOT / file).read_text() for file in files]
    assert len({version for text in texts for version in re.findall(r"\btorch==[\d.]+", text)}) == 1


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
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    assert health_problem(address) == f"{address} does not answer health checks: UNAVAILABLE"
