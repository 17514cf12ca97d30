"""A neighbour that takes everything and does nothing: it stands in for the receiver, and is the echo to compare to."""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import grpc

from sdjscc.errors import SdjsccError
from sdjscc.wire.options import DEFAULT_MAX_MESSAGE_BYTES, server_options

__all__ = ["Stub"]

_STARTUP_S = 60.0


class Stub:
    """A gRPC server in a process of its own; up inside a ``with`` block.

    Args:
        method: the one that it serves, ``/package.Service/Method``.
        answer: serialized message that every call gets, at once.
    """

    def __init__(self, method: str, answer: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(method, answer, theirs), daemon=True)
        self.address = ""

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self._process.start()
        if not self._ours.poll(_STARTUP_S):
            self._end()
            raise SdjsccError(f"the stub did not come up within {_STARTUP_S:g} s; is the machine overloaded?")
        self.address = f"127.0.0.1:{self._ours.recv()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.join()


def _serve(method: str, answer: bytes, started: Connection) -> None:
    service, _, name = method.strip("/").partition("/")

    async def reply(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return answer

    async def serve() -> None:
        server = grpc.aio.server(options=server_options(DEFAULT_MAX_MESSAGE_BYTES))
        # No serializers: what comes is not looked at.
        handlers = {name: grpc.unary_unary_rpc_method_handler(reply)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        started.send(port)
        await server.wait_for_termination()

    asyncio.run(serve())
