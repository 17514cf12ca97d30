"""What a service makes of the answers of the one behind it."""

from __future__ import annotations

from types import SimpleNamespace

import grpc
import pytest

from sdjscc.serving.upstream import Upstream
from sdjscc.v1.failure_pb2 import Failure
from sdjscc.v1.receiver_pb2 import (
    ReceiveBatchRequest,
    ReceiveBatchResponse,
    ReceiveRequest,
    ReceiveResponse,
    ReceiveResult,
)
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceServicer, add_ReceiverServiceServicer_to_server

GOOD, UNKNOWN = ReceiveResult(response=ReceiveResponse(task="stl10")), ReceiveResult()
CONTEXT = SimpleNamespace(time_remaining=lambda: 10.0)


class Receiver(ReceiverServiceServicer):
    def __init__(self, results: list[ReceiveResult]) -> None:
        self.results = results

    async def ReceiveBatch(self, request: ReceiveBatchRequest, context: object) -> ReceiveBatchResponse:
        return ReceiveBatchResponse(results=self.results)


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ([GOOD, UNKNOWN], "answered an image in no way known here"),
        ([GOOD, ReceiveResult(failure=Failure(message="fine"))], "answered an image in no way known here"),
        ([GOOD], "answered 1 of 2 images"),
        ([GOOD] * 3, "answered 3 of 2 images"),
    ],
)
async def test_answers_that_are_none_are_failures(answers: list[ReceiveResult], sentence: str) -> None:
    server = grpc.aio.server()
    add_ReceiverServiceServicer_to_server(Receiver(answers), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    upstream = Upstream("channel", f"127.0.0.1:{port}", 10.0, 2**20)
    try:
        first, second = await upstream.receive_batch(ReceiveBatchRequest(requests=[ReceiveRequest()] * 2), {}, CONTEXT)
    finally:
        await upstream.close()
        await server.stop(None)
    assert second.failure.code == grpc.StatusCode.INTERNAL.value[0]
    assert sentence in second.failure.message
    # An answer that is good is kept where it is clear whose it is.
    assert first.HasField("response") == (len(answers) == 2)
