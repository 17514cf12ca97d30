"""Block error rates of 802.11n's modes over AWGN, measured once and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.progress import Progress, TaskID

from sdjscc.channels import AWGN, get_constellation, noise_generator, noise_power
from sdjscc.channels.belief_propagation import BeliefPropagation
from sdjscc.channels.ldpc import get_ldpc_code
from sdjscc.channels.qam import SquareQAM
from sdjscc.errors import InvalidRequest
from sdjscc.study.files import write_whole
from sdjscc.study.measure import progress_bar
from sdjscc.study.modes import Mode
from sdjscc.study.spread import spread

__all__ = ["BlockErrors", "file_of", "measure_block_errors", "read_block_errors"]

_BATCH = 40
_WORDS = 1000
_ENOUGH_ERRORS = 40
_ITERATIONS = 50


class BlockErrors(BaseModel):
    """How many code words of one mode were decided wrong at one SNR."""

    model_config = ConfigDict(frozen=True)

    rate: str
    constellation: str
    snr_db: float
    seed: int
    words: int
    errors: int

    def image_error_rate(self, words: int) -> float:
        """Share of images of so many words that are expected to lose one or more, 0 to 1: words fail independently."""
        return 1.0 - (1.0 - self.errors / self.words) ** words


Key = tuple[str, str, float]
"""Rate, constellation and SNR in dB."""


def file_of(out: Path) -> Path:
    return out / "block-errors.json"


def read_block_errors(out: Path) -> dict[Key, BlockErrors]:
    """What is kept in the folder ``out``; raises `InvalidRequest` where it cannot be read."""
    file = file_of(out)
    if not file.is_file():
        return {}
    try:
        found = [BlockErrors.model_validate(entry) for entry in json.loads(file.read_text())]
    except (ValueError, ValidationError) as error:
        raise InvalidRequest(f"{file} is not a file of block errors; move it away or give another --out") from error
    return {_key(entry): entry for entry in found}


def measure_block_errors(
    modes: Iterable[Mode], snrs_db: Iterable[float], out: Path, seed: int, workers: int
) -> dict[Key, BlockErrors]:
    """The block errors of all modes at all SNRs: those kept in ``out``, and what is missing there, measured and kept.

    Random words cross AWGN and are decoded as `sdjscc.codecs.separation.SeparationCodec` does it, 1000 at each point or
    fewer where 40 were lost before. Raises `MissingDependency`.
    """
    kept = read_block_errors(out)
    snrs_db = tuple(snrs_db)
    keys = [(mode.rate, mode.constellation.name, snr_db) for mode in modes for snr_db in snrs_db]
    missing = [key for key in keys if key not in kept or kept[key].seed != seed]
    if not missing:
        return kept
    for rate in {rate for rate, _, _ in missing}:
        BeliefPropagation(get_ldpc_code(rate), _ITERATIONS)
    with progress_bar() as progress:
        bar = progress.add_task("block error rates", total=len(missing))
        spread(partial(_count, seed), missing, workers, partial(_note, kept, out, progress, bar))
    return kept


def _note(kept: dict[Key, BlockErrors], out: Path, progress: Progress, bar: TaskID, entry: BlockErrors) -> None:
    kept[_key(entry)] = entry
    lines = ",\n".join(kept[key].model_dump_json() for key in sorted(kept))
    write_whole(file_of(out), f"[\n{lines}\n]\n")
    progress.advance(bar)


def _count(seed: int, key: Key, send: Callable[[BlockErrors], None]) -> None:
    rate, name, snr_db = key
    constellation = get_constellation(name)
    assert isinstance(constellation, SquareQAM)
    code = get_ldpc_code(rate)
    decoder = BeliefPropagation(code, _ITERATIONS)
    rng, noise = np.random.default_rng(seed), noise_generator(seed)
    words = errors = 0
    while words < _WORDS and errors < _ENOUGH_ERRORS:
        information = rng.integers(0, 2, (_BATCH, code.k), np.uint8)
        sent = (constellation.modulate(word) for word in code.encode(information))
        received = np.stack([AWGN().transmit(symbols, snr_db, noise) for symbols in sent])
        llrs = constellation.llrs(received, noise_power(snr_db))
        decided = decoder.decode(llrs[:, : code.n]).information
        words += _BATCH
        errors += int((decided != information).any(axis=1).sum())
    send(BlockErrors(rate=rate, constellation=name, snr_db=snr_db, seed=seed, words=words, errors=errors))


def _key(entry: BlockErrors) -> Key:
    return entry.rate, entry.constellation, entry.snr_db
