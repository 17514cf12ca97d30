"""``python -m deploy.scan``: known vulnerabilities of what the images install. `make scan` runs it.

It asks the vulnerability database of the Python package index, and so needs the internet.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from deploy.lock import LOCKS, pins

__all__ = ["UNREACHABLE", "found", "main"]

# The pins are the whole truth: nothing is to be resolved.
_PINNED = ("--no-deps", "--disable-pip")

UNREACHABLE = "the vulnerability database cannot be reached; run make scan where there is internet"


def found(audit: str) -> tuple[int, list[str]]:
    """From the JSON of a pip-audit: how many packages it judged, and a line for each vulnerability.

    Raises `ValueError` where a package was not judged: what nobody looked up is not free of vulnerabilities.
    """
    dependencies: list[Mapping[str, Any]] = json.loads(audit)["dependencies"]
    unjudged = [dependency["name"] for dependency in dependencies if "skip_reason" in dependency]
    if unjudged:
        raise ValueError(f"{len(unjudged)} of {len(dependencies)} packages were not judged, {unjudged[0]} for one")
    lines = [
        f"{dependency['name']} {dependency['version']}: {one['id']}, "
        f"fixed in {', '.join(one['fix_versions']) or 'no version yet'}"
        for dependency in dependencies
        for one in dependency["vulns"]
    ]
    return len(dependencies), lines


def main() -> None:
    """Exits with status 0 where none is known, 1 where there are some, 2 where they cannot be looked up."""
    vulnerable = False
    for name in LOCKS:
        # Vulnerabilities are those of a version, whatever it was built for: 2.13.0, not 2.13.0+cpu.
        pinned = "\n".join(f"{package}=={version.partition('+')[0]}" for package, version in pins(name).items())
        audit = subprocess.run(
            [sys.executable, "-m", "pip_audit", *_PINNED, "--format=json", "--requirement=/dev/stdin"],
            input=pinned,
            capture_output=True,
            text=True,
        )
        try:
            count, lines = found(audit.stdout)
        except ValueError as error:
            # No JSON at all, or packages that were skipped: pip-audit itself would end with status 0 on the latter.
            print(f"error: {UNREACHABLE} ({str(error).splitlines()[0]})", file=sys.stderr)
            raise SystemExit(2) from None
        print(f"{name}: {count} packages, {len(lines) or 'no'} known vulnerabilities", *lines, sep="\n  ")
        vulnerable |= bool(lines)
    raise SystemExit(vulnerable)


if __name__ == "__main__":
    main()
