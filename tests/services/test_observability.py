"""Metrics and traces of real processes: exact counts, one trace for the whole chain, and nothing where nobody asks."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from deploy.local import LocalLink, ServiceProcess
from sdjscc import __version__
from sdjscc.client import Client, LinkError
from sdjscc.codecs import CodecRegistry
from sdjscc.errors import SdjsccError
from sdjscc.v1.channel_pb2 import SetConditionsRequest
from sdjscc.v1.channel_pb2_grpc import ChannelServiceStub
from tests.observed import FOLDER, expressions
from tests.services.otlp import Collector, Span, collector
from tests.services.requests import TIMEOUT_S, receive_request, refused, stubs

Pixels = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]
SERVICES = ("transmitter", "channel", "receiver")
TRANSMIT = "/sdjscc.v1.TransmitterService/Transmit"
STREAM = "/sdjscc.v1.TransmitterService/TransmitStream"
RECEIVE = "/sdjscc.v1.ReceiverService/Receive"

CODE_THAT_TELLS_ITS_MODULES = (
    "import atexit, runpy, sys; "
    "atexit.register(lambda: print(sorted(m for m in sys.modules if m.startswith(('prometheus', 'opentelemetry'))))); "
    "sys.argv.pop(0); runpy.run_module(sys.argv[0], run_name='__main__')"
)


def first_line(process: ServiceProcess) -> dict[str, object]:
    """What a service logged once it served."""
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    return next(line for line in lines if line["event"] == "serving")


class Scraped:
    """The metrics of a service at a moment."""

    def __init__(self, process: ServiceProcess) -> None:
        with urllib.request.urlopen(f"http://{first_line(process)['metrics']}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """A sample's value, 0 where there is none."""
        return self._samples.get((f"sdjscc_{name}", frozenset(labels.items())), 0.0)

    def labels(self, name: str) -> set[frozenset[tuple[str, str]]]:
        return {labels for found, labels in self._samples if found == f"sdjscc_{name}"}

    def names(self) -> set[str]:
        return {name for name, _ in self._samples}


@dataclass(frozen=True)
class Observed:
    """A link with metrics and traces, and where the traces arrive."""

    link: LocalLink
    collector: Collector

    def scrape(self) -> dict[str, Scraped]:
        return {name: Scraped(self.link.services[name]) for name in SERVICES}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with pytest.MonkeyPatch.context() as environment, collector() as collecting:
        # How often spans are sent, milliseconds.
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        flags = {"metrics-listen": "127.0.0.1:0", "otlp-endpoint": collecting.endpoint}
        with LocalLink(tmp_path_factory.mktemp("observed"), dict.fromkeys(SERVICES, flags)) as link:
            yield Observed(link, collecting)


def settled(observed: Observed) -> dict[str, Scraped]:
    """A scrape with no call in flight: the end of a call is counted a moment after its answer has left."""
    deadline = time.monotonic() + 60
    found = observed.scrape()
    while any(map(busy, found.values())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        found = observed.scrape()
    return found


def busy(scraped: Scraped) -> bool:
    return any(scraped("calls_in_flight", **dict(labels)) for labels in scraped.labels("calls_in_flight"))


def test_every_call_is_counted_with_its_status_its_stages_and_what_it_carried(
    observed: Observed, photograph: Pixels
) -> None:
    before = observed.scrape()
    with Client(observed.link.server) as client:
        results = [client.transmit(photograph, snr_db=snr_db) for snr_db in (5, 5, 10)]
        results.append(client.transmit(photograph, task="stl10", snr_db=35))
        frames = list(client.stream([photograph] * 3, snr_db=-30))
        with pytest.raises(LinkError, match="no task 'poetry'"):
            client.transmit(photograph, task="poetry")
        with pytest.raises(LinkError, match="no codec 'telepathy'"):
            client.transmit(photograph, codec="telepathy")
        with pytest.raises(LinkError, match="cannot be decoded"):
            client.transmit(b"no image")
    after = settled(observed)

    def more(service: str, name: str, **labels: str) -> float:
        return after[service](name, **labels) - before[service](name, **labels)

    assert more("transmitter", "calls_total", method=TRANSMIT, status="OK") == 4
    assert more("transmitter", "calls_total", method=TRANSMIT, status="NOT_FOUND") == 2
    assert more("transmitter", "calls_total", method=TRANSMIT, status="INVALID_ARGUMENT") == 1
    assert more("transmitter", "calls_total", method=STREAM, status="OK") == 1
    assert more("transmitter", "call_images_total", status="OK") == 3
    assert more("transmitter", "call_seconds_count", method=TRANSMIT) == 7
    for service in ("channel", "receiver"):
        assert more(service, "calls_total", method=RECEIVE, status="OK") == 7
        assert more(service, "calls_total", method=RECEIVE, status="NOT_FOUND") == 1

    # What failed before a stage ended is not among its times.
    for stage, count in {"transmitter/unpack": 8, "transmitter/encode": 8, "channel/noise": 8}.items():
        assert more(stage.partition("/")[0], "stage_seconds_count", stage=stage) == count
    for stage in ("unpack", "decode", "classify", "pack"):
        assert more("receiver", "stage_seconds_count", stage=f"receiver/{stage}") == 7
    told = sum(result.timings_ms["receiver/decode"] for result in (*results, *frames)) / 1e3
    assert more("receiver", "stage_seconds_sum", stage="receiver/decode") == pytest.approx(told)

    bits, uses = results[0].bits, results[0].channel_uses
    assert more("transmitter", "sent_images_total", codec="sd-jscc") == 8
    assert more("transmitter", "sent_bits_total", codec="sd-jscc") == 8 * bits
    assert more("transmitter", "sent_symbols_total", codec="sd-jscc") == 8 * uses
    assert more("channel", "carried_bits_total", model="awgn") == 8 * bits
    assert more("channel", "carried_symbols_total", model="awgn") == 8 * uses
    assert more("receiver", "received_images_total", codec="sd-jscc", outcome="received") == 7
    assert more("receiver", "label_confidence_count", task="imagenet") == 6
    assert more("receiver", "label_confidence_count", task="stl10") == 1

    def met(up_to: str) -> float:
        return more("channel", "transmission_snr_db_bucket", model="awgn", le=up_to)

    # The one for the unknown task crossed at the channel's own 10 dB.
    assert [met(edge) for edge in ("-20.0", "4.0", "6.0", "8.0", "10.0", "30.0", "40.0")] == [3, 3, 5, 5, 7, 7, 8]


def test_what_a_client_makes_up_becomes_no_label(observed: Observed, photograph: Pixels) -> None:
    before = observed.scrape()
    with stubs(observed.link.services["receiver"].address) as (_, receiver):
        for number in range(20):
            with refused(grpc.StatusCode.NOT_FOUND, "no codec"):
                receiver.Receive(receive_request(photograph, codec=f"made-up-{number}"), timeout=TIMEOUT_S)
    with grpc.insecure_channel(observed.link.server) as connection:
        for number in range(20):
            with refused(grpc.StatusCode.UNIMPLEMENTED, ""):
                connection.unary_unary(f"/sdjscc.v1.TransmitterService/MadeUp{number}")(b"", timeout=TIMEOUT_S)
    after = observed.scrape()
    for service in SERVICES:
        for name in after[service].names():
            new = after[service].labels(name.removeprefix("sdjscc_")) - before[service].labels(
                name.removeprefix("sdjscc_")
            )
            assert not any("made" in value.lower() for labels in new for _, value in labels), name


def test_the_snr_in_force_is_that_of_the_moment(observed: Observed) -> None:
    channel = observed.link.services["channel"]
    with grpc.insecure_channel(channel.address) as connection:
        for snr_db in (3.5, 10.0):
            ChannelServiceStub(connection).SetConditions(SetConditionsRequest(snr_db=snr_db), timeout=TIMEOUT_S)
            assert Scraped(channel)("channel_snr_db", model="awgn") == snr_db


def test_what_runs_there(observed: Observed) -> None:
    entry = CodecRegistry().find("sd-jscc", 0.25)
    for name, scraped in observed.scrape().items():
        (build,) = map(dict, scraped.labels("build_info"))
        assert (build["service"], build["version"]) == (name, __version__)
    for name in ("transmitter", "receiver"):
        weights = entry.weights_sha256[:12]
        assert Scraped(observed.link.services[name])("codec_info", codec="sd-jscc", bpp="0.25", weights=weights) == 1


def test_what_waits_and_what_ran_together(tmp_path: Path, cat: Pixels) -> None:
    """One thread, and 8 small images at once: the first runs alone, the others wait for it."""
    flags = {"metrics-listen": "127.0.0.1:0", "threads": 1, "queue": 20, "max-batch": 4}
    small = receive_request(np.ascontiguousarray(cat[:96, :96]))
    receiver = ServiceProcess("receiver", tmp_path / "receiver.log", flags)
    try:
        receiver.wait_serving()
        with stubs(receiver.address) as (_, stub):
            large = stub.Receive.future(receive_request(np.ascontiguousarray(np.tile(cat, (2, 2, 1)))))
            wait_for(lambda: Scraped(receiver)("batch_items_count") == 1)
            calls = [stub.Receive.future(small, timeout=2 * TIMEOUT_S) for _ in range(8)]
            wait_for(lambda: Scraped(receiver)("queue_depth") == 8)
            scraped = Scraped(receiver)
            assert scraped("calls_in_flight", method=RECEIVE) == 9
            assert scraped("queue_limit") == 20
            for call in (large, *calls):
                call.result()
        scraped = Scraped(receiver)
        assert scraped("queue_depth") == 0
        assert scraped("batch_items_sum") == 9
        assert scraped("batch_items_count") == 3
        assert scraped("batch_items_bucket", le="3.0") == 1
        assert scraped("batch_items_bucket", le="4.0") == 3
        assert scraped("queue_wait_seconds_count") == 9
        assert scraped("queue_wait_seconds_sum") > 8 * 0.01
    finally:
        receiver.stop()


def wait_for(condition, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="PROMETHEUS NOT TESTED: there is no `prometheus` and `promtool` (Debian's package prometheus)",
)
def test_prometheus_scrapes_the_link_and_every_expression_of_the_dashboard_yields_numbers(
    observed: Observed, photograph: Pixels, tmp_path: Path
) -> None:
    original = FOLDER / "prometheus.yml"
    subprocess.run(["promtool", "check", "config", str(original)], check=True, capture_output=True)
    configuration = yaml.safe_load(original.read_text())
    configuration["global"]["scrape_interval"] = "500ms"
    for job in configuration["scrape_configs"]:
        del job["dns_sd_configs"]
        address = first_line(observed.link.services[job["job_name"]])["metrics"]
        job["static_configs"] = [{"targets": [address]}]
    adapted = tmp_path / "prometheus.yml"
    adapted.write_text(yaml.safe_dump(configuration))
    address = free_address()
    command = ["prometheus", f"--config.file={adapted}", f"--storage.tsdb.path={tmp_path}/data"]

    def ask(expression: str) -> list[float]:
        query = urllib.parse.urlencode({"query": expression.replace("$__rate_interval", "30s")})
        with urllib.request.urlopen(f"http://{address}/api/v1/query?{query}", timeout=60) as response:
            answer = json.load(response)
        assert answer["status"] == "success"
        return [float(series["value"][1]) for series in answer["data"]["result"]]

    def ready() -> bool:
        try:
            return sum(ask("up")) == 3
        except OSError:
            return False

    with subprocess.Popen([*command, f"--web.listen-address={address}"], stderr=subprocess.DEVNULL) as prometheus:
        try:
            wait_for(ready)
            asked = {expression for panel in expressions().values() for expression in panel}
            deadline = time.monotonic() + 60
            while empty := {e for e in asked if not any(map(math.isfinite, ask(e)))}:
                assert time.monotonic() < deadline, empty
                # A rate is one between two scrapes: what is counted must grow while Prometheus looks.
                with Client(observed.link.server) as client:
                    for _ in client.stream([photograph] * 2, snr_db=5, task="stl10"):
                        pass
                    client.transmit(photograph)
                time.sleep(0.5)
            assert ask("sum(sdjscc_received_images_total)") > [3]
        finally:
            prometheus.terminate()


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def spans_of(observed: Observed, count: int, run) -> list[Span]:
    """The spans that come of ``run``."""
    observed.collector.spans.clear()
    run()
    return observed.collector.wait_for(count)


UNARY_SPANS = {
    ("transmitter", TRANSMIT[1:]),
    ("transmitter", "transmitter/unpack"),
    ("transmitter", "transmitter/encode"),
    ("transmitter", RECEIVE[1:]),
    ("channel", RECEIVE[1:]),
    ("channel", "channel/noise"),
    ("receiver", RECEIVE[1:]),
    ("receiver", "receiver/unpack"),
    ("receiver", "receiver/decode"),
    ("receiver", "receiver/classify"),
    ("receiver", "receiver/pack"),
}


def test_a_call_of_the_command_line_is_one_trace_through_four_processes(
    observed: Observed, photograph: Pixels, tmp_path: Path
) -> None:
    path = tmp_path / "coffee.png"
    Image.fromarray(photograph).save(path)
    command = [sys.executable, "-m", "sdjscc.cli", "send", str(path), "--server", observed.link.server, "--json"]
    answer: list[dict[str, object]] = []

    def send() -> None:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": observed.collector.endpoint}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **endpoint})
        assert done.returncode == 0, done.stderr
        answer.append(json.loads(done.stdout))

    # 11 kinds; the call to the next service is in the channel as well as its own, and the client has one.
    spans = spans_of(observed, 13, send)
    assert len(spans) == 13
    assert {span.trace_id for span in spans} == {spans[0].trace_id}
    assert {(span.service, span.name) for span in spans} == {*UNARY_SPANS, ("client", TRANSMIT[1:])}
    by_id = {span.span_id: span for span in spans}

    def path_of(span: Span) -> list[str]:
        above = [] if not span.parent_id else path_of(by_id[span.parent_id])
        return [*above, f"{span.service}:{span.kind}"]

    assert all(not span.failed for span in spans)
    client, server, internal = 3, 2, 1
    (decode,) = [span for span in spans if span.name == "receiver/decode"]
    assert path_of(decode) == [
        f"client:{client}",
        f"transmitter:{server}",
        f"transmitter:{client}",
        f"channel:{server}",
        f"channel:{client}",
        f"receiver:{server}",
        f"receiver:{internal}",
    ]
    # Stages lie inside the call that they are part of, on the clock of one machine.
    for span in spans:
        if span.kind == internal:
            parent = by_id[span.parent_id]
            assert parent.begin_ns <= span.begin_ns <= span.end_ns <= parent.end_ns
    (channel,) = [span for span in spans if span.service == "channel" and span.kind == server]
    assert channel.attributes["sdjscc.snr_db"] == 10.0
    assert channel.attributes["rpc.grpc.status_code"] == 0

    # The logs of all three have the trace's id beside the request's, and the spans have the request's.
    for name in SERVICES:
        lines = [json.loads(line) for line in observed.link.services[name].log.read_text().splitlines()]
        (line,) = [line for line in lines if line.get("trace_id") == spans[0].trace_id]
        assert line["event"] == "call"
        assert line["request_id"] == answer[0]["request_id"] == channel.attributes["sdjscc.request_id"]


def test_frames_of_a_stream_are_parts_of_one_trace(observed: Observed, photograph: Pixels) -> None:
    """The client here traces nothing; a program that uses OpenTelemetry would be at the trace's top."""

    def send() -> None:
        with Client(observed.link.server) as client:
            answers = list(client.stream([photograph, photograph], task="poetry"))
            assert [answer.code for answer in answers] == [grpc.StatusCode.NOT_FOUND] * 2

    # A stream, and for each frame: itself, 2 stages, a call, the channel's three, the receiver's one.
    spans = spans_of(observed, 1 + 2 * 8, send)
    (stream,) = [span for span in spans if span.name == STREAM[1:]]
    frames = [span for span in spans if span.name == "frame"]
    assert len({span.trace_id for span in spans}) == 1
    assert {frame.parent_id for frame in frames} == {stream.span_id}
    assert {frame.attributes["sdjscc.frame_id"] for frame in frames} == {"0", "1"}
    assert all(frame.failed and frame.attributes["rpc.grpc.status_code"] == 5 for frame in frames)
    assert not stream.failed
    for stage in ("transmitter/unpack", "transmitter/encode"):
        assert {span.parent_id for span in spans if span.name == stage} == {frame.span_id for frame in frames}


def test_a_program_that_uses_opentelemetry_finds_the_link_in_its_traces(
    observed: Observed, photograph: Pixels, tmp_path: Path
) -> None:
    path = tmp_path / "coffee.png"
    Image.fromarray(photograph).save(path)
    program = (
        "import sys; from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider; "
        "trace.set_tracer_provider(TracerProvider()); from sdjscc.client import Client\n"
        "with trace.get_tracer('program').start_as_current_span('work') as span, Client(sys.argv[1]) as client:\n"
        "    client.transmit(sys.argv[2]); print(trace.format_trace_id(span.get_span_context().trace_id))"
    )
    printed: list[str] = []

    def run() -> None:
        command = [sys.executable, "-c", program, observed.link.server, str(path)]
        printed.append(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip())

    spans = spans_of(observed, 12, run)
    assert {span.trace_id for span in spans} == set(printed)


def test_a_collector_that_is_gone_costs_no_request_and_ends_in_no_traceback(tmp_path: Path, photograph: Pixels) -> None:
    with collector() as gone:
        endpoint = gone.endpoint
    channel = ServiceProcess(
        "channel", tmp_path / "channel.log", {"otlp-endpoint": endpoint, "upstream": "127.0.0.1:9"}
    )
    try:
        channel.wait_serving()
        with stubs(channel.address) as (_, receiver), refused(grpc.StatusCode.UNAVAILABLE, "cannot be reached"):
            receiver.Receive(receive_request(photograph), timeout=TIMEOUT_S)
        channel.process.send_signal(signal.SIGTERM)
        assert channel.process.wait(60) == 0
        # All lines are JSON, what the exporter says of its troubles too.
        lines = [json.loads(line) for line in channel.log.read_text().splitlines()]
        assert any(line["event"] == "library" and "opentelemetry" in line["library"] for line in lines)
    finally:
        channel.stop()


def listening_ports(pid: int) -> int:
    """TCP sockets that a process listens on."""
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    tables = [Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:] for kind in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    listening = "0A"
    return sum(row[3] == listening and f"socket:[{row[9]}]" in sockets for row in rows)


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="counts sockets in Linux's /proc")
@pytest.mark.parametrize(
    ("service", "flags", "ports"),
    [("channel", [], 1), ("channel", ["--metrics-listen=127.0.0.1:0"], 2), ("transmitter", [], 1)],
)
def test_where_nobody_asks_no_port_is_opened_and_nothing_is_imported(
    tmp_path: Path, service: str, flags: list[str], ports: int
) -> None:
    address = tmp_path / "address"
    command = [sys.executable, "-c", CODE_THAT_TELLS_ITS_MODULES, service, "--listen=127.0.0.1:0"]
    quiet = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    with subprocess.Popen(
        [*command, f"--address-file={address}", *flags], cwd=ROOT, env=quiet, stdout=-1, stderr=-1, text=True
    ) as process:
        wait_for(lambda: process.poll() is not None or (address.exists() and address.read_text()), 60)
        found = listening_ports(process.pid)
        process.send_signal(signal.SIGTERM)
        modules, _ = process.communicate(timeout=60)
    assert found == ports
    assert ("prometheus_client" in modules) is bool(flags)
    assert "opentelemetry" not in modules


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"metrics-listen": "9464"}, "--metrics-listen is '9464'; give host:port"),
        ({"metrics-listen": "999.1.1.1:9464"}, "cannot serve metrics on 999.1.1.1:9464"),
        ({"otlp-endpoint": "localhost:4317"}, "--otlp-endpoint is 'localhost:4317'; give a URL"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, flags: dict[str, object], sentence: str) -> None:
    process = ServiceProcess("channel", tmp_path / "log", flags)
    with pytest.raises(SdjsccError, match="ended with status 1"):
        process.wait_serving()
    log = process.log.read_text()
    assert sentence in log
    assert "Traceback" not in log
    assert len(log.splitlines()) == 1


@pytest.mark.parametrize(
    ("missing", "flag"),
    [("prometheus_client", "--metrics-listen=127.0.0.1:0"), ("opentelemetry", "--otlp-endpoint=http://127.0.0.1:4317")],
)
def test_without_the_extra_the_sentence_says_what_to_install(missing: str, flag: str) -> None:
    code = f"import runpy, sys; sys.modules['{missing}'] = None; runpy.run_module('channel', run_name='__main__')"
    command = [sys.executable, "-c", code, "--listen=127.0.0.1:0", flag]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "pip install 'sdjscc[observability]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
