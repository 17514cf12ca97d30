"""What the channel can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sdjscc.channels import SNR_DB_RANGE
from sdjscc.serving.settings import ServiceSettings, UpstreamSettings, settings_config

__all__ = ["ChannelSettings"]


class ChannelSettings(ServiceSettings, UpstreamSettings):
    """The channel: adds noise to what passes on its way to the receiver."""

    model_config = settings_config("channel")

    listen: str = Field("127.0.0.1:50052", description="address to serve on, host:port; port 0 takes a free one")
    upstream: str = Field(
        "127.0.0.1:50053", description="address of the ReceiverService to hand on to: the receiver or another channel"
    )
    model: Literal["awgn"] = Field("awgn", description="channel model")
    snr_db: float = Field(
        10.0, ge=SNR_DB_RANGE[0], le=SNR_DB_RANGE[1], description="SNR in dB where a request asks for none"
    )
    element_type: Literal["float32", "float16"] = Field("float32", description="type of the symbols handed on")
    threads: int = Field(0, ge=0, description="transmissions worked on at a time; 0: as many as there are cores")
    conditions_clients: str = Field(
        "",
        description="names in the certificates of those who may set the conditions, with commas between; empty: anyone",
    )
    queue: int = Field(256, ge=0, description="transmissions that may wait for a thread; beyond, RESOURCE_EXHAUSTED")
