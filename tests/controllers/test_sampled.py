"""Searches on rates averaged over draws: against all sets, against single draws, in decisions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers.beam import Beam
from slotwise.controllers.kernels.sampled import (
    average_rate,
    best_set_on_average,
    draw_gains,
    iterate_on_average,
    same_antenna,
)
from slotwise.controllers.posterior import Belief, from_gain, tracker_of
from slotwise.controllers.registry import make
from slotwise.controllers.sampled import SampledSearch
from slotwise.controllers.search import keys_of
from slotwise.controllers.unrolled import Unrolled
from slotwise.controllers.wmmse import Wmmse, wmmse
from slotwise.emulator.clock import Emulator
from slotwise.emulator.observation import Observation
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import Scenario, load

Array = NDArray[Any]

interpreted = pytest.mark.interpreted

USERS, DRAWS = 6, 24
LATE = [
    "channel.fading=gauss-markov",
    "channel.doppler_hz=10",
    "timing.slot_s=20e-3",
    "csi.delay_s=20e-3",
    "radio.noise_dbm=20",
]


def gains(seed: int, users: int = USERS, draws: int = DRAWS) -> NDArray[np.float32]:
    """Gains of some size in every draw."""
    rng = np.random.default_rng(seed)
    mean = 10.0 ** rng.uniform(-1, 1.5, (users, users, 1))
    return (mean * rng.exponential(size=(users, users, draws))).astype(np.float32)


def mean_rate(gain: Array, weight: Array, fraction: Array) -> float:
    """Weighted sum rate on average over draws, which come last."""
    every = np.moveaxis(gain.astype(np.float64), -1, 0)
    return float(sum_rate(every, fraction, 1.0, weight).mean())


@interpreted
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weighted", [True, False])
def test_a_wide_beam_finds_the_best_of_all_sets(seed: int, weighted: bool) -> None:
    gain = gains(seed)
    weight = np.random.default_rng(seed).uniform(0.2, 2, USERS) if weighted else np.ones(USERS)
    found = np.empty(USERS)
    best_set_on_average(gain, weight, keys_of(USERS), 64, USERS, USERS, found)
    every = (np.array(on, np.float64) for on in itertools.product((0, 1), repeat=USERS))
    best = max(mean_rate(gain, weight, on) for on in every)
    assert mean_rate(gain, weight, found) == pytest.approx(best, rel=1e-5)
    assert average_rate(gain, weight, found) == pytest.approx(best, rel=1e-5)


@interpreted
def test_with_one_draw_it_is_the_search_of_known_gains() -> None:
    for seed in range(10):
        gain = gains(seed, draws=1)
        one = gain[..., 0].astype(np.float64)
        found = np.empty(USERS)
        best_set_on_average(gain, np.ones(USERS), keys_of(USERS), 4, USERS, 1, found)
        known = Beam(width=4, polish=False).allocate(one, 1.0, 1.0)
        assert sum_rate(one, found, 1.0) == pytest.approx(sum_rate(one, known, 1.0), rel=1e-5)


@interpreted
def test_iterations_of_one_draw_are_wmmses() -> None:
    gain = gains(3, draws=1)
    fraction = np.ones(USERS)
    made = iterate_on_average(gain, np.ones(USERS), 0.0, 12, fraction)
    exact, _ = wmmse(gain[..., 0].astype(np.float64), 1.0, 1.0, tolerance=0.0, max_iterations=made)
    np.testing.assert_allclose(fraction, exact, atol=2e-4)


@interpreted
def test_iterations_never_lower_the_mean_rate() -> None:
    weight = np.random.default_rng(1).uniform(0.2, 2, USERS)
    for seed in range(5):
        gain, fraction = gains(seed), np.full(USERS, 0.3)
        last = mean_rate(gain, weight, fraction)
        for _ in range(10):
            iterate_on_average(gain, weight, -np.inf, 1, fraction)
            now = mean_rate(gain, weight, fraction)
            assert now > last - 1e-5
            last = now


@interpreted
def test_draws_have_the_law_of_the_belief() -> None:
    known, unknown = np.array([[2.0, 0.0], [1.0, 5.0]]), np.array([[0.5, 0.0], [3.0, 0.0]])
    rng = np.random.default_rng(0)
    unit = (np.sqrt(0.5) * rng.standard_normal((2, 2, 2, 20_000))).astype(np.float32)
    gain = np.empty((2, 2, 20_000), np.float32)
    own = np.arange(2)
    draw_gains(known, unknown, own, own, np.array([1.0, 0.1]), np.array([1.0, 2.0]), unit, gain)
    scale = np.array([[1.0, 2.0], [10.0, 20.0]])
    np.testing.assert_allclose(gain.mean(-1), (known + unknown) * scale, rtol=0.05)
    spread = np.sqrt(unknown**2 + 2 * known * unknown) * scale
    np.testing.assert_allclose(gain.std(-1), spread, rtol=0.05, atol=1e-4)


@interpreted
def test_links_of_one_antenna_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    unit = rng.standard_normal((2, 3, 3, 5)).astype(np.float32)
    one = rng.exponential(size=(3, 3))
    for rows in (True, False):
        part = one.copy()
        part[2] = part[0]  # users 0 and 2 are received by one station
        part = part if rows else part.T.copy()  # or sent to by one
        gain = np.empty((3, 3, 5), np.float32)
        first = np.empty((2, 3), np.int64)
        same_antenna(part, np.array([4, 1, 4]), *first)
        assert first.tolist() == ([[0, 1, 0], [0, 1, 2]] if rows else [[0, 1, 2], [0, 1, 0]])
        draw_gains(part, part, first[0], first[1], np.ones(3), np.ones(3), unit, gain)
        gain = gain if rows else gain.swapaxes(0, 1)
        np.testing.assert_array_equal(gain[0], gain[2])
        assert not np.array_equal(gain[0], gain[1])
        same_antenna(part, np.array([4, 1, 5]), *first)
        assert first.tolist() == 2 * [[0, 1, 2]]


@pytest.mark.parametrize(
    ("direction", "antennas", "together"),
    [("uplink", "shared", 0), ("downlink", "shared", 1), ("uplink", "per-user", None)],
)
def test_antennas_are_those_of_the_emulator(
    direction: str, antennas: str, together: int | None
) -> None:
    # Reports are late and fading is independent: of what is believed, rows are the same for
    # all users of a station, whether its antenna is theirs together or not.
    cells = [f"layout.direction={direction}", f"layout.antennas={antennas}"]
    late = ["channel.fading=iid", "csi.delay_s=1e-3", "population.initial_users=12"]
    scenario = load("urban", [*cells, *late])
    emulator = Emulator(scenario, seed=0, slots=3)
    report = emulator.advance()
    assert report is not None
    tracker = tracker_of("sampled", "known", Literal["sampled"])
    assert tracker is not None
    tracker.reset(scenario)
    seen = report.observation()
    found = tracker.belief(seen)
    first = (seen.serving[:, None] == seen.serving).argmax(-1)
    assert len(set(first)) < len(first)
    for kind, one in enumerate((found.receiver, found.transmitter)):
        np.testing.assert_array_equal(one, first if kind == together else np.arange(12))


def test_strangers_of_whom_nothing_is_known_are_drawn_apart(
    observe: Callable[..., Observation],
) -> None:
    # Links that fade independently every slot, alike in the mean: only how many are on matters.
    users, mean = 4, 10**0.4
    rng = np.random.default_rng(0)
    late = ["channel.fading=iid", "csi.delay_s=1e-3", f"population.initial_users={users}"]
    controller = make("beam:csi=sampled")
    controller.reset(load("gaussian-ic", late), 0)
    seen = observe(mean * rng.exponential(size=(users, users)))
    power = controller.decide(replace(seen, time_s=1e-3, mean_gain=np.full((users, users), mean)))
    true = mean * rng.exponential(size=(20_000, users, users))
    sizes = np.tri(users)
    best = max(sum_rate(true, on, 1.0).mean() for on in sizes)
    assert sum_rate(true, power, 1.0).mean() > 0.98 * best


@interpreted
def test_who_cannot_be_served_is_silent_and_nobody_is_nobody() -> None:
    search = SampledSearch(8, 4, 0, 1, 1e-4)
    one = np.ones(4)
    known = np.ones((4, 4))
    known[1, 1] = 0.0
    weight = np.array([1.0, 1.0, 0.0, 1.0])
    power = search.power(Belief(known, 0.0 * known), one, one, weight, 0)
    assert power[1] == power[2] == 0.0
    assert power.max() == 1.0
    nothing = np.empty((0, 0))
    none = np.empty(0)
    assert search.power(Belief(nothing, nothing), none, none, none, 0).shape == (0,)


def late_scenario(users: int, *overrides: str) -> Scenario:
    """Reports a slot of 20 ms late at 10 Hz: correlation 0.64; 10 dB."""
    return load("gaussian-ic", [*LATE, f"population.initial_users={users}", *overrides])


def late_reports(count: int, users: int, observe: Callable[..., Observation]) -> list[Any]:
    """Observations of iid links a slot late."""
    rng = np.random.default_rng(7)
    every = [observe(rng.exponential(size=(users, users)), noise_power=0.1) for _ in range(count)]
    mean = np.ones((users, users))
    return [replace(one, time_s=20e-3, mean_gain=mean) for one in every]


def expected_rates(spec: str, scenario: Scenario, reports: list[Observation]) -> Array:
    """Mean rate of each decision over what the gains may be."""
    rng = np.random.default_rng(1)
    controller = make(spec)
    controller.reset(scenario, 3)
    rates = []
    for one in reports:
        belief = from_gain(one.gain, one.mean_gain, (0.6425, 0.6425**2))
        parts = np.sqrt(0.5) * rng.standard_normal((2, 200, *one.gain.shape))
        true = (np.sqrt(belief.known) + np.sqrt(belief.unknown) * parts[0]) ** 2
        true += belief.unknown * parts[1] ** 2
        rates.append(sum_rate(true, controller.decide(one), one.noise_power).mean())
    return np.array(rates)


def test_knowing_how_late_a_report_is_pays(observe: Callable[..., Observation]) -> None:
    scenario, reports = late_scenario(8), late_reports(60, 8, observe)
    stale = expected_rates("wmmse", scenario, reports)
    expected = expected_rates("wmmse:csi=conditional-mean", scenario, reports)
    sampled = expected_rates("beam:csi=sampled", scenario, reports)
    assert expected.mean() > 1.03 * stale.mean()
    assert sampled.mean() > 1.03 * expected.mean()


@pytest.mark.parametrize(
    "controller",
    [Wmmse(csi="conditional-mean"), Beam(csi="conditional-mean"), Unrolled(csi="conditional-mean")],
    ids=lambda one: str(one.name),
)
@pytest.mark.parametrize("reports", ["gain", "channel"])
def test_decisions_are_made_for_the_gains_that_are_expected(
    controller: Any, reports: str, observe: Callable[..., Observation]
) -> None:
    scenario = late_scenario(5, f"csi.reports={reports}", "csi.error_nmse_db=-10")
    controller.reset(scenario, 0)
    (one,) = late_reports(1, 5, observe)
    if reports == "channel":
        one = replace(one, channel=np.sqrt(one.gain) * np.exp(1j * one.gain))
    rho = 0.6425
    known, unknown = (rho / 1.1) ** 2 * one.gain, 1.0 - rho**2 / 1.1
    plain = controller.allocate(known + unknown, one.noise_power, one.p_max, one.weight)
    np.testing.assert_allclose(controller.decide(one), plain, atol=1e-3)


def test_draws_are_fixed_by_the_seed(observe: Callable[..., Observation]) -> None:
    scenario = late_scenario(8)
    (one,) = late_reports(1, 8, observe)
    controller = make("beam:csi=sampled,draws=4")
    powers = []
    for seed in (1, 1, 2, 3, 4, 5):
        controller.reset(scenario, seed)
        powers.append(controller.decide(one))
    np.testing.assert_array_equal(powers[0], powers[1])
    assert len({tuple(power) for power in powers}) > 1


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="csi = late: must be one of reported, conditional-mean"):
        Wmmse(csi="late")
    with pytest.raises(ValueError, match="csi = sampled: must be one of"):
        Wmmse(csi="sampled")
    with pytest.raises(ValueError, match="draws = 1: must be at least 2"):
        Beam(csi="sampled", draws=1)
    with pytest.raises(ValueError, match="sparse = 4: must be zero where csi = sampled"):
        Beam(csi="sampled", sparse=4)
    with pytest.raises(ValueError, match="doppler = slow"):
        Unrolled(doppler="slow")
