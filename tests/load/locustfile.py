"""A service under load from Locust, with its page or without.

    python -m locust -f tests/load/locustfile.py --web-host 127.0.0.1 --host 127.0.0.1:50051
    python -m locust -f tests/load/locustfile.py --headless --users 8 --spawn-rate 8 --run-time 10s --host ...

Run it from the root of the repository. Users are a closed loop: each asks again once it is answered, so what comes out
is what the service can do; for what users wait at a rate, see `tests.load.generator`.

Importing this module patches the standard library for gevent: only Locust may do so, in a process of its own.
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

# Locust patches the standard library when it is imported; gRPC is told of it after that, and before it is used.
import gevent
from locust import User, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

# isort: split
from grpc.experimental import gevent as grpc_gevent

grpc_gevent.init_gevent()

import grpc  # noqa: E402

from bench.cases import FORMATS, Case  # noqa: E402
from sdjscc.wire.options import channel_options  # noqa: E402
from tests.load.traffic import SERVICES, Traffic, traffic  # noqa: E402

_TIMEOUT_S = 60.0

_numbers = count()


class Refused(Exception):
    """A call that failed; its status alone, so that Locust counts alike what is alike."""


@dataclass
class Seen:
    """What became of a test's calls; times are of ``time.perf_counter``, seconds."""

    begin_s: float
    begin_cpu_s: float
    """CPU time of this process until then."""
    finished_s: list[float] = field(default_factory=list)
    """When each answer with a result was there."""
    failures: Counter[str] = field(default_factory=Counter)
    """Calls that failed, by status."""


class Sender(User):
    """Sends photographs, one after the other is answered."""

    wait_time = constant(0)
    traffic: Traffic
    seen: Seen

    def on_start(self) -> None:
        self._connection = grpc.insecure_channel(self.host, channel_options())
        # No serializers: bytes go out and come back as they are.
        self._call = self._connection.unary_unary(self.traffic.method)

    def on_stop(self) -> None:
        self._connection.close()

    @task
    def send(self) -> None:
        requests = self.traffic.requests
        begin, answer, failure = time.perf_counter(), b"", None
        try:
            answer = self._call(requests[next(_numbers) % len(requests)], timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            failure = Refused(error.code().name)
            self.seen.failures[error.code().name] += 1
        end = time.perf_counter()
        if failure is None:
            self.seen.finished_s.append(end)
        self.environment.events.request.fire(
            request_type="gRPC",
            name=self.traffic.method,
            response_time=1e3 * (end - begin),
            response_length=len(answer),
            exception=failure,
        )


@events.init_command_line_parser.add_listener
def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--service", choices=SERVICES, default="chain", help="what serves at --host")
    parser.add_argument("--size", type=int, default=96, help="side of the square photographs, pixels")
    parser.add_argument("--format", choices=FORMATS, default="png", help="how they travel")
    parser.add_argument("--task", default="imagenet", help="classifier at the receiver")
    parser.add_argument("--seen", default="", include_in_web_ui=False, help="file for the times of all answers, JSON")


@events.init.add_listener
def _prepare(environment: Environment, **_: object) -> None:
    # Already here, because a test's time runs while it is being started; the page may ask for another then.
    _asked_for(environment)
    # gevent's clock stood still meanwhile, and the run time would be counted from when it last went.
    gevent.get_hub().loop.update_now()


@events.test_start.add_listener
def _begin(environment: Environment, **_: object) -> None:
    Sender.traffic = _asked_for(environment)
    Sender.seen = Seen(time.perf_counter(), time.process_time())


@events.test_stop.add_listener
def _end(environment: Environment, **_: object) -> None:
    seen = Sender.seen
    cores = (time.process_time() - seen.begin_cpu_s) / (time.perf_counter() - seen.begin_s)
    if file := _parsed(environment).seen:
        Path(file).write_text(json.dumps({**asdict(seen), "cores": cores}))


def _asked_for(environment: Environment) -> Traffic:
    options = _parsed(environment)
    return traffic(options.service, Case(options.size, options.format, options.task))


def _parsed(environment: Environment) -> Namespace:
    options = environment.parsed_options
    assert isinstance(options, Namespace)
    return options
