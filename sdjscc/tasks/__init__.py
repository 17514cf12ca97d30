"""Downstream tasks: what the received images are for. Importing this needs the standard library only."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sdjscc.errors import MissingDependency, UnknownName

if TYPE_CHECKING:
    from sdjscc.engines import Engine
    from sdjscc.tasks.base import Classifier

__all__ = ["get_classifier", "task_names"]

_TASKS: dict[str, tuple[str, str]] = {
    "imagenet": ("sdjscc.tasks.imagenet", "ImageNetClassifier"),
    "stl10": ("sdjscc.tasks.stl10", "Stl10Classifier"),
}
"""Module and class of each task, by name."""


def task_names() -> tuple[str, ...]:
    """Names that `get_classifier` knows."""
    return tuple(_TASKS)


def get_classifier(name: str, engine: Engine | None = None) -> Classifier:
    """A new, frozen classifier on the CPU, with its weights; ``engine`` runs it, or torch where none is given.

    Raises `UnknownName`, and `MissingDependency` where torch or the weights are not installed.
    """
    try:
        module, classifier = _TASKS[name]
    except KeyError:
        raise UnknownName(f"there is no task {name!r} here; use one of: {', '.join(_TASKS)}") from None
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "sdjscc":
            raise
        raise MissingDependency(
            f"the task {name!r} needs the package {error.name}; install it with: pip install 'sdjscc[codec]'"
        ) from error
    made: Classifier = getattr(found, classifier)()
    if engine is not None:
        made.run_on(engine)
    return made
