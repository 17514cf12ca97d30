"""Sending images over a running link, synchronously (`Client`) or with asyncio (`AsyncClient`). Needs no torch."""

from __future__ import annotations

from sdjscc.client.aio import AsyncClient
from sdjscc.client.errors import LinkError
from sdjscc.client.results import ChannelConditions, CodecInfo, Label, Result
from sdjscc.client.sync import Client
from sdjscc.wire.tls import TlsFiles

__all__ = ["AsyncClient", "ChannelConditions", "Client", "CodecInfo", "Label", "LinkError", "Result", "TlsFiles"]
