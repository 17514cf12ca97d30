"""What a figure was measured on."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path

from sdjscc.codecs import CodecRegistry
from sdjscc.serving.cores import usable_cores

__all__ = ["describe", "describe_without_codec", "sentence"]

_PACKAGES = ("torch", "numpy", "grpcio", "protobuf", "pillow")


def describe() -> dict[str, object]:
    """`describe_without_codec` and the weights, ready for JSON."""
    entry = CodecRegistry().find()
    return describe_without_codec() | {"codec": f"{entry.name}@{entry.bpp:g}", "weights_sha256": entry.weights_sha256}


def describe_without_codec(*packages: str) -> dict[str, object]:
    """Cores, processor, versions (those of ``packages`` too) and date, ready for JSON."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": usable_cores(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in (*_PACKAGES, *packages)},
    }


def sentence(machine: Mapping[str, object]) -> str:
    """What `describe` tells, for people."""
    versions = machine["versions"]
    assert isinstance(versions, dict)
    codec = f"; codec {machine['codec']}, weights {str(machine['weights_sha256'])[:12]}" if "codec" in machine else ""
    return (
        f"{machine['date']}, {machine['cores']} cores, {machine['processor']}, {machine['system']}, "
        f"Python {machine['python']}, {', '.join(f'{name} {version}' for name, version in versions.items())}{codec}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or "unknown processor"
    flags = next((line for line in lines if line.startswith("flags")), "")
    extensions = [word for word, flag in (("AVX-512", "avx512f"), ("AMX", "amx_tile")) if f" {flag}" in flags]
    return f"{name} ({', '.join(extensions)})" if extensions else name
