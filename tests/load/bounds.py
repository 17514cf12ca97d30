"""What a service cannot be faster than: its own work in process, and an empty call of the same payload."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np
import torch

from bench.cases import SNR_DB, Case
from sdjscc.channels import noise_generator, noise_power
from sdjscc.codecs import CodecRegistry
from sdjscc.data.images import DEFAULT_MAX_PIXELS
from sdjscc.engines import select
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import predict
from sdjscc.wire.images import pack_image, unpack_image
from tests.load.traffic import Service, received_symbols

__all__ = ["Work", "work_of"]


@dataclass(frozen=True)
class Work:
    """CPU time for one image on one thread, milliseconds."""

    core_ms: float
    """The bare call: of the networks, by the engine that services take when they are not told, or of numpy for the
    noise."""
    files_ms: float
    """Reading or writing image files."""


def work_of(service: Service, case: Case, seconds: float) -> Work:
    """The work of one service, measured for ``seconds`` each; not of the chain, whose work is the sum.

    Sets torch's threads for this whole process: call it in one of its own.
    """
    torch.set_num_threads(1)
    engine = select("auto", 1)
    codec = CodecRegistry(engine=engine).load()
    images = case.images()
    pixels = [unpack_image(image, DEFAULT_MAX_PIXELS) for image in images]

    if service == "transmitter":
        return Work(
            core_ms=_cpu_ms([partial(codec.encode, x[None]) for x in pixels], seconds),
            files_ms=_cpu_ms([partial(unpack_image, image, DEFAULT_MAX_PIXELS) for image in images], seconds),
        )
    if service == "receiver":
        classifier, noise = get_classifier(case.task, engine), np.array([noise_power(SNR_DB)])
        size = (case.size, case.size)

        def receive(symbols: np.ndarray[tuple[int], np.dtype[np.complex64]]) -> None:
            predict(classifier, codec.receive(symbols[None], size, noise)[0].image, 1)

        received = [received_symbols(codec, x) for x in pixels]
        return Work(
            core_ms=_cpu_ms([partial(receive, symbols) for symbols in received], seconds),
            files_ms=_cpu_ms([partial(pack_image, x, case.returned) for x in pixels], seconds),
        )
    components = 2 * received_symbols(codec, pixels[0]).size
    rng = noise_generator(0)
    return Work(core_ms=_cpu_ms([lambda: rng.standard_normal(components, dtype=np.float32)], seconds), files_ms=0.0)


def _cpu_ms(works: Sequence[Callable[[], object]], seconds: float) -> float:
    for work in works:
        work()
    turns = cycle(works)
    # Of all threads: an engine may have one of its own.
    done, begin, end = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        next(turns)()
        done += 1
    return 1e3 * (time.process_time() - begin) / done
