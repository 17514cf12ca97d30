"""``sdjscc dev-ca``"""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sdjscc.errors import InvalidRequest

__all__ = ["command"]

_AUTHORITY_DAYS = 3650
_HERE = ("localhost", "127.0.0.1", "::1")
_SERVICES = ("transmitter", "channel", "receiver")
_NAME = re.compile(r"[A-Za-z0-9*](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?")


@click.command("dev-ca")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name of a service; after commas its other names and addresses: receiver,10.0.0.7; may be repeated.",
)
@click.option("--client", "clients", multiple=True, help="Name of a client; may be repeated.")
@click.option("--days", type=click.FloatRange(0, min_open=True), default=30, show_default=True, help="Valid for.")
def command(folder: Path, hosts: tuple[str, ...], clients: tuple[str, ...], days: float) -> None:
    """Make an authority and certificates for development, in FOLDER.

    For each host and client there will be a folder of its NAME with ca.crt, tls.crt and tls.key, which is all that goes
    to it; without any, for transmitter, channel, receiver and client. Keep ca.key here: whoever has it can make others.
    An authority that is there is kept, so that calling this again renews certificates, which running services take up.

    A host's certificate is one for localhost, too, and serves towards both sides.
    """
    if not (hosts or clients):
        hosts, clients = _SERVICES, ("client",)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        authority, key = _authority(folder)
        for names in map(_names, hosts):
            _issue(folder, authority, key, (*names, *_HERE), days, server=True)
        for names in map(_names, clients):
            _issue(folder, authority, key, names, days, server=False)
    except OSError as error:
        raise InvalidRequest(f"{error.filename} cannot be written or read: {error.strerror}") from error
    click.echo(f"{folder}: certificates of {', '.join((*hosts, *clients))}, for {days:g} days")


def _names(given: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in given.split(","))
    for name in names:
        if not _NAME.fullmatch(name) and name != "::1":
            raise InvalidRequest(f"{name!r} is no name or address; give one such as receiver, 10.0.0.7 or example.org")
    return names


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = folder / "ca.crt", folder / "ca.key"
    if certificate_file.exists() or key_file.exists():
        try:
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise InvalidRequest(f"{folder} holds no whole authority; remove its ca.crt and ca.key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InvalidRequest(f"{key_file} was not made here; give another folder")
        return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = _common_name("SD-JSCC development authority")
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key(), _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _replace(key_file, _pem(key), 0o600)
    _replace(certificate_file, _pem(certificate), 0o644)
    return certificate, key


def _issue(
    folder: Path,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: tuple[str, ...],
    days: float,
    server: bool,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if server else [])]
    certificate = (
        _builder(_common_name(names[0]), authority.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    own = folder / names[0]
    own.mkdir(exist_ok=True)
    # The key first: a service that sees one of them new and the other old waits until they fit.
    _replace(own / "ca.crt", _pem(authority), 0o644)
    _replace(own / "tls.key", _pem(key), 0o600)
    _replace(own / "tls.crt", _pem(certificate), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks of machines differ.
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
    )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(what: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(what, x509.Certificate):
        return what.public_bytes(serialization.Encoding.PEM)
    return what.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _replace(file: Path, content: bytes, mode: int) -> None:
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(content)
    new.replace(file)
