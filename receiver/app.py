"""The receiver put together from its settings."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np

from receiver.service import Receiver
from receiver.settings import ReceiverSettings
from sdjscc.codecs import CodecRegistry
from sdjscc.engines import Engine, select
from sdjscc.errors import SdjsccError
from sdjscc.observability.meter import meter
from sdjscc.serving.server import Service, run
from sdjscc.serving.settings import parse_settings
from sdjscc.serving.torch_threads import one_core_per_thread
from sdjscc.serving.workers import Workers
from sdjscc.tasks import get_classifier, task_names
from sdjscc.tasks.base import Classifier, predict
from sdjscc.v1.receiver_pb2_grpc import add_ReceiverServiceServicer_to_server

__all__ = ["main"]


def _classifier(name: str, engine: Engine) -> Classifier:
    """Ready: what an engine does at the first call is done."""
    classifier = get_classifier(name, engine)
    predict(classifier, np.zeros((8, 8, 3), np.uint8), 1)
    return classifier


def main() -> None:
    """Serve until SIGTERM."""
    settings = parse_settings(ReceiverSettings)

    async def build() -> Service:
        if settings.task not in task_names():
            raise SdjsccError(f"there is no task {settings.task!r}; set --task to one of: {', '.join(task_names())}")
        one_core_per_thread()
        workers = Workers(settings.threads, settings.queue, one_core_per_thread)
        engine = await asyncio.to_thread(select, settings.engine, workers.threads)
        codecs = await asyncio.to_thread(CodecRegistry.with_all_loaded, receiving=True, engine=engine)
        for entry in codecs.entries:
            meter().codec(entry.name, entry.bpp, entry.weights_sha256)
        tasks = {name: await asyncio.to_thread(_classifier, name, engine) for name in task_names()}

        def register(server: grpc.aio.Server) -> None:
            receiver = Receiver(
                codecs,
                tasks,
                settings.task,
                workers,
                settings.max_batch,
                settings.max_delay_ms / 1e3,
                settings.max_pixels,
                settings.max_images,
            )
            add_ReceiverServiceServicer_to_server(receiver, server)

        async def close() -> None:
            workers.close()

        return Service(
            names=("sdjscc.v1.ReceiverService",),
            register=register,
            close=close,
            facts={"codecs": codecs.names(), "tasks": list(tasks), "engine": engine.name, "threads": workers.threads},
        )

    run("receiver", settings, build)
