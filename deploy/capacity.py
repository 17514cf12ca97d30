"""``python -m deploy.capacity``: what a number of images costs in cores, replicas, memory and bandwidth.

The measured CPU times of an image are given to it, so that a new measurement needs no change here:

    python -m deploy.capacity --cpu-ms transmitter=5.55,channel=1.35,receiver=25.9 --side 96 --file-kb 15
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SERVICES", "Needs", "main", "needs", "traffic_bytes"]

SERVICES = ("transmitter", "channel", "receiver")
_DAY_S = 86_400

# Symbols cross from channel to receiver as complex64, two bits of the payload each.
_SYMBOL_BYTES, _BITS_A_SYMBOL = 8, 2


@dataclass(frozen=True)
class Needs:
    """What one service needs at a rate."""

    busy_cores: float
    """Cores that are busy all the time."""
    replicas: int
    """Of one core each, busy to the share that was asked for, and one more, so that any one may be gone."""
    memory_gb: float


def needs(rate: float, cpu_ms: float, memory_mb: float, busy: float) -> Needs:
    """Of a service that takes ``cpu_ms`` of a core for an image, at ``rate`` images a second."""
    cores = rate * cpu_ms / 1e3
    replicas = math.ceil(cores / busy) + 1
    return Needs(cores, replicas, replicas * memory_mb / 1e3)


def traffic_bytes(side: int, bpp: float, file_bytes: float) -> dict[str, float]:
    """Bytes an image of ``side`` x ``side`` pixels puts on each hop, there and, as a file of the same size, back."""
    bits = bpp * side * side
    return {
        "client to transmitter": file_bytes,
        "transmitter to channel": bits / 8,
        "channel to receiver": bits / _BITS_A_SYMBOL * _SYMBOL_BYTES,
        "back, on each of the three": file_bytes,
    }


def _by_service(text: str) -> dict[str, float]:
    given = dict(part.split("=", 1) for part in text.split(","))
    if set(given) != set(SERVICES):
        raise ValueError
    return {name: float(given[name]) for name in SERVICES}


def _table(rate: float, cpu_ms: Mapping[str, float], memory_mb: Mapping[str, float], busy: float) -> list[str]:
    lines = ["| service | busy cores | replicas of a core | memory, GB |", "| --- | ---: | ---: | ---: |"]
    found = {name: needs(rate, cpu_ms[name], memory_mb[name], busy) for name in SERVICES}
    for name, need in found.items():
        lines.append(f"| {name} | {need.busy_cores:.3g} | {need.replicas} | {need.memory_gb:.1f} |")
    cores = sum(need.busy_cores for need in found.values())
    replicas = sum(need.replicas for need in found.values())
    memory = sum(need.memory_gb for need in found.values())
    return [*lines, f"| all | {cores:.3g} | {replicas} | {memory:.1f} |"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m deploy.capacity", description=__doc__.splitlines()[0])
    parser.add_argument("--cpu-ms", required=True, help="ms of a core an image: transmitter=..,channel=..,receiver=..")
    parser.add_argument("--memory-mb", required=True, help="MB of a replica, in the same form")
    parser.add_argument("--side", type=int, required=True, help="pixels a side")
    parser.add_argument("--bpp", type=float, default=0.25, help="bits a pixel (default 0.25)")
    parser.add_argument("--file-kb", type=float, required=True, help="kB (10^3 bytes) of an image as a file")
    parser.add_argument("--busy", type=float, default=0.7, help="share of a core that a replica may be busy (0.7)")
    given = parser.parse_args()
    try:
        cpu_ms, memory_mb = _by_service(given.cpu_ms), _by_service(given.memory_mb)
    except ValueError:
        print("error: give --cpu-ms and --memory-mb as transmitter=1,channel=2,receiver=3", file=sys.stderr)
        raise SystemExit(2) from None
    hops = traffic_bytes(given.side, given.bpp, 1e3 * given.file_kb)
    for title, rate in (("A million images a day, evenly", 1e6 / _DAY_S), ("A thousand images a second", 1e3)):
        print(f"{title} ({rate:.4g} a second), {given.side}x{given.side} pixels:\n")
        print("\n".join(_table(rate, cpu_ms, memory_mb, given.busy)))
        print("\n| hop | Mbit/s |\n| --- | ---: |")
        for hop, size in hops.items():
            print(f"| {hop} | {8e-6 * size * rate:.3g} |")
        print()


if __name__ == "__main__":
    main()
