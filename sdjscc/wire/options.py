"""gRPC channel and server options that all processes agree on."""

from __future__ import annotations

__all__ = ["DEFAULT_MAX_MESSAGE_BYTES", "channel_options", "server_options"]

Options = list[tuple[str, int]]

DEFAULT_MAX_MESSAGE_BYTES = 32 * 2**20


def channel_options(max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES) -> Options:
    """Options of a client's channel: message limits, quick reconnecting so that a restarted service is found, and no
    detour over the HTTP proxy of the environment, which does not know the services."""
    return [
        *_message_limits(max_message_bytes),
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
    ]


def server_options(max_message_bytes: int) -> Options:
    """Options of a server: message limits, and a port that is taken is an error instead of being shared."""
    return [*_message_limits(max_message_bytes), ("grpc.so_reuseport", 0)]


def _message_limits(max_message_bytes: int) -> Options:
    return [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
    ]
