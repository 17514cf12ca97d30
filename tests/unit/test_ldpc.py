"""The 802.11n LDPC codes: the matrices' invariants, the encoder, and the decoder against Sionna run to the end."""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sdjscc.channels import AWGN, QAM16, noise_generator, noise_power
from sdjscc.channels.belief_propagation import BeliefPropagation
from sdjscc.channels.ldpc import LdpcCode, get_ldpc_code, ldpc_rates
from sdjscc.errors import InvalidRequest, MissingDependency, UnknownName

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Invariants:
    k: int
    entries: int
    row_degrees: tuple[int, ...]
    """By block row."""
    column_degrees: dict[int, int]
    """Number of block columns of each degree."""
    four_cycles: int


INVARIANTS = {
    "1/2": Invariants(972, 86, (7, 7, 7, 7, 7, 7, 8, 7, 7, 7, 7, 8), {2: 11, 3: 9, 4: 1, 11: 3}, 0),
    # The standard's own matrix has one class of four-cycles: block rows 3 and 5, block columns 0 and 2.
    "2/3": Invariants(1296, 88, (11,) * 8, {2: 7, 3: 12, 6: 1, 8: 4}, 81),
    "3/4": Invariants(1458, 85, (14, 14, 14, 15, 14, 14), {2: 5, 3: 13, 6: 6}, 0),
    "5/6": Invariants(1620, 79, (20, 20, 20, 19), {2: 3, 3: 11, 4: 10}, 0),
}

parametrize_rates = pytest.mark.parametrize("rate", INVARIANTS)


def rank(matrix: Bits) -> int:
    """Rank over GF(2)."""
    rows = [int.from_bytes(np.packbits(row).tobytes()) for row in matrix]
    pivots: dict[int, int] = {}
    for row in rows:
        while row and row.bit_length() in pivots:
            row ^= pivots[row.bit_length()]
        if row:
            pivots[row.bit_length()] = row
    return len(pivots)


def random_information(code: LdpcCode, words: int, seed: int = 0) -> Bits:
    return np.random.default_rng(seed).integers(0, 2, (words, code.k), np.uint8)


def received(code: LdpcCode, words: int, snr_db: float, seed: int = 1) -> tuple[Bits, NDArray[np.float32]]:
    """Random information bits, and the LLRs of their code words after 16-QAM and AWGN."""
    information = random_information(code, words, seed)
    symbols = QAM16.modulate(code.encode(information).reshape(-1))
    noisy = AWGN().transmit(symbols, snr_db, noise_generator(seed))
    return information, QAM16.llrs(noisy.reshape(words, -1), noise_power(snr_db))


@pytest.fixture(scope="module")
def decoder() -> BeliefPropagation:
    return BeliefPropagation(get_ldpc_code("3/4"))


def test_the_rates_are_those_of_the_standard() -> None:
    assert ldpc_rates() == ("1/2", "2/3", "3/4", "5/6")
    for rate in ldpc_rates():
        numerator, denominator = map(int, rate.split("/"))
        assert get_ldpc_code(rate).k * denominator == get_ldpc_code(rate).n * numerator


@parametrize_rates
def test_matrices_have_the_degrees_rank_and_cycles_they_must(rate: str) -> None:
    code, expected = get_ldpc_code(rate), INVARIANTS[rate]
    filled = code.base >= 0
    assert (code.n, code.k) == (1944, expected.k)
    assert filled.sum() == expected.entries
    assert tuple(filled.sum(axis=1)) == expected.row_degrees
    assert Counter(filled.sum(axis=0).tolist()) == expected.column_degrees
    assert code.base.max() < 81

    matrix = code.parity_check
    assert matrix.shape == (1944 - expected.k, 1944)
    assert matrix.sum() == 81 * expected.entries
    assert rank(matrix) == 1944 - expected.k
    shared = np.triu(matrix.astype(np.float32) @ matrix.T.astype(np.float32), 1)
    assert (shared * (shared - 1) / 2).sum() == expected.four_cycles


@parametrize_rates
def test_the_parity_part_is_a_column_of_three_and_a_double_diagonal(rate: str) -> None:
    parity = get_ldpc_code(rate).base[:, -len(get_ldpc_code(rate).base) :]
    first, rest = parity[:, 0], parity[:, 1:]
    assert first[0] == first[-1] == 1
    assert sorted(first[1:-1].tolist()) == [-1] * (len(parity) - 3) + [0]
    double_diagonal = np.full_like(rest, -1)
    for j in range(len(parity) - 1):
        double_diagonal[j : j + 2, j] = 0
    assert np.array_equal(rest, double_diagonal)


def test_a_shift_moves_the_ones_to_the_right() -> None:
    """Base entry 48 of the rate 3/4 code's first block: row 0 has its one in column 48, row 80 in column 47."""
    block = get_ldpc_code("3/4").parity_check[:81, :81]
    assert np.flatnonzero(block[0]).tolist() == [48]
    assert np.flatnonzero(block[80]).tolist() == [47]


@parametrize_rates
def test_encoded_words_begin_with_their_information_and_fulfil_every_check(rate: str) -> None:
    code = get_ldpc_code(rate)
    information = random_information(code, 40)
    words = code.encode(information)
    assert words.dtype == np.uint8
    assert np.array_equal(words[:, : code.k], information)
    assert not (code.parity_check.astype(np.int64) @ words.T % 2).any()
    assert code.satisfied(words == 1).all()


def test_the_syndrome_finds_every_single_error_and_agrees_with_the_matrix() -> None:
    code = get_ldpc_code("3/4")
    word = code.encode(random_information(code, 1)) == 1
    assert not code.satisfied(word ^ np.eye(code.n, dtype=bool)).any()
    mixed = np.concatenate([word, ~word, word, np.random.default_rng(0).integers(0, 2, (10, code.n)) == 1])
    by_matrix = ~(mixed @ code.parity_check.T.astype(np.int64) % 2).any(axis=1)
    assert np.array_equal(code.satisfied(mixed), by_matrix)


@parametrize_rates
def test_words_without_noise_decode_without_an_iteration(rate: str) -> None:
    code = get_ldpc_code(rate)
    information = random_information(code, 3)
    llrs = np.where(code.encode(information) == 1, 5, -5).astype(np.float32)
    decoded = BeliefPropagation(code).decode(llrs)
    assert np.array_equal(decoded.information, information)
    assert decoded.satisfied.all()
    assert not decoded.iterations.any()


@parametrize_rates
def test_errors_are_corrected_at_every_rate(rate: str) -> None:
    """On a binary symmetric channel with about half the errors that capacity allows (.110, .061, .042, .025)."""
    code = get_ldpc_code(rate)
    flip = {"1/2": 0.06, "2/3": 0.03, "3/4": 0.018, "5/6": 0.010}[rate]
    information = random_information(code, 20)
    words = code.encode(information)
    flipped = words ^ (np.random.default_rng(2).random(words.shape) < flip)
    llrs = (np.where(flipped == 1, 1, -1) * math.log((1 - flip) / flip)).astype(np.float32)
    decoded = BeliefPropagation(code).decode(llrs)
    assert decoded.satisfied.all()
    assert np.array_equal(decoded.information, information)
    assert decoded.iterations.min() >= 1


@pytest.mark.parametrize(
    ("snr_db", "block_error_rate", "words"), [(9.5, 0.97, 100), (10.25, 0.15, 300), (11.0, 0, 300)]
)
def test_block_error_rate_is_the_measured_one(
    decoder: BeliefPropagation, snr_db: float, block_error_rate: float, words: int
) -> None:
    """16-QAM, exact LLRs, 50 iterations, Es/N0: an independent measurement of this code gave these rates."""
    information, llrs = received(decoder.code, words, snr_db)
    decoded = decoder.decode(llrs)
    wrong = (decoded.information != information).any(axis=1)
    # Three standard deviations of the binomial and the rounding of the reference; where that is 0, two words.
    deviation = math.sqrt(block_error_rate * (1 - block_error_rate) / words)
    assert wrong.mean() == pytest.approx(block_error_rate, abs=max(3 * deviation + 0.01, 2 / words))
    assert not (wrong & decoded.satisfied).any()
    assert (decoded.iterations[~decoded.satisfied] == 50).all()


def test_words_that_stop_early_end_as_sionna_ends_them(decoder: BeliefPropagation) -> None:
    from sionna.phy.fec.ldpc import LDPCBPDecoder

    _, llrs = received(decoder.code, 48, 10.25)
    to_the_end = LDPCBPDecoder(decoder.code.parity_check, num_iter=50, device="cpu")
    with torch.inference_mode():
        expected = to_the_end(torch.from_numpy(llrs)).numpy()[:, : decoder.code.k]
    decoded = decoder.decode(llrs)
    assert 0 < decoded.satisfied.sum() < len(llrs)
    assert np.array_equal(decoded.information, expected)


def test_a_word_does_not_depend_on_its_batch(decoder: BeliefPropagation) -> None:
    _, llrs = received(decoder.code, 40, 10.5)
    together = decoder.decode(llrs)
    for size in (1, 7):
        parts = [decoder.decode(llrs[start : start + size]) for start in range(0, 40, size)]
        assert np.array_equal(together.information, np.concatenate([part.information for part in parts]))
        assert np.array_equal(together.iterations, np.concatenate([part.iterations for part in parts]))


def test_no_words_are_no_error(decoder: BeliefPropagation) -> None:
    code = decoder.code
    assert code.encode(np.zeros((0, code.k), np.uint8)).shape == (0, code.n)
    assert decoder.decode(np.zeros((0, code.n), np.float32)).information.shape == (0, code.k)


def test_wrong_use_is_refused_in_a_sentence(decoder: BeliefPropagation) -> None:
    with pytest.raises(UnknownName, match="use one of: 1/2, 2/3, 3/4, 5/6"):
        get_ldpc_code("7/8")
    with pytest.raises(InvalidRequest, match=r"give \(words, 1458\)"):
        decoder.code.encode(np.zeros((1, 1944), np.uint8))
    with pytest.raises(InvalidRequest, match=r"give \(words, 1944\)"):
        decoder.decode(np.zeros((1, 1458), np.float32))
    with pytest.raises(InvalidRequest, match="at least 1"):
        BeliefPropagation(decoder.code, iterations=0)


def test_without_sionna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sionna.phy.fec.ldpc", None)
    with pytest.raises(MissingDependency, match=r"pip install 'sdjscc\[baselines\]'"):
        BeliefPropagation(get_ldpc_code("3/4"))
