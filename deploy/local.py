"""The services as processes of this machine, for the demo, the benchmark and the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sdjscc.errors import SdjsccError

__all__ = ["LocalLink", "ServiceProcess"]

_ROOT = Path(__file__).parent.parent
_STARTUP_S = 120.0


class ServiceProcess:
    """One service, on a free port of the loopback interface.

    Args:
        name: "transmitter", "channel" or "receiver".
        log: file that receives its log.
        flags: further flags, ``{"snr-db": 5}``; True for one without a value.
    """

    def __init__(self, name: str, log: Path, flags: Mapping[str, object] | None = None) -> None:
        self.name, self.log = name, log
        arguments = [f"--{flag}" if value is True else f"--{flag}={value}" for flag, value in (flags or {}).items()]
        self._address_file = log.with_suffix(".address")
        self._address_file.unlink(missing_ok=True)
        own = ["--listen=127.0.0.1:0", f"--address-file={self._address_file.absolute()}"]
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", name, *own, *arguments],
                cwd=_ROOT,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                env={key: value for key, value in os.environ.items() if not key.startswith("SDJSCC_" + name.upper())},
            )
        self.address = ""

    def wait_serving(self, timeout_s: float = _STARTUP_S) -> str:
        """The address, once the service answers; raises `SdjsccError` where it does not come up."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            self.address = self._address_file.read_text() if self._address_file.exists() else ""
            if self.address:
                return self.address
            if ended:
                raise SdjsccError(f"the {self.name} ended with status {self.process.returncode}: {self._last_line()}")
            time.sleep(0.02)
        raise SdjsccError(f"the {self.name} did not come up within {timeout_s:g} s; its log is {self.log}")

    def stop(self, timeout_s: float = 30.0) -> int:
        """SIGTERM, and SIGKILL after ``timeout_s``; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it logged nothing"


class LocalLink:
    """A receiver, a channel in front of it, and a transmitter in front of that; up inside a ``with`` block.

    Args:
        folder: where logs go; a temporary one where it is left out.
        flags: further flags by service, ``{"channel": {"snr-db": 5}}``.
    """

    def __init__(self, folder: Path | None = None, flags: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="sdjscc-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self._flags = flags or {}
        self.services: dict[str, ServiceProcess] = {}

    @property
    def server(self) -> str:
        """Address of the transmitter."""
        return self.services["transmitter"].address

    def __enter__(self) -> Self:
        try:
            self._start("receiver").wait_serving()
            channel = self._start("channel", upstream=self.services["receiver"].address)
            channel.wait_serving()
            self._start("transmitter", upstream=channel.address).wait_serving()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self, name: str, **flags: object) -> ServiceProcess:
        service = ServiceProcess(name, self.folder / f"{name}.log", {**flags, **self._flags.get(name, {})})
        self.services[name] = service
        return service

    def _stop(self) -> None:
        for service in self.services.values():
            if service.process.poll() is None:
                service.process.send_signal(signal.SIGTERM)
        for service in self.services.values():
            service.stop()
        if self._temporary is not None:
            self._temporary.cleanup()
