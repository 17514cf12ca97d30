"""Who calls: names that a certificate proves, or the address where there is none."""

from __future__ import annotations

from urllib.parse import unquote

import grpc

__all__ = ["certificate_names", "client_identity"]


def certificate_names(context: grpc.aio.ServicerContext) -> tuple[str, ...]:
    """Names in the client's certificate: its subject alternative names, or its common name where it has none of them.
    Empty without a certificate that the server's CA has signed."""
    proven = context.auth_context()
    names = proven.get("x509_subject_alternative_name") or proven.get("x509_common_name") or ()
    return tuple(name.decode(errors="replace") for name in names)


def client_identity(context: grpc.aio.ServicerContext) -> str:
    """What tells one client from another: the first name of its certificate, else its address without the port."""
    names = certificate_names(context)
    if names:
        return names[0]
    # "ipv4:10.0.0.1:4711", "ipv6:%5B::1%5D:4711", "unix:" and the like.
    peer = unquote(context.peer())
    return peer.rpartition(":")[0] if peer.startswith(("ipv4:", "ipv6:")) else peer
