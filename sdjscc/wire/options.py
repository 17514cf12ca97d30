"""gRPC channel and server options that all processes agree on."""

from __future__ import annotations

from sdjscc.wire.service_config import SERVICE_CONFIG

__all__ = ["DEFAULT_MAX_MESSAGE_BYTES", "DEFAULT_MAX_CONNECTION_AGE_S", "channel_options", "server_options"]

Options = list[tuple[str, int | str]]

DEFAULT_MAX_MESSAGE_BYTES = 32 * 2**20

DEFAULT_MAX_CONNECTION_AGE_S = 30.0

# A peer that is frozen or cut off is given up after at most the sum, of a client's connection; a server can wait
# longer, for it loses nothing but the memory of a call.
_CLIENT_PING_MS, _CLIENT_PING_TIMEOUT_MS = 5_000, 5_000
_SERVER_PING_MS, _SERVER_PING_TIMEOUT_MS = 20_000, 10_000
_LEAST_PING_INTERVAL_MS = 2_000


def channel_options(max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES, *, balanced: bool = True) -> Options:
    """Options of a client's channel.

    Message limits; no detour over the HTTP proxy of the environment, which does not know the services; quick
    reconnecting and looking up of names, so that a restarted or added service is found within seconds; pings, so that a
    frozen or cut off one is given up within ten.

    Args:
        max_message_bytes: largest message sent or taken.
        balanced: call all addresses of a name in turn, leave out those that report NOT_SERVING, and retry as
            `sdjscc.wire.service_config` says; without it, an answer is that of the one service that is asked.
    """
    options: Options = [
        *_message_limits(max_message_bytes),
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # Also how long an attempt to connect may take: the first packet may have been lost.
        ("grpc.min_reconnect_backoff_ms", 2000),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        *_pings(_CLIENT_PING_MS, _CLIENT_PING_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if balanced:
        options += [
            ("grpc.service_config", SERVICE_CONFIG),
            # A service config from the name's TXT records would replace ours.
            ("grpc.service_config_disable_resolution", 1),
            # Requests over this limit are not retried: gRPC keeps no copy of them.
            ("grpc.per_rpc_retry_buffer_size", max_message_bytes),
        ]
    return options


def server_options(max_message_bytes: int, max_connection_age_s: float = DEFAULT_MAX_CONNECTION_AGE_S) -> Options:
    """Options of a server.

    Message limits; a port that is taken is an error instead of being shared; connections that end after a while (what
    they carry is finished first), so that clients look up the name again and find new replicas; pings in both
    directions.
    """
    return [
        *_message_limits(max_message_bytes),
        ("grpc.so_reuseport", 0),
        ("grpc.max_connection_age_ms", round(1e3 * max_connection_age_s)),
        *_pings(_SERVER_PING_MS, _SERVER_PING_TIMEOUT_MS),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _LEAST_PING_INTERVAL_MS),
    ]


def _pings(interval_ms: int, timeout_ms: int) -> Options:
    return [
        ("grpc.keepalive_time_ms", interval_ms),
        ("grpc.keepalive_timeout_ms", timeout_ms),
        # Of pings for other ends, behind which those of keepalive stand back; a minute by default.
        ("grpc.http2.ping_timeout_ms", timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _message_limits(max_message_bytes: int) -> Options:
    return [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
    ]
