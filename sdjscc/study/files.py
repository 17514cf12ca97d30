"""Files of a study, which are whole at any moment, in a folder that one study at a time writes to."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sdjscc.errors import InvalidRequest

__all__ = ["alone_in", "write_whole"]


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other studies out of ``folder``, which is made where it is missing, until the block or the process ends.

    Raises `InvalidRequest` where another study is in it, and where no file can be made in it.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # The file stays: a lock on one that was removed keeps nobody out who makes it again.
            lock = stack.enter_context((folder / "study.lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidRequest(
                f"another study is writing into {folder}; run this one when it has ended, or give another --out"
            ) from error
        except OSError as error:
            raise InvalidRequest(f"{folder} cannot be written to ({error.strerror}); give another --out") from error
        yield


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
