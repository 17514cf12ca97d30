"""``python -m tests.fuzz --inputs 1000000``: coverage-guided fuzzing of all that decodes bytes from the wire.

Each target runs in a process of its own under libFuzzer (by atheris), which follows the coverage of our own Python and
of Pillow's. An input that ends in anything but a value or an error of ours, that takes more than ten seconds, or that
drives the process beyond two gigabytes ends the target and is kept in the folder ``build/fuzz``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LONGEST_INPUT = 8192
_TIMEOUT_S = 10
_MEMORY_MB = 2048
_INSTRUMENTED = ["sdjscc", "transmitter", "receiver", "channel", "PIL"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of targets with a find."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs of all targets together")
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--folder", type=Path, default=_ROOT / "build" / "fuzz", help="corpora, finds, results.jsonl")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args(arguments)
    if options.inside:
        _fuzz(options.inside, rest)

    from tests.fuzz.targets import TARGETS

    finds = 0
    for name in options.target or TARGETS:
        result = _run(name, options.inputs * TARGETS[name].share // 1000, options.folder)
        finds += not result["clean"]
        with (options.folder / "results.jsonl").open("a") as results:
            print(json.dumps(result), file=results)
        print(json.dumps(result), flush=True)
    return finds


def _run(name: str, inputs: int, folder: Path) -> dict[str, object]:
    corpus, finds = folder / "corpus" / name, folder / "finds" / name
    for made in (corpus, finds):
        made.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    begin = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, str(corpus), f"-runs={inputs}"]
    command += [f"-artifact_prefix={finds}/", f"-timeout={_TIMEOUT_S}", f"-rss_limit_mb={_MEMORY_MB}"]
    command += [f"-max_len={_LONGEST_INPUT}"]
    with log.open("wb") as stream:
        code = subprocess.run(
            command, cwd=_ROOT, stdout=stream, stderr=stream, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    text = log.read_text(errors="replace")
    done = re.findall(r"^#(\d+)\s.*?cov: (\d+)", text, re.MULTILINE)
    return {
        "target": name,
        "inputs": int(done[-1][0]) if done else 0,
        "coverage": int(done[-1][1]) if done else 0,
        "seconds": round(time.monotonic() - begin),
        "clean": code.returncode == 0,
        "finds": sorted(find.name for find in finds.iterdir()),
    }


def _fuzz(name: str, libfuzzer_arguments: Sequence[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from PIL import Image

        from tests.fuzz.targets import TARGETS

        Image.init()  # imports what reads each format

    import torch

    torch.set_num_threads(1)
    target = TARGETS[name]
    corpus = Path(libfuzzer_arguments[0])
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number:02}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *libfuzzer_arguments], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
