"""The channel put together from its settings."""

from __future__ import annotations

import grpc

from channel.service import ChannelConditionsService, Conditions, NoisyReceiver
from channel.settings import ChannelSettings
from sdjscc.channels import get_channel
from sdjscc.errors import SdjsccError
from sdjscc.observability.meter import meter
from sdjscc.serving.freed_memory import keep_freed_memory
from sdjscc.serving.server import Service, run
from sdjscc.serving.settings import parse_settings
from sdjscc.serving.upstream import Upstream
from sdjscc.serving.workers import Workers
from sdjscc.v1.channel_pb2_grpc import add_ChannelServiceServicer_to_server
from sdjscc.v1.receiver_pb2_grpc import add_ReceiverServiceServicer_to_server
from sdjscc.v1.tensor_pb2 import ELEMENT_TYPE_FLOAT16, ELEMENT_TYPE_FLOAT32

__all__ = ["main"]


def main() -> None:
    """Serve until SIGTERM."""
    settings = parse_settings(ChannelSettings)
    keep_freed_memory()

    async def build() -> Service:
        may_set = frozenset(name.strip() for name in settings.conditions_clients.split(",") if name.strip())
        if may_set and not (settings.tls_cert and settings.tls_ca and settings.tls_clients == "certified"):
            raise SdjsccError(
                "--conditions-clients tells clients apart by their certificates; give --tls-cert, --tls-key and "
                "--tls-ca as well, and leave --tls-clients as it is"
            )
        conditions = Conditions(get_channel(settings.model), settings.snr_db)
        upstream = Upstream(
            "channel",
            settings.upstream,
            settings.upstream_timeout_s,
            settings.max_message_bytes,
            settings.tls,
            settings.insecure,
        )
        workers = Workers(settings.threads, settings.queue)
        meter().watch_snr(conditions.model.name, lambda: conditions.snr_db)
        element_type = ELEMENT_TYPE_FLOAT16 if settings.element_type == "float16" else ELEMENT_TYPE_FLOAT32

        def register(server: grpc.aio.Server) -> None:
            noisy = NoisyReceiver(conditions, upstream, workers, element_type, settings.max_images)
            add_ReceiverServiceServicer_to_server(noisy, server)
            add_ChannelServiceServicer_to_server(ChannelConditionsService(conditions, may_set), server)

        async def close() -> None:
            workers.close()
            await upstream.close()

        return Service(
            names=("sdjscc.v1.ReceiverService", "sdjscc.v1.ChannelService"),
            register=register,
            close=close,
            facts={"upstream": settings.upstream, "model": settings.model, "snr_db": settings.snr_db},
        )

    run("channel", settings, build)
