"""Answers to several images, as the services and the clients read them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import grpc

from sdjscc.client.errors import LinkError
from sdjscc.client.messages import read_batch
from sdjscc.client.results import Result
from sdjscc.v1.failure_pb2 import Failure
from sdjscc.v1.image_pb2 import Image
from sdjscc.v1.receiver_pb2 import (
    Label,
    ReceiveBatchRequest,
    ReceiveBatchResponse,
    ReceiveRequest,
    ReceiveResponse,
    ReceiveResult,
)
from sdjscc.v1.transmitter_pb2 import (
    TransmitBatchRequest,
    TransmitBatchResponse,
    TransmitRequest,
    TransmitResponse,
    TransmitResult,
)
from sdjscc.wire.images import pack_raw
from tests.fuzz.batches import called
from tests.fuzz.decoders import image_files
from tests.fuzz.requests import channel_before, receive_requests
from tests.fuzz.target import Verdict, parsed, picture

__all__ = ["at_the_channel", "at_the_client", "from_the_receiver", "from_the_transmitter"]

_LATER = Failure(code=8, message="try again", retry_after_s=0.5)


@cache
def _sound() -> ReceiveRequest:
    return ReceiveRequest.FromString(receive_requests()[0])


def at_the_channel(data: bytes) -> Verdict:
    """To two images; a third between them never went there."""
    answer = parsed(ReceiveBatchResponse, data)
    if answer is None:
        return "no message"
    given = answer.results
    channel = channel_before(lambda _: ReceiveBatchResponse.FromString(data))
    request = ReceiveBatchRequest(requests=[_sound(), ReceiveRequest(), _sound()])
    first, refused, last = called(channel.ReceiveBatch, request).results
    assert refused.failure.code == grpc.StatusCode.INVALID_ARGUMENT.value[0], refused
    for place, result in enumerate((first, last)):
        if len(given) != 2 or not (given[place].HasField("response") or given[place].failure.code):
            assert result.failure.code == grpc.StatusCode.INTERNAL.value[0], result
            continue
        for one in (result, given[place]):
            if one.HasField("response"):
                one.response.ClearField("timings")
        # As bytes: a NaN equals no other.
        assert result.SerializeToString() == given[place].SerializeToString(), (result, given[place])
    return "decoded" if len(given) == 2 else "refused"


def from_the_receiver() -> list[bytes]:
    received = ReceiveResult(response=ReceiveResponse(image=pack_raw(picture()), labels=[Label(name="cat")]))
    failed = ReceiveResult(failure=_LATER)
    batches = [received, received], [received, failed], [failed, received], [received]
    return [ReceiveBatchResponse(results=results).SerializeToString() for results in batches]


@cache
def _sent() -> list[TransmitRequest]:
    return [TransmitRequest(image=image) for image in (pack_raw(picture()), Image(encoded=image_files()[0]))]


def _read(results: Sequence[TransmitResult], sent: Sequence[TransmitRequest]) -> list[Result | LinkError]:
    return read_batch(TransmitBatchResponse(results=results), TransmitBatchRequest(requests=sent), 1.0, "fuzzed")


def at_the_client(data: bytes) -> Verdict:
    """To two images, each of which must be read as if it were alone."""
    answer = parsed(TransmitBatchResponse, data)
    if answer is None:
        return "no message"
    try:
        read = _read(answer.results, _sent())
    except LinkError:
        assert len(answer.results) != len(_sent())
        return "refused"
    for result, given, sent in zip(read, answer.results, _sent(), strict=True):
        (alone,) = _read([given], [sent])
        if isinstance(result, LinkError):
            assert result.code is not grpc.StatusCode.OK
            assert (result.code, str(result)) == (alone.code, str(alone))
        else:
            assert given.HasField("response")
            assert (result.image is not None) == given.response.received.HasField("image")
            assert result.psnr_db == alone.psnr_db
    return "refused" if all(isinstance(result, LinkError) for result in read) else "decoded"


def from_the_transmitter() -> list[bytes]:
    raw, png, small = (
        TransmitResult(response=TransmitResponse(received=ReceiveResponse(image=image), codec="sd-jscc", bits=96))
        for image in (pack_raw(picture(seed=2)), Image(encoded=image_files()[0]), pack_raw(picture((9, 7))))
    )
    failed = TransmitResult(failure=_LATER)
    batches = [raw, png], [png, raw], [raw, failed], [failed, png], [raw, small], [raw]
    return [TransmitBatchResponse(results=results).SerializeToString() for results in batches]
