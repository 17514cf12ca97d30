"""``python -m sdjscc.serving.healthcheck HOST:PORT``: does the service there serve? For container engines."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sdjscc.errors import InvalidRequest
from sdjscc.wire.options import channel_options
from sdjscc.wire.tls import PLAINTEXT, TlsFiles, handshake_problem, open_channel

__all__ = ["health_problem", "main"]

# Long enough for a service on a machine that has far too much to do; who is stuck is found a little later.
_TIMEOUT_S = 30.0


def health_problem(
    address: str, timeout_s: float = _TIMEOUT_S, tls: TlsFiles = PLAINTEXT, insecure: bool = False
) -> str:
    """Why the service at ``address`` does not count as healthy, in one sentence; empty where it serves."""
    try:
        with open_channel(address, channel_options(balanced=False), tls, insecure) as channel:
            response = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
    except InvalidRequest as error:
        return str(error)
    except grpc.RpcError as error:
        problem = handshake_problem(address, error.details() or "")
        return problem or f"{address} does not answer health checks: {error.code().name}"
    if response.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return f"{address} reports {health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)}"


def main() -> None:
    """Exits with status 0 where the service serves, 1 where it does not, 2 where no address is given."""
    given = _arguments()
    problem = health_problem(
        given.address, tls=TlsFiles(given.tls_ca, given.tls_cert, given.tls_key), insecure=given.insecure
    )
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sdjscc.serving.healthcheck", description="Does a service serve?")
    parser.add_argument("address", help="as 127.0.0.1:50051")
    for part, what in {
        "ca": "connect with TLS: the server's authority, PEM",
        "cert": "certificate to show to the server, PEM",
        "key": "its key, PEM",
    }.items():
        variable = f"SDJSCC_TLS_{part.upper()}"
        default = Path(os.environ[variable]) if os.environ.get(variable) else None
        parser.add_argument(f"--tls-{part}", type=Path, default=default, help=f"{what} [{variable}]")
    asked = os.environ.get("SDJSCC_INSECURE", "").lower() in {"1", "true", "yes", "on"}
    parser.add_argument("--insecure", action="store_true", default=asked, help="allow plaintext to other machines")
    return parser.parse_args()


if __name__ == "__main__":
    main()
