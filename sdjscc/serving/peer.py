"""Who calls: names that a certificate proves, or the address where there is none."""

from __future__ import annotations

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
    return names[0] if names else str(context.peer()).rpartition(":")[0]
