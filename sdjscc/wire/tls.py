"""TLS from files, and channels that are plaintext only where nobody else can listen, or where that was asked for."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from sdjscc.errors import InvalidRequest
from sdjscc.wire.options import Options

__all__ = [
    "PLAINTEXT",
    "Pem",
    "TlsFiles",
    "check_plaintext",
    "handshake_problem",
    "is_loopback",
    "open_aio_channel",
    "open_channel",
]

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Pem:
    """What the files hold; None for those that were not given."""

    ca: bytes | None
    certificate: bytes | None
    key: bytes | None


@dataclass(frozen=True)
class TlsFiles:
    """Where certificates and keys lie, as PEM. One of these is a process's part in TLS, towards both sides."""

    ca: Path | None = None
    """Certificates of the authorities that the other side's certificate must be signed by."""
    cert: Path | None = None
    """Our own certificate, followed by those between it and the authority, where there are any."""
    key: Path | None = None
    """Our certificate's key, without a passphrase."""

    def read(self) -> Pem:
        """What they hold. Raises `InvalidRequest` where one is missing or holds none, or the key does not fit."""
        if (self.cert is None) != (self.key is None):
            given, missing = ("--tls-cert", "--tls-key") if self.key is None else ("--tls-key", "--tls-cert")
            raise InvalidRequest(f"{given} is given without {missing}; give both")
        pem = Pem(*(None if file is None else _read(file) for file in (self.ca, self.cert, self.key)))
        if self.ca is not None:
            _check_authorities(self.ca)
        if self.cert is not None and self.key is not None:
            _check_pair(self.cert, self.key)
        return pem

    def stamp(self) -> Stamp:
        """Changes when a file does. A file that is gone, as it may be while it is replaced, counts as a change."""
        return tuple(_stamp(file) for file in (self.ca, self.cert, self.key) if file is not None)


PLAINTEXT = TlsFiles()
"""No TLS."""


def is_loopback(target: str) -> bool:
    """Does what goes to ``target`` (``host:port`` or any gRPC target, several addresses too) stay on this machine?

    A name counts as being elsewhere, "localhost" aside: what it resolves to may change.
    """
    scheme, separator, rest = target.partition(":")
    if scheme in {"unix", "unix-abstract"}:
        return True
    if separator and scheme in {"dns", "ipv4", "ipv6"}:
        target = rest.rpartition("/")[2]
    return all(_host_is_loopback(address) for address in target.split(","))


def check_plaintext(target: str, insecure: bool, what: str) -> None:
    """Raise `InvalidRequest` where plaintext is neither harmless nor asked for; ``what`` begins the sentence."""
    if not (insecure or is_loopback(target)):
        raise InvalidRequest(
            f"{what} {target} would be in plaintext, which others can read and forge; give TLS files (--tls-ca, "
            "--tls-cert, --tls-key; `sdjscc dev-ca` makes some), or --insecure on a network that you trust"
        )


def open_channel(target: str, options: Options, tls: TlsFiles = PLAINTEXT, insecure: bool = False) -> grpc.Channel:
    """A channel with TLS where ``tls`` names an authority, else in plaintext; raises `InvalidRequest`."""
    credentials = _credentials(target, tls, insecure)
    if credentials is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, credentials, options)


def open_aio_channel(
    target: str, options: Options, tls: TlsFiles = PLAINTEXT, insecure: bool = False
) -> grpc.aio.Channel:
    """As `open_channel`, for asyncio."""
    credentials = _credentials(target, tls, insecure)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options)
    return grpc.aio.secure_channel(target, credentials, options)


def handshake_problem(target: str, details: str) -> str:
    """What gRPC's ``details`` of a failed call say of TLS, as a sentence; empty where they say nothing of it."""
    if "CERTIFICATE_VERIFY_FAILED" in details:
        reason = re.search(r"CERTIFICATE_VERIFY_FAILED:? ?([a-z ]*)", details)
        words = (reason[1] if reason else "").strip() or "not trusted"
        return f"the certificate of {target} is refused ({words}); check it, and that --tls-ca is its authority"
    if "not in peer certificate" in details or "Hostname Verification Check failed" in details:
        return f"the certificate of {target} is one of other names; give a name that stands in it, or make it anew"
    if "WRONG_VERSION_NUMBER" in details:
        return f"{target} speaks no TLS; give it certificates, or leave out --tls-ca"
    # gRPC tells "last error" of connections that were never made, and not of one that breaks.
    if "last error: " in details and ("Socket closed" in details or "andshake" in details):
        return (
            f"{target} closed the connection while it was made; where it asks for TLS give --tls-ca, --tls-cert and "
            "--tls-key, and see its log, which says whom it refused"
        )
    return ""


def _credentials(target: str, tls: TlsFiles, insecure: bool) -> grpc.ChannelCredentials | None:
    pem = tls.read()
    if pem.ca is None:
        if pem.certificate is not None:
            raise InvalidRequest("--tls-cert is given without --tls-ca; give the authority that the server must have")
        check_plaintext(target, insecure, "the connection to")
        return None
    return grpc.ssl_channel_credentials(pem.ca, pem.key, pem.certificate)


def _host_is_loopback(address: str) -> bool:
    match = re.fullmatch(r"\[(?P<six>[^]]*)\](:\w+)?|(?P<other>[^:]*)(:\w+)?|(?P<bare>.*)", address)
    host = "" if match is None else match["six"] or match["other"] or match["bare"] or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}; `sdjscc dev-ca` makes such files") from error


def _check_authorities(file: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{file} holds no certificate of an authority in PEM; give another --tls-ca") from error


def _check_pair(certificate: Path, key: Path) -> None:
    def no_passphrase() -> str:
        raise InvalidRequest(f"the key {key} asks for a passphrase; give one without")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidRequest(f"the key {key} does not fit the certificate {certificate}; give its own") from error
        raise InvalidRequest(f"{certificate} and {key} are no certificate and key in PEM; make them anew") from error
    except OSError as error:
        raise InvalidRequest(f"{certificate} or {key} cannot be read: {error.strerror}") from error


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
