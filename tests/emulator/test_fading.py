"""Fading: its laws, its memory, what a new user forgets, and what no neighbour can disturb."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import j0
from scipy.stats import expon, kstest, ncx2

from slotwise.emulator.fading import Fading, draw, make_fading
from slotwise.emulator.sections import Channel

Array = NDArray[np.float64]

KINDS = ("none", "iid", "gauss-markov", "sinusoids")
RANDOM = KINDS[1:]
CORRELATED = KINDS[2:]


def channel(kind: str, **fields: Any) -> Channel:
    """A channel of one kind of fading."""
    return Channel.model_validate({"fading": kind, **fields})


def rngs(networks: int, seed: int = 0) -> list[np.random.Generator]:
    """One generator a network."""
    return [np.random.default_rng([seed, network]) for network in range(networks)]


def history(fading: Fading, slots: int) -> Array:
    """Fading power of the coming slots, the present one first."""
    seen = [fading.power.copy()]
    for _ in range(slots - 1):
        fading.advance()
        seen.append(fading.power.copy())
    return np.array(seen)


def correlation(a: Array, b: Array) -> float:
    """Covariance of powers of mean one, as a mean over independent links."""
    return float(np.mean((a - 1.0) * (b - 1.0)))


# --- laws ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RANDOM)
@pytest.mark.parametrize("slots", [0, 1, 200])
def test_rayleigh_power_is_exponential_in_every_slot(kind: str, slots: int) -> None:
    fading = make_fading(channel(kind, doppler_hz=30.0, sinusoids=256), 1e-3, (1, 60, 60), rngs(1))
    for _ in range(slots):
        fading.advance()
    assert kstest(fading.power.ravel(), expon.cdf).pvalue > 1e-4


@pytest.mark.parametrize("kind", RANDOM)
@pytest.mark.parametrize("factor_db", [-3.0, 7.0])
def test_rician_power_is_non_central_chi_square(kind: str, factor_db: float) -> None:
    described = channel(kind, rician_k_db=factor_db, doppler_hz=30.0, sinusoids=256)
    fading = make_fading(described, 1e-3, (1, 60, 60), rngs(1))
    fading.advance()
    # |a + s scatter|² * 2 (K + 1) has two degrees of freedom and non-centrality 2 K.
    factor = 10.0 ** (factor_db / 10.0)
    scaled = fading.power.ravel() * 2.0 * (factor + 1.0)
    assert kstest(scaled, ncx2(2, 2.0 * factor).cdf).pvalue > 1e-4


@pytest.mark.parametrize("kind", RANDOM)
def test_frozen_draws_have_the_law_of_the_process(kind: str) -> None:
    described = channel(kind, sinusoids=256)
    power = draw(described, (3, 40, 40), np.random.default_rng(1))
    assert power.shape == (3, 40, 40)
    assert kstest(power.ravel(), expon.cdf).pvalue > 1e-4
    rician = draw(described.model_copy(update={"rician_k_db": 3.0}), 5000, np.random.default_rng(2))
    factor = 10.0**0.3
    assert kstest(rician * 2.0 * (factor + 1.0), ncx2(2, 2.0 * factor).cdf).pvalue > 1e-4


@pytest.mark.parametrize("source", ["draw", "process"])
def test_few_sinusoids_have_unit_mean_and_less_spread(source: str) -> None:
    # N equal paths of independent phase: E|h|² = 1, E|h|⁴ = 2 - 1/N, E|h|⁸ < 24.
    described = channel("sinusoids", sinusoids=4, doppler_hz=10.0)
    if source == "draw":
        power = draw(described, (200, 200), np.random.default_rng(3))
    else:
        fading = make_fading(described, 1e-2, (1, 200, 200), rngs(1))
        fading.advance()
        power = fading.power
    assert power.mean() == pytest.approx(1.0, abs=4.0 / 200.0)
    assert np.mean(power**2) == pytest.approx(2.0 - 1.0 / 4.0, abs=4.0 * math.sqrt(24.0) / 200.0)


def test_without_fading_the_power_is_one() -> None:
    fading = make_fading(channel("none"), 1e-3, (2, 3, 4), rngs(2))
    assert (history(fading, 3) == 1.0).all()
    assert (draw(channel("none"), (2, 2), np.random.default_rng(0)) == 1.0).all()


# --- memory ----------------------------------------------------------------------------------

LINKS = (1, 300, 500)
# Covariances of two unit exponentials: (x - 1)(y - 1) has a standard deviation of at most 3.
FOUR_ERRORS = 4.0 * 3.0 / math.sqrt(300 * 500)


def test_independent_fading_has_no_memory() -> None:
    past, present = history(make_fading(channel("iid"), 1e-3, LINKS, rngs(1)), 2)
    assert correlation(past, past) == pytest.approx(1.0, abs=FOUR_ERRORS)
    assert correlation(past, present) == pytest.approx(0.0, abs=FOUR_ERRORS)


def test_gauss_markov_forgets_by_a_power_of_j0() -> None:
    # The field's correlation after n slots is rho^n, the power's of complex Gaussians its square.
    fading = make_fading(channel("gauss-markov", doppler_hz=10.0), 5e-3, LINKS, rngs(1))
    rho = float(j0(2.0 * math.pi * 10.0 * 5e-3))
    seen = history(fading, 6)
    for lag in range(6):
        expected = rho ** (2 * lag)
        assert correlation(seen[0], seen[lag]) == pytest.approx(expected, abs=FOUR_ERRORS)


def test_sinusoids_follow_j0_over_all_lags() -> None:
    # N paths: the power's covariance is (1 - 1/N) J0(2 pi f_d n T)². The zero of J0 at 2.405 and
    # its second maximum, 0.4028² at 3.832, are what a Markov chain cannot follow.
    fading = make_fading(
        channel("sinusoids", doppler_hz=10.0, sinusoids=8), 12e-3, (1, 200, 400), rngs(1)
    )
    seen = history(fading, 8)
    error = 4.0 * 3.0 / math.sqrt(200 * 400)
    for lag in range(8):
        expected = (1.0 - 1.0 / 8.0) * float(j0(2.0 * math.pi * 10.0 * 12e-3 * lag)) ** 2
        assert correlation(seen[0], seen[lag]) == pytest.approx(expected, abs=error)


def test_ten_hertz_and_twenty_milliseconds_keep_0643_of_the_field() -> None:
    # The published coefficient of Nasir and Guo: J0(2 pi * 10 Hz * 20 ms) = 0.643. With a direct
    # path, cov(|h|², |h'|²) = s⁴ rho² + 2 a² s² rho shows rho itself, not only its square.
    a2 = s2 = 0.5
    expected = s2**2 * 0.643**2 + 2.0 * a2 * s2 * 0.643
    described = channel("gauss-markov", doppler_hz=10.0, rician_k_db=0.0)
    past, present = history(make_fading(described, 20e-3, LINKS, rngs(1)), 2)
    assert correlation(past, present) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("kind", CORRELATED)
def test_the_correlation_may_be_negative(kind: str) -> None:
    # 2 pi f_d T = 3.8317 is the minimum of J0, -0.4028: 0.25 * 0.1622 - 0.5 * 0.4028 = -0.1608
    # with the direct path, and 0.0025 less with 16 sinusoids.
    described = channel(kind, doppler_hz=60.983, rician_k_db=0.0)
    past, present = history(make_fading(described, 10e-3, (1, 200, 200), rngs(1)), 2)
    assert correlation(past, present) == pytest.approx(-0.1621, abs=0.02)


@pytest.mark.parametrize("kind", CORRELATED)
@pytest.mark.parametrize("factor_db", [None, 3.0])
def test_a_channel_without_doppler_stands_still_exactly(kind: str, factor_db: float | None) -> None:
    described = channel(kind, doppler_hz=0.0, rician_k_db=factor_db)
    seen = history(make_fading(described, 1e-3, (2, 3, 4), rngs(2)), 50)
    assert (seen == seen[0]).all()
    assert len(np.unique(seen[0])) == 24


@pytest.mark.parametrize("kind", CORRELATED)
def test_users_move_at_their_own_doppler(kind: str) -> None:
    fading = make_fading(channel(kind), 1e-3, (2, 5, 4), rngs(2))
    fading.set_doppler(0, 1, 50.0)
    fading.set_doppler(1, np.array([0, 3]), np.array([50.0, 80.0]))
    first, second = history(fading, 2)
    moved = (first != second).all(axis=1)
    assert moved.tolist() == [[False, True, False, False], [True, False, False, True]]
    fading.set_doppler(1, np.array([0, 3]), 0.0)
    first, second = history(fading, 2)
    assert (first != second).all(axis=1).tolist() == [[False, True, False, False], [False] * 4]


@pytest.mark.parametrize("kind", CORRELATED)
def test_a_doppler_set_later_counts_like_one_stated(kind: str) -> None:
    stated = make_fading(channel(kind, doppler_hz=25.0), 1e-3, (1, 3, 4), rngs(1))
    later = make_fading(channel(kind), 1e-3, (1, 3, 4), rngs(1))
    later.set_doppler(0, np.arange(4), 25.0)
    assert history(stated, 4).tolist() == history(later, 4).tolist()


# --- users and networks ----------------------------------------------------------------------


@pytest.mark.parametrize("factor_db", [None, 3.0])
@pytest.mark.parametrize("kind", RANDOM)
def test_a_new_user_depends_on_its_own_generator_alone(kind: str, factor_db: float | None) -> None:
    described = channel(kind, rician_k_db=factor_db, doppler_hz=0.0)
    one = make_fading(described, 1e-3, (2, 4, 4), rngs(2, seed=1))
    other = make_fading(described, 1e-3, (2, 4, 4), rngs(2, seed=2))
    before = one.power.copy()
    one.renew(1, 2, np.random.default_rng(7), own_station=True)
    other.renew(1, 2, np.random.default_rng(7), own_station=True)
    renewed = np.zeros((2, 4, 4), dtype=bool)
    renewed[1, :, 2] = renewed[1, 2, :] = True
    assert (one.power[renewed] == other.power[renewed]).all()
    assert ((one.power != before) == renewed).all()
    if kind in CORRELATED:
        one.advance()
        other.advance()
        assert (one.power[renewed] == other.power[renewed]).all()


@pytest.mark.parametrize("kind", RANDOM)
def test_a_user_without_a_station_leaves_the_other_users_alone(kind: str) -> None:
    fading = make_fading(channel(kind), 1e-3, (1, 3, 5), rngs(1))
    before = fading.power.copy()
    fading.renew(0, 4, np.random.default_rng(7), own_station=False)
    assert (fading.power != before).any(axis=(0, 1)).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("kind", RANDOM)
def test_renewed_fading_is_stationary_and_independent_of_the_past(kind: str) -> None:
    fading = make_fading(channel(kind, sinusoids=256, doppler_hz=1.0), 1e-4, (1, 400, 20), rngs(1))
    before = fading.power.copy()
    user = np.random.default_rng(8)
    for row in range(20):
        fading.renew(0, row, user, own_station=False)
    assert kstest(fading.power.ravel(), expon.cdf).pvalue > 1e-4
    error = 4.0 / math.sqrt(8000)  # independent: (x - 1)(y - 1) has unit deviation
    assert correlation(before, fading.power) == pytest.approx(0.0, abs=error)
    fading.advance()
    assert correlation(before, fading.power) == pytest.approx(0.0, abs=error)


@pytest.mark.parametrize("kind", RANDOM)
def test_a_new_user_does_not_disturb_the_network(kind: str) -> None:
    calm = make_fading(channel(kind, doppler_hz=20.0), 1e-3, (1, 4, 4), rngs(1))
    busy = make_fading(channel(kind, doppler_hz=20.0), 1e-3, (1, 4, 4), rngs(1))
    busy.renew(0, 3, np.random.default_rng(9), own_station=False)
    assert history(calm, 5)[..., :3].tolist() == history(busy, 5)[..., :3].tolist()


@pytest.mark.parametrize("factor_db", [None, 3.0])
@pytest.mark.parametrize("kind", RANDOM)
def test_a_network_lives_the_same_alone_and_among_others(
    kind: str, factor_db: float | None
) -> None:
    described = channel(kind, doppler_hz=20.0, rician_k_db=factor_db)
    together = make_fading(described, 1e-3, (5, 3, 4), rngs(5))
    alone = make_fading(described, 1e-3, (1, 3, 4), rngs(5)[3:4])
    for fading, network in ((together, 3), (alone, 0)):
        fading.advance()
        fading.renew(network, 1, np.random.default_rng(7), own_station=False)
        fading.set_doppler(network, 2, 99.0)
    together.renew(0, 0, np.random.default_rng(8), own_station=True)
    assert history(together, 6)[:, 3].tolist() == history(alone, 6)[:, 0].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_power_is_updated_in_place(kind: str) -> None:
    fading = make_fading(channel(kind, doppler_hz=10.0), 1e-3, (2, 3, 3), rngs(2))
    held = fading.power
    fading.advance()
    fading.renew(0, 1, np.random.default_rng(1), own_station=True)
    assert fading.power is held


@pytest.mark.parametrize("kind", ["none", "iid"])
def test_doppler_means_nothing_to_fading_without_memory(kind: str) -> None:
    plain = make_fading(channel(kind), 1e-3, (1, 3, 3), rngs(1))
    told = make_fading(channel(kind), 1e-3, (1, 3, 3), rngs(1))
    told.set_doppler(0, np.arange(3), 0.0)
    assert history(plain, 3).tolist() == history(told, 3).tolist()


def test_every_network_needs_a_generator() -> None:
    with pytest.raises(ValueError, match="2 generators; 3 networks"):
        make_fading(channel("iid"), 1e-3, (3, 2, 2), rngs(2))


# --- replay ----------------------------------------------------------------------------------


def test_a_replay_repeats_the_measurement_in_every_network() -> None:
    measured = np.arange(12.0).reshape(3, 2, 2)
    fading = make_fading(channel("replay", replay_path="x.npy"), 1e-3, (2, 2, 2), rngs(2), measured)
    fading.renew(0, 1, np.random.default_rng(1), own_station=True)
    fading.set_doppler(0, 1, 5.0)
    seen = history(fading, 7)
    for slot in range(7):
        assert seen[slot].tolist() == [measured[slot % 3].tolist()] * 2
    # Means over the three slots: 0, 4, 8 and so on.
    assert np.asarray(fading.mean).tolist() == [[4.0, 5.0], [6.0, 7.0]]
    assert measured.tolist() == np.arange(12.0).reshape(3, 2, 2).tolist()


def test_a_replay_needs_gains_of_its_own_size() -> None:
    described = channel("replay", replay_path="x.npy")
    with pytest.raises(ValueError, match="needs measured gains"):
        make_fading(described, 1e-3, (1, 2, 2), rngs(1))
    with pytest.raises(ValueError, match=r"shape \(5, 3, 3\) do not fit 2 stations"):
        make_fading(described, 1e-3, (1, 2, 2), rngs(1), np.ones((5, 3, 3)))
    with pytest.raises(ValueError, match="not a law to draw from"):
        draw(described, 3, np.random.default_rng(0))
