"""Names that a test controls: a DNS server on the loopback interface."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from dnslib import QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

__all__ = ["Names"]


class Names(BaseResolver):
    """Answers A queries for the ``names`` with their addresses, which may change; a name without any does not exist.
    Lives inside a ``with`` block.

    Args:
        names: addresses of each name, read at each query.
        listen: address to answer at; namespaces joined by a wire both need to reach it.
    """

    def __init__(self, names: Mapping[str, Sequence[str]], listen: str = "127.0.0.1") -> None:
        self._names, self._listen = names, listen
        self.asked_s: list[float] = []
        """When names were looked up, by the monotonic clock."""
        self._server = DNSServer(self, address=listen, port=0, logger=DNSLogger("-recv,-send,-request,-reply"))

    def target(self, name: str, port: int) -> str:
        """What gRPC is given to look up ``name`` here."""
        return f"dns://{self._listen}:{self._server.server.server_address[1]}/{name}.test:{port}"

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        reply = request.reply()
        if request.q.qtype == QTYPE.A:
            self.asked_s.append(time.monotonic())
            addresses = self._names.get(str(request.q.qname).partition(".")[0], ())
            if not addresses:
                reply.header.rcode = RCODE.NXDOMAIN
            for address in addresses:
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
