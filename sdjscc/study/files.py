"""Files of a study, which are whole at any moment, and whose folder is tried before hours are spent."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from sdjscc.errors import InvalidRequest

__all__ = ["check_writable", "write_whole"]


def check_writable(folder: Path) -> None:
    """Make ``folder`` where it is missing; raises `InvalidRequest` where no file can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InvalidRequest(f"{folder} cannot be written to ({error.strerror}); give another --out") from error


def write_whole(file: Path, content: str | bytes) -> None:
    """Put ``content`` in place of what ``file`` held. A process killed at any moment leaves the one or the other.

    Raises `InvalidRequest` where it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    fresh = file.with_name(file.name + ".new")
    try:
        fresh.write_bytes(data)
        fresh.replace(file)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be written ({error.strerror}); give another --out") from error
