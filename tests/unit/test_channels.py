"""Symbols, SNR and noise: the physics against closed forms, and numpy against torch."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch

from sdjscc.channels import (
    AWGN,
    UNIPOLAR_IQ,
    check_snr_db,
    get_channel,
    get_constellation,
    noise_generator,
    noise_power,
)
from sdjscc.channels.awgn_torch import awgn
from sdjscc.errors import InvalidRequest, UnknownName

N = 200_000
SNRS = (0.0, 5.0, 10.0, 20.0)


def received_noise(snr_db: float, seed: int = 1) -> np.ndarray:
    zeros = np.zeros(N, np.complex64)
    return AWGN().transmit(zeros, snr_db, noise_generator(seed))


@pytest.mark.parametrize(("snr_db", "power"), [(0.0, 1.0), (10.0, 0.1), (20.0, 0.01), (-10.0, 10.0)])
def test_noise_power_is_the_inverse_of_the_snr(snr_db: float, power: float) -> None:
    assert noise_power(snr_db) == pytest.approx(power)
    assert noise_power(np.array([snr_db])) == pytest.approx([power])
    assert noise_power(torch.tensor([snr_db])).item() == pytest.approx(power)


@pytest.mark.parametrize("snr_db", SNRS)
def test_each_component_has_half_the_noise_power(snr_db: float) -> None:
    noise = received_noise(snr_db)
    # The variance of a sample variance of a Gaussian is 2 sigma^4 / n: five of its standard deviations.
    tolerance = 5 * math.sqrt(2 / N)
    assert noise.real.var() == pytest.approx(noise_power(snr_db) / 2, rel=tolerance)
    assert noise.imag.var() == pytest.approx(noise_power(snr_db) / 2, rel=tolerance)


def test_noise_has_zero_mean_and_independent_components() -> None:
    noise = received_noise(0.0)
    bound = 5 / math.sqrt(N)
    assert abs(noise.real.mean()) < bound
    assert abs(noise.imag.mean()) < bound
    assert abs(np.corrcoef(noise.real, noise.imag)[0, 1]) < bound
    # Uncorrelated squares as well: independence, where correlation of the values alone would not show a dependence.
    assert abs(np.corrcoef(noise.real**2, noise.imag**2)[0, 1]) < bound


def test_noise_is_gaussian() -> None:
    standardized = received_noise(0.0).real / math.sqrt(0.5)
    for sigmas in (1, 2, 3):
        expected = 2 * (1 - NormalDist().cdf(sigmas))
        share = (abs(standardized) > sigmas).mean()
        assert share == pytest.approx(expected, abs=5 * math.sqrt(expected / N))


@pytest.mark.parametrize(("snr_db", "expected"), [(5.0, 1.0e-1), (10.0, 1.3e-2)])
def test_bit_error_rate_of_hard_decisions(snr_db: float, expected: float) -> None:
    """Q(1 / (2 sigma_component)) of 0/1 signalling; the figures are the project's measured ones."""
    bits = np.random.default_rng(0).integers(0, 2, N, np.uint8)
    received = AWGN().transmit(UNIPOLAR_IQ.modulate(bits), snr_db, noise_generator(0))
    decided = UNIPOLAR_IQ.components(received, bits.size) > 0.5
    error_rate = (decided != bits).mean()
    closed_form = 1 - NormalDist().cdf(0.5 / math.sqrt(noise_power(snr_db) / 2))
    assert error_rate == pytest.approx(closed_form, abs=5 * math.sqrt(closed_form / N))
    assert error_rate == pytest.approx(expected, rel=0.06)


def test_symbols_of_equiprobable_bits_have_unit_power() -> None:
    bits = np.random.default_rng(0).integers(0, 2, N, np.uint8)
    assert (abs(UNIPOLAR_IQ.modulate(bits)) ** 2).mean() == pytest.approx(1.0, rel=0.02)


def test_bits_go_to_in_phase_and_quadrature_in_turn_and_the_last_symbol_is_filled() -> None:
    symbols = UNIPOLAR_IQ.modulate(np.array([1, 0, 0, 1, 1], np.uint8))
    assert symbols.tolist() == [1, 1j, 1]
    assert UNIPOLAR_IQ.symbol_count(5) == 3
    assert UNIPOLAR_IQ.components(symbols, 5).tolist() == [1, 0, 0, 1, 1]


def test_a_seed_repeats_and_another_does_not() -> None:
    assert np.array_equal(received_noise(5.0, seed=7), received_noise(5.0, seed=7))
    assert not np.array_equal(received_noise(5.0, seed=7), received_noise(5.0, seed=8))


def test_chained_channels_under_one_seed_add_independent_noise() -> None:
    zeros = np.zeros(N, np.complex64)
    first = AWGN().transmit(zeros, 0.0, noise_generator(3, hop=0))
    second = AWGN().transmit(zeros, 0.0, noise_generator(3, hop=1))
    assert abs(np.corrcoef(first.real, second.real)[0, 1]) < 5 / math.sqrt(N)


def test_sent_symbols_are_left_as_they_were() -> None:
    symbols = np.ones(8, np.complex64)
    AWGN().transmit(symbols, 0.0, noise_generator(0))
    assert (symbols == 1).all()


@pytest.mark.parametrize("snr_db", SNRS)
def test_torch_and_numpy_channels_add_the_same_noise_power(snr_db: float) -> None:
    bits = torch.zeros(1, N)
    noise = awgn(bits, torch.tensor([snr_db]), torch.Generator().manual_seed(0)).numpy()
    assert noise.var() == pytest.approx(received_noise(snr_db).real.var(), rel=10 * math.sqrt(2 / N))


def test_torch_channel_takes_an_snr_for_each_image_and_passes_gradients() -> None:
    bits = torch.zeros(2, 3, 100, 100, requires_grad=True)
    received = awgn(bits, torch.tensor([0.0, 20.0]), torch.Generator().manual_seed(0))
    assert received[0].var().item() == pytest.approx(0.5, rel=0.05)
    assert received[1].var().item() == pytest.approx(0.005, rel=0.05)
    received.sum().backward()
    assert bits.grad is not None
    assert (bits.grad == 1).all()


@pytest.mark.parametrize("snr_db", [math.nan, math.inf, -math.inf, 101.0, -31.0])
def test_snrs_out_of_range_are_refused_with_the_range(snr_db: float) -> None:
    with pytest.raises(InvalidRequest, match="-30 to 100 dB"):
        check_snr_db(snr_db)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="unipolar-iq"):
        get_constellation("qam-7")
    with pytest.raises(UnknownName, match="awgn"):
        get_channel("rician")
