"""Options of the commands that connect to a service: TLS, or plaintext where it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sdjscc.wire.tls import TlsFiles

__all__ = ["connection_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path, dir_okay=False)


def connection_options(command: Command) -> Command:
    """Give a command the options ``--tls-ca``, ``--tls-cert``, ``--tls-key`` and ``--insecure``; it is called with
    ``tls``, a `TlsFiles`, and ``insecure``, a bool."""

    @click.option("--tls-ca", type=_FILE, envvar="SDJSCC_TLS_CA", help="Connect with TLS: the server's authority, PEM.")
    @click.option("--tls-cert", type=_FILE, envvar="SDJSCC_TLS_CERT", help="Certificate to show to the server, PEM.")
    @click.option("--tls-key", type=_FILE, envvar="SDJSCC_TLS_KEY", help="Its key, PEM.")
    @click.option("--insecure", is_flag=True, envvar="SDJSCC_INSECURE", help="Allow plaintext to other machines.")
    @functools.wraps(command)
    def with_connection(
        *args: Any, tls_ca: Path | None, tls_cert: Path | None, tls_key: Path | None, **kwargs: Any
    ) -> Any:
        return command(*args, tls=TlsFiles(tls_ca, tls_cert, tls_key), **kwargs)

    return with_connection  # type: ignore[return-value]
