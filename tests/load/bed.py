"""What is put under load: a service beside a stub neighbour, the chain, or what runs at an address already."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case
from bench.cpu_time import cpu_s
from deploy.local import LocalLink, ServiceProcess
from tests.load.cores import Shares, running_on
from tests.load.stub import Stub
from tests.load.traffic import Service, traffic, typical_reception

__all__ = ["Bed", "running"]


@dataclass(frozen=True)
class Bed:
    """A service, or the chain, that answers."""

    address: str
    pids: Mapping[str, int]
    """Processes under load, by name; none where we did not start them."""

    def cpu_s(self) -> float:
        """CPU time that they took so far, seconds; NaN where it cannot be known."""
        return sum(cpu_s(pid) for pid in self.pids.values()) if self.pids else float("nan")


@contextmanager
def running(service: Service, case: Case, shares: Shares) -> Iterator[Bed]:
    """Start ``service`` with its default settings: alone on its core, the stub on the others, the chain on all."""
    with tempfile.TemporaryDirectory(prefix="sdjscc-") as folder:
        if service == "chain":
            with LocalLink(Path(folder)) as link:
                yield Bed(link.server, {name: one.process.pid for name, one in link.services.items()})
        elif service == "receiver":
            with _alone(service, Path(folder), shares) as bed:
                yield bed
        else:
            neighbour = Stub(traffic("receiver", case).method, typical_reception(case).SerializeToString())
            with running_on(shares.others), neighbour, _alone(service, Path(folder), shares, neighbour) as bed:
                yield bed


@contextmanager
def _alone(service: Service, folder: Path, shares: Shares, upstream: Stub | None = None) -> Iterator[Bed]:
    flags = {"upstream": upstream.address} if upstream else None
    with running_on(shares.service):
        process = ServiceProcess(service, folder / f"{service}.log", flags)
    try:
        yield Bed(process.wait_serving(), {service: process.process.pid})
    finally:
        process.stop()
