"""How clients balance, watch and retry: gRPC's service config, the same for every process that calls a service.

Balancing needs no proxy. A name that resolves to several addresses (``dns:///receiver:50053``, or ``host:port``, which
gRPC takes for the same) is called in turn at all of them; one that reports NOT_SERVING or cannot be reached is left out
until it serves again.
"""

from __future__ import annotations

import json

__all__ = ["NO_RETRY", "RETRY_PUSHBACK_KEY", "SERVICE_CONFIG"]

RETRY_PUSHBACK_KEY = "grpc-retry-pushback-ms"
"""Trailing metadata by which a service tells gRPC's client when to try again, in milliseconds."""

NO_RETRY = (RETRY_PUSHBACK_KEY, "-1")
"""Tells the client not to try again: the service has tried already."""

# Repeating these does no harm: they leave nothing behind, and under a seed every answer is the same. A stream is left
# out, because its answers are on their way, and SetConditions, because a repetition could undo what another set.
_REPEATABLE = (
    ("sdjscc.v1.TransmitterService", "Transmit"),
    ("sdjscc.v1.TransmitterService", "TransmitBatch"),
    ("sdjscc.v1.TransmitterService", "ListCodecs"),
    ("sdjscc.v1.ReceiverService", "Receive"),
    ("sdjscc.v1.ReceiverService", "ReceiveBatch"),
    ("sdjscc.v1.ChannelService", "GetConditions"),
)

SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
        "methodConfig": [
            {
                "name": [{"service": service, "method": method} for service, method in _REPEATABLE],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    # Nobody took the call, or its connection broke. All else has been decided by a service.
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        # The budget, of each process and name: a failure takes 1 of 100 tokens, an answer gives 0.1 back, and at half
        # there are no retries. It is enough for what was under way to a replica that dies, and what is down for good is
        # not called four times as often as what is up.
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    }
)
"""JSON, for the channel option ``grpc.service_config``."""
