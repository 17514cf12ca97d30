"""What is sent to each service: photographs, brought to where in the chain it stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.cases import SNR_DB, Case, squares
from sdjscc.channels import AWGN, noise_generator
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.data.images import DEFAULT_MAX_PIXELS
from sdjscc.v1.receiver_pb2 import (
    OUTCOME_RECEIVED,
    ChannelConditions,
    ChannelRequest,
    Delivery,
    Label,
    ReceiveRequest,
    ReceiveResponse,
    Transmission,
)
from sdjscc.v1.transmitter_pb2 import TransmitResponse
from sdjscc.wire.images import pack_image, unpack_image
from sdjscc.wire.tensors import pack_bits, pack_symbols

__all__ = ["SERVICES", "Service", "Traffic", "received_symbols", "traffic", "typical_reception"]

Service = Literal["transmitter", "channel", "receiver", "chain"]
"""What is under load: one service, or the chain of all three, which is asked as the transmitter is."""

SERVICES: tuple[Service, ...] = get_args(Service)

_TRANSMIT = "/sdjscc.v1.TransmitterService/Transmit"
_RECEIVE = "/sdjscc.v1.ReceiverService/Receive"


@dataclass(frozen=True)
class Traffic:
    """Serialized messages, so that who sends them need do nothing else."""

    method: str
    """Full name, ``/package.Service/Method``."""
    requests: tuple[bytes, ...]
    """One for each photograph; to be sent in turn."""
    answer: bytes
    """One such as comes back."""


@cache
def traffic(service: Service, case: Case) -> Traffic:
    """Requests to ``service`` for the photographs of ``case``, in the default codec."""
    reception = typical_reception(case)
    if service in ("transmitter", "chain"):
        return Traffic(_TRANSMIT, case.requests(), TransmitResponse(received=reception).SerializeToString())
    codec = CodecRegistry().load()
    pixels = [unpack_image(image, DEFAULT_MAX_PIXELS) for image in case.images()]
    make = _to_channel if service == "channel" else _to_receiver
    requests = tuple(make(codec, case, image).SerializeToString() for image in pixels)
    return Traffic(_RECEIVE, requests, reception.SerializeToString())


def typical_reception(case: Case) -> ReceiveResponse:
    """An answer of the size that a receiver's has."""
    return ReceiveResponse(
        image=pack_image(squares(case.size)[0], case.returned),
        labels=[Label(name="tabby, tabby cat", probability=0.5)],
        task=case.task,
        conditions=[ChannelConditions(model=AWGN.name, snr_db=SNR_DB, seed=1)],
        outcome=OUTCOME_RECEIVED,
    )


def received_symbols(codec: Codec, pixels: NDArray[np.uint8]) -> NDArray[np.complex64]:
    """What reaches a receiver of an image, uint8 ``(height, width, 3)``: complex64 ``(channel uses,)``."""
    symbols = codec.constellation.modulate(codec.encode(pixels[None])[0].reshape(-1))
    return AWGN().transmit(symbols, SNR_DB, noise_generator(0))


def _to_channel(codec: Codec, case: Case, pixels: NDArray[np.uint8]) -> ReceiveRequest:
    request = _without_payload(codec, case, pixels)
    request.transmission.bits.CopyFrom(pack_bits(codec.encode(pixels[None])[0]))
    return request


def _to_receiver(codec: Codec, case: Case, pixels: NDArray[np.uint8]) -> ReceiveRequest:
    request = _without_payload(codec, case, pixels)
    request.transmission.symbols.CopyFrom(pack_symbols(received_symbols(codec, pixels)))
    request.conditions.add(model=AWGN.name, snr_db=SNR_DB, seed=0)
    return request


def _without_payload(codec: Codec, case: Case, pixels: NDArray[np.uint8]) -> ReceiveRequest:
    height, width, _ = pixels.shape
    transmission = Transmission(
        codec=codec.name,
        bpp=codec.bpp,
        weights_sha256=codec.weights_sha256,
        width=width,
        height=height,
        bit_shape=codec.bit_shape((width, height)),
        constellation=codec.constellation.name,
    )
    delivery = Delivery(image_format=case.returned, top_k=1, task=case.task)
    return ReceiveRequest(transmission=transmission, delivery=delivery, channel=ChannelRequest(snr_db=SNR_DB))
