"""Fractional programming against closed forms, grids, another optimiser, and its own promises."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import lambertw

from slotwise.controllers.fractional import Fractional, along, fractional
from slotwise.controllers.kernels.fractional import solve_one
from slotwise.controllers.wmmse import wmmse
from slotwise.emulator.objective import Aim, Objective
from slotwise.emulator.observation import Observation
from slotwise.emulator.radio import rate, sinr, sum_rate

Array = NDArray[np.float64]

AIMS: tuple[Aim, ...] = get_args(Aim)
EFFICIENCIES = AIMS[1:]

every_aim = pytest.mark.parametrize("aim", AIMS)
small = pytest.mark.interpreted


def draw(samples: int, users: int, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Gains, noise, power limits and weights over a few decades."""
    rng = np.random.default_rng(seed)
    gain = rng.exponential(size=(samples, users, users))
    gain *= 10.0 ** rng.uniform(0.0, 3.0, size=(samples, 1, users))
    gain *= 0.2 + 0.8 * np.eye(users)
    noise_power = rng.uniform(0.5, 2.0, size=(samples, users))
    p_max = 10.0 ** rng.uniform(-2.0, 1.0, size=(samples, users))
    return gain, noise_power, p_max, rng.uniform(0.5, 2.0, size=(samples, users))


def solved(
    problem: tuple[Array, Array, Array, Array], objective: Objective, **options: object
) -> tuple[Array, Array]:
    """Powers and what they are worth."""
    gain, noise_power, p_max, weight = problem
    power = fractional(*problem, objective=objective, **options)[0]  # type: ignore[arg-type]
    assert np.isfinite(power).all()
    assert ((power >= 0.0) & (power <= p_max)).all()
    return power, objective.value(gain, power, noise_power, weight)


@small
@pytest.mark.parametrize("aim", EFFICIENCIES)
@pytest.mark.parametrize("circuit_power_w", [0.01, 1.0, 30.0])
def test_a_link_alone_fills_up_to_the_level_of_the_closed_form(
    aim: Aim, circuit_power_w: float
) -> None:
    # With z = 1 + g p, ln(z) / (mu p + P_c) is largest where z (ln z - 1) = g P_c / mu - 1.
    gain = np.array([1e-2, 1.0, 1e2, 1e5])
    argument = (gain * circuit_power_w / 3.0 - 1.0) / math.e
    z = np.exp([1.0 + lambertw(each).real for each in argument.tolist()])
    expected = np.minimum((z - 1.0) / gain, 0.7)
    objective = Objective(aim, 3.0, circuit_power_w)
    for starts in (1, 4):
        power, _ = fractional(
            gain[:, None, None], 1.0, 0.7, objective=objective, starts=starts, tolerance=1e-15
        )
        np.testing.assert_allclose(power[:, 0], expected, rtol=1e-5)


@small
def test_a_link_alone_has_all_its_power_where_energy_does_not_count() -> None:
    power, _ = fractional(np.array([[1e-9]]), 1e-13, 0.2, objective=Objective())
    assert power == pytest.approx([0.2], rel=1e-15)


@every_aim
@pytest.mark.parametrize(("users", "steps"), [(1, 400), (2, 60), (3, 24)])
def test_next_to_nothing_on_a_fine_grid_is_better(aim: Aim, users: int, steps: int) -> None:
    objective = Objective(aim, 4.0, 1.0)
    levels = np.concatenate([[0.0], np.logspace(-5.0, 0.0, steps)])
    grid = np.stack(np.meshgrid(*[levels] * users, indexing="ij"), axis=-1).reshape(-1, users)
    problem = draw(30, users, seed=users)
    gain, noise_power, p_max, weight = problem
    _, value = solved(problem, objective, tolerance=1e-9)
    best = np.array(
        [
            objective.value(g[None], grid * p, n, w).max()
            for g, n, p, w in zip(gain, noise_power, p_max, weight, strict=True)
        ]
    )
    share = value / best
    assert share.max() < 1.0 + 0.3 / steps
    assert np.mean(share > 1.0 - 1e-7) > 0.95
    assert share.min() > 0.98


@every_aim
def test_another_optimiser_from_many_starts_finds_next_to_nothing_better(aim: Aim) -> None:
    objective = Objective(aim, 2.0, 0.5)
    problem = draw(12, 4, seed=7)
    _, value = solved(problem, objective)
    rng, share = np.random.default_rng(8), []
    for (gain, noise_power, p_max, weight), ours in zip(
        zip(*problem, strict=True), value, strict=True
    ):
        rows = [torch.from_numpy(row) for row in (gain, noise_power, weight)]

        def fall(
            x: Array, rows: list[torch.Tensor] = rows, p: Array = p_max
        ) -> tuple[float, Array]:
            fraction = torch.from_numpy(x).requires_grad_()
            worth = objective.value(rows[0], fraction * torch.from_numpy(p), rows[1], rows[2])
            (-worth).backward()  # type: ignore[no-untyped-call]
            assert fraction.grad is not None
            return -worth.item(), fraction.grad.numpy()

        ends = [
            minimize(fall, 10.0 ** rng.uniform(-3, 0, 4), jac=True, bounds=[(0.0, 1.0)] * 4).fun
            for _ in range(8)
        ]
        share.append(-ours / min(ends))
    assert min(share) > 0.98
    assert np.mean(share) > 0.998
    assert np.median(share) > 1.0 - 1e-5


@every_aim
@pytest.mark.parametrize("users", [1, 2, 9, 17])
def test_at_the_answer_no_slope_leads_up_in_the_box(aim: Aim, users: int) -> None:
    objective = Objective(aim, 4.0, 0.3)
    problem = draw(20, users, seed=3)
    gain, noise_power, p_max, weight = (torch.from_numpy(part) for part in problem)
    power, value = solved(problem, objective, tolerance=1e-14, max_iterations=20_000)
    fraction = torch.from_numpy(power / problem[2]).requires_grad_()
    total = objective.value(gain, fraction * p_max, noise_power, weight).sum()
    total.backward()  # type: ignore[no-untyped-call]
    assert fraction.grad is not None
    x, slope = fraction.detach().numpy(), fraction.grad.numpy() / value[:, None]
    # A move as far as a whole Newton step could lead, cut to the box, in the unit of the value.
    moved = np.clip(x * (1.0 + slope), 0.0, 1.0) - x
    assert np.abs(moved).max() < 1e-5
    assert (slope[x == 0.0] < 1e-5).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    users=st.integers(1, 6),
    aim=st.sampled_from(AIMS),
    decades=st.floats(0.0, 6.0),
    circuit=st.floats(1e-3, 1e2),
    mu=st.floats(1.0, 20.0),
)
def test_the_objective_never_falls_from_step_to_step(
    seed: int, users: int, aim: Aim, decades: float, circuit: float, mu: float
) -> None:
    rng = np.random.default_rng(seed)
    gain = 10.0 ** rng.uniform(-decades, decades, size=(users, users))
    weight = rng.exponential(size=users)
    p_max = 10.0 ** rng.uniform(-2, 2, size=users)
    start = p_max * 10.0 ** rng.uniform(-6, 0, size=users)
    objective = Objective(aim, mu, circuit)
    values = []
    for steps in range(25):
        power, made = fractional(
            gain,
            1.0,
            p_max,
            weight,
            objective=objective,
            start=start,
            tolerance=0.0,
            max_iterations=steps,
        )
        assert made <= steps
        values.append(objective.value(gain, power, 1.0, weight))
    assert values[0] == pytest.approx(objective.value(gain, start, 1.0, weight), rel=1e-12)
    assert all(new >= old * (1.0 - 1e-12) for old, new in itertools.pairwise(values))


@every_aim
def test_in_strong_interference_the_objective_never_falls_either(aim: Aim) -> None:
    objective = Objective(aim, 4.0, 1.0)
    gain, noise_power, p_max, weight = draw(200, 10, seed=11)
    gain = gain * (1.0 + 30.0 * (1.0 - np.eye(10)))
    last = objective.value(gain, p_max, noise_power, weight)
    for steps in range(1, 40):
        problem = gain, noise_power, p_max, weight
        _, value = solved(problem, objective, start=p_max, tolerance=0.0, max_iterations=steps)
        assert (value >= last * (1.0 - 1e-12)).all()
        last = value


@every_aim
def test_more_starts_are_never_worse(aim: Aim) -> None:
    problem = draw(100, 7, seed=2)
    values = [solved(problem, Objective(aim), starts=starts)[1] for starts in (1, 2, 3, 4)]
    for fewer, more in itertools.pairwise(values):
        assert (more >= fewer * (1.0 - 1e-11)).all()
    assert values[3].mean() > values[0].mean()


@every_aim
def test_four_starts_are_as_good_as_twenty_random_ones(aim: Aim) -> None:
    objective, problem = Objective(aim), draw(150, 8, seed=4)
    rng = np.random.default_rng(5)
    p_max = problem[2]
    random = [
        solved(problem, objective, start=p_max * 10.0 ** -rng.uniform(0, 4, p_max.shape))[1]
        for _ in range(20)
    ]
    share = solved(problem, objective)[1] / np.max(random, axis=0)
    assert share.mean() > 0.998


def test_for_the_sum_rate_it_is_no_worse_than_wmmse() -> None:
    problem = draw(200, 8, seed=6)
    _, value = solved(problem, Objective("sum-rate"))
    classic = sum_rate(problem[0], wmmse(*problem)[0], problem[1], problem[3])
    assert value.mean() > classic.mean()


@small
@every_aim
def test_powers_follow_the_units_of_watts_noise_and_weights(aim: Aim) -> None:
    gain, noise_power, p_max, weight = draw(5, 4, seed=9)
    same = Objective(aim, 4.0, 0.5)
    expected, _ = fractional(gain, noise_power, p_max, weight, objective=same)
    for scaled in (
        fractional(gain * 1e-11, noise_power * 1e-11, p_max, weight, objective=same),
        fractional(gain, noise_power, p_max, weight * 7.0, objective=same),
        fractional(gain, noise_power, p_max, weight, objective=Objective(aim, 40.0, 5.0)),
    ):
        np.testing.assert_allclose(scaled[0], expected, rtol=1e-7, atol=1e-12)
    watts = fractional(
        gain * 1e3, noise_power, p_max * 1e-3, weight, objective=Objective(aim, 4e3, 0.5)
    )
    np.testing.assert_allclose(watts[0] * 1e3, expected, rtol=1e-7, atol=1e-12)


@small
@every_aim
def test_everything_may_be_zero(aim: Aim) -> None:
    gain, noise_power, p_max, weight = draw(2, 4, seed=1)
    gain[0, 1, 1], weight[0, 2], p_max[0, 3] = 0.0, 0.0, 0.0
    for circuit in (0.0, 1.0):
        objective = Objective(aim, 4.0, circuit)
        power, value = solved((gain, noise_power, p_max, weight), objective)
        assert not power[0, 1:].any()
        assert (value > 0.0).all()
        for nothing in (
            (np.zeros_like(gain), noise_power, p_max, weight),
            (gain, noise_power, np.zeros_like(p_max), weight),
            (gain, noise_power, p_max, np.zeros_like(weight)),
        ):
            assert not solved(nothing, objective)[0].any()
        assert not solved((gain, noise_power, p_max, weight), objective, start=0.0)[1].min() < 0.0


@pytest.mark.parametrize("aim", EFFICIENCIES)
def test_without_circuit_power_less_is_more_down_to_a_power_that_still_counts(aim: Aim) -> None:
    # Bits per joule then rise all the way to no power at all, where there are none.
    gain, noise_power, p_max, _ = draw(20, 1, seed=12)
    power, value = solved((gain, noise_power, p_max, np.ones((20, 1))), Objective(aim, 4.0, 0.0))
    assert (power > 0.0).all()
    limit = gain[:, 0, 0] / noise_power[:, 0] / math.log(2.0) / 4.0
    np.testing.assert_allclose(value, limit, rtol=1e-5)


@every_aim
def test_a_silent_user_can_return(aim: Aim) -> None:
    gain = np.diag([50.0, 40.0]) + 0.01
    power, _ = fractional(gain, 1.0, 1.0, objective=Objective(aim), start=np.array([1.0, 0.0]))
    assert (power > 0.1).all()


@pytest.mark.parametrize("aim", AIMS)
def test_a_larger_box_is_never_worse_along_rising_limits(aim: Aim) -> None:
    objective, levels = Objective(aim), np.logspace(-4, 2, 9)
    gain, noise_power, _, weight = draw(25, 6, seed=13)
    powers = along(gain, noise_power, levels, weight, objective=objective, starts=1)
    assert powers.shape == (9, 25, 6)
    assert (powers <= levels[:, None, None]).all()
    values = objective.value(gain, powers, noise_power, weight)
    assert (np.diff(values, axis=0) >= -1e-13 * values[1:]).all()
    each = along(
        gain, noise_power, np.outer(levels, np.ones(6)), weight, objective=objective, starts=1
    )
    np.testing.assert_array_equal(each, powers)
    with pytest.raises(ValueError, match="never fall"):
        along(gain, noise_power, levels[::-1], weight)


def test_levels_take_noise_and_weights_with_leading_axes() -> None:
    gain, noise_power, _, weight = draw(3, 4, seed=15)
    levels = np.array([0.1, 1.0])
    found = along(gain[0], noise_power, levels, weight[:, None], starts=1)
    assert found.shape == (2, 3, 3, 4)
    one = along(gain[0], noise_power[2], levels, weight[1], starts=1)
    np.testing.assert_array_equal(found[:, 1, 2], one)
    with pytest.raises(ValueError, match="noise_power has shape"):
        along(gain, np.ones(3), levels)
    with pytest.raises(ValueError, match="p_max has shape"):
        along(gain, 1.0, np.ones((2, 3)))


def test_a_climb_stays_with_the_set_that_it_starts_from() -> None:
    """A whisper of the weak link drowns the strong one, and silencing the strong one then pays."""
    gain = np.array([[1259.0, 2.87e9], [3.8e-4, 0.79]])
    for starts in (1, 4):
        power, _ = fractional(gain, 1.0, 1.0, objective=Objective("sum-rate"), starts=starts)
        np.testing.assert_array_equal(power, [1.0, 0.0])


@pytest.mark.parametrize(("users", "spread_db"), [(2, 40.0), (4, 30.0), (8, 20.0)])
@every_aim
def test_nothing_on_or_off_is_better_however_strong_the_interference(
    aim: Aim, users: int, spread_db: float
) -> None:
    rng, objective = np.random.default_rng((users, 21)), Objective(aim)
    gain = 10.0 ** ((60.0 + spread_db * rng.standard_normal((60, users, users))) / 10.0)
    on = np.array(list(itertools.product((0.0, 1.0), repeat=users)))[:, None]
    corner = objective.value(gain, on, 1.0).max(axis=0)
    value = objective.value(gain, fractional(gain, 1.0, 1.0, objective=objective)[0], 1.0)
    assert (value >= 0.97 * corner).all()


def capped(samples: int, users: int, scale: float) -> Array:
    """Gaussian links, so near that a cap on the SINR matters."""
    rng = np.random.default_rng((users, 22))
    return scale * rng.exponential(size=(samples, users, users))


@every_aim
@pytest.mark.parametrize("cap", [0.3, 1.0, 10.0])
def test_what_a_cap_does_not_count_is_not_paid_for(aim: Aim, cap: float) -> None:
    gain = capped(40, 3, 10.0)
    objective = Objective(aim, sinr_cap=cap)
    power, steps = fractional(gain, 1.0, 1.0, objective=objective)
    assert steps.min() > 0
    signal = sinr(gain, power, 1.0)
    assert signal.max() <= cap * (1.0 + 1e-9)
    value = objective.value(gain, power, 1.0)
    plain = fractional(gain, 1.0, 1.0, objective=Objective(aim))[0]
    assert (value >= objective.value(gain, plain, 1.0) * (1.0 - 1e-12)).all()
    less = objective.value(gain, np.geomspace(0.1, 1.0, 10)[:, None, None] * power, 1.0)
    assert (less <= 1.01 * value).all()


@every_aim
@pytest.mark.parametrize(("users", "points"), [(1, 1001), (2, 101), (3, 25)])
def test_little_is_lost_to_a_grid_where_sinr_is_capped(aim: Aim, users: int, points: int) -> None:
    gain, objective = capped(40, users, 10.0), Objective(aim, sinr_cap=10.0)
    axis = np.concatenate([[0.0], np.geomspace(1e-3, 1.0, points - 1)])
    grid = np.array(list(itertools.product(axis, repeat=users)))[:, None]
    best = objective.value(gain, grid, 1.0).max(axis=0)
    value = objective.value(gain, fractional(gain, 1.0, 1.0, objective=objective)[0], 1.0)
    assert value.mean() > (0.93 if aim == "sum-rate" else 0.99) * best.mean()
    if users == 1:
        assert (value >= best * (1.0 - 1e-9)).all()


def test_a_cap_that_nobody_reaches_changes_nothing() -> None:
    problem = draw(20, 5, seed=23)
    free, far = Objective("energy-efficiency"), Objective("energy-efficiency", sinr_cap=1e12)
    np.testing.assert_allclose(solved(problem, free)[1], solved(problem, far)[1], rtol=1e-11)
    for shape in ((0, 3, 3), (2, 0, 0)):
        assert fractional(np.ones(shape), 1.0, 1.0, objective=far)[0].shape == shape[:-1]


def test_a_promise_beyond_the_cap_binds_nobody() -> None:
    gain = draw(10, 3, seed=24)[0]
    built, free = controller(), controller()
    built.serve(Objective("energy-efficiency", min_rate=2.0, sinr_cap=1.0))
    free.serve(Objective("energy-efficiency", sinr_cap=1.0))
    np.testing.assert_array_equal(built.allocate(gain, 1.0, 1.0), free.allocate(gain, 1.0, 1.0))
    built.serve(Objective("energy-efficiency", min_rate=0.1, sinr_cap=1.0))
    easy = gain[:, :, :] * (0.01 + 0.99 * np.eye(3))
    reached = rate(easy, built.allocate(easy, 1.0, 10.0), 1.0)
    assert (reached >= 0.1 * (1.0 - 1e-6)).all()
    assert (reached <= 1.0 + 1e-9).all()


def test_read_only_arrays_compile_nothing_anew() -> None:
    gain, noise_power, p_max, weight = (values[0] for values in draw(1, 4, seed=25))
    built = controller()
    expected = built.allocate(gain, noise_power, p_max, weight)
    kinds = len(getattr(solve_one, "signatures", ()))
    for fixed in (gain, noise_power, p_max, weight):
        fixed.flags.writeable = False
    np.testing.assert_array_equal(built.allocate(gain, noise_power, p_max, weight), expected)
    assert len(getattr(solve_one, "signatures", ())) == kinds


def test_a_start_of_ones_own_counts_besides_the_others() -> None:
    problem = draw(40, 8, seed=14)
    objective = Objective("energy-efficiency")
    optimal, best = solved(problem, objective, tolerance=1e-12)
    _, both = solved(problem, objective, start=optimal, starts=1)
    assert (both >= best * (1.0 - 1e-11)).all()
    _, made = fractional(*problem, objective=objective, start=optimal)
    assert made.max() <= 2
    assert (made < fractional(*problem, objective=objective, start=problem[2])[1]).any()


def controller(scenario_aim: Aim = "energy-efficiency", **options: object) -> Fractional:
    built = Fractional(**options)  # type: ignore[arg-type]
    built.reset(None, 0)
    built.serve(Objective(scenario_aim))
    return built


def test_one_network_at_a_time_is_decided_as_in_a_batch() -> None:
    problem = draw(50, 10, seed=15)
    for options in ({}, {"starts": 1}, {"objective": "sum-rate"}):
        built = controller(**options)
        batch = built.allocate(*problem)
        single = [built.allocate(*each) for each in zip(*problem, strict=True)]
        np.testing.assert_allclose(single, batch, rtol=0, atol=1e-12)
    gain, noise_power, p_max, _ = problem
    plain = controller().allocate(gain[0], noise_power[0], p_max[0])
    np.testing.assert_array_equal(
        plain, controller().allocate(gain[:1], noise_power[:1], p_max[:1])[0]
    )


def test_the_option_names_an_aim_and_the_network_the_cost_of_a_watt() -> None:
    problem = draw(1, 5, seed=16)
    built = controller("sum-rate", objective="weighted-energy-efficiency")
    built.serve(Objective("sum-rate", 9.0, 0.1))
    expected = fractional(*problem, objective=Objective("weighted-energy-efficiency", 9.0, 0.1))[0]
    np.testing.assert_array_equal(built.allocate(*problem), expected)
    theirs = controller("sum-rate").allocate(*problem)
    np.testing.assert_array_equal(theirs, fractional(*problem, objective=Objective())[0])
    assert not np.allclose(theirs, expected)


def test_a_warm_start_remembers_powers_by_user_until_the_reset(
    observe: Callable[..., Observation],
) -> None:
    gain = draw(1, 4, seed=17)[0][0]
    objective = Objective("energy-efficiency")
    warm = controller(starts=1, warm_start=True)
    first = warm.decide(observe(gain, [3, 1, 4, 5]))
    order = [2, 0, 3, 1]
    again = warm.decide(observe(gain[np.ix_(order, order)], [4, 3, 5, 1]))
    value = objective.value(gain, first, 1.0)
    assert objective.value(gain[np.ix_(order, order)], again, 1.0) >= value * (1.0 - 1e-14)
    np.testing.assert_allclose(again, first[order], rtol=1e-2, atol=1e-6)
    warm.decide(observe(gain[1:, 1:], [7, 8, 9]))
    warm.reset(None, 0)
    np.testing.assert_array_equal(warm.decide(observe(gain, [3, 1, 4, 5])), first)


def test_a_warm_start_takes_fewer_steps_and_loses_nothing_when_little_changes() -> None:
    gain, noise_power, p_max, weight = problem = draw(40, 8, seed=18)
    objective = Objective("energy-efficiency")
    before, _ = fractional(*problem, objective=objective)
    changed = gain * np.random.default_rng(19).uniform(0.97, 1.03, gain.shape), *problem[1:]
    power, warm = fractional(*changed, objective=objective, start=before)
    assert warm.mean() < 0.7 * fractional(*changed, objective=objective, start=p_max)[1].mean()
    value = objective.value(changed[0], power, noise_power, weight)
    assert value.mean() > 0.99 * solved(changed, objective)[1].mean()


def test_promised_rates_are_kept() -> None:
    gain, noise_power, p_max, weight = draw(30, 3, seed=20)
    gain = gain * (0.02 + 0.98 * np.eye(3))
    built = controller()
    built.serve(Objective("energy-efficiency", min_rate=0.5))
    power = built.allocate(gain, noise_power, np.full_like(p_max, 10.0), weight)
    assert (rate(gain, power, noise_power) >= 0.5 - 1e-6).all()
    assert not (
        rate(gain, controller().allocate(gain, noise_power, 10.0), noise_power) >= 0.5
    ).all()


def test_options_are_checked() -> None:
    for options, message in (
        ({"starts": 0}, "starts = 0: must be between 1 and 4"),
        ({"starts": 5}, "starts = 5"),
        ({"tolerance": -1.0}, "tolerance"),
        ({"tolerance": math.inf}, "tolerance"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"objective": "bits"}, "objective = bits"),
    ):
        with pytest.raises(ValueError, match=message):
            Fractional(**options)
    with pytest.raises(ValueError, match="starts"):
        fractional(np.eye(2), 1.0, 1.0, starts=0)
    with pytest.raises(ValueError, match="gain"):
        fractional(-np.eye(2), 1.0, 1.0)
    with pytest.raises(ValueError, match="noise_power"):
        controller().allocate(np.eye(2), np.zeros(2), np.ones(2))
