"""The channel's two gRPC services."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from sdjscc.channels import Channel, check_snr_db, get_constellation, noise_generator
from sdjscc.errors import InvalidRequest
from sdjscc.observability.meter import meter
from sdjscc.observability.tracer import tracer
from sdjscc.serving.batch import check_count, failed_of
from sdjscc.serving.logs import get_logger
from sdjscc.serving.peer import certificate_names, client_identity
from sdjscc.serving.status import NotAllowed
from sdjscc.serving.timing import Stopwatch
from sdjscc.serving.upstream import Upstream
from sdjscc.serving.workers import Job, Workers, one_by_one
from sdjscc.v1 import channel_pb2
from sdjscc.v1.channel_pb2_grpc import ChannelServiceServicer
from sdjscc.v1.receiver_pb2 import (
    ReceiveBatchRequest,
    ReceiveBatchResponse,
    ReceiveRequest,
    ReceiveResponse,
    Transmission,
)
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceServicer
from sdjscc.v1.tensor_pb2 import ElementType
from sdjscc.wire.tensors import put_symbols, unpack_bits, unpack_symbols

__all__ = ["ChannelConditionsService", "Conditions", "NoisyReceiver"]


# Real components up to which a call gets its noise at once, in two milliseconds: handing it over to a thread and back
# costs 0.3 of CPU time. Beyond, health checks and other calls would wait too long.
_INLINE_COMPONENTS = 2**18
# Transmissions of one call that a thread takes at a time.
_TOGETHER = 8


class Conditions:
    """What the channel does to transmissions whose sender asks for nothing else; may change while it runs."""

    def __init__(self, model: Channel, snr_db: float) -> None:
        self.model = model
        self.snr_db = check_snr_db(snr_db)


class ChannelConditionsService(ChannelServiceServicer):
    """Reads and sets the `Conditions`.

    Args:
        conditions: those in force.
        may_set: names in the certificates of clients that may set them; anyone may where there are none.
    """

    def __init__(self, conditions: Conditions, may_set: frozenset[str] = frozenset()) -> None:
        self._conditions, self._may_set = conditions, may_set

    async def GetConditions(
        self, request: channel_pb2.GetConditionsRequest, context: grpc.aio.ServicerContext
    ) -> channel_pb2.GetConditionsResponse:
        return channel_pb2.GetConditionsResponse(model=self._conditions.model.name, snr_db=self._conditions.snr_db)

    async def SetConditions(
        self, request: channel_pb2.SetConditionsRequest, context: grpc.aio.ServicerContext
    ) -> channel_pb2.SetConditionsResponse:
        if self._may_set and self._may_set.isdisjoint(certificate_names(context)):
            raise NotAllowed(
                f"{client_identity(context)} may not set the conditions; use a certificate that --conditions-clients "
                "of the channel names"
            )
        if request.HasField("snr_db"):
            self._conditions.snr_db = check_snr_db(request.snr_db)
            get_logger().info("conditions set", snr_db=request.snr_db, client=client_identity(context))
        return channel_pb2.SetConditionsResponse(model=self._conditions.model.name, snr_db=self._conditions.snr_db)


@dataclass(frozen=True, eq=False)
class _Passing:
    """A request on its way through."""

    request: ReceiveRequest
    watch: Stopwatch


class NoisyReceiver(ReceiverServiceServicer):
    """Makes symbols of bits, adds noise, and hands on to the upstream.

    Args:
        conditions: those in force.
        upstream: where transmissions go.
        workers: threads that add the noise to all but small ones.
        element_type: how symbols are stored on their way.
        max_images: images of one call.
        inline_components: real components up to which a call needs no thread.
    """

    def __init__(
        self,
        conditions: Conditions,
        upstream: Upstream,
        workers: Workers,
        element_type: ElementType,
        max_images: int,
        inline_components: int = _INLINE_COMPONENTS,
    ) -> None:
        self._conditions, self._upstream, self._workers = conditions, upstream, workers
        self._element_type, self._max_images, self._inline_components = element_type, max_images, inline_components
        self._noise = one_by_one(self._add_noise, _TOGETHER)

    async def Receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        [noisy] = await self._noisy([request], context)
        if isinstance(noisy, Exception):
            raise noisy
        tracer().annotate(snr_db=request.conditions[-1].snr_db, symbols=request.transmission.symbols.shape[0])
        response = await self._upstream.receive(request, context)
        response.timings.extend(noisy.watch.timings)
        return response

    async def ReceiveBatch(
        self, request: ReceiveBatchRequest, context: grpc.aio.ServicerContext
    ) -> ReceiveBatchResponse:
        check_count(len(request.requests), self._max_images)
        tracer().annotate(images=len(request.requests))
        noisy = await self._noisy(request.requests, context)
        failed = failed_of(noisy)
        # The message goes on as it is: another would be a copy of all symbols.
        for place in sorted(failed, reverse=True):
            del request.requests[place]
        results = await self._upstream.receive_batch(request, failed, context)
        for result, passing in zip(results, noisy, strict=True):
            if isinstance(passing, _Passing) and result.HasField("response"):
                result.response.timings.extend(passing.watch.timings)
        return ReceiveBatchResponse(results=results)

    async def _noisy(
        self, requests: Sequence[ReceiveRequest], context: grpc.aio.ServicerContext
    ) -> list[_Passing | Exception]:
        """Each request with noise added, or what is wrong with it."""
        passing = [_Passing(request, Stopwatch("channel")) for request in requests]
        if sum(_components(request.transmission) for request in requests) <= self._inline_components:
            return list(self._noise.function([Job(one) for one in passing]))
        return await self._workers.run_all([(self._noise, one, None) for one in passing], context.time_remaining())

    def _add_noise(self, passing: _Passing) -> _Passing:
        with passing.watch.stage("noise"):
            self._replace_payload(passing.request)
        return passing

    def _replace_payload(self, request: ReceiveRequest) -> None:
        """Put what is received in place of the request's payload, and note the conditions."""
        transmission, asked = request.transmission, request.channel
        model = self._conditions.model
        snr_db = check_snr_db(asked.snr_db) if asked.HasField("snr_db") else self._conditions.snr_db
        # 53 bits: a seed that was drawn survives JSON, so that what was seen can be repeated.
        seed = asked.seed if asked.HasField("seed") else secrets.randbits(53)

        payload, bit_count = transmission.WhichOneof("payload"), 0
        if payload == "bits":
            if transmission.bits.shape != transmission.bit_shape:
                raise InvalidRequest(
                    f"bit_shape is {list(transmission.bit_shape)} but the bits have shape "
                    f"{list(transmission.bits.shape)}; send them equal"
                )
            constellation = get_constellation(transmission.constellation)
            bits = unpack_bits(transmission.bits).reshape(-1)
            symbols, bit_count = constellation.modulate(bits), bits.size
        elif payload == "symbols":
            symbols = unpack_symbols(transmission.symbols).reshape(-1)
        else:
            raise InvalidRequest("the transmission is empty; set transmission.bits or transmission.symbols")

        received = model.transmit(symbols, snr_db, noise_generator(seed, hop=len(request.conditions)))
        put_symbols(transmission.symbols, received, self._element_type)
        request.conditions.add(model=model.name, snr_db=snr_db, seed=seed)
        meter().carried(model.name, snr_db, bit_count, received.size)


def _components(transmission: Transmission) -> int:
    """At most so many real components, by the payload's bytes: shapes are not checked yet."""
    return max(8 * len(transmission.bits.data), len(transmission.symbols.data) // 2)
