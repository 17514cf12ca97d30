"""Traces to an OpenTelemetry collector, over OTLP and gRPC."""

from __future__ import annotations

import os
import threading

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

__all__ = ["flush", "provide_traces"]

# A collector that is gone must not hold up the end of the process; the exporter itself would try for ten seconds.
_FLUSH_S = 3.0


def provide_traces(endpoint: str, service: str, version: str) -> TracerProvider:
    """The process's tracer provider from now on, which sends to ``endpoint``, or where OTEL_* variables say.

    A service name in these variables wins over ``service``; they also choose the sampler and set the sizes of batches.
    """
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    name = {} if named else {"service.name": service}
    provider = TracerProvider(
        resource=Resource.create({"service.namespace": "sdjscc", "service.version": version, **name}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint or None)))
    trace.set_tracer_provider(provider)
    return provider


def flush(provider: TracerProvider) -> None:
    """Send what is left and end, within a few seconds even where the collector does not answer."""
    ending = threading.Thread(target=provider.shutdown, daemon=True)
    ending.start()
    ending.join(_FLUSH_S)
