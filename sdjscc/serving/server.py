"""The life of a service: start, serve, drain."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from sdjscc import __version__
from sdjscc.errors import SdjsccError
from sdjscc.observability.meter import meter
from sdjscc.observability.start import start_metrics, start_traces, traces_wanted
from sdjscc.serving.admission import Admission
from sdjscc.serving.core_log import CoreLog
from sdjscc.serving.interceptor import RequestInterceptor
from sdjscc.serving.logs import configure_logs, get_logger
from sdjscc.serving.observing import ObservingInterceptor
from sdjscc.serving.settings import ServiceSettings
from sdjscc.serving.tls import server_credentials
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
    core_log = CoreLog()
    configure_logs(name, settings.log_level, settings.log_format)
    core_log.start()
    mistake = ""
    try:
        with contextlib.ExitStack() as observing:
            facts = _observe(name, settings, observing)
            asyncio.run(_serve(name, settings, build, facts))
    except SdjsccError as error:
        mistake = str(error)
    finally:
        core_log.stop()
    if mistake:
        # After what the core had to say of it: whoever looks at the last line finds the sentence.
        print(f"error: {mistake}", file=sys.stderr)
        raise SystemExit(1)


def _observe(name: str, settings: ServiceSettings, observing: contextlib.ExitStack) -> dict[str, object]:
    """Switch on what is asked for; returns what the log is told of it."""
    facts: dict[str, object] = {}
    if settings.metrics_listen:
        metrics = start_metrics(settings.metrics_listen)
        observing.callback(metrics.close)
        facts["metrics"] = metrics.where
    if traces_wanted(settings.otlp_endpoint):
        traces = start_traces(settings.otlp_endpoint, name)
        observing.callback(traces.close)
        facts["traces"] = traces.where
    return facts


async def _serve(
    name: str, settings: ServiceSettings, build: Callable[[], Awaitable[Service]], observed: dict[str, object]
) -> None:
    log = get_logger()
    stop = asyncio.Event()
    # Before anything slow: a SIGTERM while weights load must end the process in order, too.
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)

    interceptors: list[grpc.aio.ServerInterceptor] = [RequestInterceptor(name, Admission(settings.max_client_calls))]
    if observed:
        interceptors.insert(0, ObservingInterceptor())
    server = grpc.aio.server(
        interceptors=interceptors, options=server_options(settings.max_message_bytes, settings.max_connection_age_s)
    )
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    number = settings.listen.rpartition(":")[2]
    if number.isdecimal() and int(number) > 65535:
        # gRPC would take what is left of it after division by 65536.
        raise SdjsccError(f"cannot listen on {settings.listen}; the greatest port is 65535")
    try:
        if settings.tls.cert is None and settings.tls.key is None:
            port = server.add_insecure_port(settings.listen)
        else:
            certified = settings.tls_clients == "certified"
            port = server.add_secure_port(settings.listen, server_credentials(settings.tls, certified))
    except RuntimeError:
        raise SdjsccError(f"cannot listen on {settings.listen}; is the address taken or not of this machine?") from None

    service = await build()
    meter().running(name, __version__, str(service.facts.get("engine", "")))
    service.register(server)
    reflection.enable_server_reflection((*service.names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        await server.start()
        for served in (*service.names, ""):
            await health_servicer.set(served, health_pb2.HealthCheckResponse.SERVING)
        address = f"{settings.listen.rpartition(':')[0]}:{port}"
        if settings.address_file is not None:
            _write(settings.address_file, address)
        log.info("serving", address=address, **service.facts, **observed)
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
