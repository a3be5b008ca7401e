"""Full power, random powers and greedy sets against what can be known by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.base import broadcast
from slotwise.controllers.search import best_of, flipped, one_flip
from slotwise.emulator.observation import Observation
from slotwise.emulator.radio import sum_rate

Array = NDArray[np.float64]


def weighted_rate(gain: Array, power: Array, noise: Array, weight: Array) -> float:
    """The objective written out with loops."""
    total = 0.0
    for k in range(len(power)):
        interference = sum(gain[k, j] * power[j] for j in range(len(power)) if j != k)
        total += weight[k] * np.log2(1 + gain[k, k] * power[k] / (interference + noise[k]))
    return total


def greedy_by_the_book(gain: Array, noise: Array, p_max: Array, weight: Array) -> Array:
    """Try every absent user, add the best, stop when none helps."""
    power = np.zeros(len(p_max))
    best = 0.0
    while True:
        candidates = {}
        for user in np.flatnonzero(power == 0):
            candidate = power.copy()
            candidate[user] = p_max[user]
            candidates[user] = (weighted_rate(gain, candidate, noise, weight), candidate)
        if not candidates or max(candidates.values(), key=lambda c: c[0])[0] <= best:
            return power
        best, power = max(candidates.values(), key=lambda c: c[0])


def climb_by_the_book(gain: Array, power: Array) -> Array:
    """Try both ends for every user, take the best, stop when none helps."""
    one = np.ones(len(power))
    while True:
        moves = []
        for user, end in product(range(len(power)), (0.0, 1.0)):
            moved = power.copy()
            moved[user] = end
            moves.append(moved)
        best = max(moves, key=lambda moved: weighted_rate(gain, moved, one, one))
        if weighted_rate(gain, best, one, one) <= weighted_rate(gain, power, one, one) + 1e-12:
            return power
        power = best


def test_max_is_everyones_limit() -> None:
    limit = np.array([0.1, 2.0])
    np.testing.assert_array_equal(make("max").allocate(np.eye(2), 1.0, limit), limit)


def test_random_powers_are_uniform_up_to_the_limit() -> None:
    power = make("random", seed=1).allocate(np.ones((20000, 2, 2)), 1.0, np.array([1.0, 4.0]))
    error = 1 / np.sqrt(12 * 20000)
    assert power.mean(axis=0) == pytest.approx([0.5, 2.0], abs=4 * 4 * error)
    assert (power / [1.0, 4.0]).var(axis=0) == pytest.approx([1 / 12, 1 / 12], rel=0.04)


def test_random_powers_differ_from_decision_to_decision_and_seed_to_seed(
    observe: Callable[..., Observation],
) -> None:
    first, second = make("random", seed=1), make("random", seed=2)
    decisions = [c.decide(observe(np.eye(3))) for c in (first, first, second)]
    assert len({tuple(power) for power in decisions}) == 3


@pytest.mark.parametrize("snr", [0.1, 1.0, 100.0])
def test_greedy_adds_the_user_that_helps_most(snr: float) -> None:
    rng = np.random.default_rng(2)
    for users in (1, 2, 5, 9):
        gain = snr * rng.exponential(size=(12, users, users))
        noise, p_max, weight = rng.uniform(0.5, 2.0, size=(3, 12, users))
        power = make("greedy").allocate(gain, noise, p_max, weight)
        expected = [greedy_by_the_book(*p) for p in zip(gain, noise, p_max, weight, strict=True)]
        np.testing.assert_array_equal(power, expected)


def test_greedy_serves_every_user_where_nobody_interferes() -> None:
    power = make("greedy").allocate(np.eye(100) * 1e-9, 1e-12, 0.5)
    np.testing.assert_array_equal(power, np.full(100, 0.5))


def test_greedy_chooses_the_stronger_of_two_that_exclude_each_other() -> None:
    gain = np.array([[3.0, 1e6], [1e6, 5.0]])
    np.testing.assert_array_equal(make("greedy").allocate(gain, 1.0, 1.0), [0.0, 1.0])


@pytest.mark.parametrize("snr", [1.0, 100.0])
def test_a_flip_search_takes_the_best_single_switch_until_none_helps(snr: float) -> None:
    rng = np.random.default_rng(3)
    gain = snr * rng.exponential(size=(30, 6, 6))
    start = rng.random((30, 6)) * (rng.random((30, 6)) < 0.5)
    expected = [climb_by_the_book(*p) for p in zip(gain, start, strict=True)]
    np.testing.assert_array_equal(one_flip(gain, np.ones((30, 6)), start), expected)


def test_flips_start_from_the_powers_themselves_and_from_their_rounding() -> None:
    rng = np.random.default_rng(5)
    problem = broadcast(rng.exponential(size=(200, 6, 6)), 1.0, 1.0)
    power = rng.random((200, 6))
    best = sum_rate(problem.gain, flipped(problem, power), problem.noise_power)
    ends = [
        sum_rate(problem.gain, one_flip(problem.gain, problem.weight, start), problem.noise_power)
        for start in (power, np.where(power > 0.5, 1.0, 0.0))
    ]
    np.testing.assert_allclose(best, np.max(ends, axis=0), rtol=1e-12)
    assert (ends[0] > ends[1] + 1e-6).any()
    assert (ends[1] > ends[0] + 1e-6).any()


def test_a_flip_search_survives_an_interferer_sixteen_decades_above_the_noise() -> None:
    gain = np.array([[1.0, 1e17, 0.0], [0.0, 1e-3, 0.0], [0.0, 1e17, 2.0]])
    power = one_flip(gain[None], np.ones((1, 3)), np.ones((1, 3)))
    np.testing.assert_array_equal(power, [[1.0, 0.0, 1.0]])


def test_the_best_of_several_powers_is_chosen_problem_by_problem() -> None:
    rng = np.random.default_rng(4)
    problem = broadcast(rng.exponential(size=(3, 50, 4, 4)), 1.0, 1.0)
    powers = rng.random((5, 3, 50, 4))
    best = best_of(problem, *powers)
    values = [sum_rate(problem.gain, power, problem.noise_power) for power in powers]
    reached = sum_rate(problem.gain, best, problem.noise_power)
    np.testing.assert_array_equal(reached, np.max(values, axis=0))
