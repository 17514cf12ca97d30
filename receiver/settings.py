"""What the receiver can be told."""

from __future__ import annotations

from pydantic import Field

from sdjscc.serving.settings import ComputeSettings, ServiceSettings, settings_config

__all__ = ["ReceiverSettings"]


class ReceiverSettings(ServiceSettings, ComputeSettings):
    """The receiver: decodes received symbols to an image and says what it shows."""

    model_config = settings_config("receiver")

    listen: str = Field("127.0.0.1:50053", description="address to serve on, host:port; port 0 takes a free one")
    task: str = Field("imagenet", description="task where a request names none")
