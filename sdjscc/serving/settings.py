"""Configuration of a service by flags and environment variables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliImplicitFlag, SettingsConfigDict, SettingsError

from sdjscc.engines import EngineName
from sdjscc.errors import SdjsccError
from sdjscc.wire.options import DEFAULT_MAX_CONNECTION_AGE_S, DEFAULT_MAX_MESSAGE_BYTES
from sdjscc.wire.tls import TlsFiles, check_plaintext

__all__ = ["ServiceSettings", "parse_settings", "settings_config"]


class ServiceSettings(BaseSettings):
    """What every service can be told. A flag ``--max-pixels`` is the variable ``SDJSCC_<SERVICE>_MAX_PIXELS``."""

    listen: str = Field(description="address to serve on, host:port; port 0 takes a free one")
    address_file: Path | None = Field(
        None, description="file that receives the address once it serves, for whoever started it on port 0"
    )
    max_message_bytes: int = Field(DEFAULT_MAX_MESSAGE_BYTES, gt=0, description="largest message taken or sent, bytes")
    max_images: int = Field(64, gt=0, description="images of one call; beyond, INVALID_ARGUMENT")
    max_client_calls: int = Field(
        512, gt=0, description="calls of one client that are under way at a time; beyond, RESOURCE_EXHAUSTED"
    )
    max_connection_age_s: float = Field(
        DEFAULT_MAX_CONNECTION_AGE_S,
        ge=1,
        le=86_400,
        description="seconds after which a client is asked to connect anew, and so finds replicas added since",
    )
    grace_s: float = Field(10.0, ge=0, description="seconds that calls in flight get to finish after SIGTERM")
    drain_delay_s: float = Field(
        0.5, ge=0, description="seconds between reporting NOT_SERVING and refusing calls, so that clients can turn away"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="one JSON object a line, or text for people")
    metrics_listen: str = Field(
        "", description="address to serve Prometheus' metrics on, such as 127.0.0.1:9464; empty: none are kept"
    )
    otlp_endpoint: str = Field(
        "",
        description="OpenTelemetry collector to send traces to, such as http://127.0.0.1:4317; empty: none, unless "
        "OTEL_EXPORTER_OTLP_ENDPOINT names one",
    )
    tls_cert: Path | None = Field(None, description="certificate to serve with, and to show upstream: a PEM file")
    tls_key: Path | None = Field(None, description="its key: a PEM file without a passphrase")
    tls_ca: Path | None = Field(
        None, description="authority that certificates of clients and of the upstream are signed by: a PEM file"
    )
    tls_clients: Literal["certified", "anyone"] = Field(
        "certified", description="whether clients need a certificate of --tls-ca"
    )
    insecure: CliImplicitFlag[bool] = Field(False, description="allow plaintext to and from other machines")

    @property
    def tls(self) -> TlsFiles:
        """The files of TLS; they need not be there."""
        return TlsFiles(ca=self.tls_ca, cert=self.tls_cert, key=self.tls_key)


class UpstreamSettings(BaseSettings):
    """For services that hand on to a ReceiverService."""

    upstream: str = Field(description="address of the ReceiverService to hand on to: a channel or the receiver")
    upstream_timeout_s: float = Field(30.0, gt=0, description="longest wait for it, where the caller set no deadline")


class ComputeSettings(BaseSettings):
    """For services that run networks."""

    engine: EngineName = Field("auto", description="what runs the networks; auto: OpenVINO where installed, else torch")
    threads: int = Field(0, ge=0, description="images worked on at a time, a core each; 0: as many as there are cores")
    queue: int = Field(64, ge=0, description="images that may wait for a thread; beyond, RESOURCE_EXHAUSTED")
    max_batch: int = Field(8, gt=0, description="images of one size that are worked on together, of those that wait")
    max_delay_ms: float = Field(
        0.0, ge=0, description="how long an image may wait for others to be worked on together, though a core is free"
    )
    max_pixels: int = Field(4_000_000, gt=0, description="largest image, width times height")


def settings_config(service: str) -> SettingsConfigDict:
    """The model configuration of a service's settings."""
    return SettingsConfigDict(
        env_prefix=f"SDJSCC_{service.upper()}_",
        cli_parse_args=True,
        cli_kebab_case=True,
        cli_prog_name=f"python -m {service}",
        cli_hide_none_type=True,
        cli_avoid_json=True,
        extra="forbid",
    )


Settings = TypeVar("Settings", bound=ServiceSettings)


def parse_settings(kind: type[Settings]) -> Settings:
    """Settings from the command line and the environment; a mistake ends the process with one sentence, status 2."""
    try:
        settings = kind()  # type: ignore[call-arg]
        _check_plaintext(settings)
    except (ValidationError, SettingsError) as error:
        print(f"error: {_sentence(error, kind.model_config['env_prefix'])}", file=sys.stderr)
        raise SystemExit(2) from None
    except SdjsccError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    return settings


def _check_plaintext(settings: ServiceSettings) -> None:
    if settings.tls_cert is None and settings.tls_key is None:
        check_plaintext(settings.listen, settings.insecure, "what comes in at")
    if settings.tls_ca is None and isinstance(settings, UpstreamSettings):
        check_plaintext(settings.upstream, settings.insecure, "the connection to")


def _sentence(error: ValidationError | SettingsError, variables_prefix: str) -> str:
    if isinstance(error, SettingsError):
        return str(error).splitlines()[0]
    first = error.errors()[0]
    name = "_".join(str(part) for part in first["loc"])
    given = "" if first["type"] == "missing" else f" (given: {first['input']!r})"
    return f"--{name.replace('_', '-')} or {variables_prefix}{name.upper()}: {first['msg']}{given}; see --help"
