"""What clients saw, as lines of JSON that a `checker` can judge later, elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Ended", "Event", "Fault", "Healed", "Returned", "Sent", "read", "write"]


@dataclass(frozen=True)
class Sent:
    """A client sent a request. Times are seconds of one clock, from any beginning."""

    at: float
    request: str
    image: int
    """Which image was sent."""
    deadline_s: float
    """How long the client would wait."""


@dataclass(frozen=True)
class Returned:
    """A request came to its end, as the client saw it."""

    at: float
    request: str
    status: str
    """gRPC status, "OK" for a result."""
    image: int | None = None
    """Whose answer a result is, found from the result itself; None where it is nobody's."""


@dataclass(frozen=True)
class Fault:
    """Something begins to go wrong."""

    at: float
    name: str
    lossless: bool = False
    """Whether clients are promised to see nothing of it."""


@dataclass(frozen=True)
class Healed:
    """What had gone wrong is over: the process serves again, the network carries."""

    at: float
    name: str


@dataclass(frozen=True)
class Ended:
    """A process that had been told to stop did."""

    at: float
    process: str
    status: int


Event = Sent | Returned | Fault | Healed | Ended

_KINDS: dict[str, type[Event]] = {kind.__name__.lower(): kind for kind in (Sent, Returned, Fault, Healed, Ended)}


def write(events: Iterable[Event], file: Path) -> None:
    """One event a line."""
    lines = [json.dumps({"event": type(event).__name__.lower(), **asdict(event)}) for event in events]
    file.write_text("\n".join(lines) + "\n")


def read(file: Path) -> list[Event]:
    """The events of `write`."""
    events = []
    for line in file.read_text().splitlines():
        fields = json.loads(line)
        events.append(_KINDS[fields.pop("event")](**fields))
    return events
