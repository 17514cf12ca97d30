"""What the dashboard asks for, and what the services export; for tests of either."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdjscc.observability.prometheus import PrometheusMeter

FOLDER = Path(__file__).parents[1] / "deploy" / "observability"


def dashboard() -> dict[str, Any]:
    return json.loads((FOLDER / "grafana" / "dashboards" / "sdjscc.json").read_text())


def expressions() -> dict[str, list[str]]:
    """The PromQL expressions of the dashboard, by the title of their panel."""
    asking = [panel for panel in dashboard()["panels"] if "targets" in panel]
    return {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in asking}


def names_in(expression: str) -> Iterator[str]:
    """Names of metrics in an expression."""
    return (match[0] for match in re.finditer(r"\b(sdjscc|process)_\w+|\bup\b", expression))


def used_meter() -> PrometheusMeter:
    """A meter that was told of everything once."""
    meter = PrometheusMeter()
    meter.running("receiver", "0.0.0", "torch")
    meter.codec("sd-jscc", 0.25, "0" * 64)
    meter.call_begun("m")
    meter.call_ended("m", "OK", 0.1)
    meter.image("OK")
    meter.stage("receiver/decode", 0.1)
    meter.watch_queue(lambda: 0, 1)
    meter.batch([0.1])
    meter.watch_snr("awgn", lambda: 10.0)
    meter.carried("awgn", 10.0, 8, 4)
    meter.sent("sd-jscc", 8, 4)
    meter.received("sd-jscc", "received", "stl10", 0.5)
    return meter
