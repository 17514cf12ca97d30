"""``python -m bench.ldpc``: what stopping each LDPC word early saves, beside Sionna's decoder as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from bench.machine import describe_without_codec, sentence
from bench.options import out_option, repeats_option
from bench.report import short, table
from bench.results import results_in
from bench.sample import Spread
from sdjscc.channels import AWGN, QAM16, noise_generator, noise_power
from sdjscc.channels.belief_propagation import BeliefPropagation
from sdjscc.channels.ldpc import get_ldpc_code

_RATE = "3/4"
_ITERATIONS = 50
# The number of words at once at which Sionna's decoder is the fastest by the word, in a core's cache.
_SIONNA_BATCH = 16

Words = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """One SNR. Rates are decoded information bits a second; a ratio is of two neighbours in time."""

    snr_db: float
    words: int
    block_error_rate: float
    mean_iterations: float
    early: Spread
    plain: Spread
    ratio: Spread


@click.command()
@click.option(
    "--snr", "snrs_db", multiple=True, type=float, default=(5.0, 12.0, 15.0), show_default=True, help="Es/N0."
)
@click.option(
    "--words", type=click.IntRange(1, 100_000), default=64, show_default=True, help="Code words a measurement."
)
@repeats_option(5)
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of torch.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of bits and noise.")
@out_option
def main(snrs_db: tuple[float, ...], words: int, repeats: int, threads: int, seed: int, out: Path) -> None:
    """Decoded information bits a second of the 802.11n code (1458, 1944) behind 16-QAM and AWGN.

    Ours, which lets a word go once its parity checks hold, and Sionna's with 50 iterations, by turns on the same words.
    Writes ldpc.json and ldpc.md.
    """
    torch.set_num_threads(threads)
    settings = {"words": words, "repeats": repeats, "threads": threads, "seed": seed, "iterations": _ITERATIONS}
    with results_in(out, "ldpc") as write:
        rows = _measure(snrs_db, words, repeats, seed)
        machine = describe_without_codec("sionna-no-rt")
        result = {"machine": machine, "settings": settings, "rows": [asdict(row) for row in rows]}
        write(result, _markdown(rows, machine, settings))


def _measure(snrs_db: tuple[float, ...], words: int, repeats: int, seed: int) -> list[Row]:
    code = get_ldpc_code(_RATE)
    decoder = BeliefPropagation(code, _ITERATIONS)
    plain = _plain_sionna(code.parity_check)
    rows = []
    for snr_db in snrs_db:
        information = np.random.default_rng(seed).integers(0, 2, (words, code.k), np.uint8)
        sent = QAM16.modulate(code.encode(information).reshape(-1))
        received = AWGN().transmit(sent, snr_db, noise_generator(seed))
        llrs = QAM16.llrs(received.reshape(words, -1), noise_power(snr_db))
        plain(llrs[:1])
        decoded = decoder.decode(llrs)
        ways: tuple[Callable[[Words], object], ...] = (decoder.decode, plain)
        seconds: list[list[float]] = [[], []]
        for number in track(range(repeats), f"{snr_db:g} dB", console=Console(stderr=True), transient=True):
            # First one, then the other, by turns, so that a machine that slows down favours neither.
            for way in (0, 1) if number % 2 == 0 else (1, 0):
                begin = time.perf_counter()
                ways[way](llrs)
                seconds[way].append(time.perf_counter() - begin)
        early, full = ([words * code.k / each for each in way] for way in seconds)
        rows.append(
            Row(
                snr_db,
                words,
                float((decoded.information != information).any(axis=1).mean()),
                float(decoded.iterations.mean()),
                Spread.of(early),
                Spread.of(full),
                Spread.of(ours / theirs for ours, theirs in zip(early, full, strict=True)),
            )
        )
    return rows


def _plain_sionna(parity_check: NDArray[np.uint8]) -> Callable[[Words], list[torch.Tensor]]:
    from sionna.phy.fec.ldpc import LDPCBPDecoder

    decoder = LDPCBPDecoder(parity_check, num_iter=_ITERATIONS, device="cpu")

    def decode(llrs: Words) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [
                decoder(torch.from_numpy(llrs[start : start + _SIONNA_BATCH]))
                for start in range(0, len(llrs), _SIONNA_BATCH)
            ]

    return decode


def _markdown(rows: list[Row], machine: dict[str, object], settings: dict[str, int]) -> str:
    header = ("Es/N0, dB", "block error rate", "iterations", "early, kbit/s", "plain Sionna, kbit/s", "ratio")
    lines = [
        (
            f"{row.snr_db:g}",
            f"{row.block_error_rate:.3g}",
            f"{row.mean_iterations:.2f}",
            row.early.text(lambda rate: short(rate / 1e3)),
            row.plain.text(lambda rate: short(rate / 1e3)),
            row.ratio.text(short),
        )
        for row in rows
    ]
    return (
        f"Measured on: {sentence(machine)} {settings['words']} words, {settings['threads']} threads of torch, seed "
        f"{settings['seed']}; {settings['repeats']} measurements of each, by turns; median (least to greatest).\n\n"
        f"{table(header, lines)}\n"
    )


if __name__ == "__main__":
    main()
