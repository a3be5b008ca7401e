"""Reports: the estimation error has the stated power, the quantiser the stated levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest, ncx2

from slotwise.emulator.csi import estimate, quantise
from slotwise.emulator.sections import Csi

Array = NDArray[np.float64]


def rngs(networks: int, seed: int = 0) -> list[np.random.Generator]:
    """One generator a network."""
    return [np.random.default_rng([seed, network]) for network in range(networks)]


def test_perfect_information_is_a_copy_and_draws_nothing() -> None:
    coupling = np.random.default_rng(1).exponential(size=(2, 3, 4))
    sources = rngs(2)
    before = [str(source.bit_generator.state) for source in sources]
    reported = estimate(Csi(), coupling, np.ones((2, 3, 4)), sources)
    assert reported.tolist() == coupling.tolist()
    assert not np.shares_memory(reported, coupling)
    assert [str(source.bit_generator.state) for source in sources] == before


@pytest.mark.parametrize("nmse_db", [-20.0, 0.0])
def test_estimation_error_has_the_stated_power(nmse_db: float) -> None:
    # E|h + e|^2 = |h|^2 + nmse * mean and var |h + e|^2 = v^2 + 2 v |h|^2 with v = nmse * mean.
    shape = (1, 200, 200)
    gain, mean = 3.0, 2.0
    error = 10.0 ** (nmse_db / 10.0) * mean
    reported = estimate(
        Csi(error_nmse_db=nmse_db), np.full(shape, gain), np.full(shape, mean), rngs(1)
    )
    variance = error**2 + 2.0 * error * gain
    assert reported.mean() == pytest.approx(gain + error, abs=4.0 * math.sqrt(variance / 4e4))
    assert reported.var() == pytest.approx(variance, rel=0.05)


def test_an_estimated_gain_is_non_central_chi_square() -> None:
    # |sqrt(g) + sqrt(v) e|^2 * 2 / v has two degrees of freedom and non-centrality 2 g / v.
    shape = (1, 100, 100)
    gain, error = 0.7, 0.5
    reported = estimate(
        Csi(error_nmse_db=10.0 * math.log10(error)), np.full(shape, gain), np.ones(shape), rngs(1)
    )
    law = ncx2(2, 2.0 * gain / error)
    assert kstest(reported.ravel() * 2.0 / error, law.cdf).pvalue > 1e-4


def test_the_error_follows_the_mean_gain_of_each_link() -> None:
    mean = np.array([[[1e-9, 1e-6], [1e-3, 0.0]]])
    errors = np.zeros_like(mean)
    source = rngs(1)
    for _ in range(5000):
        errors += estimate(Csi(error_nmse_db=0.0), np.zeros_like(mean), mean, source) / 5000.0
    # Exponential errors: 4 standard errors of the mean of 5000 are 5.7%.
    np.testing.assert_allclose(errors, mean, rtol=0.06)


def test_a_network_sees_the_same_errors_alone_and_among_others() -> None:
    csi = Csi(error_nmse_db=-10.0)
    coupling = np.random.default_rng(2).exponential(size=(4, 3, 5))
    mean = np.ones((4, 3, 5))
    together = estimate(csi, coupling, mean, rngs(4))
    alone = estimate(csi, coupling[2:3], mean[2:3], rngs(4)[2:3])
    assert together[2].tolist() == alone[0].tolist()


def test_an_absent_link_stays_absent() -> None:
    csi = Csi(error_nmse_db=-10.0, quantisation_bits=4)
    coupling, mean = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    coupling[0, 0, 0] = mean[0, 0, 0] = 1.0
    reported = estimate(csi, coupling, mean, rngs(1))
    assert reported[0, 0, 0] > 0.0
    assert np.count_nonzero(reported) == 1


def test_the_true_gains_are_left_alone() -> None:
    coupling = np.ones((1, 2, 2))
    estimate(Csi(error_nmse_db=0.0, quantisation_bits=2), coupling, coupling, rngs(1))
    assert coupling.tolist() == np.ones((1, 2, 2)).tolist()


def test_two_bits_are_four_levels_equally_spaced_in_decibels() -> None:
    gain = np.geomspace(1e-9, 1e9, 4001)
    levels = np.unique(quantise(gain, 2, -30.0, 30.0))
    assert levels.tolist() == pytest.approx([1e-3, 1e-1, 1e1, 1e3], rel=1e-12)


def test_a_gain_goes_to_the_nearest_level() -> None:
    # Levels -30, -10, 10, 30 dB: -19 and -1 dB are nearest to -10 dB, -21 dB to -30 dB.
    reported = quantise(10.0 ** (np.array([-19.0, -1.0, -21.0]) / 10.0), 2, -30.0, 30.0)
    assert (10.0 * np.log10(reported)).tolist() == pytest.approx([-10.0, -10.0, -30.0], abs=1e-9)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_the_number_of_levels_is_two_to_the_bits(bits: int) -> None:
    gain = 10.0 ** (np.linspace(-170.0, 30.0, 20_001) / 10.0)
    assert len(np.unique(quantise(gain, bits, -160.0, 20.0))) == 2**bits


@given(st.lists(st.floats(-250.0, 100.0), min_size=1, max_size=20), st.integers(1, 16))
def test_quantising_twice_changes_nothing_more(levels: list[float], bits: int) -> None:
    once = quantise(10.0 ** (np.array(levels) / 10.0), bits, -160.0, 20.0)
    assert quantise(once, bits, -160.0, 20.0).tolist() == once.tolist()


@given(st.floats(-160.0, 20.0), st.integers(1, 16))
def test_the_quantisation_error_is_at_most_half_a_step(level: float, bits: int) -> None:
    reported = quantise(np.array([10.0 ** (level / 10.0)]), bits, -160.0, 20.0)
    half_step = 90.0 / (2**bits - 1)
    assert abs(10.0 * math.log10(reported[0]) - level) <= half_step + 1e-9


def test_quantisation_alone_draws_nothing() -> None:
    sources = rngs(1)
    before = str(sources[0].bit_generator.state)
    reported = estimate(Csi(quantisation_bits=8), np.ones((1, 2, 2)), np.ones((1, 2, 2)), sources)
    assert str(sources[0].bit_generator.state) == before
    # Steps of 180/255 dB from -160 dB: level 227 is 0.2353 dB, the nearest to 0 dB.
    assert 10.0 * np.log10(reported[0, 0, 0]) == pytest.approx(0.2353, abs=1e-4)
