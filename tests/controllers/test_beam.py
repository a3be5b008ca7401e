"""Beam search against one with Python's sets, against trying all sets, and greedy against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.base import broadcast
from slotwise.controllers.kernels.corner_bound import best_corners
from slotwise.controllers.search import flat, grown
from slotwise.emulator.radio import sum_rate

Array = NDArray[np.float64]
Problem = tuple[Array, Array, Array, Array]


def draw(samples: int, users: int, snr: float, equal: bool = False) -> Problem:
    rng = np.random.default_rng([users, samples])
    noise, p_max, weight = rng.uniform(0.3, 2.0, size=(3, samples, users))
    gain = snr * rng.exponential(size=(samples, users, users))
    return gain, noise, p_max, np.full_like(weight, 0.7) if equal else weight


def beam_by_the_book(
    gain: Array, noise: Array, p_max: Array, weight: Array, width: int, patience: int
) -> Array:
    """Sets are Python's, and every one is valued from nothing."""

    def powers(members: frozenset[int]) -> Array:
        on = np.zeros(len(p_max))
        on[list(members)] = 1.0
        return on * p_max

    def value(members: frozenset[int]) -> float:
        return float(sum_rate(gain, powers(members), noise, weight))

    states = [frozenset[int]()]
    best, waited = frozenset[int](), 0
    for _ in range(len(p_max)):
        larger = {state | {k} for state in states for k in range(len(p_max)) if k not in state}
        states = sorted(larger, key=value, reverse=True)[:width]
        waited += 1
        if value(states[0]) > value(best):
            best, waited = states[0], 0
        if waited > patience:
            break
    return powers(best)


def grow_batched(snr: Array, weight: Array) -> Array:
    """Greedy sets of many problems at once, zeros and ones: logarithms summed by NumPy."""
    samples, users = weight.shape
    active = np.zeros((samples, users))
    best = np.zeros(samples)
    direct = np.einsum("nkk->nk", snr)
    open_ = np.ones(samples, dtype=bool)
    for _ in range(users):
        trial = np.maximum(active[:, None, :], np.eye(users))
        heard = np.einsum("nkj,ncj->nck", snr, trial) - direct[:, None] * trial
        value = (weight[:, None] * np.log1p(direct[:, None] * trial / (1 + heard))).sum(axis=2)
        value[active > 0] = -np.inf
        chosen = value.argmax(axis=1)
        reached = value[np.arange(samples), chosen]
        open_ &= reached > best * (1 + 1e-12)
        best[open_] = reached[open_]
        active[open_, chosen[open_]] = 1.0
    return active


@pytest.mark.interpreted
@pytest.mark.parametrize("equal", [True, False], ids=["products", "logarithms"])
@pytest.mark.parametrize("snr", [0.1, 1.0, 100.0])
@pytest.mark.parametrize(("width", "patience"), [(1, 0), (2, 0), (3, 1), (5, 9)])
def test_a_small_search_keeps_the_best_sets_of_every_size(
    width: int, patience: int, snr: float, equal: bool
) -> None:
    for users in (1, 2, 3, 6):
        problem = draw(6, users, snr, equal)
        found = grown(broadcast(*problem), width, patience=patience)
        expected = [beam_by_the_book(*p, width, patience) for p in zip(*problem, strict=True)]
        np.testing.assert_array_equal(found, expected)


def test_ten_users_in_a_wide_beam_are_searched_by_the_book() -> None:
    for snr in (1.0, 100.0):
        problem = draw(10, 10, snr)
        found = grown(broadcast(*problem), 16, patience=1)
        expected = [beam_by_the_book(*p, 16, 1) for p in zip(*problem, strict=True)]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("equal", [True, False], ids=["products", "logarithms"])
@pytest.mark.parametrize("snr", [0.1, 1.0, 1e3])
def test_a_beam_as_wide_as_there_are_sets_finds_the_best_of_all(snr: float, equal: bool) -> None:
    problem = broadcast(*draw(100, 6, snr, equal))
    found = grown(problem, width=20, patience=6)
    best = best_corners(*flat(problem))
    np.testing.assert_array_equal(found, best)


@pytest.mark.parametrize("db", [-100, -40, 0, 20, 60])
@pytest.mark.parametrize("users", [2, 10, 30])
@pytest.mark.parametrize("equal", [True, False], ids=["products", "logarithms"])
def test_greedy_is_the_batched_search_in_numpy(db: int, users: int, equal: bool) -> None:
    rng = np.random.default_rng(users)
    snr = 10.0 ** (db / 10) * rng.exponential(size=(150, users, users))
    weight = np.ones((150, users)) if equal else rng.uniform(0.2, 2.0, size=(150, users))
    found = make("greedy").allocate(snr, 1.0, 1.0, weight)
    np.testing.assert_array_equal(found, grow_batched(snr, weight))


@pytest.mark.interpreted
def test_patience_walks_through_small_sets_that_are_worse() -> None:
    # One strong user that silences all others, and four weaker ones that do not meet.
    gain = np.diag([100.0, 3.0, 3.1, 3.2, 3.3])
    gain[0, 1:] = gain[1:, 0] = 1e3
    problem = broadcast(gain, 1.0, 1.0)
    alone, together = np.eye(5)[0], 1.0 - np.eye(5)[0]
    np.testing.assert_array_equal(grown(problem, 8, patience=1), alone)
    np.testing.assert_array_equal(grown(problem, 8, patience=2), together)
    np.testing.assert_array_equal(grown(problem, 1, patience=9), alone)
    np.testing.assert_array_equal(grown(problem, 8, depth=3, patience=9), alone)


@pytest.mark.interpreted
def test_a_small_problem_in_watts_with_everything_that_may_be_zero() -> None:
    gain, noise, p_max, weight = draw(5, 5, 1.0)
    gain[:, 1, 1] = 0.0
    weight[:, 2] = 0.0
    p_max[:, 3] = 0.0
    for spec in ("beam", "greedy"):
        power = make(spec).allocate(gain * 1e-12, noise * 1e-12, p_max, weight)
        assert not power[:, 1:4].any()
        assert (power.max(axis=1) > 0.0).all()
    assert not make("beam").allocate(gain, noise, p_max, np.zeros(5)).any()
    assert make("beam").allocate(np.zeros((0, 0)), 1.0, 1.0).shape == (0,)


@pytest.mark.parametrize("weight", [None, np.linspace(1.0, 2.0, 100)])
def test_a_hundred_links_that_hardly_meet_are_all_on_at_any_snr(weight: Array | None) -> None:
    # Products of 1 + SINR pass 2^2300, which is no number: they must be kept in pieces.
    for snr in (1e-9, 1.0, 1e12):
        gain = np.eye(100) * snr + 1e-9 * snr
        power = make("greedy").allocate(gain * 1e-3, 1e-3, 1.0, weight)
        np.testing.assert_array_equal(power, np.ones(100))
        alone = make("beam:width=2").allocate(np.eye(100) * snr, 1.0, 0.5, weight)
        np.testing.assert_array_equal(alone, np.full(100, 0.5))


def test_interference_of_120_decibels_leaves_one_user() -> None:
    gain = 1e12 * np.random.default_rng(1).exponential(size=(50, 30, 30))
    power = grown(broadcast(gain, 1.0, 1.0), 8, patience=1)
    value = sum_rate(gain, power, 1.0)
    alone = np.log2(1.0 + np.einsum("nkk->nk", gain).max(axis=1))
    assert (value >= alone * (1 - 1e-12)).all()


def test_wider_and_polished_is_better_on_average() -> None:
    gain = 100.0 * np.random.default_rng(2).exponential(size=(300, 20, 20))
    specs = (
        "greedy",
        "beam:width=4,polish=false",
        "beam:width=16,polish=false",
        "beam:width=16",
    )
    values = [sum_rate(gain, make(spec).allocate(gain, 1.0, 1.0), 1.0) for spec in specs]
    means = [value.mean() for value in values]
    assert means == sorted(means)
    assert (values[-1] >= values[-2]).all()
    assert means[-1] > means[0] * 1.05
    wmmse = sum_rate(gain, make("wmmse").allocate(gain, 1.0, 1.0), 1.0).mean()
    assert means[-1] > wmmse * 1.08


def test_at_0_db_and_ten_users_it_comes_as_far_as_trying_all_sets() -> None:
    gain = np.random.default_rng(3).exponential(size=(500, 10, 10))
    values = [
        sum_rate(gain, make(spec).allocate(gain, 1.0, 1.0), 1.0) for spec in ("beam", "optimum")
    ]
    assert values[0].mean() > values[1].mean() * (1 - 2e-4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), users=st.integers(0, 8), width=st.integers(1, 40))
def test_whatever_the_width_no_single_user_does_better(seed: int, users: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    gain = 10.0 ** rng.uniform(-6, 6, size=(3, users, users))
    weight = rng.exponential(size=(3, users)) * (rng.random((3, users)) < 0.8)
    power = grown(broadcast(gain, 1.0, 1.0, weight), width)
    assert np.isin(power, [0.0, 1.0]).all()
    value = sum_rate(gain, power, 1.0, weight)
    alone = weight * np.log1p(np.einsum("nkk->nk", gain)) / np.log(2)
    assert (value >= alone.max(axis=1, initial=0.0) * (1 - 1e-12)).all()


@pytest.mark.parametrize("option", ["width=0", "depth=-1", "patience=-1"])
def test_options_out_of_range_are_named(option: str) -> None:
    with pytest.raises(ValueError, match=option.partition("=")[0]):
        make(f"beam:{option}")


@pytest.mark.parametrize("spec", ["greedy", "beam", "ascent:start=silent"])
@pytest.mark.parametrize("which", ["gain", "noise_power", "p_max", "weight"])
@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_value_out_of_its_range_is_named_with_its_place(
    spec: str, which: str, wrong: float
) -> None:
    names = ("gain", "noise_power", "p_max", "weight")
    problem = dict(zip(names, draw(4, 3, 1.0), strict=True))
    problem[which][2, 1] = wrong
    with pytest.raises(ValueError, match=rf"{which}\[2, 1"):
        make(spec).allocate(**problem)
