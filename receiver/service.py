"""The receiver's gRPC service."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc
import numpy as np
from numpy.typing import NDArray

from sdjscc.channels import check_snr_db, get_constellation, noise_power
from sdjscc.codecs import Codec, CodecRegistry, Outcome, Reception, Size
from sdjscc.data.images import check_size
from sdjscc.errors import InvalidRequest, NotReady, UnknownName
from sdjscc.observability.meter import meter
from sdjscc.observability.tracer import tracer
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.workers import Work, Workers
from sdjscc.tasks.base import Classifier, predict
from sdjscc.v1 import receiver_pb2
from sdjscc.v1.receiver_pb2 import Label, ReceiveRequest, ReceiveResponse, Transmission
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceServicer
from sdjscc.wire.images import pack_image
from sdjscc.wire.tensors import unpack_bits, unpack_symbols

__all__ = ["Receiver"]


# Small images are decoded together where several wait, which takes a quarter less time an image: the weights are read
# once for all. For larger ones it gains nothing, and the first would wait for the last.
_SMALL_PIXELS = 256 * 256
_TOGETHER = 4

_OUTCOMES = {
    Outcome.RECEIVED: receiver_pb2.OUTCOME_RECEIVED,
    Outcome.DAMAGED: receiver_pb2.OUTCOME_DAMAGED,
    Outcome.NOTHING_SENT: receiver_pb2.OUTCOME_NOTHING_SENT,
}


@dataclass(frozen=True, eq=False)
class _Received:
    """A request, checked and unpacked."""

    codec: Codec
    size: Size
    symbols: NDArray[np.complex64]
    noise_power: float
    """Total sigma^2 of the channels that were crossed."""
    classifier: Classifier
    watch: Stopwatch


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
        self._alone = Work(self._receive)
        self._together = Work(self._receive, together=_TOGETHER)

    async def Receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        transmission = request.transmission
        small = transmission.width * transmission.height <= _SMALL_PIXELS
        arrived = request, Stopwatch("receiver")
        response = await self._workers.run(self._together if small else self._alone, arrived)
        tracer().annotate(codec=transmission.codec, task=response.task)
        return response

    def _receive(self, arrived: Sequence[tuple[ReceiveRequest, Stopwatch]]) -> list[ReceiveResponse | Exception]:
        """The answers, or what is wrong with a request; images of one codec and size are decoded together."""
        outcomes: dict[int, ReceiveResponse | Exception] = {}
        alike: defaultdict[tuple[Codec, Size], list[tuple[int, _Received]]] = defaultdict(list)
        for place, (request, watch) in enumerate(arrived):
            try:
                received = self._unpack(request, watch)
            except Exception as error:
                outcomes[place] = error
            else:
                alike[received.codec, received.size].append((place, received))
        for members in alike.values():
            receptions = _decode([received for _, received in members])
            for (place, received), reception in zip(members, receptions, strict=True):
                try:
                    outcomes[place] = self._answer(arrived[place][0], received, reception)
                except Exception as error:
                    outcomes[place] = error
        return [outcomes[place] for place in range(len(arrived))]

    def _unpack(self, request: ReceiveRequest, watch: Stopwatch) -> _Received:
        with watch.stage("unpack"):
            classifier = self._classifier(request.delivery.task)
            codec = self._codec(request.transmission)
            size = self._size(request.transmission)
            symbols = _received_symbols(request.transmission, codec, size)
            noise = sum(noise_power(check_snr_db(crossed.snr_db)) for crossed in request.conditions)
        return _Received(codec, size, symbols, noise, classifier, watch)

    def _answer(self, request: ReceiveRequest, received: _Received, reception: Reception) -> ReceiveResponse:
        watch, pixels = received.watch, reception.image
        with watch.stage("classify"):
            predictions = predict(received.classifier, pixels, request.delivery.top_k or 1)
            labels = [Label(name=prediction.label, probability=prediction.probability) for prediction in predictions]
        with watch.stage("pack"):
            image = pack_image(pixels, request.delivery.image_format)
        confidence = predictions[0].probability
        meter().received(received.codec.name, reception.outcome.value, received.classifier.name, confidence)
        return ReceiveResponse(
            image=image,
            labels=labels,
            task=received.classifier.name,
            conditions=request.conditions,
            timings=watch.timings,
            outcome=_OUTCOMES[reception.outcome],
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


def _decode(alike: Sequence[_Received]) -> list[Reception]:
    """What was received by one codec, of images of one size; each is told the time that all took."""
    begin = time.perf_counter()
    symbols = np.stack([received.symbols for received in alike])
    noise = np.array([received.noise_power for received in alike])
    receptions = alike[0].codec.receive(symbols, alike[0].size, noise)
    for received in alike:
        received.watch.add("decode", 1e3 * (time.perf_counter() - begin))
    return receptions


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
