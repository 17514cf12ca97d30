"""Metrics and traces switched on, where they were asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sdjscc import __version__
from sdjscc.errors import MissingDependency, SdjsccError
from sdjscc.observability.meter import use_meter
from sdjscc.observability.tracer import use_tracer

__all__ = ["Observing", "start_metrics", "start_traces", "traces_wanted"]

_EXTRA = "which the extra brings: pip install 'sdjscc[observability]'"
_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@dataclass(frozen=True)
class Observing:
    """Something that was switched on."""

    where: str
    """The address that metrics are served on, or that traces are sent to."""
    close: Callable[[], None]


def traces_wanted(otlp_endpoint: str) -> bool:
    """Whether a flag or the environment's OTEL_* variables ask for traces."""
    if otlp_endpoint:
        return True
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(os.environ.get(variable) for variable in _ENDPOINT_VARIABLES)


def start_metrics(listen: str) -> Observing:
    """Serve metrics at ``host:port``, and make the process's meter one that keeps them.

    Raises `MissingDependency` without the extra, `SdjsccError` where there can be no listening.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise SdjsccError(f"--metrics-listen is {listen!r}; give host:port, such as 127.0.0.1:9464")
    try:
        from sdjscc.observability.prometheus import PrometheusMeter, serve_metrics
    except ImportError as error:
        raise MissingDependency(f"--metrics-listen needs prometheus-client, {_EXTRA}") from error
    meter = PrometheusMeter()
    try:
        server = serve_metrics(meter, host.strip("[]"), int(port))
    except OSError:
        raise SdjsccError(
            f"cannot serve metrics on {listen}; is the address taken or not of this machine? Give another "
            "--metrics-listen"
        ) from None
    use_meter(meter)
    return Observing(f"{host}:{server.server_port}", server.shutdown)


def start_traces(otlp_endpoint: str, service: str) -> Observing:
    """Send traces to ``otlp_endpoint``, or where the OTEL_* variables say, and make the process's tracer one that makes
    spans. ``service`` is their service name, unless the variables have one.

    Raises `MissingDependency` without the extra, `SdjsccError` for an endpoint that is none.
    """
    if otlp_endpoint and not otlp_endpoint.startswith(("http://", "https://")):
        raise SdjsccError(f"--otlp-endpoint is {otlp_endpoint!r}; give a URL, such as http://127.0.0.1:4317")
    try:
        from sdjscc.observability.otlp import flush, provide_traces
        from sdjscc.observability.spans import SpanTracer
    except ImportError as error:
        raise MissingDependency(f"traces (--otlp-endpoint, OTEL_*) need the OpenTelemetry SDK, {_EXTRA}") from error
    provider = provide_traces(otlp_endpoint, service, __version__)
    use_tracer(SpanTracer())
    endpoint = otlp_endpoint or next(filter(None, map(os.environ.get, _ENDPOINT_VARIABLES)))
    return Observing(endpoint, lambda: flush(provider))
