"""Promised rates: whether they can be kept, whose are where not, and powers that keep them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers.least_rates import feasible, guaranteed, promised
from slotwise.emulator.promise import least_sinr
from slotwise.emulator.radio import rate, sinr

Array = NDArray[np.float64]


def draws(users: int, samples: int, seed: int, decades: float = 3.0) -> Array:
    """Rayleigh-faded pairs whose own links are a little stronger, noise one, largest power one."""
    rng = np.random.default_rng((users, seed))
    strength = 10.0 ** rng.uniform(0.0, decades, (samples, 1, 1))
    own = 1.0 + np.eye(users) * 10.0 ** rng.uniform(0.0, 1.5, (samples, 1, 1))
    faded: Array = strength * own * rng.exponential(size=(samples, users, users))
    return faded


def by_eigenvalues(gain: Array, gamma: float, members: tuple[int, ...]) -> bool:
    """Feasibility among some users as papers state it: spectral radius, then the least powers."""
    some = gain[np.ix_(members, members)]
    own = some.diagonal()
    shares = gamma * some / own[:, None] * (1.0 - np.eye(len(members)))
    if max(abs(np.linalg.eigvals(shares)), default=0.0) >= 1.0:
        return False
    least = np.linalg.solve(np.eye(len(members)) - shares, gamma / own)
    return bool((least <= 1.0).all())


def test_the_sinr_of_a_rate_is_shannons() -> None:
    np.testing.assert_allclose(least_sinr(np.array([0.0, 1.0, 2.0])), [0.0, 1.0, 3.0])
    assert float(least_sinr(1e-12)) == pytest.approx(1e-12 * np.log(2.0))


def test_two_users_have_a_closed_form() -> None:
    gain, gamma = np.array([[2.0, 0.5], [1.0, 4.0]]), np.array([1.5, 0.8])
    a, b = gamma[0] * 0.5 / 2.0, gamma[1] * 1.0 / 4.0
    alone = gamma * 0.1 / np.array([2.0, 4.0])
    expected = np.array([alone[0] + a * alone[1], alone[1] + b * alone[0]]) / (1.0 - a * b)
    found = feasible(gain, 0.1, 1.0, gamma)
    assert found.feasible
    np.testing.assert_allclose(found.power, expected, rtol=1e-14)
    np.testing.assert_allclose(sinr(gain, found.power, 0.1), gamma, rtol=1e-14)


@pytest.mark.parametrize("users", [1, 2, 3, 5, 10])
def test_elimination_decides_as_eigenvalues_do(users: int) -> None:
    gain, gamma = draws(users, 400, 1), float(least_sinr(0.5))
    found = feasible(gain, 1.0, 1.0, gamma)
    expected = [by_eigenvalues(each, gamma, tuple(range(users))) for each in gain]
    np.testing.assert_array_equal(found.feasible, expected)
    assert 0.02 < np.mean(expected) < 1.0
    reached = sinr(gain[found.feasible], found.power[found.feasible], 1.0)
    np.testing.assert_allclose(reached, gamma, rtol=1e-10)


@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 0.0, -1e-15, -1e-9, -1e-3])
def test_near_spectral_radius_one_both_sides_are_told_apart(distance: float) -> None:
    coupling = 1.0 - distance  # squared: the determinant is 1 - rho^2
    gain = np.array([[1.0, 8.0 * coupling], [coupling / 8.0, 1.0]])
    found = feasible(gain, 1e-30, 1.0, 1.0)
    assert bool(found.feasible) == (distance > 0.0)
    if distance > 0.0:
        np.testing.assert_allclose(sinr(gain, found.power, 1e-30), 1.0, rtol=1e-15)
    else:
        assert np.isinf(found.power).all()


def test_limits_decide_where_least_powers_exist() -> None:
    gain = np.array([[1.0, 0.1], [0.1, 1.0]])
    least = feasible(gain, 1.0, 1e9, 2.0).power
    assert feasible(gain, 1.0, least, 2.0).feasible  # exactly enough
    assert not feasible(gain, 1.0, least * (1.0 - 1e-6), 2.0).feasible
    np.testing.assert_allclose(feasible(gain, 1.0, 0.5 * least, 2.0).power, least, rtol=1e-14)


def test_whoever_has_no_promise_needs_no_power() -> None:
    gain = draws(4, 1, 0)[0]
    gain[1, 1] = 0.0
    found = feasible(gain, 1.0, 1.0, np.array([0.1, 0.0, 0.1, 0.0]))
    assert found.feasible
    np.testing.assert_array_equal(found.power[[1, 3]], 0.0)
    assert feasible(gain, 1.0, 1.0, 0.0).power.tolist() == [0.0] * 4


@pytest.mark.parametrize("what", ["gain", "p_max"])
def test_whom_nothing_can_serve_loses_the_promise_and_harms_nobody_elses(what: str) -> None:
    gain, limit = np.diag([5.0, 5.0, 5.0]) + 0.01, np.ones(3)
    if what == "gain":
        gain[1, 1] = 0.0
    else:
        limit[1] = 0.0
    gamma = least_sinr(1.0)
    found = feasible(gain, 1.0, limit, gamma)
    assert not found.feasible
    assert np.isinf(found.power).all()
    kept = promised(gain, 1.0, limit, gamma)
    assert kept.gamma.tolist() == [1.0, 0.0, 1.0]
    assert not kept.kept
    power = guaranteed(gain, 1.0, limit, np.zeros(3), gamma)
    assert rate(gain, power, 1.0)[[0, 2]].min() >= 1.0


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
@pytest.mark.parametrize("users", [0, 1, 4])
def test_any_leading_axes_and_any_number_of_users(shape: tuple[int, ...], users: int) -> None:
    gain = np.ones((*shape, users, users)) + 50.0 * np.eye(users)
    found = feasible(gain, 1.0, 2.0, 1.0)
    assert found.feasible.shape == promised(gain, 1.0, 2.0, 1.0).kept.shape == shape
    assert found.power.shape == (*shape, users)
    assert found.feasible.all()
    power = guaranteed(gain, 1.0, np.full(users, 2.0), np.zeros((*shape, users)), 1.0)
    np.testing.assert_allclose(power, found.power, rtol=1e-8)


@pytest.mark.parametrize("users", [1, 2, 4, 10, 20])
def test_promises_are_kept_in_every_feasible_slot_whatever_the_powers_were(users: int) -> None:
    rng = np.random.default_rng(users)
    gain, least_rate = draws(users, 500, 2), 0.3
    wished = rng.uniform(size=(500, users)) * (rng.uniform(size=(500, users)) < 0.7)
    gamma = least_sinr(least_rate)
    power = guaranteed(gain, 1.0, 1.0, wished, gamma)
    assert (power >= 0.0).all()
    assert (power <= 1.0).all()
    kept = promised(gain, 1.0, 1.0, gamma)
    np.testing.assert_array_equal(kept.kept, feasible(gain, 1.0, 1.0, gamma).feasible)
    assert kept.kept.any()
    assert rate(gain, power, 1.0)[kept.gamma > 0.0].min() >= least_rate
    already = (sinr(gain, wished, 1.0) >= kept.gamma).all(-1)
    np.testing.assert_array_equal(power[already], wished[already])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 10**6), st.floats(0.0, 6.0), st.floats(-12.0, 12.0))
def test_promises_hold_on_any_scale(users: int, seed: int, asked: float, decade: float) -> None:
    rng = np.random.default_rng(seed)
    gain = 10.0 ** rng.uniform(-6.0, 2.0, (users, users)) * 10.0**decade
    gain[rng.uniform(size=(users, users)) < 0.2] = 0.0
    noise, limit = 10.0 ** rng.uniform(-15.0, 0.0, users), 10.0 ** rng.uniform(-6.0, 2.0, users)
    gamma = least_sinr(np.full(users, asked))
    kept = promised(gain, noise, limit, gamma)
    power = guaranteed(gain, noise, limit, limit * rng.uniform(size=users), gamma)
    reached = rate(gain, power, noise)
    assert (power <= limit).all()
    assert (reached[kept.gamma > 0.0] >= asked - 1e-9).all()
    if feasible(gain, noise, limit, gamma).feasible:
        assert kept.kept


def test_what_one_has_beyond_the_promise_is_granted_as_far_as_there_is_room() -> None:
    gain, gamma = np.array([[1.0, 0.2], [0.3, 1.0]]), 1.0
    least = feasible(gain, 0.1, 1.0, gamma).power
    wished = np.array([0.9, 0.0])
    power = guaranteed(gain, 0.1, 1.0, wished, gamma)
    assert power[0] > 2.0 * least[0]
    assert sinr(gain, power, 0.1)[1] == pytest.approx(gamma, rel=1e-8)
    assert power.max() <= 1.0
    # Between the least powers and what would be granted without limits, on one line.
    share = power[0] - 0.2 * gamma * power[1] - 0.1 * gamma
    wanted = wished[0] - 0.1 * gamma
    assert 0.0 < share <= wanted * (1.0 + 1e-8)


@pytest.mark.parametrize("users", [3, 4, 6])
def test_a_kept_set_is_feasible_and_nearly_always_a_largest_one(users: int) -> None:
    gamma = float(least_sinr(0.8))
    gain = draws(users, 150, 5)
    kept = promised(gain, 1.0, 1.0, gamma)
    assert 0.2 < (~kept.kept).mean() < 1.0
    largest = 0
    for each, sinrs in zip(gain, kept.gamma, strict=True):
        members = tuple(np.flatnonzero(sinrs).tolist())
        assert by_eigenvalues(each, gamma, members)
        others = set(range(users)) - set(members)
        assert not any(by_eigenvalues(each, gamma, tuple(sorted((*members, k)))) for k in others)
        more = itertools.combinations(range(users), len(members) + 1)
        largest += not any(by_eigenvalues(each, gamma, some) for some in more)
    assert largest >= 0.95 * len(gain)


def test_the_order_of_users_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    gain, gamma = draws(7, 60, 7), rng.uniform(0.2, 1.5, (60, 7))
    order = rng.permutation(7)
    wished = rng.uniform(size=(60, 7))
    turned = gain[:, order][:, :, order]
    np.testing.assert_array_equal(
        promised(turned, 1.0, 1.0, gamma[:, order]).gamma,
        promised(gain, 1.0, 1.0, gamma).gamma[:, order],
    )
    np.testing.assert_allclose(
        guaranteed(turned, 1.0, 1.0, wished[:, order], gamma[:, order]),
        guaranteed(gain, 1.0, 1.0, wished, gamma)[:, order],
        rtol=1e-9,
        atol=1e-12,
    )


def test_one_problem_is_answered_as_in_a_batch_and_inputs_are_left_alone() -> None:
    gain, wished = draws(6, 20, 9), np.random.default_rng(1).uniform(size=(20, 6))
    gain.flags.writeable = wished.flags.writeable = False
    whole = guaranteed(gain, 1.0, 1.0, wished, 0.5)
    for n in range(20):
        np.testing.assert_array_equal(guaranteed(gain[n], 1.0, 1.0, wished[n], 0.5), whole[n])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gamma": -0.5}, "gamma = -0.5: must be non-negative and finite"),
        ({"gamma": np.inf}, "gamma = inf"),
        ({"gain": -np.eye(2)}, "gain"),
        ({"noise_power": 0.0}, "noise_power"),
        ({"p_max": -1.0}, "p_max"),
        ({"gamma": np.ones(3)}, "shape"),
    ],
)
def test_values_out_of_range_are_named(change: dict[str, object], says: str) -> None:
    told: dict[str, object] = {"gain": np.eye(2), "noise_power": 1.0, "p_max": 1.0, "gamma": 1.0}
    for function in (feasible, promised):
        with pytest.raises(ValueError, match=says):
            function(**told | change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=says):
        guaranteed(**told | change, power=1.0)  # type: ignore[arg-type]
