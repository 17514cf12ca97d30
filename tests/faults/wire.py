"""A network whose packets can be delayed, lost or cut: two namespaces joined by a program instead of a cable.

Works without ``tc netem``, which not every kernel has. Needs ``ip`` and a network namespace of one's own in which to
make interfaces: ``unshare --net`` for root, ``unshare --map-root-user --net`` for others.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

__all__ = ["Wire", "own_network"]

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000


class Wire:
    """Joins this network namespace to a new one; up inside a ``with`` block.

    Args:
        near: IPv4 addresses of this end.
        far: IPv4 addresses of the other end.
    """

    def __init__(self, near: Sequence[str], far: Sequence[str]) -> None:
        self._command = [sys.executable, "-m", "tests.faults.wire", "--near", *near, "--far", *far]

    @property
    def enter(self) -> list[str]:
        """What comes before a command that is to run at the far end."""
        return ["nsenter", f"--net=/proc/{self._process.pid}/ns/net"]

    def carry(self, *, delay_s: float = 0.0, loss: float = 0.0, only: Sequence[str] = ()) -> None:
        """From now on packets take ``delay_s`` more, and a share of ``loss`` does not arrive.

        ``only`` those to or from these addresses; without it all. A second call replaces the first.
        """
        assert self._process.stdin is not None
        print(json.dumps([delay_s, loss, list(only)]), file=self._process.stdin, flush=True)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "joined\n":
            raise OSError("no network of our own can be made here")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()


def own_network() -> list[str]:
    """What comes before a command that is to have a network of its own, with `Wire`; empty where that cannot be."""
    if not (shutil.which("ip") and shutil.which("nsenter") and shutil.which("unshare")):
        return []
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        probe = [*command, "ip", "tuntap", "add", "probe", "mode", "tun"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return command
    return []


def _tun(name: str) -> int:
    """A point-to-point interface of the namespace we are in, whose packets are read from and written to the file."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return file


def _configure(name: str, own: Sequence[str], others: Sequence[str]) -> None:
    commands = [f"link set {name} up", *(f"addr add {address}/32 dev {name}" for address in own)]
    commands += [f"route add {address}/32 dev {name} src {own[0]}" for address in others]
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)


def _join(near: Sequence[str], far: Sequence[str]) -> tuple[int, int]:
    ends = [_tun("sdjscc-near")]
    _configure("sdjscc-near", near, far)
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    ends.append(_tun("sdjscc-far"))
    _configure("sdjscc-far", far, near)
    return ends[0], ends[1]


def _relay(near: int, far: int) -> None:
    delay_s, loss, only = 0.0, 0.0, frozenset[bytes]()
    chance = random.Random(1)
    # When a packet is due, its number (which keeps the order of those due at once), where to, and the packet.
    under_way: list[tuple[float, int, int, bytes]] = []
    number = 0
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        ready, _, _ = select.select([near, far, sys.stdin], [], [], wait)
        if sys.stdin in ready:
            told = os.read(sys.stdin.fileno(), 65536).splitlines()
            if not told:
                return
            delay_s, loss, addresses = json.loads(told[-1])
            only = frozenset(bytes(map(int, address.split("."))) for address in addresses)
        for source, sink in ((near, far), (far, near)):
            if source not in ready:
                continue
            packet = os.read(source, 65536)
            affected = not only or packet[12:16] in only or packet[16:20] in only
            if affected and chance.random() < loss:
                continue
            number += 1
            due = time.monotonic() + (delay_s if affected else 0.0)
            heapq.heappush(under_way, (due, number, sink, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, sink, packet = heapq.heappop(under_way)
            try:
                os.write(sink, packet)
            except OSError:  # the queue of the interface is full: a network drops what it cannot hold
                continue


def main() -> None:
    """Join the namespace this runs in to a new one, and carry packets until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--near", nargs="+", required=True)
    parser.add_argument("--far", nargs="+", required=True)
    options = parser.parse_args()
    near, far = _join(options.near, options.far)
    print("joined", flush=True)
    _relay(near, far)


if __name__ == "__main__":
    main()
