"""The Swarm stack: three services of several replicas, replaced and killed while images cross them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.models.services import Service

from tests.containers.engine import NOT_TESTED, SERVICES, load, run, wait_until

STACK = "sdjscc-test"
NETWORK = f"{STACK}_link"
REPLICAS = 2


def service(engine: docker.DockerClient, name: str) -> Service:
    return engine.services.get(f"{STACK}_{name}")


def running(engine: docker.DockerClient, name: str) -> list[dict[str, Any]]:
    """Tasks whose container is up and healthy: Swarm calls a task running from then on."""
    tasks = service(engine, name).tasks(filters={"desired-state": "running"})
    return [task for task in tasks if task["Status"]["State"] == "running"]


def ids(tasks: list[dict[str, Any]]) -> set[str]:
    return {task["ID"] for task in tasks}


def all_running(engine: docker.DockerClient) -> bool:
    return all(len(running(engine, name)) == REPLICAS for name in SERVICES)


@pytest.fixture(scope="module")
def stack(engine: docker.DockerClient, images: str) -> Iterator[docker.DockerClient]:
    """The stack, up, on a swarm of this engine alone."""
    if engine.info()["Swarm"]["LocalNodeState"] != "inactive":
        pytest.skip(f"{NOT_TESTED} on Swarm: this engine is part of a swarm already")
    engine.swarm.init(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")
    try:
        env = {"SDJSCC_TAG": images, **{f"{name.upper()}_REPLICAS": str(REPLICAS) for name in SERVICES}}
        run("docker", "stack", "deploy", "--resolve-image=never", "-c", "deploy/swarm/stack.yml", STACK, env=env)
        up_s = wait_until(lambda: all_running(engine), "all replicas run", 600)
        print(f"all replicas run after {up_s:.1f} s")
        yield engine
    finally:
        engine.swarm.leave(force=True)


@pytest.mark.swarm
@pytest.mark.timeout(1800)
class TestSwarm:
    def test_rolling_update_under_load_loses_nothing(self, stack: docker.DockerClient) -> None:
        with load(stack, NETWORK) as record:
            for name in SERVICES:
                before = ids(running(stack, name))
                service(stack, name).force_update()

                def replaced(name: str = name, before: set[str] = before) -> bool:
                    state = service(stack, name).attrs.get("UpdateStatus", {}).get("State")
                    assert state in (None, "updating", "completed"), state
                    now = ids(running(stack, name))
                    return state == "completed" and len(now) == REPLICAS and not now & before

                replaced_s = wait_until(replaced, f"{name} is replaced", 600)
                print(f"{time.strftime('%H:%M:%S')}: {name} replaced after {replaced_s:.1f} s")
        assert not record.failed
        assert not record.wrong
        assert record.answers["OK"] > 0

    def test_killed_task_is_replaced(self, stack: docker.DockerClient) -> None:
        (killed, *_) = running(stack, "receiver")
        with load(stack, NETWORK) as record:
            container = stack.containers.get(killed["Status"]["ContainerStatus"]["ContainerID"])
            container.exec_run(["python", "-c", "import os; os.kill(-1, 9)"])
            wait_until(lambda: killed["ID"] not in ids(running(stack, "receiver")), "it is gone", 60)
            replaced_s = wait_until(lambda: all_running(stack), "it is replaced", 600)
        print(f"replaced after {replaced_s:.1f} s")
        assert not record.failed
        assert not record.wrong
