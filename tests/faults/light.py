"""``python -m tests.faults.light transmitter`` (or ``receiver``): the services with a codec that takes no time.

All that meets a fault is the real thing: the server and its life, queues, balancing, retries. In place of networks, an
image's bits are its pixels', so that a service is up in half a second and every answer tells whose it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable

import grpc
import numpy as np
from numpy.typing import NDArray

from receiver.settings import ReceiverSettings
from sdjscc.channels.constellation import UNIPOLAR_IQ
from sdjscc.codecs.base import Codec, Size
from sdjscc.serving.server import Service, run
from sdjscc.serving.settings import ComputeSettings, ServiceSettings, parse_settings
from sdjscc.serving.upstream import Upstream
from sdjscc.serving.workers import Workers, one_by_one
from sdjscc.v1.receiver_pb2 import Label, ReceiveRequest, ReceiveResponse
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceServicer, add_ReceiverServiceServicer_to_server
from sdjscc.v1.transmitter_pb2_grpc import add_TransmitterServiceServicer_to_server
from sdjscc.wire.images import pack_image
from sdjscc.wire.tensors import unpack_symbols
from transmitter.service import Transmitter
from transmitter.settings import TransmitterSettings

_WORK_S = 0.01


class Pixels(Codec):
    """An image's bits are those of its pixels."""

    name, bpp, weights_sha256, constellation = "pixels", 24.0, "", UNIPOLAR_IQ

    def bit_shape(self, size: Size) -> tuple[int, ...]:
        return (24 * size[0] * size[1],)

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.unpackbits(images.reshape(len(images), -1), axis=1)

    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> NDArray[np.uint8]:
        components = UNIPOLAR_IQ.components(symbols, self.bit_shape(size)[0])
        return np.packbits(components > 0.5, axis=1).reshape(len(symbols), size[1], size[0], 3)


class OneCodec:
    """A registry that holds `Pixels` alone."""

    entries = ()

    def load(self, name: str = "", bpp: float = 0.0) -> Codec:
        return Pixels()


class LightReceiver(ReceiverServiceServicer):
    """Gives back the image, after as long as a small network would take."""

    def __init__(self, workers: Workers) -> None:
        self._workers, self._receiving = workers, one_by_one(self._receive)

    async def Receive(self, request: ReceiveRequest, context: grpc.aio.ServicerContext) -> ReceiveResponse:
        return await self._workers.run(self._receiving, request, remaining_s=context.time_remaining())

    def _receive(self, request: ReceiveRequest) -> ReceiveResponse:
        time.sleep(_WORK_S)
        transmission = request.transmission
        size = transmission.width, transmission.height
        pixels = Pixels().decode(unpack_symbols(transmission.symbols)[None], size, np.zeros(1))[0]
        image = pack_image(pixels, request.delivery.image_format)
        labels = [Label(name="image", probability=1.0)]
        return ReceiveResponse(image=image, labels=labels, task="none", conditions=request.conditions)


async def _receiver(settings: ServiceSettings) -> Service:
    assert isinstance(settings, ReceiverSettings)
    workers = _workers(settings)

    async def close() -> None:
        workers.close()

    def register(server: grpc.aio.Server) -> None:
        add_ReceiverServiceServicer_to_server(LightReceiver(workers), server)

    return Service(("sdjscc.v1.ReceiverService",), register, close)


async def _transmitter(settings: ServiceSettings) -> Service:
    assert isinstance(settings, TransmitterSettings)
    workers = _workers(settings)
    upstream = Upstream(
        "transmitter",
        settings.upstream,
        settings.upstream_timeout_s,
        settings.max_message_bytes,
        settings.tls,
        settings.insecure,
    )
    codecs = OneCodec()

    async def close() -> None:
        workers.close()
        await upstream.close()

    def register(server: grpc.aio.Server) -> None:
        transmitter = Transmitter(
            codecs,  # type: ignore[arg-type]
            "pixels",
            upstream,
            workers,
            settings.max_batch,
            settings.max_delay_ms / 1e3,
            settings.max_pixels,
            settings.max_images,
            settings.stream_window,
        )
        add_TransmitterServiceServicer_to_server(transmitter, server)

    return Service(("sdjscc.v1.TransmitterService",), register, close)


def _workers(settings: ComputeSettings) -> Workers:
    # More threads than cores: they sleep.
    return Workers(settings.threads or 4, settings.queue)


def main() -> None:
    """Serve until SIGTERM, as what the first argument names."""
    name = sys.argv.pop(1)
    kinds: dict[str, tuple[type[ServiceSettings], Callable[[ServiceSettings], Awaitable[Service]]]] = {
        "receiver": (ReceiverSettings, _receiver),
        "transmitter": (TransmitterSettings, _transmitter),
    }
    kind, build = kinds[name]
    settings = parse_settings(kind)
    run(name, settings, lambda: build(settings))


if __name__ == "__main__":
    main()
