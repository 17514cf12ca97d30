"""``python -m deploy.lock``: pin with hashes what the images install, in ``deploy/requirements``. `make lock` runs it.

torch alone is not in these files: its CPU builds come from an index of their own, whose files have other hashes than
those of the default index. The Dockerfiles name its version. What torch needs is in them, as its CPU build states it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

__all__ = ["LOCKS", "NOT_IN_CHANNEL", "main", "pins", "requirements"]

_ROOT = Path(__file__).parent.parent
_FOLDER = _ROOT / "deploy" / "requirements"

_TORCH = "torch==2.13.0+cpu"

# What only clients and the command line need of the base dependencies; the channel serves without.
NOT_IN_CHANNEL = frozenset({"click", "pillow", "rich"})

LOCKS: dict[str, tuple[str, ...]] = {
    "networks": ("base", "codec", "baselines", "openvino", "observability"),
    "demo": ("base", "codec", "baselines", "openvino", "observability", "demo"),
    "channel": ("channel", "observability"),
    "build": ("build",),
}
"""What each file holds: sets of `requirements`. The first is resolved first, and the others take its versions."""


def requirements(pyproject: Path = _ROOT / "pyproject.toml") -> dict[str, list[str]]:
    """Requirements as pyproject.toml states them: "base", each extra, "build", and "channel", a part of the base.

    Of torch it is the CPU build that is resolved, for the default one would bring CUDA's packages.
    """
    stated = tomllib.loads(pyproject.read_text())
    sets = {"base": stated["project"]["dependencies"], **stated["project"]["optional-dependencies"]}
    # An extra that names another of this project is listed together with it in LOCKS.
    found = {name: [need for need in needs if not need.startswith("sdjscc[")] for name, needs in sets.items()}
    found["codec"] = [_TORCH if need.startswith("torch>") else need for need in found["codec"]]
    found["build"] = stated["build-system"]["requires"]
    found["channel"] = [need for need in found["base"] if need.partition(">")[0] not in NOT_IN_CHANNEL]
    return found


def pins(name: str) -> dict[str, str]:
    """Versions of the packages of a file, and of torch, which is installed beside those of the networks."""
    held = dict(re.findall(r"(?m)^([\w.-]+)==(\S+) \\$", (_FOLDER / f"{name}.txt").read_text()))
    if "codec" in LOCKS[name]:
        held["torch"] = _TORCH.partition("==")[2]
    return held


def main() -> None:
    """Write the files; pins that are there and still fit stay, unless ``--upgrade`` is given."""
    sets = requirements()
    with tempfile.TemporaryDirectory(prefix="sdjscc-lock-") as folder:
        for name, parts in LOCKS.items():
            source = Path(folder, f"{name}.in")
            source.write_text("".join(f"{need}\n" for part in parts for need in sets[part]))
            _compile(source, _FOLDER / f"{name}.txt", sys.argv[1:])


def _compile(source: Path, lock: Path, arguments: Sequence[str]) -> None:
    first = _FOLDER / f"{next(iter(LOCKS))}.txt"
    constraint = [] if lock == first else [f"--constraint={first}"]
    # Addresses and annotations belong to the machine that resolves, not to the file.
    quiet = ("--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host", "--no-annotate", "--quiet")
    subprocess.run(
        [
            *(sys.executable, "-m", "piptools", "compile", *quiet, *constraint, *arguments),
            *("--generate-hashes", "--strip-extras", "--unsafe-package=torch"),
            *(f"--output-file={lock}", str(source)),
        ],
        env={**os.environ, "CUSTOM_COMPILE_COMMAND": "make lock"},
        check=True,
    )
    print(f"{lock.relative_to(_ROOT)} is written")


if __name__ == "__main__":
    main()
