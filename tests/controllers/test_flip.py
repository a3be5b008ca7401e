"""The compiled flip search, and what all searches share, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers.base import broadcast, full_power_snr
from slotwise.controllers.kernels.candidates import (
    groups_of_factors,
    multiply_rates,
    others_for,
    sum_rates,
)
from slotwise.controllers.kernels.links import hear, in_range, load, padded, rate_of, room_for
from slotwise.controllers.search import best_of, flipped, one_flip
from slotwise.emulator.radio import sum_rate

Array = NDArray[np.float64]


def one_flip_batched(snr: Array, weight: Array, fraction: Array) -> Array:
    """All switches of all problems valued at once, the best made, until none helps."""
    fraction = fraction.copy()
    samples, users = weight.shape
    best = sum_rate(snr, fraction, 1.0, weight)
    open_ = np.ones(samples, dtype=bool)
    every = np.arange(users)
    while open_.any():
        trial = np.repeat(fraction[:, None, :], 2 * users, axis=1)
        trial[:, every, every] = 0.0
        trial[:, users + every, every] = 1.0
        value = sum_rate(snr[:, None], trial, 1.0, weight[:, None])
        chosen = value.argmax(axis=1)
        reached = value[np.arange(samples), chosen]
        open_ &= reached > best * (1 + 1e-12)
        fraction[open_] = trial[np.arange(samples), chosen][open_]
        best[open_] = reached[open_]
    return fraction


@pytest.mark.parametrize("db", [-100, 0, 20, 80])
@pytest.mark.parametrize("users", [1, 2, 10, 20])
@pytest.mark.parametrize("equal", [True, False], ids=["products", "logarithms"])
def test_switches_are_those_of_the_batched_search_in_numpy(
    db: int, users: int, equal: bool
) -> None:
    rng = np.random.default_rng(users)
    snr = 10.0 ** (db / 10) * rng.exponential(size=(40, users, users))
    weight = np.ones((40, users)) if equal else rng.uniform(0.2, 2.0, size=(40, users))
    start = rng.random((40, users)) * (rng.random((40, users)) < 0.5)
    for fraction in (start, np.rint(start)):
        expected = one_flip_batched(snr, weight, fraction)
        np.testing.assert_array_equal(one_flip(snr, weight, fraction), expected)


@pytest.mark.interpreted
@pytest.mark.parametrize("equal", [True, False], ids=["products", "logarithms"])
def test_a_small_flip_search_is_the_one_in_numpy(equal: bool) -> None:
    rng = np.random.default_rng(1)
    for users in (1, 2, 5):
        snr = 3.0 * rng.exponential(size=(4, users, users))
        weight = np.ones((4, users)) if equal else rng.uniform(0.2, 2.0, size=(4, users))
        start = rng.random((4, users))
        expected = one_flip_batched(snr, weight, start)
        np.testing.assert_array_equal(one_flip(snr, weight, start), expected)


def test_powers_that_no_switch_improves_stay_as_they_are_to_the_last_bit() -> None:
    rng = np.random.default_rng(2)
    problem = broadcast(rng.exponential(size=(3, 40, 5, 5)), 0.1, rng.uniform(0.1, 3.0, size=5))
    power = flipped(problem, problem.p_max * rng.random((3, 40, 5)))
    np.testing.assert_array_equal(flipped(problem, power), power)
    assert (power <= problem.p_max).all()


@pytest.mark.interpreted
def test_users_that_no_power_can_serve_are_silenced_in_a_small_search() -> None:
    gain = np.ones((3, 3)) + np.eye(3)
    gain[0, 0] = 0.0
    problem = broadcast(gain, 1.0, np.array([1.0, 0.0, 2.0]))
    np.testing.assert_array_equal(flipped(problem, problem.p_max), [0.0, 0.0, 2.0])
    assert flipped(broadcast(np.zeros((2, 0, 0)), 1.0, 1.0), np.zeros((2, 0))).shape == (2, 0)


@pytest.mark.interpreted
def test_small_powers_are_chosen_by_the_true_sum_rate() -> None:
    rng = np.random.default_rng(4)
    gain = rng.exponential(size=(6, 4, 4))
    problem = broadcast(gain, rng.uniform(0.1, 1.0, size=4), 1.0, rng.random(4))
    powers = rng.random((5, 6, 4)) * (rng.random((5, 6, 4)) < 0.7)
    values = [sum_rate(gain, p, problem.noise_power, problem.weight) for p in powers]
    reached = sum_rate(gain, best_of(problem, *powers), problem.noise_power, problem.weight)
    np.testing.assert_array_equal(reached, np.max(values, axis=0))
    same = best_of(problem, powers[0], powers[0].copy())
    np.testing.assert_array_equal(same, powers[0])


@pytest.mark.interpreted
def test_small_problems_are_loaded_in_units_of_noise_without_users_that_cannot_be_served() -> None:
    rng = np.random.default_rng(5)
    gain = rng.exponential(size=(6, 6))
    noise, p_max, weight = rng.uniform(0.5, 2.0, size=(3, 6))
    weight[1], p_max[3], gain[4, 4] = 0.0, 0.0, 0.0
    links, kept = room_for(6), [0, 2, 5]
    count = load(gain, noise, p_max, weight, links)
    snr = full_power_snr(broadcast(gain, noise, p_max, weight))[np.ix_(kept, kept)]
    assert links.user[:count].tolist() == kept
    np.testing.assert_allclose(links.direct[:3], np.diag(snr), rtol=1e-15)
    np.testing.assert_allclose(links.cross[:3, :3], snr * (1 - np.eye(3)), rtol=1e-15)
    np.testing.assert_array_equal(links.heard[:3, :3], links.cross[:3, :3].T)
    assert not links.cross[:3, 3:].any()
    fraction, interference = np.array([0.3, 0.0, 1.0]), np.empty(padded(3))
    hear(links, count, fraction, interference)
    for ceiling in (None, 0.4):
        value = rate_of(links, count, fraction, interference, ceiling)
        expected = sum_rate(snr, fraction, 1.0, weight[kept], ceiling)
        assert value == pytest.approx(expected, rel=1e-14)


@pytest.mark.interpreted
@pytest.mark.parametrize("ceiling", [None, 2.0])
@pytest.mark.parametrize("groups", [0, 1, 2, 100])
def test_small_products_and_sums_are_both_the_rates_of_the_others(
    ceiling: float | None, groups: int
) -> None:
    rng = np.random.default_rng(6)
    size = 11
    others = others_for(size, 8)
    added = 5.0 * rng.exponential(size=(size, 8))
    others.row[:size] = rng.permutation(size)
    others.interference[:size] = 1.0 + rng.exponential(size=size)
    others.signal[:size] = 4.0 * rng.exponential(size=size)
    others.weight[:size] = 1.0
    before, signal = others.interference[:size], others.signal[:size]
    most = np.inf if ceiling is None else ceiling
    after = np.log2(
        1 + np.minimum(signal[:, None] / (before[:, None] + added[others.row[:size]]), most)
    )
    if groups:
        others.over[:], others.under[:] = 1.0, 2.0
        multiply_rates(added, others, size, ceiling, 8, groups)
        now = np.log2(1 + np.minimum(signal / before, most))
        expected = after.sum(axis=0) - now.sum() - 1.0
        np.testing.assert_allclose(np.log2(others.over), expected, rtol=0, atol=1e-13)
    else:
        others.over[:] = 3.0
        sum_rates(added, others, size, ceiling, 8)
        np.testing.assert_allclose(others.over, after.sum(axis=0) + 3.0, rtol=1e-14)


@pytest.mark.interpreted
def test_products_stand_for_small_sums_where_weights_are_equal_and_links_not_weak() -> None:
    gain = np.ones((3, 3))
    links = room_for(3)
    for weight, snr, will_do in ((1.0, 1.0, True), (0.3, 1e20, True), (1.0, 1e-9, False)):
        count = load(snr * gain, np.ones(3), np.ones(3), np.full(3, weight), links)
        assert (groups_of_factors(links, count) > 0) == will_do
    count = load(gain, np.ones(3), np.ones(3), np.array([1.0, 1.0, 2.0]), links)
    assert groups_of_factors(links, count) == 0


@pytest.mark.interpreted
def test_small_values_out_of_their_range_are_seen() -> None:
    good = (np.eye(2), np.ones(2), np.ones(2), np.zeros(2))
    assert in_range(*good)
    assert not in_range(good[0], np.zeros(2), *good[2:])
    for which in range(4):
        for wrong in (-1.0, np.nan, np.inf):
            arrays = [array.copy() for array in good]
            arrays[which][1] = wrong
            assert not in_range(*arrays)
