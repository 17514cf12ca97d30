"""``python -m bench.hops``: what the channel costs beside an empty gRPC echo and beside numpy's noise."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
from rich.console import Console
from rich.progress import track

from bench.apart import Apart
from bench.bare_proxy import bare_proxy
from bench.cpu_time import cpu_s
from bench.echo import RECEIVE, RECEIVE_BATCH, Run, call_for, echo
from bench.link import ProcessOfItsOwn
from bench.machine import describe_without_codec, sentence
from bench.options import out_option, repeats_option, seconds_option
from bench.report import how_measured, over, table
from bench.results import results_in
from deploy.local import ServiceProcess
from sdjscc.channels import get_constellation, noise_generator
from sdjscc.serving.cores import usable_cores
from sdjscc.v1.receiver_pb2 import ChannelRequest, ReceiveBatchRequest, ReceiveRequest, Transmission
from sdjscc.wire.tensors import pack_bits, pack_symbols

__all__ = ["payload_of"]

_CONSTELLATION = "unipolar-iq"
# Real components of a transmission, one a bit: images of 96x96, 224x224 and 512x512 pixels at 0.25 bpp, and a tensor of
# 224x224x3 values.
_VALUES = (2304, 12544, 65536, 150528)
_IN_FLIGHT = 8
_LEAST_CALLS = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """One turn at one size. CPU times are of one transmission, milliseconds; latencies of one call."""

    echo_ms: float
    """Median latency of an echo of the symbols."""
    added_ms: float
    """What the channel adds to the median latency of one call at a time."""
    noise_ms: float
    """The part of it that making the noise took, by the channel's own clock."""
    echo_cpu_ms: float
    """Of client and server together."""
    channel_cpu_ms: float
    """Of the channel, many calls under way."""
    channel_per_s: float
    """Transmissions a second through the channel, many calls under way."""
    numpy_per_s: float
    """The same noise made by numpy on as many threads as there are cores."""
    numpy_cpu_ms: float
    bare_added_ms: float
    """As `added_ms`, of a `bare_proxy` in place of the channel."""
    bare_cpu_ms: float
    """As `channel_cpu_ms`."""


@dataclass(frozen=True)
class Payload:
    """A request whose transmission is bits, as it reaches the channel, and the same with symbols, as it leaves it."""

    values: int
    per_call: int
    """Transmissions of one call."""
    bits: bytes
    symbols: bytes

    @property
    def method(self) -> str:
        """The one that takes it."""
        return RECEIVE if self.per_call == 1 else RECEIVE_BATCH

    @property
    def title(self) -> str:
        return f"{self.values}, {self.per_call} a call" if self.per_call > 1 else str(self.values)


@click.command()
@seconds_option("3s")
@repeats_option(5)
@click.option(
    "--values",
    "sizes",
    type=click.IntRange(8),
    multiple=True,
    default=_VALUES,
    show_default=True,
    help="Real components of a transmission; may be repeated.",
)
@click.option(
    "--images-per-call",
    "per_calls",
    type=click.IntRange(1, 64),
    multiple=True,
    default=(1, 8),
    show_default=True,
    help="Transmissions of one call; may be repeated.",
)
@out_option
def main(seconds: float, repeats: int, sizes: tuple[int, ...], per_calls: tuple[int, ...], out: Path) -> None:
    """What a hop through the channel adds, beside an empty gRPC echo of the same payload; and how many transmissions it
    takes a second, beside the rate at which numpy makes their noise, and a proxy that does nothing but make it.

    Behind the channel stands a stub that answers at once. Writes hops.json and hops.md.
    """
    with results_in(out, "hops") as write:
        payloads = [payload_of(*kind) for kind in product(dict.fromkeys(sizes), dict.fromkeys(per_calls))]
        measured = _measure(payloads, seconds, repeats)
        machine = describe_without_codec()
        settings = {"seconds": seconds, "repeats": repeats, "in_flight": _IN_FLIGHT}
        rows = [
            {"values": payload.values, "images_per_call": payload.per_call, "samples": [asdict(one) for one in samples]}
            for payload, samples in measured.items()
        ]
        write(
            {"machine": machine, "settings": settings, "rows": rows},
            _markdown(measured, sentence(machine), seconds, repeats),
        )


def _measure(payloads: Sequence[Payload], seconds: float, repeats: int) -> dict[Payload, list[Sample]]:
    measured: dict[Payload, list[Sample]] = {payload: [] for payload in payloads}
    client, beside = ProcessOfItsOwn(), ProcessOfItsOwn()
    with ExitStack() as stack:
        stack.callback(client.close)
        stack.callback(beside.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sdjscc-")))
        # A stub answers batches of one length alone, and a channel has one upstream.
        stubs: dict[int, Apart] = {}
        channels: dict[int, ServiceProcess] = {}
        for images in dict.fromkeys(payload.per_call for payload in payloads):
            stubs[images] = stack.enter_context(echo(folder, images))
            upstream = {"upstream": stubs[images].address}
            channels[images] = ServiceProcess("channel", folder / f"channel-{images}.log", upstream)
            stack.callback(channels[images].stop)
            channels[images].wait_serving()
        proxies = {
            payload: stack.enter_context(
                bare_proxy(
                    folder / f"proxy-{payload.values}-{payload.per_call}",
                    stubs[payload.per_call].address,
                    payload.values * payload.per_call,
                )
            )
            for payload in payloads
        }
        turns = list(product(range(repeats), payloads))
        for _, payload in track(turns, "measuring", console=Console(stderr=True), transient=True):
            stub, channel, count = stubs[payload.per_call], channels[payload.per_call], payload.per_call
            proxy = proxies[payload]

            def call(address: str, data: bytes, in_flight: int, method: str = payload.method) -> Run:
                return client.run(call_for, address, data, in_flight, seconds, method=method)

            def echo_symbols(payload: Payload = payload, stub: Apart = stub) -> Run:
                return call(stub.address, payload.symbols, 1)

            def saturate(address: str, payload: Payload = payload) -> Run:
                return call(address, payload.bits, max(_LEAST_CALLS, _IN_FLIGHT // payload.per_call))

            straight, echo_cpu_s = _cpu_of((client.pid, stub.pid), echo_symbols)
            without = call(stub.address, payload.bits, 1)
            through = call(channel.address, payload.bits, 1)
            saturated, channel_cpu_s = _cpu_of((channel.process.pid,), partial(saturate, channel.address))
            through_bare = call(proxy.address, payload.bits, 1)
            bare, bare_cpu_s = _cpu_of((proxy.pid,), partial(saturate, proxy.address))
            numpy_per_s, numpy_cpu_ms = beside.run(_numpy_noise, payload.values, seconds)
            measured[payload].append(
                Sample(
                    echo_ms=_median_ms(straight),
                    added_ms=_median_ms(through) - _median_ms(without),
                    noise_ms=statistics.median(through.noise_ms),
                    echo_cpu_ms=1e3 * echo_cpu_s / (count * straight.calls),
                    channel_cpu_ms=1e3 * channel_cpu_s / (count * saturated.calls),
                    channel_per_s=count * saturated.calls / saturated.seconds,
                    numpy_per_s=numpy_per_s,
                    numpy_cpu_ms=numpy_cpu_ms,
                    bare_added_ms=_median_ms(through_bare) - _median_ms(without),
                    bare_cpu_ms=1e3 * bare_cpu_s / (count * bare.calls),
                )
            )
    return measured


def payload_of(values: int, per_call: int = 1) -> Payload:
    """Transmissions of that many random bits, at 10 dB."""
    bits = np.random.default_rng(0).integers(0, 2, values, np.uint8)
    sent = Transmission(bit_shape=bits.shape, constellation=_CONSTELLATION, bits=pack_bits(bits))
    as_bits = ReceiveRequest(transmission=sent, channel=ChannelRequest(snr_db=10.0, seed=1))
    as_symbols = ReceiveRequest()
    as_symbols.CopyFrom(as_bits)
    symbols = get_constellation(_CONSTELLATION).modulate(bits)
    as_symbols.transmission.symbols.CopyFrom(pack_symbols(symbols))
    if per_call == 1:
        return Payload(values, per_call, as_bits.SerializeToString(), as_symbols.SerializeToString())
    batches = [ReceiveBatchRequest(requests=per_call * [request]) for request in (as_bits, as_symbols)]
    return Payload(values, per_call, *(batch.SerializeToString() for batch in batches))


def _median_ms(run: Run) -> float:
    return statistics.median(run.latencies_ms)


def _cpu_of(pids: tuple[int, ...], run: Callable[[], T]) -> tuple[T, float]:
    before = sum(map(cpu_s, pids))
    result = run()
    return result, sum(map(cpu_s, pids)) - before


def _numpy_noise(values: int, seconds: float) -> tuple[float, float]:
    """Transmissions a second whose noise numpy makes, and the CPU time of one in milliseconds."""
    threads = usable_cores()
    begin, begin_cpu_s = time.perf_counter(), cpu_s(os.getpid())

    def make(first_seed: int) -> int:
        made = 0
        while time.perf_counter() < begin + seconds:
            noise_generator(first_seed + made).standard_normal(values, dtype=np.float32)
            made += 1
        return made

    with ThreadPoolExecutor(threads) as executor:
        made = sum(executor.map(make, [thread << 32 for thread in range(threads)]))
    return made / (time.perf_counter() - begin), 1e3 * (cpu_s(os.getpid()) - begin_cpu_s) / made


def _markdown(measured: dict[Payload, list[Sample]], machine: str, seconds: float, repeats: int) -> str:
    return "\n\n".join(
        (
            how_measured(machine, repeats, seconds),
            "A hop, one call at a time, in milliseconds:",
            table(
                (
                    "real components",
                    "echo",
                    "hop adds",
                    "of that noise",
                    "ratio",
                    "without noise",
                    "bare proxy's ratio",
                    "CPU ratio",
                ),
                [
                    (
                        payload.title,
                        over(samples, lambda one: one.echo_ms),
                        over(samples, lambda one: one.added_ms),
                        over(samples, lambda one: one.noise_ms),
                        over(samples, lambda one: one.added_ms / one.echo_ms),
                        over(samples, lambda one: (one.added_ms - one.noise_ms) / one.echo_ms),
                        over(samples, lambda one: one.bare_added_ms / one.echo_ms),
                        over(samples, lambda one: (one.channel_cpu_ms - one.numpy_cpu_ms) / one.echo_cpu_ms),
                    )
                    for payload, samples in measured.items()
                ],
            ),
            f"The channel, {_IN_FLIGHT} transmissions under way, but at least {_LEAST_CALLS} calls, in transmissions a "
            "second:",
            table(
                (
                    "real components",
                    "numpy's noise",
                    "channel",
                    "ratio",
                    "CPU time, channel",
                    "noise",
                    "CPU ratio",
                    "bare proxy's CPU ratio",
                ),
                [
                    (
                        payload.title,
                        over(samples, lambda one: one.numpy_per_s),
                        over(samples, lambda one: one.channel_per_s),
                        over(samples, lambda one: one.channel_per_s / one.numpy_per_s),
                        over(samples, lambda one: one.channel_cpu_ms),
                        over(samples, lambda one: one.numpy_cpu_ms),
                        over(samples, lambda one: one.numpy_cpu_ms / one.channel_cpu_ms),
                        over(samples, lambda one: one.numpy_cpu_ms / one.bare_cpu_ms),
                    )
                    for payload, samples in measured.items()
                ],
            ),
        )
    )


if __name__ == "__main__":
    main()
