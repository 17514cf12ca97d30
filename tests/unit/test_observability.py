"""The dashboard, the table of the docs and the compose file know the metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml
from opentelemetry.sdk.trace import TracerProvider

from sdjscc.errors import SdjsccError
from sdjscc.observability.meter import Meter
from sdjscc.observability.otlp import flush
from sdjscc.observability.prometheus import PrometheusMeter
from sdjscc.observability.start import start_metrics, traces_wanted
from tests.observed import FOLDER, dashboard, expressions, names_in, used_meter

ROOT = Path(__file__).parents[2]
JOBS = ("transmitter", "channel", "receiver")


def test_every_metric_of_the_dashboard_is_one_that_the_services_export() -> None:
    exported = {sample.name for family in used_meter().registry.collect() for sample in family.samples} | {"up"}
    for title, asked in expressions().items():
        for expression in asked:
            names = set(names_in(expression))
            assert names, title
            assert names <= exported, title


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for asked in expressions().values() for expression in asked for name in names_in(expression)}
    for family in used_meter().registry.collect():
        if family.name.startswith("sdjscc_"):
            assert any(sample.name in shown for sample in family.samples), family.name


def test_the_meter_that_keeps_metrics_is_told_all_that_the_other_is() -> None:
    told = {name for name in vars(Meter) if not name.startswith("_")}
    assert told <= set(vars(PrometheusMeter))


def test_panels_ask_the_data_source_that_is_provisioned_and_do_not_overlap() -> None:
    sources = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == panel["datasource"]["uid"] == sources[0]["uid"]
    identities = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(identities)) == len(identities)


def test_the_table_in_the_docs_is_that_of_the_code() -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    rows = re.findall(r"(?m)^\| `(sdjscc_\w+)` \| (\w+) \| ([^|]*)\| (.+) \|$", text)
    documented = {(name, kind, frozenset(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows}
    expected = set()
    for family in used_meter().registry.collect():
        if family.name.startswith("sdjscc_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            expected.add((name, family.type, frozenset(labels), family.documentation))
    assert documented == expected


def test_compose_serves_metrics_where_prometheus_looks_for_them() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.observability.yml").read_text())["services"]
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert tuple(job["job_name"] for job in scraped) == JOBS
    for job in scraped:
        (found,) = job["dns_sd_configs"]
        (name,) = found["names"]
        assert name == job["job_name"]
        listen = compose[name]["environment"][f"SDJSCC_{name.upper()}_METRICS_LISTEN"]
        assert listen == f"0.0.0.0:{found['port']}"
    for name in ("prometheus", "grafana"):
        assert compose[name]["profiles"] == ["observability"]
        assert all(port.startswith("127.0.0.1:") for port in compose[name]["ports"])
        assert compose[name]["cap_drop"] == ["ALL"]
        for volume in compose[name]["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), volume


@pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="COMPOSE FILE NOT TESTED: there is no `docker-compose`"
)
def test_compose_takes_both_files_together() -> None:
    files = ["--file", "docker-compose.yml", "--file", "docker-compose.observability.yml"]
    command = ["docker-compose", *files, "--profile", "observability", "config", "--services"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {*JOBS, "demo", "prometheus", "grafana"}


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"}, True),
        # As compose passes on what is not set.
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_opentelemetrys_own_variables_ask_for_traces(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wanted: bool
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert traces_wanted("") is wanted
    assert traces_wanted("http://127.0.0.1:4317")


@pytest.mark.parametrize("listen", ["9464", ":9464", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999"])
def test_addresses_that_are_none(listen: str) -> None:
    with pytest.raises(SdjsccError, match=r"give host:port, such as 127\.0\.0\.1:9464"):
        start_metrics(listen)


def test_the_end_of_a_process_waits_a_few_seconds_for_its_last_spans_at_most() -> None:
    answered = threading.Event()

    class Stuck(TracerProvider):
        def shutdown(self) -> None:
            answered.wait(120)

    begin = time.monotonic()
    flush(Stuck(shutdown_on_exit=False))
    assert time.monotonic() - begin < 60
    answered.set()
