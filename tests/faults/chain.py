"""Transmitters, channels and receivers, several of each behind one name, that can be killed, frozen and told to end."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.faults.names import Names

__all__ = ["PORT", "Chain", "Kind", "Replica"]

Kind = Literal["transmitter", "channel", "receiver"]

PORT = 50071
_ROOT = Path(__file__).parents[2]
_STARTUP_S = 120.0


class Replica:
    """One process at one address, started again under the same as often as need be."""

    def __init__(self, name: str, command: Sequence[str], address: str, folder: Path) -> None:
        self.name, self.address = name, address
        self._command, self._folder = [*command, f"--listen={address}:{PORT}"], folder
        self._serving_file = folder / f"{name}.address"
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Begin; `wait_serving` tells when it is up."""
        self._serving_file.unlink(missing_ok=True)
        self._starts += 1
        with (self._folder / f"{self.name}-{self._starts}.log").open("wb") as log:
            command = [*self._command, f"--address-file={self._serving_file}"]
            self.process = subprocess.Popen(command, cwd=_ROOT, stderr=log, stdin=subprocess.DEVNULL)

    def wait_serving(self) -> None:
        deadline = time.monotonic() + _STARTUP_S
        while not self._serving_file.exists() or not self._serving_file.read_text():
            assert self.process.poll() is None, f"{self.name} ended with status {self.process.returncode}"
            assert time.monotonic() < deadline, f"{self.name} did not come up"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL, thawed or frozen."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Chain:
    """The three services, ``addresses`` of each behind one name; up inside a ``with`` block.

    Args:
        folder: where logs go.
        addresses: IPv4 addresses of each kind's replicas, all on `PORT`.
        light: run `tests.faults.light` in place of transmitter and receiver.
        enter: what comes before the commands of a kind's processes, to run them in another network namespace.
        names_at: address at which all of them can ask for the names.
    """

    def __init__(
        self,
        folder: Path,
        addresses: Mapping[Kind, Sequence[str]],
        *,
        light: bool,
        enter: Mapping[Kind, list[str]] | None = None,
        names_at: str = "127.0.0.1",
    ) -> None:
        self._folder, self._addresses, self._light, self._enter = folder, addresses, light, enter or {}
        self._names = Names(addresses, names_at)
        self.replicas: dict[Kind, list[Replica]] = {}
        self._open = contextlib.ExitStack()

    @property
    def target(self) -> str:
        """The transmitters."""
        return self._names.target("transmitter", PORT)

    def all(self) -> list[Replica]:
        return [replica for replicas in self.replicas.values() for replica in replicas]

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            opened.callback(self._kill)
            opened.enter_context(self._names)
            self._start("receiver")
            self._start("channel", f"--upstream={self._names.target('receiver', PORT)}")
            self._start("transmitter", f"--upstream={self._names.target('channel', PORT)}")
            for replica in self.all():
                replica.wait_serving()
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def _start(self, kind: Kind, *flags: str) -> None:
        module = ["tests.faults.light", kind] if self._light and kind != "channel" else [kind]
        command = [*self._enter.get(kind, []), sys.executable, "-m", *module, *flags]
        # The grace is longer than the clients' longest deadline: what is accepted can come to its end.
        command += ["--max-connection-age-s=10", "--grace-s=20", "--insecure"]
        self.replicas[kind] = [
            Replica(f"{kind}-{number}", command, address, self._folder)
            for number, address in enumerate(self._addresses[kind], start=1)
        ]

    def _kill(self) -> None:
        for replica in self.all():
            replica.kill()
