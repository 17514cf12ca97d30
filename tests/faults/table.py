"""A history as a table: what clients saw of each fault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.checker import BACK_S
from tests.faults.history import Event, Fault, Healed, Returned, Sent

__all__ = ["table"]


@dataclass
class _Row:
    times: int = 0
    statuses: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    taken_s: list[float] = field(default_factory=list)
    last_failure_s: float = 0.0


def table(events: Sequence[Event]) -> str:
    """Markdown; a fault's requests are those sent from its beginning until `BACK_S` after it was healed."""
    events = sorted(events, key=lambda event: event.at)
    returned = {event.request: event for event in events if isinstance(event, Returned)}
    rows: defaultdict[str, _Row] = defaultdict(_Row)
    begin: Fault | None = None
    for event in events:
        if isinstance(event, Fault):
            begin = event
        elif isinstance(event, Healed) and begin is not None:
            row = rows[event.name]
            row.times += 1
            for sent in events:
                if isinstance(sent, Sent) and begin.at <= sent.at < event.at + BACK_S and sent.request in returned:
                    _count(row, sent, returned[sent.request], event.at)
    head = "| fault | times | requests | OK | UNAVAILABLE | DEADLINE_EXCEEDED | other | p50 of OK | longest OK | back |"
    lines = [head, "| --- |" + " ---: |" * (head.count("|") - 2)]
    for name, row in rows.items():
        counts = [row.statuses.pop(status, 0) for status in ("OK", "UNAVAILABLE", "DEADLINE_EXCEEDED")]
        other = sum(row.statuses.values())
        taken = sorted(row.taken_s) or [float("nan")]
        cells = [name, row.times, sum(counts) + other, *counts, other, f"{1e3 * taken[len(taken) // 2]:.0f} ms"]
        cells += [f"{taken[-1]:.2f} s", f"{row.last_failure_s:.1f} s"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _count(row: _Row, sent: Sent, end: Returned, healed: float) -> None:
    row.statuses[end.status] += 1
    if end.status == "OK":
        row.taken_s.append(end.at - sent.at)
    else:
        row.last_failure_s = max(row.last_failure_s, sent.at - healed)
