"""The receiver's gRPC service."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
import numpy as np
import torch
from numpy.typing import NDArray

from sdjscc.channels import check_snr_db, get_constellation, noise_power
from sdjscc.codecs import Codec, CodecRegistry, Size
from sdjscc.data.images import check_size
from sdjscc.errors import InvalidRequest, NotReady, UnknownName
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.workers import Workers
from sdjscc.tasks.base import Classifier, top_k
from sdjscc.v1.receiver_pb2 import Label, ReceiveRequest, ReceiveResponse, Transmission
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceServicer
from sdjscc.wire.images import pack_image
from sdjscc.wire.tensors import unpack_bits, unpack_symbols

__all__ = ["Receiver"]


class Receiver(ReceiverServiceServicer):
    """Decodes, classifies, answers.

    Args:
        codecs: what is installed here.
        tasks: classifiers by name.
        default_task: for requests that name none.
        workers: threads that run the networks.
        max_pixels: largest image decoded.
    """

    def __init__(
        self,
        codecs: CodecRegistry,
        tasks: Mapping[str, Classifier],
        default_task: str,
        workers: Workers,
        max_pixels: int,
    ) -> None:
        self._codecs, self._tasks, self._default_task = codecs, tasks, default_task
        self._workers, self._max_pixels = workers, max_pixels

    async def Receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        return await self._workers.run(self._receive, request)

    def _receive(self, request: ReceiveRequest) -> ReceiveResponse:
        watch = Stopwatch("receiver")
        classifier = self._classifier(request.delivery.task)
        with watch.stage("unpack"):
            codec = self._codec(request.transmission)
            size = self._size(request.transmission)
            symbols = _received_symbols(request.transmission, codec, size)
            noise = sum(noise_power(check_snr_db(crossed.snr_db)) for crossed in request.conditions)
        with watch.stage("decode"):
            pixels = codec.decode(symbols[None], size, np.array([noise], np.float64))[0]
        with watch.stage("classify"):
            labels = _classify(classifier, pixels, request.delivery.top_k or 1)
        with watch.stage("pack"):
            image = pack_image(pixels, request.delivery.image_format)
        return ReceiveResponse(
            image=image, labels=labels, task=classifier.name, conditions=request.conditions, timings=watch.timings
        )

    def _codec(self, transmission: Transmission) -> Codec:
        if not transmission.codec:
            raise InvalidRequest("the transmission names no codec; set transmission.codec and transmission.bpp")
        codec = self._codecs.load(transmission.codec, transmission.bpp)
        if transmission.weights_sha256 != codec.weights_sha256:
            raise NotReady(
                f"the transmitter's weights of {codec.name} at {codec.bpp:g} bpp are not the receiver's; "
                "install the same version on both"
            )
        if transmission.constellation != codec.constellation.name:
            raise InvalidRequest(
                f"{codec.name} uses the constellation {codec.constellation.name!r}, not {transmission.constellation!r}"
            )
        return codec

    def _size(self, transmission: Transmission) -> Size:
        check_size(transmission.width, transmission.height, self._max_pixels)
        return transmission.width, transmission.height

    def _classifier(self, name: str) -> Classifier:
        try:
            return self._tasks[name or self._default_task]
        except KeyError:
            raise UnknownName(f"there is no task {name!r} here; ask for one of: {', '.join(self._tasks)}") from None


def _received_symbols(transmission: Transmission, codec: Codec, size: Size) -> NDArray[np.complex64]:
    """The payload as complex64 symbols ``(channel uses,)``; bits that crossed no channel arrive without noise."""
    expected = codec.bit_shape(size)
    if tuple(transmission.bit_shape) != expected:
        raise InvalidRequest(
            f"an image of {size[0]}x{size[1]} pixels takes bits of shape {list(expected)} with {codec.name} at "
            f"{codec.bpp:g} bpp, not {list(transmission.bit_shape)}"
        )
    payload = transmission.WhichOneof("payload")
    if payload == "bits":
        bits = unpack_bits(transmission.bits)
        if bits.shape != expected:
            raise InvalidRequest(f"the bits have shape {list(bits.shape)}, but bit_shape is {list(expected)}")
        return get_constellation(transmission.constellation).modulate(bits.reshape(-1))
    if payload == "symbols":
        symbols = unpack_symbols(transmission.symbols)
        uses = codec.constellation.symbol_count(int(np.prod(expected)))
        if symbols.shape != (uses,):
            raise InvalidRequest(f"the symbols have shape {list(symbols.shape)}; bits of that shape take [{uses}]")
        return symbols
    raise InvalidRequest("the transmission is empty; set transmission.bits or transmission.symbols")


@torch.inference_mode()
def _classify(classifier: Classifier, pixels: NDArray[np.uint8], count: int) -> list[Label]:
    images = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2).float().div_(255)
    count = min(count, len(classifier.class_names))
    predictions = top_k(classifier(images), classifier.class_names, count)[0]
    return [Label(name=prediction.label, probability=prediction.probability) for prediction in predictions]
