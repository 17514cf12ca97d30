"""The receiver's gRPC service."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from sdjscc.serving.batch import check_count, receive_result
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.workers import Job, Work, Workers
from sdjscc.tasks.base import Classifier, Prediction, predict_all
from sdjscc.v1 import receiver_pb2
from sdjscc.v1.receiver_pb2 import (
    Label,
    ReceiveBatchRequest,
    ReceiveBatchResponse,
    ReceiveRequest,
    ReceiveResponse,
    Transmission,
)
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceServicer
from sdjscc.wire.images import pack_image
from sdjscc.wire.tensors import unpack_bits, unpack_symbols

__all__ = ["CLASSIFIED_TOGETHER", "Receiver"]


# Small images are decoded together where several wait, which takes half the time an image: the weights are read once
# for all. For larger ones it gains little, and the first would wait for the last.
_SMALL_PIXELS = 256 * 256
# The classifiers scale images to one size of their own, at which more than this together take longer.
CLASSIFIED_TOGETHER = 4

_OUTCOMES = {
    Outcome.RECEIVED: receiver_pb2.OUTCOME_RECEIVED,
    Outcome.DAMAGED: receiver_pb2.OUTCOME_DAMAGED,
    Outcome.NOTHING_SENT: receiver_pb2.OUTCOME_NOTHING_SENT,
}


@dataclass(frozen=True, eq=False)
class _Arrived:
    """A request as it came in."""

    request: ReceiveRequest
    watch: Stopwatch


@dataclass(frozen=True, eq=False)
class _Received:
    """A request, checked and unpacked."""

    job: Job[_Arrived]
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
        max_batch: images of one size that are decoded together.
        max_delay_s: how long an image may wait for others of its size, seconds.
        max_pixels: largest image decoded.
        max_images: images of one call.
    """

    def __init__(
        self,
        codecs: CodecRegistry,
        tasks: Mapping[str, Classifier],
        default_task: str,
        workers: Workers,
        max_batch: int,
        max_delay_s: float,
        max_pixels: int,
        max_images: int,
    ) -> None:
        self._codecs, self._tasks, self._default_task = codecs, tasks, default_task
        self._workers, self._max_pixels, self._max_images = workers, max_pixels, max_images
        self._alone = Work(self._receive)
        self._together = Work(self._receive, max_batch, max_delay_s)

    async def Receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        response = await self._workers.run(*self._task(request), context.time_remaining())
        tracer().annotate(codec=request.transmission.codec, task=response.task)
        return response

    async def ReceiveBatch(
        self, request: ReceiveBatchRequest, context: grpc.aio.ServicerContext
    ) -> ReceiveBatchResponse:
        check_count(len(request.requests), self._max_images)
        tracer().annotate(images=len(request.requests))
        tasks = [self._task(one) for one in request.requests]
        outcomes = await self._workers.run_all(tasks, context.time_remaining())
        return ReceiveBatchResponse(results=[receive_result(outcome, "receiver") for outcome in outcomes])

    def _task(self, request: ReceiveRequest) -> tuple[Work[_Arrived, ReceiveResponse], _Arrived, Hashable]:
        """How a request is worked on, and what those that are worked on together have in common."""
        sent = request.transmission
        work = self._together if sent.width * sent.height <= _SMALL_PIXELS else self._alone
        return work, _Arrived(request, Stopwatch("receiver")), (sent.codec, sent.bpp, sent.width, sent.height)

    def _receive(self, jobs: Sequence[Job[_Arrived]]) -> list[ReceiveResponse | Exception]:
        """The answers to requests of one codec and size, or what is wrong with one."""
        outcomes: dict[Job[_Arrived], ReceiveResponse | Exception] = {}
        unpacked: list[_Received] = []
        for job in jobs:
            with _failing_alone(job, outcomes):
                unpacked.append(self._unpack(job))
        decoded: list[tuple[_Received, Reception]] = []
        for received, reception in _decode(unpacked):
            with _failing_alone(received.job, outcomes):
                received.job.check_wanted()
                decoded.append((received, reception))
        for received, reception, predictions in _classify(decoded):
            with _failing_alone(received.job, outcomes):
                received.job.check_wanted()
                outcomes[received.job] = _answer(received, reception, predictions)
        return [outcomes[job] for job in jobs]

    def _unpack(self, job: Job[_Arrived]) -> _Received:
        request, watch = job.item.request, job.item.watch
        with watch.stage("unpack"):
            classifier = self._classifier(request.delivery.task)
            codec = self._codec(request.transmission)
            size = self._size(request.transmission)
            symbols = _received_symbols(request.transmission, codec, size)
            noise = sum(noise_power(check_snr_db(crossed.snr_db)) for crossed in request.conditions)
        return _Received(job, codec, size, symbols, noise, classifier, watch)

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


@contextmanager
def _failing_alone(job: Job[_Arrived], outcomes: dict[Job[_Arrived], ReceiveResponse | Exception]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        outcomes[job] = error


def _decode(alike: Sequence[_Received]) -> Iterator[tuple[_Received, Reception]]:
    """What was received by one codec, of images of one size; each is told the time that all took."""
    if not alike:
        return
    begin = time.perf_counter()
    symbols = np.stack([received.symbols for received in alike])
    noise = np.array([received.noise_power for received in alike])
    receptions = alike[0].codec.receive(symbols, alike[0].size, noise)
    milliseconds = 1e3 * (time.perf_counter() - begin)
    for received, reception in zip(alike, receptions, strict=True):
        received.watch.add("decode", milliseconds)
        yield received, reception


def _classify(
    decoded: Sequence[tuple[_Received, Reception]],
) -> Iterator[tuple[_Received, Reception, list[Prediction]]]:
    """What the images of one size show, those of one task together; each is told the time that all took."""
    by_task: defaultdict[str, list[tuple[_Received, Reception]]] = defaultdict(list)
    for received, reception in decoded:
        by_task[received.classifier.name].append((received, reception))
    for members in by_task.values():
        for begin in range(0, len(members), CLASSIFIED_TOGETHER):
            yield from _classify_together(members[begin : begin + CLASSIFIED_TOGETHER])


def _classify_together(
    members: Sequence[tuple[_Received, Reception]],
) -> Iterator[tuple[_Received, Reception, list[Prediction]]]:
    begin = time.perf_counter()
    wanted = [received.job.item.request.delivery.top_k or 1 for received, _ in members]
    pixels = np.stack([reception.image for _, reception in members])
    found = predict_all(members[0][0].classifier, pixels, max(wanted))
    milliseconds = 1e3 * (time.perf_counter() - begin)
    for (received, reception), predictions, top_k in zip(members, found, wanted, strict=True):
        received.watch.add("classify", milliseconds)
        yield received, reception, predictions[:top_k]


def _answer(received: _Received, reception: Reception, predictions: Sequence[Prediction]) -> ReceiveResponse:
    request, watch = received.job.item.request, received.watch
    with watch.stage("pack"):
        image = pack_image(reception.image, request.delivery.image_format)
    task, confidence = received.classifier.name, predictions[0].probability
    meter().received(received.codec.name, reception.outcome.value, task, confidence)
    return ReceiveResponse(
        image=image,
        labels=[Label(name=prediction.label, probability=prediction.probability) for prediction in predictions],
        task=task,
        conditions=request.conditions,
        timings=watch.timings,
        outcome=_OUTCOMES[reception.outcome],
    )


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
