"""The work of the three services in one process, without any of what makes them services."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import count

import numpy as np
import torch

from bench.cases import SNR_DB, Case
from bench.cpu_time import cpu_s
from bench.sample import Sample, rate_after
from sdjscc.channels import AWGN, noise_generator, noise_power
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.data.images import DEFAULT_MAX_PIXELS
from sdjscc.engines import select
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import Classifier, predict
from sdjscc.v1.image_pb2 import Image
from sdjscc.wire.images import pack_image, unpack_image

__all__ = ["measure"]


def measure(case: Case, workers: int, torch_threads: int, seconds: float, warm_up_s: float) -> Sample:
    """Keep ``workers`` threads busy, each with an image of its own that torch may split over ``torch_threads``.

    Sets torch's threads for this whole process: call it in one of its own.
    """
    torch.set_num_threads(torch_threads)
    codec, classifier = _networks(case.task, workers)
    images = case.images()
    works = [partial(_transmit, codec, classifier, case, image) for image in images]
    finished: list[tuple[float, float]] = []
    numbers = count()
    begin, begin_cpu = time.perf_counter(), cpu_s(os.getpid())

    def work() -> None:
        torch.set_num_threads(torch_threads)
        while (started := time.perf_counter()) < begin + warm_up_s + seconds:
            number = next(numbers)
            works[number % len(works)](number)
            finished.append((started, time.perf_counter()))

    with ThreadPoolExecutor(workers) as executor:
        for future in [executor.submit(work) for _ in range(workers)]:
            future.result()
    cpu_ms = 1e3 * (cpu_s(os.getpid()) - begin_cpu) / len(finished)
    return Sample(
        images=len(finished),
        images_per_s=rate_after([end for _, end in finished], begin + warm_up_s),
        latencies_ms=tuple(1e3 * (end - start) for start, end in finished if end >= begin + warm_up_s),
        cpu_ms={"process": cpu_ms},
    )


@cache
def _networks(task: str, workers: int) -> tuple[Codec, Classifier]:
    """By the engine that the services take when they are not told."""
    engine = select("auto", workers)
    return CodecRegistry(engine=engine).load(), get_classifier(task, engine)


def _transmit(codec: Codec, classifier: Classifier, case: Case, image: Image, seed: int) -> tuple[Image | None, str]:
    """Everything that is done to one image between its bytes and the answer's."""
    pixels = unpack_image(image, DEFAULT_MAX_PIXELS)
    height, width, _ = pixels.shape
    symbols = codec.constellation.modulate(codec.encode(pixels[None])[0].reshape(-1))
    received = AWGN().transmit(symbols, SNR_DB, noise_generator(seed))
    decoded = codec.decode(received[None], (width, height), np.array([noise_power(SNR_DB)]))[0]
    return pack_image(decoded, case.returned), predict(classifier, decoded, 1)[0].label
