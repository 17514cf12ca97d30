"""``python -m deploy.sizes``: how large the images are over their base image, as a table for docs/containers.md."""

from __future__ import annotations

import os
import sys

import docker

__all__ = ["BASE", "IMAGES", "main", "sizes_mb"]

BASE = os.environ.get("PYTHON_IMAGE", "python:3.11-slim")
IMAGES = ("receiver", "transmitter", "demo", "channel")


def sizes_mb(engine: docker.DockerClient, tag: str) -> dict[str, float]:
    """Size of each image over the base, in MB (10^6 bytes); the base itself differs from machine to machine."""
    base = engine.images.get(BASE).attrs["Size"]
    return {name: (engine.images.get(f"sdjscc-{name}:{tag}").attrs["Size"] - base) / 1e6 for name in IMAGES}


def main() -> None:
    """Print the table for the images of a tag: the first argument, or "latest"."""
    tag = sys.argv[1] if len(sys.argv) > 1 else "latest"
    try:
        engine = docker.from_env()
        sizes = sizes_mb(engine, tag)
    except docker.errors.DockerException as error:
        print(f"error: {error}; start the engine and build the images with tag {tag}", file=sys.stderr)
        raise SystemExit(1) from None
    print(f"| image | MB over {BASE} |\n| --- | ---: |")
    for name, size in sizes.items():
        print(f"| {name} | {size:.1f} |")


if __name__ == "__main__":
    main()
