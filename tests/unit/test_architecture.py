"""Imports run one way, and what must be light is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each package with those it may import, itself aside. Modules directly under sdjscc go by their name.
MAY_IMPORT: dict[str, set[str]] = {
    "sdjscc.errors": set(),
    "sdjscc.metrics": set(),
    "sdjscc.v1": set(),
    "sdjscc.channels": {"errors"},
    "sdjscc.data": {"errors"},
    "sdjscc.engines": {"errors"},
    "sdjscc.codecs": {"errors", "channels", "engines"},
    "sdjscc.tasks": {"errors", "data", "engines"},
    "sdjscc.evaluation": {"channels", "codecs", "data", "metrics", "tasks"},
    "sdjscc.plots": {"evaluation"},
    "sdjscc.semantics": {"errors", "tasks"},
    "sdjscc.training": {"errors", "channels", "codecs", "data", "evaluation", "semantics", "tasks"},
    "sdjscc.study": {"errors", "channels", "codecs", "data", "evaluation", "plots", "tasks", "training"},
    "sdjscc.wire": {"errors", "data", "v1"},
    "sdjscc.observability": {"errors"},
    "sdjscc.serving": {"errors", "engines", "observability", "wire", "v1"},
    "sdjscc.client": {"errors", "data", "metrics", "observability", "wire", "v1"},
}
OUTSIDE = {"transmitter", "receiver", "channel", "demo", "bench", "deploy", "tests"}


def imports(file: Path) -> set[str]:
    """Absolute names that a file imports, at its top or anywhere below."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add(node.module or "")
    return names


def files_of(package: str) -> list[Path]:
    path = ROOT / package.replace(".", "/")
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_lies_below_them(package: str) -> None:
    allowed = {package, *(f"sdjscc.{name}" for name in MAY_IMPORT[package])}
    for file in files_of(package):
        for name in imports(file):
            if name.startswith("sdjscc."):
                assert ".".join(name.split(".")[:2]) in allowed, f"{file.relative_to(ROOT)} imports {name}"


def test_every_package_of_the_library_has_its_place() -> None:
    packages = {
        f"sdjscc.{entry.stem}"
        for entry in (ROOT / "sdjscc").iterdir()
        if (entry.suffix == ".py" or (entry / "__init__.py").is_file()) and entry.stem != "__init__"
    }
    assert packages == {*MAY_IMPORT, "sdjscc.cli"}


def test_the_library_imports_no_service() -> None:
    for file in (ROOT / "sdjscc").rglob("*.py"):
        assert not {name.split(".")[0] for name in imports(file)} & OUTSIDE, file


@pytest.mark.parametrize("service", ["transmitter", "receiver", "channel"])
def test_a_service_imports_no_other(service: str) -> None:
    for file in (ROOT / service).rglob("*.py"):
        assert not {name.split(".")[0] for name in imports(file)} & (OUTSIDE - {service}), file


@pytest.mark.parametrize("module", ["channel.service", "channel.settings", "sdjscc.client", "sdjscc.cli.send"])
def test_channel_and_clients_run_without_torch(module: str) -> None:
    code = f"import sys; sys.modules['torch'] = None; import {module}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_gevent_stays_in_locusts_own_process() -> None:
    """Whoever imports Locust has the standard library patched for gevent."""
    for file in (ROOT / "tests").rglob("*.py"):
        if file.name != "locustfile.py":
            names = imports(file)
            assert not {name.split(".")[0] for name in names} & {"gevent", "locust"}, file
            assert "tests.load.locustfile" not in names, file
