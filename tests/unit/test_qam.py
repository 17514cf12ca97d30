"""QAM: power, Gray labels, error rates against the closed form, LLRs against brute force and against Sionna."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
import torch

from sdjscc.channels import (
    AWGN,
    BPSK,
    QAM16,
    QAM64,
    QPSK,
    SquareQAM,
    get_constellation,
    noise_generator,
    noise_power,
)
from sdjscc.channels.qam import QAM

N = 240_000

parametrize_qam = pytest.mark.parametrize("qam", QAM, ids=lambda qam: qam.name)


def all_labels(qam: SquareQAM) -> np.ndarray:
    """Every combination of a symbol's bits, ``(points, bits_per_symbol)``."""
    return np.array(list(itertools.product((0, 1), repeat=qam.bits_per_symbol)), np.uint8)


def random_bits(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, count, np.uint8)


@parametrize_qam
def test_points_have_unit_mean_power_and_zero_mean(qam: SquareQAM) -> None:
    points = qam.modulate(all_labels(qam).reshape(-1))
    assert len(set(points.tolist())) == 2**qam.bits_per_symbol
    assert (abs(points) ** 2).mean() == pytest.approx(1.0, rel=1e-6)
    assert points.mean() == pytest.approx(0, abs=1e-6)


@parametrize_qam
def test_nearest_neighbours_differ_in_one_bit(qam: SquareQAM) -> None:
    labels = all_labels(qam)
    points = qam.modulate(labels.reshape(-1))
    distances = abs(points[:, None] - points)
    nearest = distances[distances > 0].min()
    pairs = np.argwhere(abs(distances - nearest) < 1e-4)
    assert len(pairs) > 0
    assert {(labels[i] != labels[j]).sum() for i, j in pairs} == {1}


def test_labels_are_those_of_802_11() -> None:
    """IEEE Std 802.11-2020, tables 17-10 to 17-14: bits of the in-phase axis and its levels."""
    assert BPSK.modulate(np.array([0, 1], np.uint8)).tolist() == [-1, 1]
    assert QPSK.modulate(np.array([1, 0], np.uint8))[0] * math.sqrt(2) == pytest.approx(1 - 1j)
    for qam, table in (
        (QAM16, {"00": -3, "01": -1, "11": 1, "10": 3}),
        (QAM64, {"000": -7, "001": -5, "011": -3, "010": -1, "110": 1, "111": 3, "101": 5, "100": 7}),
    ):
        scale = math.sqrt(10 if qam is QAM16 else 42)
        lowest = [0] * len(next(iter(table)))
        for label, level in table.items():
            axis = [int(bit) for bit in label]
            in_phase = qam.modulate(np.array(axis + lowest, np.uint8))[0]
            quadrature = qam.modulate(np.array(lowest + axis, np.uint8))[0]
            assert in_phase.real * scale == pytest.approx(level, abs=1e-5)
            assert quadrature.imag * scale == pytest.approx(level, abs=1e-5)


@pytest.mark.parametrize("snr_db", [5.0, 10.0, 14.0])
def test_bit_error_rate_of_16_qam_is_that_of_the_closed_form(snr_db: float) -> None:
    """(3 Q(d) + 2 Q(3d) - Q(5d)) / 4 with d = sqrt(SNR / 5), from the four levels of an axis and their Gray labels."""
    bits = random_bits(N)
    received = AWGN().transmit(QAM16.modulate(bits), snr_db, noise_generator(0))
    error_rate = ((QAM16.llrs(received, noise_power(snr_db)) > 0) != bits).mean()

    def q(x: float) -> float:
        return NormalDist().cdf(-x)

    d = math.sqrt(1 / noise_power(snr_db) / 5)
    closed_form = (3 * q(d) + 2 * q(3 * d) - q(5 * d)) / 4
    # Bits of one symbol share its noise: the tolerance counts symbols.
    assert error_rate == pytest.approx(closed_form, abs=5 * math.sqrt(closed_form / (N / 4)))


@parametrize_qam
@pytest.mark.parametrize("max_log", [False, True])
def test_llrs_are_those_of_brute_force_over_all_points(qam: SquareQAM, max_log: bool) -> None:
    labels = all_labels(qam)
    points = qam.modulate(labels.reshape(-1)).astype(np.complex128)
    sent = qam.modulate(random_bits(60 * qam.bits_per_symbol))
    for snr_db in (-5.0, 8.0):
        received = AWGN().transmit(sent, snr_db, noise_generator(1))
        likelihoods = np.exp(-(abs(received[:, None] - points) ** 2) / noise_power(snr_db))
        merge = np.max if max_log else np.sum
        expected = [
            math.log(merge(row[column == 1]) / merge(row[column == 0])) for row in likelihoods for column in labels.T
        ]
        llrs = qam.llrs(received, noise_power(snr_db), max_log=max_log)
        assert llrs.dtype == np.float32
        np.testing.assert_allclose(llrs, expected, rtol=1e-4, atol=1e-4)


@parametrize_qam
def test_llrs_tell_the_true_probability(qam: SquareQAM) -> None:
    """Among bits of LLR near l, the share of ones is 1 / (1 + exp(-l))."""
    bits = random_bits(N)
    llrs = qam.llrs(AWGN().transmit(qam.modulate(bits), 3.0, noise_generator(2)), noise_power(3.0))
    for low in (-2.0, -0.5, 1.0):
        chosen = (llrs >= low) & (llrs < low + 0.5)
        expected = (1 / (1 + np.exp(-llrs[chosen]))).mean()
        tolerance = 5 * math.sqrt(qam.bits_per_symbol * expected * (1 - expected) / chosen.sum())
        assert bits[chosen].mean() == pytest.approx(expected, abs=tolerance)


@parametrize_qam
def test_each_transmission_has_its_own_noise_power(qam: SquareQAM) -> None:
    symbols = qam.modulate(random_bits(120)).reshape(2, -1)
    together = qam.llrs(symbols, np.array([0.1, 0.5]))
    alone = np.stack([qam.llrs(symbols[0], 0.1), qam.llrs(symbols[1], 0.5)])
    assert np.array_equal(together, alone)


@parametrize_qam
def test_a_noiseless_channel_has_finite_llrs_of_the_right_sign(qam: SquareQAM) -> None:
    bits = random_bits(24 * qam.bits_per_symbol)
    llrs = qam.llrs(qam.modulate(bits), 0.0)
    assert np.isfinite(llrs).all()
    assert np.array_equal(llrs > 0, bits == 1)


@parametrize_qam
def test_the_last_symbol_is_filled_with_zero_bits(qam: SquareQAM) -> None:
    bits = random_bits(2 * qam.bits_per_symbol + 1)
    filled = np.concatenate([bits, np.zeros(qam.bits_per_symbol - 1, np.uint8)])
    assert np.array_equal(qam.modulate(bits), qam.modulate(filled))
    assert qam.symbol_count(bits.size) == 3


@parametrize_qam
def test_constellations_are_found_by_name(qam: SquareQAM) -> None:
    assert get_constellation(qam.name) is qam


@pytest.mark.parametrize("qam", [QPSK, QAM16, QAM64], ids=lambda qam: qam.name)
def test_symbols_and_llrs_agree_with_sionna_up_to_the_labels(qam: SquareQAM) -> None:
    """Sionna's are 3GPP's (TS 38.211): in-phase and quadrature bits by turns, every bit inverted."""
    mapping = pytest.importorskip("sionna.phy.mapping")
    bits = random_bits(600 * qam.bits_per_symbol)
    by_turns = (1 - bits).reshape(-1, 2, qam.bits_per_symbol // 2).transpose(0, 2, 1).reshape(1, -1)
    mapper = mapping.Mapper("qam", qam.bits_per_symbol, device="cpu")
    sent = mapper(torch.tensor(by_turns, dtype=torch.float32))
    np.testing.assert_allclose(sent[0].numpy(), qam.modulate(bits), atol=1e-6)

    received = AWGN().transmit(qam.modulate(bits), 8.0, noise_generator(3))
    demapper = mapping.Demapper("app", "qam", qam.bits_per_symbol, device="cpu")
    theirs = demapper(torch.tensor(received)[None], torch.tensor(noise_power(8.0)))
    inverted = -theirs[0].numpy().reshape(-1, qam.bits_per_symbol // 2, 2).transpose(0, 2, 1).reshape(-1)
    np.testing.assert_allclose(qam.llrs(received, noise_power(8.0)), inverted, rtol=1e-3, atol=1e-3)
