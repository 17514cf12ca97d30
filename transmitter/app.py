"""The transmitter put together from its settings."""

from __future__ import annotations

import asyncio

import grpc

from sdjscc.codecs import CodecRegistry
from sdjscc.engines import select
from sdjscc.observability.meter import meter
from sdjscc.serving.server import Service, run
from sdjscc.serving.settings import parse_settings
from sdjscc.serving.torch_threads import one_core_per_thread
from sdjscc.serving.upstream import Upstream
from sdjscc.serving.workers import Workers
from sdjscc.v1.transmitter_pb2_grpc import add_TransmitterServiceServicer_to_server
from transmitter.service import Transmitter
from transmitter.settings import TransmitterSettings

__all__ = ["main"]


def main() -> None:
    """Serve until SIGTERM."""
    settings = parse_settings(TransmitterSettings)

    async def build() -> Service:
        one_core_per_thread()
        workers = Workers(settings.threads, settings.queue, one_core_per_thread)
        engine = await asyncio.to_thread(select, settings.engine, workers.threads)
        codecs = await asyncio.to_thread(CodecRegistry.with_all_loaded, engine=engine)
        codecs.find(settings.codec)
        for entry in codecs.entries:
            meter().codec(entry.name, entry.bpp, entry.weights_sha256)
        upstream = Upstream(
            "transmitter",
            settings.upstream,
            settings.upstream_timeout_s,
            settings.max_message_bytes,
            settings.tls,
            settings.insecure,
        )

        def register(server: grpc.aio.Server) -> None:
            transmitter = Transmitter(
                codecs,
                settings.codec,
                upstream,
                workers,
                settings.max_batch,
                settings.max_delay_ms / 1e3,
                settings.max_pixels,
                settings.max_images,
                settings.stream_window,
            )
            add_TransmitterServiceServicer_to_server(transmitter, server)

        async def close() -> None:
            workers.close()
            await upstream.close()

        return Service(
            names=("sdjscc.v1.TransmitterService",),
            register=register,
            close=close,
            facts={
                "codecs": codecs.names(),
                "upstream": settings.upstream,
                "engine": engine.name,
                "threads": workers.threads,
            },
        )

    run("transmitter", settings, build)
