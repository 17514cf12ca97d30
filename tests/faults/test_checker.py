"""The checker finds each broken promise, and none where all are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.checker import broken_promises
from tests.faults.history import Ended, Event, Fault, Healed, Returned, Sent, read, write

# A fault that may be seen, one that may not, and requests before, in and after both.
KEPT: list[Event] = [
    Sent(0.0, "a", 1, 2.0),
    Returned(0.1, "a", "OK", 1),
    Fault(1.0, "kill receiver"),
    Sent(1.5, "b", 2, 2.0),
    Returned(3.6, "b", "DEADLINE_EXCEEDED"),
    Healed(4.0, "kill receiver"),
    Sent(5.0, "c", 3, 2.0),
    Returned(5.1, "c", "UNAVAILABLE"),
    Sent(9.5, "d", 4, 2.0),
    Returned(9.6, "d", "OK", 4),
    Fault(10.0, "SIGTERM channel", lossless=True),
    Sent(10.1, "e", 5, 2.0),
    Returned(10.9, "e", "OK", 5),
    Ended(11.0, "channel-1", 0),
    Healed(12.0, "SIGTERM channel"),
    Sent(17.5, "f", 6, 2.0),
    Returned(17.6, "f", "OK", 6),
]


def changed(request: str, kind: type[Event], *replacements: Event) -> list[Event]:
    """`KEPT` with the event of that request replaced."""
    kept = [event for event in KEPT if not (isinstance(event, kind) and getattr(event, "request", "") == request)]
    return [*kept, *replacements]


def test_a_history_that_keeps_all(tmp_path: Path) -> None:
    assert broken_promises(KEPT) == []
    write(KEPT, tmp_path / "history.jsonl")
    assert read(tmp_path / "history.jsonl") == KEPT


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([], "nothing was sent"),
        (changed("b", Returned), "request b came to 0 ends"),
        ([*KEPT, Returned(9.7, "d", "OK", 4)], "request d came to 2 ends"),
        ([*KEPT, Sent(9.7, "d", 4, 2.0)], "request d was sent 2 times"),
        ([*KEPT, Returned(9.7, "x", "OK", 4)], "request x was answered and never sent"),
        (changed("b", Returned, Returned(2.0, "b", "INTERNAL")), "request b ended with INTERNAL"),
        (changed("a", Returned, Returned(0.1, "a", "OK", 2)), "sent image 1 and got the answer of image 2"),
        (changed("a", Returned, Returned(0.1, "a", "OK", None)), "sent image 1 and got the answer of image None"),
        (changed("b", Returned, Returned(4.6, "b", "OK", 2)), r"ended after 3.10 s, with a deadline of 2 s"),
        (changed("b", Returned, Returned(4.6, "b", "DEADLINE_EXCEEDED")), r"ended after 3.10 s"),
        (changed("e", Returned, Returned(10.9, "e", "UNAVAILABLE")), "request e was lost to SIGTERM channel"),
        ([*KEPT, Ended(11.0, "channel-2", -9)], "channel-2 ended with status -9 on SIGTERM"),
        (changed("d", Returned, Returned(9.6, "d", "UNAVAILABLE")), "after kill receiver was healed, request d failed"),
        ([event for event in KEPT if getattr(event, "request", "") != "d"], "no request shows that all is well"),
        ([event for event in KEPT if not isinstance(event, Healed)], "kill receiver was not healed"),
    ],
)
def test_each_broken_promise_is_told(events: list[Event], sentence: str) -> None:
    problems = broken_promises(events)
    assert any(sentence in problem for problem in problems), problems


def test_only_what_is_broken_is_told() -> None:
    assert len(broken_promises(changed("e", Returned, Returned(10.9, "e", "UNAVAILABLE")))) == 1
    assert len(broken_promises(changed("a", Returned, Returned(0.1, "a", "OK", 2)))) == 1
