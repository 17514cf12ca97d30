"""Requests in the contract's own words, for tests that go below the client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from sdjscc.codecs import CodecRegistry
from sdjscc.engines import select
from sdjscc.v1.receiver_pb2 import Delivery, ReceiveRequest, Transmission
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceStub
from sdjscc.v1.transmitter_pb2_grpc import TransmitterServiceStub
from sdjscc.wire.options import channel_options
from sdjscc.wire.tensors import pack_bits

TIMEOUT_S = 60.0


def receive_request(pixels: NDArray[np.uint8], **changes: object) -> ReceiveRequest:
    """What the transmitter sends for an image; ``changes`` replace fields of the transmission."""
    codec = CodecRegistry(engine=select()).load("deep-jscc", 0.25)
    bits = codec.encode(pixels[None])[0]
    fields: dict[str, object] = {
        "codec": codec.name,
        "bpp": codec.bpp,
        "weights_sha256": codec.weights_sha256,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "bit_shape": bits.shape,
        "constellation": "unipolar-iq",
        "bits": pack_bits(bits),
    }
    if "symbols" in changes:
        del fields["bits"]
    return ReceiveRequest(transmission=Transmission(**{**fields, **changes}), delivery=Delivery(top_k=1))


@contextmanager
def stubs(address: str) -> Iterator[tuple[TransmitterServiceStub, ReceiverServiceStub]]:
    """Stubs of both services at an address."""
    with grpc.insecure_channel(address, channel_options(64 * 2**20)) as connection:
        yield TransmitterServiceStub(connection), ReceiverServiceStub(connection)


@contextmanager
def refused(code: grpc.StatusCode, sentence: str) -> Iterator[None]:
    """The call inside fails with that status, and words that match ``sentence``."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code() is code, caught.value
    assert re.search(sentence, caught.value.details()), caught.value.details()
