"""One measurement after the other: capacity, then a sweep of offered rates, then what a core could do at best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bench.cases import Case
from bench.cpu_time import cpu_s
from bench.link import ProcessOfItsOwn
from sdjscc.errors import SdjsccError
from tests.load.bed import Bed, running
from tests.load.bounds import Work, work_of
from tests.load.capacity import Capacity, capacity
from tests.load.cores import running_on, share_out
from tests.load.generator import Arrivals, run_echo, run_offer
from tests.load.point import Point
from tests.load.stub import Stub
from tests.load.traffic import Service, traffic

__all__ = ["CoreTime", "Measured", "Plan", "Session"]

# The first stands for a service with nothing else to do; the last two for one that is asked too much.
_SHARES = (0.2, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2)
_SHARES_QUICK = (0.2, 0.7, 1.2)
_STEP_BEYOND = 1.2
_STEPS_BEYOND = 3

_BOUND_OF_MEDIAN = 4.0
_LEAST_BOUND_MS = 50.0

_HOPS: tuple[Service, ...] = ("transmitter", "channel", "receiver")

Report = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How everything is measured."""

    seconds: float
    """Length of one measurement."""
    users: int
    """Calls under way at saturation."""
    arrivals: Arrivals
    rates_per_s: tuple[float, ...] = ()
    """Offered rates; none: those of a sweep around the capacity."""
    bound_ms: float | None = None
    """What p99 must keep under; None: four times the median at the lowest rate, and no less than 50 ms."""
    quick: bool = False

    @property
    def warm_up_s(self) -> float:
        return min(1.0, self.seconds)


@dataclass(frozen=True)
class CoreTime:
    """CPU time of one image in milliseconds; for the chain, of all its services together."""

    whole_ms: float
    """At saturation, everything that the service does."""
    work: Work
    echo_ms: float
    """An empty call of the same payload, at the server's side."""

    @property
    def rest_ms(self) -> float:
        return self.whole_ms - self.work.core_ms - self.work.files_ms - self.echo_ms

    @property
    def share_of_bound(self) -> float:
        """Images a core-second over those that the bare work alone would allow."""
        return self.work.core_ms / self.whole_ms


@dataclass(frozen=True)
class Measured:
    """One service with one kind of traffic."""

    service: Service
    case: Case
    capacity: Capacity | None
    """None where the rates were given."""
    bound_ms: float
    points: tuple[Point, ...]
    """In rising order of the offered rate."""
    core_time: CoreTime | None
    """None where the service was not ours to watch."""


class Session:
    """The generator in a process of its own, kept off the core of the service under load; up inside a ``with`` block.

    Args:
        target: address of what runs already; None: services of this machine are started.
        report: told in a few words what is being done.
    """

    def __init__(self, plan: Plan, target: str | None, report: Report) -> None:
        self._plan, self._target, self._report = plan, target, report
        self._shares = share_out()
        self._hops: dict[tuple[Service, Case], tuple[Work, float]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            with running_on(self._shares.others):
                self._generator = ProcessOfItsOwn()
            stack.callback(self._generator.close)
            if self._target is None:
                with running_on(self._shares.service):
                    self._worker = ProcessOfItsOwn()
                stack.callback(self._worker.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def measure(self, service: Service, case: Case) -> Measured:
        """Everything about one service and one kind of traffic."""
        title = f"{service}, {case.title}"
        self._report(f"{title}: starting")
        with self._bed(service, case) as bed:
            found: Capacity | None = None
            whole_ms = float("nan")
            if not self._plan.rates_per_s:
                self._report(f"{title}: capacity")
                found, whole_ms = self._capacity(bed, service, case)
            points = self._sweep(bed, service, case, found, title)
        core_time = None
        if self._target is None and found is not None:
            self._report(f"{title}: its work alone")
            hops = [self._hop(hop, case) for hop in (_HOPS if service == "chain" else (service,))]
            work = Work(sum(one.core_ms for one, _ in hops), sum(one.files_ms for one, _ in hops))
            core_time = CoreTime(whole_ms, work, sum(echo_ms for _, echo_ms in hops))
        return Measured(service, case, found, self._bound_ms(points), tuple(points), core_time)

    def _bed(self, service: Service, case: Case) -> AbstractContextManager[Bed]:
        return running(service, case, self._shares) if self._target is None else nullcontext(Bed(self._target, {}))

    def _capacity(self, bed: Bed, service: Service, case: Case) -> tuple[Capacity, float]:
        plan, before = self._plan, bed.cpu_s()
        with running_on(self._shares.others):
            found = capacity(bed.address, service, case, plan.users, plan.seconds, plan.warm_up_s)
        whole_ms = 1e3 * (bed.cpu_s() - before) / found.calls
        if not found.per_s > 0:
            raise SdjsccError(f"too few images finished within {plan.seconds:g} s; give more --seconds")
        return found, whole_ms

    def _sweep(self, bed: Bed, service: Service, case: Case, found: Capacity | None, title: str) -> Sequence[Point]:
        if found is None:
            return [self._offer(bed, service, case, rate, title) for rate in sorted(self._plan.rates_per_s)]
        shares = _SHARES_QUICK if self._plan.quick else _SHARES
        points = [self._offer(bed, service, case, share * found.per_s, title) for share in shares]
        # A capacity found low, as on a machine that was busy just then, must not hide the knee.
        for _ in range(_STEPS_BEYOND):
            if not points[-1].borne(self._bound_ms(points)):
                break
            points.append(self._offer(bed, service, case, _STEP_BEYOND * points[-1].offered_per_s, title))
        return points

    def _offer(self, bed: Bed, service: Service, case: Case, rate_per_s: float, title: str) -> Point:
        self._report(f"{title}: {rate_per_s:.3g} a second")
        return self._generator.run(
            run_offer, bed.address, traffic(service, case), rate_per_s, self._plan.seconds, self._plan.arrivals
        )

    def _bound_ms(self, points: Sequence[Point]) -> float:
        if self._plan.bound_ms is not None:
            return self._plan.bound_ms
        return max(_LEAST_BOUND_MS, _BOUND_OF_MEDIAN * points[0].p50_ms)

    def _hop(self, service: Service, case: Case) -> tuple[Work, float]:
        if (service, case) not in self._hops:
            seconds = min(1.0, self._plan.seconds)
            work = self._worker.run(work_of, service, case, seconds)
            self._hops[service, case] = work, self._echo_ms(service, case, seconds)
        return self._hops[service, case]

    def _echo_ms(self, service: Service, case: Case, seconds: float) -> float:
        sent = traffic(service, case)
        with running_on(self._shares.service):
            stub = Stub(sent.method, sent.answer)
            with stub:
                before = cpu_s(stub.pid)
                calls = self._generator.run(run_echo, stub.address, sent, self._plan.users, seconds)
                return 1e3 * (cpu_s(stub.pid) - before) / calls
