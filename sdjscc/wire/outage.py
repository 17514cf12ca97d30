"""When a channel has to be opened anew so that a name that was lost is found again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import grpc

from sdjscc.wire.metadata import ORIGIN_KEY

__all__ = ["Outage", "Retired"]

# gRPC looks a name up again 1, 2.6 and 5.2 s after a look-up failed, give or take a fifth; a channel opened anew begins
# with the first of these. Less than this could cut off attempts to connect, which may take 2 s.
_LONGEST_S = 5.0

# Longest that calls on the channel before get to end, seconds; they have deadlines of their own.
_GRACE_S = 3600.0


class Outage:
    """How long nobody has been reached over a channel. May be shared between threads.

    Where a name cannot be resolved, as when all replicas behind it are gone for a moment, gRPC asks for it ever less
    often: each pause is 1.6 times the one before, up to two minutes, no option bounds it, and meanwhile it holds on to
    the addresses of before. A name that was lost for 40 s can so be missed for half a minute after it is back. A
    channel opened anew has no pause behind it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._since: float | None = None

    def answered(self) -> None:
        """A call had a result."""
        self._since = None

    def failed(self, error: grpc.RpcError) -> bool:
        """A call ended with this error; whether to open the channel anew. Says so once in 5 s of one outage."""
        if any(key == ORIGIN_KEY for key, _ in error.trailing_metadata() or ()):
            self.answered()
            return False
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            return False
        with self._lock:
            now = self._clock()
            if self._since is None:
                self._since = now
            if now - self._since < _LONGEST_S:
                return False
            self._since = now
            return True


class Retired:
    """Channels that others have taken the place of; each is closed once the calls under way on it have ended."""

    def __init__(self) -> None:
        self._closing: set[asyncio.Task[None]] = set()

    def add(self, channel: grpc.aio.Channel) -> None:
        closing = asyncio.create_task(channel.close(_GRACE_S))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def cancel(self) -> None:
        """Wait for none of them any longer."""
        for closing in self._closing:
            closing.cancel()
