"""No client takes all: how many calls of one are under way at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sdjscc.serving.status import Overloaded

__all__ = ["Admission"]

# Its own calls hold the client back, and only it knows how long they take.
_RETRY_AFTER_S = 0.1


class Admission:
    """Counts the calls under way by client, from one event loop; holds nothing of a client that has none.

    Args:
        most: calls of one client that may be under way at a time; a stream is one call.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def admitted(self, client: str) -> Iterator[None]:
        """Around a call of ``client``; raises `Overloaded` at once where it has as many under way as it may."""
        if self._under_way[client] >= self._most:
            raise Overloaded(
                f"{self._most} calls of yours are under way already; wait for answers before you send more",
                _RETRY_AFTER_S,
            )
        self._under_way[client] += 1
        try:
            yield
        finally:
            self._under_way[client] -= 1
            if not self._under_way[client]:
                del self._under_way[client]
