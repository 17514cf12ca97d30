"""What a service tells of its work in numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["Meter", "meter", "use_meter"]


class Meter:
    """Is told what happens, and keeps none of it; `PrometheusMeter` does.

    May be told from any thread. Names of methods, stages, codecs and tasks become labels, each a time series of its own
    for as long as the process lives: tell only those that were found here, never what a client wrote.
    """

    def running(self, service: str, version: str, engine: str) -> None:
        """What this process is; ``engine`` runs its networks, empty where it has none."""

    def codec(self, name: str, bpp: float, weights_sha256: str) -> None:
        """A codec that is installed here."""

    def call_begun(self, method: str) -> None:
        """A call came in."""

    def call_ended(self, method: str, status: str, seconds: float) -> None:
        """A call that came in before ended with that gRPC status, as "NOT_FOUND"."""

    def image(self, status: str) -> None:
        """An image of a stream or a batch was answered, with the status that a call of its own would have had."""

    def stage(self, stage: str, seconds: float) -> None:
        """A stage of a request, as "receiver/decode", took so long."""

    def batch(self, waited_s: Sequence[float]) -> None:
        """A thread took items that run together; how long each had waited, seconds."""

    def watch_queue(self, depth: Callable[[], int], limit: int) -> None:
        """A queue whose depth can be read at any time, from any thread, and the depth at which it refuses more."""

    def watch_snr(self, model: str, snr_db: Callable[[], float]) -> None:
        """The SNR in force in dB of a channel of that model, which can be read at any time, from any thread."""

    def sent(self, codec: str, bits: int, symbols: int) -> None:
        """The transmitter encoded an image."""

    def carried(self, model: str, snr_db: float, bits: int, symbols: int) -> None:
        """A channel of that model passed on a transmission; ``bits`` is 0 where it came as symbols."""

    def received(self, codec: str, outcome: str, task: str, confidence: float) -> None:
        """The receiver decoded and classified an image; ``confidence`` is the first label's probability."""


_meter = Meter()


def meter() -> Meter:
    """The meter of this process."""
    return _meter


def use_meter(chosen: Meter) -> None:
    """Make ``chosen`` the meter of this process."""
    global _meter
    _meter = chosen
