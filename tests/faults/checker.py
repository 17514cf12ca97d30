"""Judges a history against the promises of docs/reliability.md, knowing nothing but the record."""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.faults.history import Ended, Event, Fault, Healed, Returned, Sent, read

__all__ = ["BACK_S", "SLACK_S", "broken_promises"]

SLACK_S = 1.0
"""How much later than its deadline a request may come to its end: clients and machine are busy."""

BACK_S = 5.0
"""How long after a fault is healed requests may still fail."""

_STATUSES = {"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}


def broken_promises(events: Sequence[Event]) -> list[str]:
    """A sentence for each promise that the history breaks; none where it keeps them all."""
    events = sorted(events, key=lambda event: event.at)
    return [
        *_answered_once(events),
        *_by_result_or_status(events),
        *_own_answer(events),
        *_in_time(events),
        *_nothing_lost_on_sigterm(events),
        *_back_in_time(events),
    ]


def _sent(events: Sequence[Event]) -> dict[str, Sent]:
    return {event.request: event for event in events if isinstance(event, Sent)}


def _returned(events: Sequence[Event]) -> dict[str, Returned]:
    return {event.request: event for event in events if isinstance(event, Returned)}


def _answered_once(events: Sequence[Event]) -> list[str]:
    sent = Counter(event.request for event in events if isinstance(event, Sent))
    returned = Counter(event.request for event in events if isinstance(event, Returned))
    broken = [f"request {request} was sent {count} times" for request, count in sent.items() if count > 1]
    broken += [f"request {request} came to {returned[request]} ends" for request in sent if returned[request] != 1]
    broken += [f"request {request} was answered and never sent" for request in returned if request not in sent]
    return broken if sent else ["nothing was sent"]


def _by_result_or_status(events: Sequence[Event]) -> list[str]:
    return [
        f"request {event.request} ended with {event.status}, which no fault explains"
        for event in events
        if isinstance(event, Returned) and event.status not in _STATUSES
    ]


def _own_answer(events: Sequence[Event]) -> list[str]:
    sent = _sent(events)
    return [
        f"request {event.request} sent image {sent[event.request].image} and got the answer of image {event.image}"
        for event in events
        if isinstance(event, Returned)
        and event.status == "OK"
        and event.request in sent
        and event.image != sent[event.request].image
    ]


def _in_time(events: Sequence[Event]) -> list[str]:
    sent = _sent(events)
    late = []
    for event in events:
        if isinstance(event, Returned) and event.request in sent:
            taken, allowed = event.at - sent[event.request].at, sent[event.request].deadline_s
            if taken > allowed + SLACK_S:
                late.append(f"request {event.request} ended after {taken:.2f} s, with a deadline of {allowed:g} s")
    return late


def _nothing_lost_on_sigterm(events: Sequence[Event]) -> list[str]:
    broken = [
        f"{event.process} ended with status {event.status} on SIGTERM"
        for event in events
        if isinstance(event, Ended) and event.status
    ]
    returned = _returned(events)
    for fault, healed in _spans(events):
        if not fault.lossless:
            continue
        for request, sent in _sent(events).items():
            end = returned.get(request)
            if end and sent.at <= healed and end.at >= fault.at and end.status != "OK":
                broken.append(f"request {request} was lost to {fault.name}: {end.status}")
    return broken


def _back_in_time(events: Sequence[Event]) -> list[str]:
    returned = _returned(events)
    faults = [event.at for event in events if isinstance(event, Fault)]
    broken = [f"{fault.name} was not healed" for fault, healed in _spans(events) if healed == float("inf")]
    for event in events:
        if not isinstance(event, Healed):
            continue
        until = min((at for at in faults if at > event.at), default=float("inf"))
        after = [
            (sent, returned[request])
            for request, sent in _sent(events).items()
            if sent.at >= event.at + BACK_S and request in returned and returned[request].at < until
        ]
        failed = [f"request {sent.request} failed with {end.status}" for sent, end in after if end.status != "OK"]
        broken += [f"{BACK_S:g} s after {event.name} was healed, {failure}" for failure in failed]
        if not after:
            broken.append(f"{BACK_S:g} s after {event.name} was healed, no request shows that all is well")
    return broken


def _spans(events: Sequence[Event]) -> list[tuple[Fault, float]]:
    """Each fault, with when it was healed."""
    healed: defaultdict[str, list[float]] = defaultdict(list)
    for event in events:
        if isinstance(event, Healed):
            healed[event.name].append(event.at)
    return [
        (fault, min((at for at in healed[fault.name] if at >= fault.at), default=float("inf")))
        for fault in events
        if isinstance(fault, Fault)
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults.checker", description=__doc__)
    parser.add_argument("history", type=Path)
    problems = broken_promises(read(parser.parse_args().history))
    print("\n".join(problems) or "all promises are kept")
    sys.exit(bool(problems))
