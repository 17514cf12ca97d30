"""The work of the three services in one process, without any of what makes them services."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import count, cycle, islice

import numpy as np
import torch

from bench.cases import SNR_DB, Case
from bench.cpu_time import cpu_s
from bench.sample import Sample, rate_after
from receiver.service import CLASSIFIED_TOGETHER
from sdjscc.channels import AWGN, noise_generator, noise_power
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.data.images import DEFAULT_MAX_PIXELS
from sdjscc.engines import select
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import Classifier, Prediction, predict_all
from sdjscc.v1.image_pb2 import Image
from sdjscc.wire.images import pack_image, unpack_image

__all__ = ["measure"]


def measure(case: Case, workers: int, torch_threads: int, together: int, seconds: float, warm_up_s: float) -> Sample:
    """Keep ``workers`` threads busy, each with ``together`` images of its own, which torch may split over
    ``torch_threads``.

    Sets torch's threads for this whole process: call it in one of its own.
    """
    torch.set_num_threads(torch_threads)
    codec, classifier = _networks(case.task, workers)
    images = case.images()
    works = [
        partial(_transmit, codec, classifier, case, list(islice(cycle(images), first, first + together)))
        for first in range(len(images))
    ]
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
    cpu_ms = 1e3 * (cpu_s(os.getpid()) - begin_cpu) / (together * len(finished))
    return Sample(
        images=together * len(finished),
        images_per_s=together * rate_after([end for _, end in finished], begin + warm_up_s),
        latencies_ms=tuple(1e3 * (end - start) for start, end in finished if end >= begin + warm_up_s),
        cpu_ms={"process": cpu_ms},
    )


@cache
def _networks(task: str, workers: int) -> tuple[Codec, Classifier]:
    """By the engine that the services take when they are not told."""
    engine = select("auto", workers)
    return CodecRegistry(engine=engine).load(), get_classifier(task, engine)


def _transmit(
    codec: Codec, classifier: Classifier, case: Case, images: Sequence[Image], seed: int
) -> list[tuple[Image | None, str]]:
    """Everything that is done to images of one size between their bytes and the answers'."""
    pixels = np.stack([unpack_image(image, DEFAULT_MAX_PIXELS) for image in images])
    _, height, width, _ = pixels.shape
    received = [
        AWGN().transmit(
            codec.constellation.modulate(bits.reshape(-1)), SNR_DB, noise_generator(seed * len(images) + number)
        )
        for number, bits in enumerate(codec.encode(pixels))
    ]
    noise = np.full(len(images), noise_power(SNR_DB))
    decoded = codec.decode(np.stack(received), (width, height), noise)
    found: list[list[Prediction]] = []
    for first in range(0, len(decoded), CLASSIFIED_TOGETHER):
        found += predict_all(classifier, decoded[first : first + CLASSIFIED_TOGETHER], 1)
    return [(pack_image(image, case.returned), labels[0].label) for image, labels in zip(decoded, found, strict=True)]
