"""Ascent over levels: it never descends, ends where no level helps, and knows the cap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.ascent import Ascent
from slotwise.controllers.base import broadcast, full_power_snr
from slotwise.controllers.kernels.ascent import improve, state_for
from slotwise.controllers.kernels.candidates import groups_of_factors, others_for
from slotwise.controllers.kernels.links import hear, load, rate_of, room_for
from slotwise.emulator.radio import from_db, sum_rate
from slotwise.emulator.scenario import InputError
from slotwise.emulator.scenario import load as load_scenario

Array = NDArray[np.float64]
Problem = tuple[Array, Array, Array, Array]


def draw(samples: int, users: int, snr: float, equal: bool = False, seed: int = 0) -> Problem:
    rng = np.random.default_rng([users, samples, seed])
    noise, p_max, weight = rng.uniform(0.3, 2.0, size=(3, samples, users))
    gain = snr * rng.exponential(size=(samples, users, users))
    return gain, noise, p_max, np.full_like(weight, 0.7) if equal else weight


def levels(count: int, floor_db: float) -> Array:
    return np.array([0.0, *from_db(np.linspace(floor_db, 0.0, count))])


def spelled(cap_db: float) -> str:
    """A cap as the option has it."""
    return "none" if cap_db == math.inf else repr(cap_db)


def ascend_by_the_book(snr: Array, weight: Array, level: Array, cap: float, sweeps: int) -> Array:
    """From silence, by falling direct gain, every level valued from nothing."""
    power = np.zeros(len(weight))
    for _ in range(sweeps):
        moved = False
        for k in np.argsort(-np.diag(snr)):
            trial = np.repeat(power[None], len(level), axis=0)
            trial[:, k] = level
            value = sum_rate(snr, trial, 1.0, weight, cap)
            best = int((value >= value.max() * (1 - 1e-12)).argmax())  # of equals the lowest
            if value[best] > sum_rate(snr, power, 1.0, weight, cap) * (1 + 1e-9):
                power, moved = trial[best], True
        if not moved:
            break
    return power


@pytest.mark.interpreted
@pytest.mark.parametrize("equal", [True, False], ids=["products", "logarithms"])
@pytest.mark.parametrize("cap_db", [5.0, math.inf])
@pytest.mark.parametrize("snr", [1.0, 100.0])
def test_small_ascents_follow_the_book(snr: float, cap_db: float, equal: bool) -> None:
    controller = Ascent("silent", levels=4, floor_db=-9.0, sweeps=3, cap=spelled(cap_db))
    for users in (1, 2, 5):
        problem = draw(5, users, snr, equal)
        scaled = full_power_snr(broadcast(*problem))
        expected = [
            ascend_by_the_book(one, weight, levels(4, -9.0), from_db(cap_db), 3)
            for one, weight in zip(scaled, problem[3], strict=True)
        ]
        found = controller.allocate(*problem) / problem[2]
        np.testing.assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize("equal", [True, False], ids=["products", "logarithms"])
@pytest.mark.parametrize("cap", [3.0, 100.0, math.inf])
@pytest.mark.parametrize("db", [0, 20, 120])
def test_every_move_raises_the_true_objective(db: int, cap: float, equal: bool) -> None:
    level = levels(10, -27.0)
    moves = 0
    for users, seed in ((2, 1), (10, 2), (40, 3)):
        gain, noise, p_max, weight = (a[0] for a in draw(1, users, 10.0 ** (db / 10), equal, seed))
        links, state = room_for(users), state_for(users, level)
        others = others_for(users, state.level.size)
        count = load(gain, noise, p_max, weight, links)
        state.fraction[:count] = np.random.default_rng(seed).random(count)
        hear(links, count, state.fraction, state.interference)
        groups = groups_of_factors(links, count)
        assert (groups > 0) == equal

        def true() -> float:
            power = state.fraction[:users] * p_max  # noqa: B023 - called within the iteration
            return float(sum_rate(gain, power, noise, weight, cap))  # noqa: B023

        value = rate_of(links, count, state.fraction, state.interference, cap)
        last = true()
        assert value == pytest.approx(last, rel=1e-12)
        for k in [*range(users), *range(users)]:
            before = state.fraction.copy()
            reached = improve(links, count, k, cap, groups, value, state, others)
            if reached == value:
                np.testing.assert_array_equal(state.fraction[:users], before[:users])
                continue
            assert true() > last
            assert reached == pytest.approx(true(), rel=1e-10)
            value, last = reached, true()
            moves += 1
    assert moves > 40


@pytest.mark.parametrize("equal", [True, False], ids=["products", "logarithms"])
@pytest.mark.parametrize("cap", [10.0, math.inf])
def test_at_the_end_no_level_of_any_single_user_is_better(cap: float, equal: bool) -> None:
    problem = draw(20, 8, 30.0, equal)
    controller = Ascent(sweeps=100, cap=spelled(10 * math.log10(cap)))
    power = controller.allocate(*problem)
    gain, noise, p_max, weight = problem
    reached = sum_rate(gain, power, noise, weight, cap)
    for k in range(8):
        for fraction in levels(10, -27.0):
            trial = power.copy()
            trial[:, k] = fraction * p_max[:, k]
            assert (sum_rate(gain, trial, noise, weight, cap) <= reached * (1 + 2e-9)).all()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    users=st.integers(0, 8),
    cap_db=st.one_of(st.floats(-10, 60), st.just(math.inf)),
    start=st.sampled_from(["wmmse", "max", "greedy", "random", "beam"]),
)
def test_nobody_starts_in_vain(seed: int, users: int, cap_db: float, start: str) -> None:
    rng = np.random.default_rng(seed)
    gain = 10.0 ** rng.uniform(-8, 12, size=(3, users, users))
    weight = rng.exponential(size=(3, users)) * (rng.random((3, users)) < 0.8)
    p_max = rng.exponential(size=(3, users)) * (rng.random((3, users)) < 0.9)
    cap = float(from_db(cap_db))
    before = sum_rate(gain, make(start).allocate(gain, 1.0, p_max, weight), 1.0, weight, cap)
    power = Ascent(start, cap=spelled(cap_db)).allocate(gain, 1.0, p_max, weight)
    assert ((power >= 0) & (power <= p_max)).all()
    assert (sum_rate(gain, power, 1.0, weight, cap) >= before * (1 - 1e-12)).all()


@pytest.mark.interpreted
def test_a_small_users_power_above_the_cap_is_given_away() -> None:
    # The first has 30 dB and may use 20: at 10 dB less it costs the second a tenth of the noise.
    gain = np.array([[1000.0, 0.0], [1.0, 10.0]])
    free = Ascent("max", levels=2, floor_db=-10.0)
    capped = Ascent("max", levels=2, floor_db=-10.0, cap="20")
    np.testing.assert_array_equal(free.allocate(gain, 1.0, 1.0), [1.0, 1.0])
    np.testing.assert_allclose(capped.allocate(gain, 1.0, 1.0), [0.1, 1.0], rtol=1e-15)


def test_the_cap_is_the_scenarios_unless_it_is_stated() -> None:
    gain = np.array([[1000.0, 0.0], [1.0, 10.0]])
    capped = load_scenario("d2d", ["radio.sinr_cap_db=20"])
    free = load_scenario("d2d")
    assert free.radio.sinr_cap_db is None
    for scenario, spec, expected in (
        (capped, "ascent:start=max,levels=2,floor_db=-10", 0.1),
        (free, "ascent:start=max,levels=2,floor_db=-10", 1.0),
        (None, "ascent:start=max,levels=2,floor_db=-10", 1.0),
        (capped, "ascent:start=max,levels=2,floor_db=-10,cap=50", 1.0),
        (free, "ascent:start=max,levels=2,floor_db=-10,cap=20", 0.1),
    ):
        controller = make(spec)
        controller.reset(scenario, 0)
        assert controller.allocate(gain, 1.0, 1.0)[0] == pytest.approx(expected)
    controller = make("ascent:start=max,levels=2,floor_db=-10")
    controller.reset(capped, 0)
    controller.reset(free, 0)
    assert controller.allocate(gain, 1.0, 1.0)[0] == 1.0


def test_a_hundred_users_gain_by_the_cap_what_wmmse_does_not_know() -> None:
    gain, noise, p_max, weight = draw(10, 100, 1.0)
    gain += 1e4 * np.eye(100) * np.random.default_rng(1).exponential(size=(10, 1, 100))
    values = [
        sum_rate(gain, make(spec).allocate(gain, noise, p_max, weight), noise, weight, 10.0).mean()
        for spec in ("wmmse", "ascent:cap=10")
    ]
    assert values[1] > 1.03 * values[0]


def test_a_strong_interferer_that_goes_leaves_no_trace() -> None:
    # 1 + 1e17 - 1e17 is nought: what is left must be summed anew, not taken as the difference.
    gain = np.array([[1.0, 1e17, 0.5], [0.0, 1e-3, 0.0], [0.5, 1e17, 2.0]])
    power = Ascent("max", sweeps=20).allocate(gain, 1.0, 1.0)
    assert power[1] == 0.0
    assert sum_rate(gain, power, 1.0) == pytest.approx(
        sum_rate(gain, np.array([1.0, 0.0, 1.0]), 1.0), rel=1e-12
    )


def test_a_start_that_draws_or_remembers_is_reset_with_it() -> None:
    gain = draw(1, 6, 1.0)[0][0]
    first, second = make("ascent:start=random", seed=1), make("ascent:start=random", seed=2)
    again = make("ascent:start=random", seed=1)
    powers = [c.allocate(gain * 1e-3, 1.0, 1.0).tolist() for c in (first, again, second)]
    assert powers[0] == powers[1]
    assert not first.equivariant
    assert make("ascent:start=wmmse:starts=3").name == "ascent:start=wmmse:starts=3"


@pytest.mark.parametrize("option", ["levels=0", "floor_db=3", "sweeps=0"])
def test_options_out_of_range_are_named(option: str) -> None:
    with pytest.raises(InputError, match=option.partition("=")[0]):
        make(f"ascent:{option}")
    for cap in ("nan", "inf", "high"):
        with pytest.raises(ValueError, match=f"cap = {cap}: must be scenario, none or a number"):
            Ascent(cap=cap)


def test_a_start_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match="unknown; there are ascent"):
        make("ascent:start=nobody")
