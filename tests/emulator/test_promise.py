"""Promised rates: the least powers that keep them, and what a life says of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.emulator.clock import Emulator
from slotwise.emulator.objective import Objective
from slotwise.emulator.promise import (
    beyond_reach,
    is_short,
    least_powers,
    least_sinr,
    promised_sinr,
    trimmed,
)
from slotwise.emulator.radio import sinr
from slotwise.emulator.scenario import load

Array = NDArray[np.float64]


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), users=st.integers(1, 8), level=st.floats(0.01, 30.0))
def test_there_are_least_powers_exactly_where_the_spectral_radius_is_below_one(
    seed: int, users: int, level: float
) -> None:
    rng = np.random.default_rng(seed)
    gain = rng.exponential(size=(users, users)) * rng.choice([0.1, 1.0], size=(users, users))
    noise, target = rng.uniform(0.5, 2.0, users), level * rng.uniform(0.5, 1.0, users)
    relative = target[:, None] * gain / np.diagonal(gain)[:, None]
    np.fill_diagonal(relative, 0.0)
    radius = np.abs(np.linalg.eigvals(relative)).max()
    power = least_powers(gain, noise, target)
    if abs(radius - 1.0) > 1e-9:
        assert np.isfinite(power).all() == (radius < 1.0)
    if radius < 1.0 - 1e-9:
        np.testing.assert_allclose(sinr(gain, power, noise), target, rtol=1e-6)


def test_two_links_need_what_cramers_rule_says() -> None:
    gain = np.array([[2.0, 0.5], [0.25, 1.0]])
    a, b = 0.8 * 0.5 / 2.0, 0.8 * 0.25 / 1.0
    first, second = 0.8 * 1.0 / 2.0, 0.8 * 3.0 / 1.0
    expected = np.array([first + a * second, second + b * first]) / (1.0 - a * b)
    found = least_powers(gain, np.array([1.0, 3.0]), np.full(2, 0.8))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_who_is_asked_for_nothing_is_silent_and_who_hears_nothing_of_its_own_is_hopeless() -> None:
    gain = np.array([[[1.0, 5.0], [5.0, 0.0]]] * 2)
    found = least_powers(gain, 1.0, np.array([[0.5, 0.0], [0.5, 0.5]]))
    np.testing.assert_array_equal(found, [[0.5, 0.0], [np.inf, np.inf]])


def test_an_equation_without_a_solution_has_no_powers() -> None:
    assert np.isinf(least_powers(np.ones((2, 2)), 1.0, np.ones(2))).all()


def lived(scenario: list[str], least: bool) -> dict[str, Array]:
    """Columns of the slots of a life under the least powers, or under full power."""
    emulator = Emulator(load("gaussian-ic", scenario), seed=5, slots=300, record=True)
    while (report := emulator.advance()) is not None:
        seen = report.observation()
        power = seen.p_max
        if least:
            found = least_powers(seen.gain, seen.noise_power, np.full(power.size, 2**0.5 - 1.0))
            power = found if (found <= seen.p_max).all() else 0.0 * seen.p_max
        emulator.grant(power)
    return {name: np.asarray(v) for name, v in emulator.journal.traces[0].table("slots").items()}


def test_a_life_says_when_promises_could_not_be_kept_and_when_they_were_not() -> None:
    network = ["population.initial_users=3", "radio.noise_dbm=5", "radio.min_rate=0.5"]
    slots = lived(network, least=True)
    infeasible = slots["infeasible"]
    assert 0.05 < infeasible.mean() < 0.95
    np.testing.assert_array_equal(slots["short"], np.where(infeasible, 3, 0))
    shouting = lived(network, least=False)
    np.testing.assert_array_equal(shouting["infeasible"], infeasible)
    assert (shouting["short"][infeasible] > 0).all()
    assert shouting["short"].sum() > 0


@pytest.mark.parametrize("least", [True, False])
def test_nothing_is_said_where_nothing_is_promised(least: bool) -> None:
    slots = lived(["population.initial_users=3"], least)
    assert not slots["infeasible"].any()
    assert not slots["short"].any()


def test_nobody_can_keep_a_promise_beyond_the_cap() -> None:
    gain, target = np.eye(2), np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.2], [0.1, 0.1]])
    expected = [False, False, True, False]
    np.testing.assert_array_equal(beyond_reach(gain, 1.0, 1.0, target, 0.1), expected)
    assert not beyond_reach(gain, 1.0, 1.0, target).any()
    assert promised_sinr(Objective(min_rate=1.0)) == pytest.approx(1.0)
    assert promised_sinr(Objective(min_rate=1.0, sinr_cap=1.0)) == pytest.approx(1.0)
    assert promised_sinr(Objective(min_rate=1.0, sinr_cap=0.99)) == 0.0
    assert promised_sinr(Objective(sinr_cap=0.99)) == 0.0
    slots = lived(["radio.sinr_cap_db=-10", "radio.min_rate=0.2"], least=False)
    assert slots["infeasible"].all()
    assert (slots["short"] == slots["active"]).all()


def test_a_rate_is_short_by_more_than_rounding() -> None:
    rates = np.array([0.5, 0.5 * (1 - 0.9e-6), 0.5 * (1 - 1.1e-6), 0.0])
    np.testing.assert_array_equal(is_short(rates, 0.5), [False, False, True, True])
    assert not is_short(rates, 0.0).any()
    np.testing.assert_allclose(least_sinr(np.array([1e-20, 1.0])), [1e-20 * np.log(2), 1.0])


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), users=st.integers(1, 6), cap=st.floats(0.1, 10.0))
def test_trimmed_powers_keep_what_counts_and_are_the_least_that_do(
    seed: int, users: int, cap: float
) -> None:
    rng = np.random.default_rng(seed)
    gain = rng.exponential(size=(4, users, users)) * 10.0 ** rng.uniform(-1, 3, (4, 1, users))
    power = rng.random((4, users)) * rng.integers(0, 2, (4, users))
    less = trimmed(gain, 1.0, power, cap)
    assert (less <= power).all()
    before, after = (np.minimum(sinr(gain, p, 1.0), cap) for p in (power, less))
    np.testing.assert_allclose(after, before, rtol=1e-7)
    over = (sinr(gain, power, 1.0) > cap).any(axis=1)
    assert (sinr(gain, less, 1.0) <= cap * (1.0 + 1e-7))[over].all()
    np.testing.assert_array_equal(less[~over], power[~over])
