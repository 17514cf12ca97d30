"""Choosing an engine by name."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, cast, get_args

from sdjscc.engines.base import Engine
from sdjscc.errors import MissingDependency, UnknownName

__all__ = ["ENGINES", "EngineName", "select"]

EngineName = Literal["auto", "torch", "openvino", "openvino-f32", "openvino-bf16", "openvino-int8"]
"""auto: OpenVINO where it is installed, on the processors on which it was measured to be faster (x86-64); else torch.
openvino: in bfloat16 where the processor multiplies it in hardware, else in float32."""

ENGINES: tuple[str, ...] = get_args(EngineName)


def select(name: str = "auto", threads: int = 1) -> Engine:
    """The engine of that name.

    Args:
        name: one of `ENGINES`.
        threads: threads that will call it at the same time; more may, and wait for each other.

    Raises `UnknownName`, and `MissingDependency` where it is not installed.
    """
    if name not in ENGINES:
        raise UnknownName(f"there is no engine {name!r}; use one of: {', '.join(ENGINES)}")
    if name == "auto":
        worth_it = platform.machine().lower() in {"x86_64", "amd64"} and find_spec("openvino") is not None
        name = "openvino" if worth_it else "torch"
    if name == "torch":
        return cast(Engine, _import("sdjscc.engines.torch_engine", name, "codec").TorchEngine())
    _, _, precision = name.partition("-")
    # OpenVINO reports its use to its makers when it is imported, from a process that it forks, unless this is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return cast(Engine, _import("sdjscc.engines.openvino_engine", name, "openvino").OpenVinoEngine(precision, threads))


def _import(module: str, engine: str, extra: str):  # type: ignore[no-untyped-def]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sdjscc"):
            raise
        raise MissingDependency(
            f"the engine {engine!r} needs the package {error.name}; install it with: pip install 'sdjscc[{extra}]'"
        ) from error
