"""The best powers among those that keep promises, against grids, another optimiser, and bounds."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, minimize

from slotwise.controllers.fractional import Fractional, fractional
from slotwise.controllers.least_rates import feasible, guaranteed, promised
from slotwise.controllers.promised import constrained
from slotwise.emulator.objective import Aim, Objective
from slotwise.emulator.promise import beyond_reach, least_sinr
from slotwise.emulator.radio import rate

Array = NDArray[np.float64]

AIMS: tuple[Aim, ...] = get_args(Aim)
P_MAX = 2.0


def draws(users: int, samples: int, seed: int) -> Array:
    """Rayleigh-faded pairs whose own links are stronger, noise one."""
    rng = np.random.default_rng((users, seed))
    strength = 10.0 ** rng.uniform(0.0, 2.5, (samples, 1, 1))
    own = 1.0 + np.eye(users) * 10.0 ** rng.uniform(0.5, 1.5, (samples, 1, 1))
    faded: Array = strength * own * rng.exponential(size=(samples, users, users))
    return faded


def keepable(users: int, samples: int, seed: int, min_rate: float) -> Array:
    """Draws in which everyone's promise can be kept."""
    gain = draws(users, 20 * samples, seed)
    some = gain[feasible(gain, 1.0, P_MAX, least_sinr(min_rate)).feasible][:samples]
    assert len(some) == samples
    return some


def best_on_a_grid(gain: Array, objective: Objective) -> float:
    """Largest value of powers on a grid, refined five times around the best, that keep promises."""
    users = len(gain)
    low, high = np.zeros(users), np.full(users, P_MAX)
    points, best = 41 if users == 3 else 161, 0.0
    for _ in range(6):
        axes = [np.linspace(low[k], high[k], points) for k in range(users)]
        power = np.array(np.meshgrid(*axes, indexing="ij")).reshape(users, -1).T
        kept = (rate(gain, power, 1.0) >= objective.min_rate).all(axis=-1)
        if not kept.any():
            return best
        value = np.where(kept, objective.value(gain, power, 1.0), -1.0)
        centre, best = power[value.argmax()], max(best, float(value.max()))
        half = 2.5 * (high - low) / (points - 1)
        low, high = np.clip(centre - half, 0.0, P_MAX), np.clip(centre + half, 0.0, P_MAX)
    return best


def best_of_slsqp(gain: Array, objective: Objective, starts: Array) -> float:
    """Largest value that SLSQP reaches from feasible starts."""
    gamma, own = float(least_sinr(objective.min_rate)), gain.diagonal()
    matrix = np.eye(len(gain)) - gamma * gain / own[:, None] * (1.0 - np.eye(len(gain)))
    best = 0.0

    def loss(x: Array) -> float:
        return -float(objective.value(gain, np.clip(x, 0.0, P_MAX), 1.0))

    for start in starts:
        found = minimize(
            loss,
            start,
            method="SLSQP",
            bounds=Bounds(0.0, P_MAX),
            constraints=LinearConstraint(matrix, gamma / own, np.inf),
            options={"maxiter": 200, "ftol": 1e-12},
        )
        power = guaranteed(gain, 1.0, P_MAX, np.clip(found.x, 0.0, P_MAX), gamma)
        best = max(best, float(objective.value(gain, power, 1.0)))
    return best


@pytest.mark.parametrize("aim", AIMS)
@pytest.mark.parametrize(("users", "samples"), [(2, 10), (3, 6)])
def test_no_powers_on_a_grid_that_keep_promises_are_better(
    aim: Aim, users: int, samples: int
) -> None:
    objective = Objective(aim, min_rate=1.0)
    gain = keepable(users, samples, 1, objective.min_rate)
    power = constrained(gain, 1.0, P_MAX, None, objective, least_sinr(objective.min_rate))
    value = objective.value(gain, power, 1.0)
    grid = np.array([best_on_a_grid(each, objective) for each in gain])
    assert (value >= grid * (1.0 - 2e-3)).all()


@pytest.mark.parametrize("aim", AIMS)
@pytest.mark.parametrize("users", [2, 3])
def test_another_optimiser_from_many_starts_finds_nothing_better(aim: Aim, users: int) -> None:
    objective = Objective(aim, min_rate=0.7)
    gamma = least_sinr(objective.min_rate)
    gain = keepable(users, 12, 2, objective.min_rate)
    value = objective.value(gain, constrained(gain, 1.0, P_MAX, None, objective, gamma), 1.0)
    rng = np.random.default_rng(3)
    for each, reached in zip(gain, value, strict=True):
        tried = P_MAX * 10.0 ** rng.uniform(-3.0, 0.0, (8, users))
        starts = guaranteed(np.broadcast_to(each, (8, users, users)), 1.0, P_MAX, tried, gamma)
        assert reached >= best_of_slsqp(each, objective, starts) * (1.0 - 1e-3)


@pytest.mark.parametrize("aim", AIMS)
def test_it_is_never_worse_than_powers_changed_to_keep_promises(aim: Aim) -> None:
    objective = Objective(aim, min_rate=0.5)
    gamma, gain = least_sinr(objective.min_rate), draws(6, 60, 4)
    start = fractional(gain, 1.0, P_MAX, objective=objective)[0]
    held = guaranteed(gain, 1.0, P_MAX, start, gamma)
    found = constrained(gain, 1.0, P_MAX, None, objective, gamma, start)
    assert (
        objective.value(gain, found, 1.0) >= objective.value(gain, held, 1.0) * (1.0 - 1e-12)
    ).all()


@settings(max_examples=60, deadline=None)
@given(
    users=st.integers(0, 6),
    seed=st.integers(0, 999),
    min_rate=st.floats(0.01, 3.0),
    aim=st.sampled_from(AIMS),
    decade=st.floats(-6.0, 6.0),
)
def test_promises_that_can_be_kept_are(
    users: int, seed: int, min_rate: float, aim: Aim, decade: float
) -> None:
    gain, noise_power = draws(users, 5, seed), 10.0**decade
    if users:
        gain[gain < np.quantile(gain, 0.05)] = 0.0
    objective, gamma = Objective(aim, min_rate=min_rate), least_sinr(min_rate)
    power = constrained(gain * noise_power, noise_power, P_MAX, None, objective, gamma)
    kept = promised(gain, 1.0, P_MAX, gamma).gamma > 0.0
    assert ((power >= 0.0) & (power <= P_MAX)).all()
    assert (rate(gain, power, 1.0)[kept] >= min_rate * (1.0 - 1e-6)).all()


def test_where_not_all_can_be_served_the_rest_is_best_for_those_who_are() -> None:
    objective = Objective("sum-rate", min_rate=1.0)
    gain = np.array([[4.0, 4.0, 0.01], [4.0, 4.0, 0.01], [0.01, 0.01, 9.0]])
    asked = promised(gain, 1.0, P_MAX, least_sinr(1.0)).gamma
    assert (asked > 0.0).sum() == 2
    power = constrained(gain, 1.0, P_MAX, None, objective, least_sinr(1.0))
    again = constrained(gain, 1.0, P_MAX, None, objective, asked)
    np.testing.assert_array_equal(power, again)
    np.testing.assert_array_equal(power == 0.0, asked == 0.0)


def test_without_a_promise_it_is_the_objective_alone() -> None:
    gain = draws(4, 40, 5)
    for aim in AIMS:
        objective = Objective(aim)
        start = fractional(gain, 1.0, P_MAX, objective=objective)[0]
        found = constrained(gain, 1.0, P_MAX, None, objective, 0.0, start)
        before, after = (objective.value(gain, power, 1.0) for power in (start, found))
        assert (after >= before * (1.0 - 1e-12)).all()
        assert after.mean() == pytest.approx(before.mean(), rel=0.02)


def test_one_problem_is_answered_as_in_a_batch_and_users_keep_their_powers_in_any_order() -> None:
    objective, gain = Objective("energy-efficiency", min_rate=0.5), keepable(4, 10, 6, 0.5)
    gamma, before = least_sinr(0.5), gain.copy()
    gain.setflags(write=False)
    power = constrained(gain, 1.0, P_MAX, np.ones(4), objective, gamma)
    for each, alone in zip(gain, power, strict=True):
        np.testing.assert_array_equal(
            constrained(each, 1.0, P_MAX, np.ones(4), objective, gamma), alone
        )
    order = np.array([2, 0, 3, 1])
    turned = constrained(gain[:, order][:, :, order], 1.0, P_MAX, None, objective, gamma)
    again = objective.value(gain, turned[:, order.argsort()], 1.0)
    np.testing.assert_allclose(again, objective.value(gain, power, 1.0), rtol=1e-6)
    np.testing.assert_array_equal(gain, before)


@pytest.mark.parametrize("aim", AIMS)
def test_whoever_is_worth_nothing_and_has_no_promise_is_silent(aim: Aim) -> None:
    gain = np.array([[3.0, 1.0, 0.2], [0.5, 0.0, 1.0], [0.1, 0.2, 4.0]])
    weight, gamma = np.array([1.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0])
    power = constrained(gain, 1.0, P_MAX, weight, Objective(aim), gamma)
    assert power[0] > 0.0
    np.testing.assert_array_equal(power[1:], 0.0)
    np.testing.assert_array_equal(constrained(gain, 1.0, P_MAX, 0.0, Objective(aim), 0.0), 0.0)


def test_values_out_of_range_are_named() -> None:
    for gamma in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="gamma"):
            constrained(np.eye(2), 1.0, 1.0, None, Objective(), gamma)
    with pytest.raises(ValueError, match="noise_power"):
        constrained(np.eye(2), 0.0, 1.0, None, Objective(), 1.0)


@pytest.mark.parametrize("aim", AIMS)
def test_fractional_keeps_promises_and_leaves_alone_what_keeps_them_already(aim: Aim) -> None:
    objective = Objective(aim, min_rate=0.5)
    gain, gamma = draws(5, 80, 7), least_sinr(0.5)
    controller = Fractional()
    controller.serve(objective._replace(min_rate=0.0))
    free = controller.allocate(gain, 1.0, P_MAX)
    controller.serve(objective)
    power = controller.allocate(gain, 1.0, P_MAX)
    held = guaranteed(gain, 1.0, P_MAX, free, gamma)
    possible = feasible(gain, 1.0, P_MAX, gamma).feasible
    assert (rate(gain, power, 1.0)[possible] >= 0.5 - 1e-6).all()
    value, least = (objective.value(gain, each, 1.0) for each in (power, held))
    assert (value >= least * (1.0 - 1e-12)).all()
    assert value.sum() > 1.001 * least.sum()
    already = (held == free).all(axis=-1)
    np.testing.assert_array_equal(power[already], free[already])


def test_recordings_are_judged_as_decisions_are_made() -> None:
    for users, min_rate in itertools.product((1, 2, 4, 8), (0.2, 0.8)):
        gain, gamma = draws(users, 300, 8), float(least_sinr(min_rate))
        ours = feasible(gain, 1.0, P_MAX, gamma).feasible
        assert ours.sum() > 0
        judged = beyond_reach(gain, 1.0, P_MAX, np.full(gain.shape[:-1], gamma))
        np.testing.assert_array_equal(~judged, ours)
