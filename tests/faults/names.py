"""Names that a test controls: a DNS server on the loopback interface."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from dnslib import QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

__all__ = ["Names"]


class Names(BaseResolver):
    """Answers A queries for any name with ``addresses``, which may change; lives inside a ``with`` block."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self._server = DNSServer(self, address="127.0.0.1", port=0, logger=DNSLogger("-recv,-send,-request,-reply"))

    def target(self, name: str, port: int) -> str:
        """What gRPC is given to look up ``name`` here."""
        return f"dns://127.0.0.1:{self._server.server.server_address[1]}/{name}:{port}"

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        reply = request.reply()
        if request.q.qtype == QTYPE.A:
            for address in self.addresses:
                reply.add_answer(RR(request.q.qname, QTYPE.A, ttl=0, rdata=A(address)))
        return reply

    def __enter__(self) -> Self:
        self._server.start_thread()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()
        self._server.server.server_close()
