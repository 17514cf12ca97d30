"""What the tests in containers share: a Docker engine, the project's images, a load that runs inside a container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

__all__ = [
    "IMAGES",
    "NOT_TESTED",
    "ROOT",
    "SERVICES",
    "TAG",
    "Record",
    "compose_command",
    "connect",
    "load",
    "run",
    "wait_until",
]

ROOT = Path(__file__).parents[2]
SERVICES = ("receiver", "channel", "transmitter")
IMAGES = (*SERVICES, "demo")
TAG = "test"
NOT_TESTED = "CONTAINERS NOT TESTED"


def connect() -> docker.DockerClient:
    """The engine; skips the test, with a reason that `.ci/run` looks for, where there is none."""
    try:
        engine = docker.from_env(timeout=120)
        engine.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"{NOT_TESTED}: no Docker engine answers ({str(error).splitlines()[0]})")
    return engine


def compose_command() -> list[str]:
    """The plugin or docker-compose; skips the test where there is neither."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    pytest.skip(f"{NOT_TESTED}: there is neither `docker compose` nor `docker-compose`")


def run(*command: str, timeout_s: float = 120.0, env: dict[str, str] | None = None) -> str:
    """What a command that must succeed prints, on standard error too."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def wait_until(condition: Callable[[], object], what: str, timeout_s: float) -> float:
    """Seconds until ``condition`` held; fails with ``what`` where it does not within ``timeout_s``."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < timeout_s, f"{what}: not within {timeout_s:g} s"
        time.sleep(0.2)
    return time.monotonic() - begin


@dataclass
class Record:
    """What became of the calls of a `load`."""

    answers: dict[str, int] = field(default_factory=dict)
    """Number of calls by status and sentence; "OK" where there was a result."""
    wrong: int = 0
    """Results that belong to another image."""
    longest_s: float = 0.0
    """Longest time without a result."""
    lost: dict[str, list[str]] = field(default_factory=dict)
    """First and last time of each status but "OK", by the clock."""

    @property
    def failed(self) -> dict[str, int]:
        return {answer: count for answer, count in self.answers.items() if answer != "OK"}


@contextmanager
def load(engine: docker.DockerClient, network: str, calls: int = 4) -> Iterator[Record]:
    """Images into the transmitters of a network while the block runs; the record is filled in at its end."""
    container: Container = engine.containers.run(
        f"sdjscc-transmitter:{TAG}",
        ["/load.py", "dns:///transmitter:50051", str(calls)],
        entrypoint=["python"],
        network=network,
        volumes={str(Path(__file__).with_name("load.py")): {"bind": "/load.py", "mode": "ro"}},
        # That of the image is a transmitter's.
        healthcheck={"test": ["NONE"]},
        init=True,
        detach=True,
    )
    record = Record()
    try:
        wait_until(lambda: b"sending" in container.logs(), f"the load does not start: {container.logs()!r}", 60)
        yield record
        container.stop(timeout=60)
        printed: dict[str, Any] = json.loads(container.logs(stderr=False).splitlines()[-1])
        record.answers, record.wrong = printed["answers"], printed["wrong"]
        record.longest_s, record.lost = printed["longest_s"], printed["lost"]
        print(record)
    finally:
        container.remove(force=True)
