"""A service's part in TLS: what it serves with, and the connection to the service behind it, both renewed when their
files change, and the connection when nobody is reached over it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import grpc
import structlog

from sdjscc.errors import InvalidRequest
from sdjscc.serving.logs import get_logger
from sdjscc.wire.options import Options
from sdjscc.wire.outage import Outage, Retired
from sdjscc.wire.tls import PLAINTEXT, Pem, TlsFiles, open_aio_channel

__all__ = ["RenewedStub", "server_credentials"]

# How often a connection looks whether its files have changed, seconds.
_LOOK_EVERY_S = 1.0

Stub = TypeVar("Stub")


def server_credentials(files: TlsFiles, certified_clients: bool) -> grpc.ServerCredentials:
    """What to serve with. Each new connection is made with what the files hold then; while they hold nothing usable,
    with what they held before, and the log says so.

    Args:
        files: a certificate with its key, and the authority of the clients' certificates.
        certified_clients: refuse who has no certificate of that authority.

    Raises `InvalidRequest` where the files cannot be used.
    """
    held = files.stamp()
    # gRPC asks in threads of its own, which know nothing of what is bound here.
    log = get_logger().bind(**structlog.contextvars.get_contextvars())

    def renew() -> grpc.ServerCertificateConfiguration | None:
        # For each connection; None leaves what gRPC has.
        nonlocal held
        now = files.stamp()
        if now == held:
            return None
        held = now
        try:
            configuration = _configuration(files.read(), certified_clients)
        except InvalidRequest as error:
            log.error("certificates not renewed", error=str(error))
            return None
        log.info("certificates renewed", certificate=str(files.cert))
        return configuration

    return grpc.dynamic_ssl_server_credentials(
        _configuration(files.read(), certified_clients), renew, require_client_authentication=certified_clients
    )


class RenewedStub(Generic[Stub]):
    """A stub whose channel is made anew when the TLS files change, and when nobody is reached over it for a while
    (`Outage`); calls under way end on the old one.

    Use from one event loop. Raises `InvalidRequest` where the files cannot be used, or where plaintext is not allowed.

    Args:
        make: makes the stub of a channel.
        target: ``host:port`` or any gRPC target.
        options: of the channel.
        tls: files to connect with; plaintext where they name no authority.
        insecure: allow plaintext to other machines.
    """

    def __init__(
        self, make: Callable[[grpc.aio.Channel], Stub], target: str, options: Options, tls: TlsFiles, insecure: bool
    ) -> None:
        self._make, self._target, self._options, self._insecure = make, target, options, insecure
        # A certificate without an authority is for the clients alone.
        self._tls = PLAINTEXT if tls.ca is None else tls
        self._held, self._looked_s = self._tls.stamp(), time.monotonic()
        self._channel = open_aio_channel(target, options, self._tls, insecure)
        self._stub = make(self._channel)
        self._outage, self._retired = Outage(), Retired()

    def get(self) -> Stub:
        """The stub to call now."""
        if time.monotonic() - self._looked_s > _LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            now = self._tls.stamp()
            if now != self._held:
                self._held = now
                self._renew("TLS files changed")
        return self._stub

    def answered(self) -> None:
        """A call had a result."""
        self._outage.answered()

    def failed(self, error: grpc.aio.AioRpcError) -> None:
        """A call ended with this error."""
        if self._outage.failed(error):
            self._renew("nobody reached")

    async def close(self) -> None:
        self._retired.cancel()
        await self._channel.close()

    def _renew(self, reason: str) -> None:
        try:
            channel = open_aio_channel(self._target, self._options, self._tls, self._insecure)
        except InvalidRequest as error:
            get_logger().error("connection not renewed", target=self._target, error=str(error))
            return
        get_logger().info("connection renewed", target=self._target, reason=reason)
        self._retired.add(self._channel)
        self._channel, self._stub = channel, self._make(channel)


def _configuration(pem: Pem, certified_clients: bool) -> grpc.ServerCertificateConfiguration:
    if certified_clients and pem.ca is None:
        raise InvalidRequest(
            "--tls-cert is given without --tls-ca; give the authority of the clients' certificates, or let anyone in "
            "with --tls-clients anyone"
        )
    return grpc.ssl_server_certificate_configuration(
        [(pem.key, pem.certificate)], root_certificates=pem.ca if certified_clients else None
    )
