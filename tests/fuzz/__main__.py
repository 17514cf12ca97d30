"""``python -m tests.fuzz --inputs 1000000``: coverage-guided fuzzing of all that decodes bytes from the wire.

Each target runs in a process of its own under libFuzzer (by atheris), which follows the coverage of our own Python and
of Pillow's. An input that ends in anything but a value or an error of ours, that takes more than ten seconds, or that
drives the process beyond two gigabytes ends the target and is kept. Corpora, finds, logs and ``results.jsonl`` lie in
the folder ``build/fuzz``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

_ROOT = Path(__file__).parents[2]
_LONGEST_INPUT = 3 * 4096
_TIMEOUT_S = 10.0
"""Of a core."""
_HANGS_S = 120
_MEMORY_MB = 2048
_INSTRUMENTED = ["sdjscc", "transmitter", "receiver", "channel", "PIL"]
_TOLD_EVERY = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of targets with a find."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs of all targets together")
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--folder", type=Path, default=_ROOT / "build" / "fuzz", help="for all that is found out")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    options, libfuzzer_arguments = parser.parse_known_args(arguments)
    if options.inside:
        _fuzz(options.inside[0], Path(options.inside[1]), libfuzzer_arguments)

    from tests.fuzz.targets import TARGETS

    finds = 0
    for name in options.target or TARGETS:
        result = _run(name, options.inputs * TARGETS[name].share // 1000, options.folder)
        finds += bool(result["finds"])
        with (options.folder / "results.jsonl").open("a") as results:
            print(json.dumps(result), file=results)
        print(json.dumps(result), flush=True)
    return finds


def _run(name: str, inputs: int, folder: Path) -> dict[str, object]:
    corpus, finds, told = folder / "corpus" / name, folder / "finds" / name, folder / f"{name}.json"
    for made in (corpus, finds):
        made.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    begin = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, str(told), str(corpus), f"-runs={inputs}"]
    command += [f"-artifact_prefix={finds}/", f"-timeout={_HANGS_S}", f"-rss_limit_mb={_MEMORY_MB}"]
    command += [f"-max_len={_LONGEST_INPUT}"]
    with log.open("wb") as stream:
        ended = subprocess.run(
            command, cwd=_ROOT, stdout=stream, stderr=stream, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
        )
    done = re.findall(r"^#(\d+)\s.*?cov: (\d+)", log.read_text(errors="replace"), re.MULTILINE)
    return {
        "target": name,
        "inputs": int(done[-1][0]) if done else 0,
        "edges": int(done[-1][1]) if done else 0,
        "seconds": round(time.monotonic() - begin),
        **(json.loads(told.read_text()) if told.exists() else {}),
        "finds": sorted(find.name for find in finds.iterdir()) or ([] if ended.returncode == 0 else [str(log)]),
    }


def _fuzz(name: str, told: Path, libfuzzer_arguments: Sequence[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from PIL import Image

        from tests.fuzz.targets import TARGETS

        target = TARGETS[name]
        seeds = target.seeds()
        # What is imported late is followed as well, and, as in the services, no input has to wait for it.
        Image.init()
        for seed in seeds:
            target.check(seed)

    import torch

    torch.set_num_threads(1)
    for number, seed in enumerate(seeds):
        (Path(libfuzzer_arguments[0]) / f"seed-{number:02}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *libfuzzer_arguments], _counted(target, told), custom_mutator=_mutator(target, seeds))
    atheris.Fuzz()


def _counted(target: Target, told: Path) -> Callable[[bytes], None]:
    """The target, which notes what became of its inputs, how long the slowest took, and the most memory."""
    verdicts: Counter[str] = Counter()
    slowest_s = 0.0

    def check(data: bytes) -> None:
        nonlocal slowest_s
        begin = time.process_time()
        verdicts[target.check(data)] += 1
        taken_s = time.process_time() - begin
        assert taken_s < _TIMEOUT_S, f"{taken_s:.1f} s of a core for one input"
        slowest_s = max(slowest_s, taken_s)
        if verdicts.total() % _TOLD_EVERY == 0:
            most_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            facts = {**verdicts, "slowest_ms": round(1e3 * slowest_s), "most_mb": most_mb}
            told.write_text(json.dumps(facts))

    return check


def _mutator(target: Target, seeds: Sequence[bytes]) -> Callable[[bytes, int, int], bytes]:
    """libFuzzer's own mutations, and for messages those of their fields as well."""
    import atheris
    from google.protobuf.message import DecodeError

    from tests.fuzz.mutation import change_message

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        rng = Random(seed)
        if target.message is None or rng.random() < 0.2:
            return atheris.Mutate(data, longest)
        try:
            message = target.message.FromString(data)
        except DecodeError:
            message = target.message.FromString(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 3))):
            change_message(message, rng)
        return message.SerializeToString()[:longest]

    return mutate


if __name__ == "__main__":
    sys.exit(main())
