"""Servers made for measuring, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from sdjscc.errors import SdjsccError
from sdjscc.wire.options import DEFAULT_MAX_MESSAGE_BYTES, server_options

__all__ = ["Answer", "Apart", "apart", "serve"]

Answer = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]

_STARTUP_S = 30.0


@dataclass(frozen=True)
class Apart:
    """A running server."""

    address: str
    pid: int


@contextmanager
def apart(module: str, file: Path, *arguments: str) -> Iterator[Apart]:
    """``python -m module file arguments``, which serves until the block ends and writes its address to ``file``."""
    command = [sys.executable, "-m", module, str(file), *arguments]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent) as process:
        try:
            deadline = time.monotonic() + _STARTUP_S
            while not (file.exists() and file.read_text()):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SdjsccError(f"{module} did not come up")
                time.sleep(0.02)
            yield Apart(file.read_text(), process.pid)
        finally:
            process.terminate()


async def serve(file: Path, answers: Mapping[str, Answer]) -> None:
    """Answer calls of these full method names, bytes for bytes, on a free port that is written to ``file``."""
    server = grpc.aio.server(options=server_options(DEFAULT_MAX_MESSAGE_BYTES))
    for name, answer in answers.items():
        service, _, method = name[1:].partition("/")
        handler = {method: grpc.unary_unary_rpc_method_handler(answer)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handler),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    file.write_text(f"127.0.0.1:{port}")
    await server.wait_for_termination()
