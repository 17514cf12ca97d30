"""A meter that keeps Prometheus metrics, and the port they are read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from wsgiref.simple_server import WSGIServer

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from sdjscc.observability.meter import Meter

__all__ = ["PrometheusMeter", "serve_metrics"]

# From the noise on a small image (a third of a millisecond) to what waits behind a full queue of large ones.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ITEMS = (1, 2, 3, 4, 6, 8, 12, 16, 32)
# Densest where codecs fade.
_SNR_DB = (-20, -10, -5, 0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 25, 30, 40)
_PROBABILITY = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

_WEIGHTS_PREFIX = 12

# Each would be a second series beside each counter and histogram, which nothing here reads.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class PrometheusMeter(Meter):
    """Keeps what it is told in ``registry``, beside what the system knows of the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._build = self._gauge("build_info", "What runs here; always 1.", "service", "version", "engine")
        self._codec = self._gauge(
            "codec_info",
            "A codec that is installed here, its weights' SHA-256 cut short; always 1.",
            "codec",
            "bpp",
            "weights",
        )
        self._calls = self._counter("calls", "Calls that ended; a stream is one.", "method", "status")
        self._in_flight = self._gauge("calls_in_flight", "Calls that came in and have not ended.", "method")
        self._call_seconds = self._histogram("call_seconds", "From a call's begin to its end.", _SECONDS, "method")
        self._images = self._counter("call_images", "Images of streams and batches that were answered.", "status")
        self._stage_seconds = self._histogram("stage_seconds", "Time of a stage of a request.", _SECONDS, "stage")
        self._batch = self._histogram("batch_items", "Items that a thread took together.", _ITEMS)
        self._wait = self._histogram("queue_wait_seconds", "How long an item waited for a thread.", _SECONDS)
        self._depth = self._gauge("queue_depth", "Items that wait for a thread, as the metrics are read.")
        self._limit = self._gauge("queue_limit", "Items that may wait; calls beyond are refused.")
        self._sent_images = self._counter("sent_images", "Images encoded.", "codec")
        self._sent_bits = self._counter("sent_bits", "Bits they became, those of padding and parity counted.", "codec")
        self._sent_symbols = self._counter("sent_symbols", "Complex symbols that these bits take.", "codec")
        self._snr = self._gauge("channel_snr_db", "SNR in force in dB, where the sender asks for none.", "model")
        self._carried_snr = self._histogram(
            "transmission_snr_db", "SNR in dB that a transmission met.", _SNR_DB, "model"
        )
        self._carried_bits = self._counter("carried_bits", "Bits passed on; none of what came as symbols.", "model")
        self._carried_symbols = self._counter("carried_symbols", "Complex symbols passed on.", "model")
        self._received = self._counter("received_images", "Images by what became of them.", "codec", "outcome")
        self._confidence = self._histogram(
            "label_confidence", "Softmax probability of the first label of an image received.", _PROBABILITY, "task"
        )
        self._queues: list[Callable[[], int]] = []

    def running(self, service: str, version: str, engine: str) -> None:
        self._build.labels(service, version, engine).set(1)

    def codec(self, name: str, bpp: float, weights_sha256: str) -> None:
        self._codec.labels(name, f"{bpp:g}", weights_sha256[:_WEIGHTS_PREFIX]).set(1)

    def call_begun(self, method: str) -> None:
        self._in_flight.labels(method).inc()

    def call_ended(self, method: str, status: str, seconds: float) -> None:
        self._calls.labels(method, status).inc()
        self._call_seconds.labels(method).observe(seconds)
        self._in_flight.labels(method).dec()

    def image(self, status: str) -> None:
        self._images.labels(status).inc()

    def stage(self, stage: str, seconds: float) -> None:
        self._stage_seconds.labels(stage).observe(seconds)

    def batch(self, waited_s: Sequence[float]) -> None:
        self._batch.observe(len(waited_s))
        for seconds in waited_s:
            self._wait.observe(seconds)

    def watch_queue(self, depth: Callable[[], int], limit: int) -> None:
        self._queues.append(depth)
        self._depth.set_function(lambda: sum(read() for read in self._queues))
        self._limit.inc(limit)

    def watch_snr(self, model: str, snr_db: Callable[[], float]) -> None:
        self._snr.labels(model).set_function(snr_db)

    def sent(self, codec: str, bits: int, symbols: int) -> None:
        self._sent_images.labels(codec).inc()
        self._sent_bits.labels(codec).inc(bits)
        self._sent_symbols.labels(codec).inc(symbols)

    def carried(self, model: str, snr_db: float, bits: int, symbols: int) -> None:
        self._carried_snr.labels(model).observe(snr_db)
        self._carried_bits.labels(model).inc(bits)
        self._carried_symbols.labels(model).inc(symbols)

    def received(self, codec: str, outcome: str, task: str, confidence: float) -> None:
        self._received.labels(codec, outcome).inc()
        if outcome == "received":
            self._confidence.labels(task).observe(confidence)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"sdjscc_{name}", help, labels, registry=self.registry)

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:
        return Gauge(f"sdjscc_{name}", help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"sdjscc_{name}", help, labels, buckets=buckets, registry=self.registry)


def serve_metrics(meter: PrometheusMeter, host: str, port: int) -> WSGIServer:
    """Answer ``http://host:port/metrics`` from a thread of its own; raises `OSError`. Port 0 takes a free one."""
    server, _ = prometheus_client.start_http_server(port, host, meter.registry)
    return server
