"""What the transmitter can be told."""

from __future__ import annotations

from pydantic import Field

from sdjscc.codecs import DEFAULT_CODEC
from sdjscc.serving.settings import ComputeSettings, ServiceSettings, UpstreamSettings, settings_config

__all__ = ["TransmitterSettings"]


class TransmitterSettings(ServiceSettings, UpstreamSettings, ComputeSettings):
    """The transmitter: encodes images to bits and sends them to the receiver, through a channel where there is one."""

    model_config = settings_config("transmitter")

    listen: str = Field("127.0.0.1:50051", description="address to serve on, host:port; port 0 takes a free one")
    upstream: str = Field(
        "127.0.0.1:50052", description="address of the ReceiverService to send to: a channel or the receiver"
    )
    codec: str = Field(DEFAULT_CODEC, description="codec where a request names none")
    stream_window: int = Field(8, gt=0, description="frames of one stream that are under way at a time")
