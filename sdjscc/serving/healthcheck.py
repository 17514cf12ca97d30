"""``python -m sdjscc.serving.healthcheck HOST:PORT``: does the service there serve? For container engines."""

from __future__ import annotations

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sdjscc.wire.options import channel_options

__all__ = ["health_problem", "main"]

_TIMEOUT_S = 5.0


def health_problem(address: str, timeout_s: float = _TIMEOUT_S) -> str:
    """Why the service at ``address`` does not count as healthy, in one sentence; empty where it serves."""
    with grpc.insecure_channel(address, channel_options(balanced=False)) as channel:
        try:
            response = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.RpcError as error:
            return f"{address} does not answer health checks: {error.code().name}"
    if response.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return f"{address} reports {health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)}"


def main() -> None:
    """Exits with status 0 where the service serves, 1 where it does not, 2 where no address is given."""
    if len(sys.argv) != 2:
        print("error: give one address, as in: python -m sdjscc.serving.healthcheck 127.0.0.1:50051", file=sys.stderr)
        raise SystemExit(2)
    problem = health_problem(sys.argv[1])
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
