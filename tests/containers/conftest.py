"""The engine, and the project's images, which are built once and stay, so that the next run finds their layers."""

from __future__ import annotations

import docker
import pytest

from tests.containers.engine import TAG, compose_command, connect, run


@pytest.fixture(scope="session")
def engine() -> docker.DockerClient:
    return connect()


@pytest.fixture(scope="session")
def images(engine: docker.DockerClient) -> str:
    """All images built; their tag."""
    run(*compose_command(), "build", timeout_s=1700, env={"SDJSCC_TAG": TAG})
    return TAG
