"""The life of a service: start, serve, drain."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from sdjscc.errors import SdjsccError
from sdjscc.serving.interceptor import RequestInterceptor
from sdjscc.serving.logs import configure_logs, get_logger
from sdjscc.serving.settings import ServiceSettings
from sdjscc.wire.options import server_options

__all__ = ["Service", "run"]


@dataclass
class Service:
    """What a service serves, and how it is put away."""

    names: tuple[str, ...]
    """Full names of its gRPC services, for health and reflection."""
    register: Callable[[grpc.aio.Server], None]
    close: Callable[[], Awaitable[None]]
    facts: dict[str, object] = field(default_factory=dict)
    """Logged once it serves."""


def run(name: str, settings: ServiceSettings, build: Callable[[], Awaitable[Service]]) -> None:
    """Serve until SIGTERM or SIGINT; then report NOT_SERVING, finish the calls in flight within the grace, and return.

    A failure to start (address taken, weights missing, ...) ends the process with one sentence and status 1.
    """
    configure_logs(name, settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(name, settings, build))
    except SdjsccError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


async def _serve(name: str, settings: ServiceSettings, build: Callable[[], Awaitable[Service]]) -> None:
    log = get_logger()
    stop = asyncio.Event()
    # Before anything slow: a SIGTERM while weights load must end the process in order, too.
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)

    server = grpc.aio.server(
        interceptors=[RequestInterceptor(name)],
        options=server_options(settings.max_message_bytes, settings.max_connection_age_s),
    )
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    try:
        port = server.add_insecure_port(settings.listen)
    except RuntimeError:
        raise SdjsccError(f"cannot listen on {settings.listen}; is the address taken or not of this machine?") from None

    service = await build()
    service.register(server)
    reflection.enable_server_reflection((*service.names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        await server.start()
        for served in (*service.names, ""):
            await health_servicer.set(served, health_pb2.HealthCheckResponse.SERVING)
        address = f"{settings.listen.rpartition(':')[0]}:{port}"
        if settings.address_file is not None:
            _write(settings.address_file, address)
        log.info("serving", address=address, **service.facts)
        await stop.wait()
        log.info("draining", grace_s=settings.grace_s)
        await health_servicer.enter_graceful_shutdown()
        await asyncio.sleep(settings.drain_delay_s)
        await server.stop(settings.grace_s)
    finally:
        await service.close()
    log.info("stopped")


def _write(file: Path, address: str) -> None:
    try:
        file.write_text(address)
    except OSError as error:
        raise SdjsccError(f"{file} cannot be written: {error.strerror}; give another --address-file") from error
