"""Posteriors of links against simulated fading, the Riccati equation, and each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are
from scipy.special import j0

from slotwise.controllers.doppler import (
    DopplerEstimate,
    Fades,
    correlation,
    fades_of,
    in_force,
    turns_of,
)
from slotwise.controllers.posterior import Tracker, from_gain, tracker_of
from slotwise.emulator.clock import Emulator
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, Scenario, load

Array = NDArray[Any]

FAR = 1e-9


def scenario(*overrides: str, users: int = 8, fading: str = "gauss-markov") -> Scenario:
    """Links that fade alike; reports are a slot late."""
    return load(
        "gaussian-ic",
        [
            f"channel.fading={fading}",
            "channel.doppler_hz=100",
            f"population.initial_users={users}",
            "csi.delay_s=1e-3",
            *overrides,
        ],
    )


def told(lived: Scenario, slots: int, seed: int = 1) -> list[tuple[Observation, Array]]:
    """Observations, each with the true gains of its users when it is read."""
    emulator = Emulator(lived, seed=seed, slots=slots)
    seen = []
    while (report := emulator.advance()) is not None:
        observation = report.observation()
        there = np.flatnonzero(emulator.network.user_id[0] >= 0)
        seen.append((observation, emulator.network.medium.gain[0][np.ix_(there, there)].copy()))
        emulator.grant(observation.p_max)
    return seen


def law(rho: float, direct: float, error: float, seed: int = 0) -> tuple[Array, Array]:
    """Many links of mean gain one: complex reports, and true channels a correlation later."""
    rng = np.random.default_rng(seed)

    def normal() -> Array:
        parts = rng.standard_normal((2, 500_000))
        drawn: Array = (parts[0] + 1j * parts[1]) * np.sqrt(0.5)
        return drawn

    size = np.sqrt(1.0 - direct * direct)
    before = normal()
    now = rho * before + np.sqrt(1.0 - rho * rho) * normal()
    report: Array = direct + size * before + np.sqrt(error) * normal()
    truth: Array = direct + size * now
    return report, truth


@pytest.mark.parametrize("direct", [0.0, 0.6, 0.95])
@pytest.mark.parametrize(("rho", "error"), [(0.64, 0.0), (0.9, 0.3), (-0.3, 0.1), (1.0, 0.5)])
def test_the_conditional_mean_of_a_gain_is_exact(rho: float, error: float, direct: float) -> None:
    # Whatever else is known of a report, gains minus their conditional means have mean zero on it.
    report, now = law(rho, direct, error)
    reported, true = np.abs(report) ** 2, np.abs(now) ** 2
    belief = from_gain(reported, np.ones_like(reported), (rho, rho * rho), direct, error)
    miss = true - belief.expected
    edges = np.quantile(reported, np.linspace(0, 1, 21))
    place = np.clip(np.searchsorted(edges, reported) - 1, 0, 19)
    for part in range(20):
        here = miss[place == part]
        assert abs(here.mean()) < 4.5 * here.std() / np.sqrt(here.size)


def test_the_law_of_a_gain_is_that_of_a_known_part_and_an_unknown_one() -> None:
    # Of |sqrt(A) + sqrt(V) e|^2 the variance is V^2 + 2 A V.
    rho, error = 0.8, 0.2
    report, now = law(rho, 0.0, error)
    belief = from_gain(np.abs(report) ** 2, np.ones(report.shape), (rho, rho * rho), 0.0, error)
    np.testing.assert_allclose(belief.known, (rho / (1 + error)) ** 2 * np.abs(report) ** 2)
    np.testing.assert_allclose(belief.unknown, 1 - rho**2 / (1 + error))
    spread = (np.abs(now) ** 2 - belief.expected) ** 2
    assert np.mean(spread - belief.unknown**2 - 2 * belief.known * belief.unknown) == pytest.approx(
        0.0, abs=0.02
    )


@pytest.mark.parametrize("factor_db", ["none", "6"])
@pytest.mark.parametrize("reports", ["gain", "channel"])
@pytest.mark.parametrize("fading", ["gauss-markov", "sinusoids"])
def test_expected_gains_are_the_truth_in_the_mean(
    fading: str, reports: str, factor_db: str
) -> None:
    lived = scenario(
        f"csi.reports={reports}",
        f"channel.rician_k_db={factor_db}",
        "csi.error_nmse_db=-6",
        users=12,
        fading=fading,
    )
    tracker = Tracker()
    tracker.reset(lived)
    better, plain, against = [], [], []
    for observation, true in told(lived, 200):
        expected = tracker.expected(observation).gain
        better.append(np.mean((expected - true) ** 2))
        plain.append(np.mean((observation.gain - true) ** 2))
        against.append(np.mean((true - expected) * observation.gain))
    assert np.mean(better) < 0.8 * np.mean(plain)
    assert np.mean(against) == pytest.approx(0.0, abs=0.05)


def test_reports_that_are_exact_and_of_now_stay_as_they_are() -> None:
    tracker = Tracker()
    for one in (None, scenario("csi.delay_s=0")):
        tracker.reset(one)
        for observation, true in told(scenario("csi.delay_s=0"), 3):
            belief = tracker.belief(observation)
            np.testing.assert_array_equal(belief.known, true)
            assert (belief.unknown == 0.0).all()


@pytest.mark.parametrize("fading", ["none", "iid"])
def test_a_standing_link_is_known_and_a_new_one_is_not(fading: str) -> None:
    lived = scenario("csi.error_nmse_db=0", "channel.shadowing_db=3", fading=fading)
    tracker = Tracker()
    tracker.reset(lived)
    for observation, _ in told(lived, 4):
        belief = tracker.belief(observation)
        certain, none = belief[:2] if fading == "none" else belief[1::-1]
        np.testing.assert_allclose(certain, observation.mean_gain, rtol=1e-12)
        np.testing.assert_allclose(none, 0.0, atol=1e-15)


@pytest.mark.parametrize("factor_db", ["none", "3"])
def test_the_filters_error_is_the_riccati_equations(factor_db: str) -> None:
    lived = scenario(
        "csi.reports=channel",
        "csi.error_nmse_db=-10",
        "channel.doppler_hz=20",
        f"channel.rician_k_db={factor_db}",
    )
    fades = fades_of(lived)
    rho = float(j0(2 * np.pi * 20e-3))
    scatter, error = np.array([[fades.scatter]]), np.array([[0.1]])
    predicted = solve_discrete_are(np.array([[rho]]), np.eye(1), (1 - rho**2) * scatter, error)
    tracker = Tracker("kalman")
    tracker.reset(lived)
    history = [(tracker.belief(o), true) for o, true in told(lived, 400)]
    # What is predicted one slot ahead of the last report, which is what is known of now.
    np.testing.assert_allclose(history[-1][0].unknown, predicted[0, 0], rtol=1e-9)
    # And it is true: gains have the means and spreads that known and unknown parts say.
    known, unknown = (np.array([belief[i] for belief, _ in history[50:]]) for i in range(2))
    miss = np.array([true for _, true in history[50:]]) - known - unknown
    assert miss.mean() == pytest.approx(0.0, abs=0.02)
    assert np.mean(miss**2) == pytest.approx(np.mean(unknown**2 + 2 * known * unknown), rel=0.1)


def test_one_report_of_channels_tells_what_one_of_gains_does() -> None:
    lived = scenario("csi.reports=channel", "csi.error_nmse_db=-10")
    single, filtered = Tracker(), Tracker("kalman")
    single.reset(lived)
    filtered.reset(lived)
    first, *_, last = (observation for observation, _ in told(lived, 5))
    of_gains = single.belief(replace(first, channel=None))
    for belief in (single.belief(first), filtered.belief(first)):
        np.testing.assert_allclose(belief.known, of_gains.known, rtol=1e-9)
        np.testing.assert_allclose(belief.unknown, of_gains.unknown, rtol=1e-9)
    assert (filtered.belief(last).unknown < single.belief(last).unknown).all()


def test_exact_reports_of_a_markov_channel_leave_nothing_to_history() -> None:
    lived = scenario("csi.reports=channel")
    single, filtered = Tracker(), Tracker("kalman")
    single.reset(lived)
    filtered.reset(lived)
    for observation, _ in told(lived, 10):
        one, many = single.belief(observation), filtered.belief(observation)
        np.testing.assert_allclose(one.known, many.known, rtol=1e-9)
        np.testing.assert_allclose(one.unknown, many.unknown, rtol=1e-9)


def test_links_are_remembered_by_who_is_at_their_ends() -> None:
    lived = scenario("csi.reports=channel", "csi.error_nmse_db=-3", users=5)
    before, now, later = (observation for observation, _ in told(lived, 5)[1:4])
    whole = Tracker("kalman")
    whole.reset(lived)
    whole.belief(before)
    expected = whole.belief(now)
    order = np.array([3, 0, 4])  # others have left, rows have changed, and user 9 has come
    user_id = np.array([3, 0, 9])
    rows = {name: getattr(now, name)[order] for name in ("noise_power", "p_max", "weight", "power")}
    links = {
        name: getattr(now, name)[np.ix_(order, order)] for name in ("gain", "mean_gain", "channel")
    }
    fewer = replace(now, user_id=user_id, serving=now.serving[order], **rows, **links)
    tracker = Tracker("kalman")
    tracker.reset(lived)
    tracker.belief(before)
    belief = tracker.belief(fewer)
    kept = np.ix_(order[:2], order[:2])
    np.testing.assert_allclose(belief.known[:2, :2], expected.known[kept], rtol=1e-12)
    fresh = Tracker("kalman")
    fresh.reset(lived)
    newcomer = fresh.belief(fewer).known
    np.testing.assert_allclose(belief.known[2], newcomer[2], rtol=1e-12)
    np.testing.assert_allclose(belief.known[:, 2], newcomer[:, 2], rtol=1e-12)
    tracker.reset(lived)
    tracker.belief(before)
    station = np.array([0, 1, 9, 3, 4])
    handed = tracker.belief(replace(now, serving=station))
    np.testing.assert_allclose(handed.unknown[2], now.mean_gain[2], rtol=1e-12)
    np.testing.assert_allclose(handed.unknown[0, 1], expected.unknown[0, 1], rtol=1e-12)
    belief = tracker.belief(replace(later, serving=station))
    fresh.reset(lived)
    alone = fresh.belief(later)
    np.testing.assert_allclose(belief.known[2], alone.known[2], rtol=1e-12)
    assert alone.unknown[0, 1] > belief.unknown[0, 1]


def test_users_who_come_and_go_are_followed() -> None:
    lived = load(
        "urban",
        [
            "csi.reports=channel",
            "csi.error_nmse_db=-5",
            "csi.delay_s=1e-3",
            "population.arrivals_per_s=400",
            "population.lifetime.mean_s=0.05",
            "population.initial_users=5",
        ],
    )
    single, filtered = Tracker(), Tracker("kalman")
    single.reset(lived)
    filtered.reset(lived)
    counts, misses = set(), []
    for observation, true in told(lived, 200):
        counts.add(observation.user_id.size)
        users = observation.user_id.size
        if true.shape != (users, users):
            continue
        mean = observation.mean_gain
        for tracker in (single, filtered):
            belief = tracker.belief(observation)
            assert np.isfinite(belief.expected).all()
            misses.append(float(np.mean(((belief.expected - true) / mean) ** 2)) if users else 0.0)
    assert len(counts) > 5
    assert np.mean(misses[1::2]) < np.mean(misses[::2])


def test_a_report_that_was_measured_elsewhere_is_carried_over() -> None:
    lived = scenario("csi.error_nmse_db=-10")
    tracker = Tracker()
    tracker.reset(lived)
    first, second, third, _ = (observation for observation, _ in told(lived, 5))
    mean, serving = 7.0 * second.mean_gain, second.serving.copy()
    serving[3] = 99
    tracker.belief(first)
    moved = tracker.belief(replace(second, mean_gain=mean, serving=serving))
    still = Tracker()
    still.reset(lived)
    still.belief(first)
    plain = still.belief(second)
    others = np.arange(8) != 3
    rest = np.ix_(others, others)
    np.testing.assert_allclose(moved.known[rest], 7.0 * plain.known[rest], rtol=1e-12)
    np.testing.assert_allclose(moved.unknown[rest], 7.0 * plain.unknown[rest], rtol=1e-12)
    for part, expected in ((moved.known, 0.0), (moved.unknown, mean[3])):
        np.testing.assert_allclose(part[3], expected)
        np.testing.assert_allclose(part[:, 3], expected)
    # One report later what is measured is what is there.
    again = tracker.belief(replace(third, mean_gain=mean, serving=serving, gain=7.0 * third.gain))
    np.testing.assert_allclose(again.known, 7.0 * still.belief(third).known, rtol=1e-12)


@pytest.mark.parametrize("reports", ["gain", "channel"])
def test_users_who_move_and_are_handed_over_do_not_disturb_the_estimate(reports: str) -> None:
    lived = load(
        "nasir-guo",
        ["csi.delay_s=20e-3", f"csi.reports={reports}", "csi.error_nmse_db=-10"],
    )
    tracker = Tracker(doppler="estimated")
    tracker.reset(lived)
    for observation, _ in told(lived, 200):
        tracker.belief(observation)
    assert tracker.turns is not None
    assert correlation("gauss-markov", tracker.turns, 1) == pytest.approx(
        j0(2 * np.pi * 0.2), abs=0.03
    )


@pytest.mark.parametrize("kind", ["gauss-markov", "sinusoids"])
def test_correlations_and_frequencies_are_each_others_inverse(kind: str) -> None:
    for turns in (0.0, 0.01, 0.1, 0.3):
        rho = correlation(kind, turns, 1)
        assert rho == pytest.approx(j0(2 * np.pi * turns))
        assert turns_of(kind, float(rho), 1) == pytest.approx(turns, abs=2e-4)
    assert turns_of(kind, float(correlation(kind, 0.02, 5)), 5) == pytest.approx(0.02, abs=1e-4)


def test_the_time_in_force_is_from_the_decision_to_the_next_report() -> None:
    fades = Fades("sinusoids", 0.0, 1.0, 0.0, 0.05, 1e-3, 4, 0.0)
    rho = j0(2 * np.pi * 0.05 * np.arange(20))
    for first in (0, 1, 3):
        mean, square = in_force(fades, 0.05, first * 1e-3)
        assert mean == pytest.approx(rho[first : first + 4].mean())
        assert square == pytest.approx((rho[first : first + 4] ** 2).mean())
    mean, _ = in_force(fades, 0.05, 1.25e-3)
    assert mean == pytest.approx((0.75 * rho[1] + rho[2:5].sum() + 0.25 * rho[5]) / 4, rel=1e-4)
    late = fades._replace(latency_s=2e-3)
    assert in_force(late, 0.05, 1e-3) == pytest.approx(in_force(fades, 0.05, 3e-3))


@pytest.mark.parametrize("factor_db", ["none", "3"])
@pytest.mark.parametrize(
    ("reports", "period_s"), [("gain", 1e-3), ("channel", 1e-3), ("gain", 3e-3)]
)
@pytest.mark.parametrize("fading", ["gauss-markov", "sinusoids"])
def test_the_estimated_frequency_is_the_true_one(
    fading: str, reports: str, period_s: float, factor_db: str
) -> None:
    lived = scenario(
        f"csi.reports={reports}",
        f"csi.period_s={period_s}",
        f"channel.rician_k_db={factor_db}",
        "csi.error_nmse_db=-5",
        "channel.doppler_hz=70",
        users=20,
        fading=fading,
    )
    tracker = Tracker(doppler="estimated")
    tracker.reset(lived)
    slots = round(300 * period_s / 1e-3)
    for observation, _ in told(lived, slots):
        tracker.belief(observation)
    assert tracker.turns is not None
    # Of 400 links over 300 reports, gains of which 0.3 of the power is noise.
    assert correlation(fading, tracker.turns, 1) == pytest.approx(j0(2 * np.pi * 0.07), abs=0.02)


def test_more_reports_make_the_estimate_better_however_wrong_each_is() -> None:
    lived = scenario("csi.error_nmse_db=-3", "channel.doppler_hz=200", users=10)
    errors: dict[int, list[float]] = {20: [], 400: []}
    for seed in range(10):
        estimate = DopplerEstimate(fades_of(lived))
        for count, (observation, _) in enumerate(told(lived, 402, seed), 1):
            turns = estimate.take(observation)
            if count in errors:
                errors[count].append(float(j0(2 * np.pi * turns)) - float(j0(2 * np.pi * 0.2)))
    spread = {count: np.sqrt(np.mean(np.square(one))) for count, one in errors.items()}
    assert spread[400] < 0.5 * spread[20]
    assert abs(np.mean(errors[400])) < 4 * np.std(errors[400]) / np.sqrt(9)


def test_a_frequency_that_is_not_stated_is_estimated() -> None:
    for overrides, known in (
        ((), True),
        (("channel.doppler_hz=none",), True),  # nobody moves
        (('episodes=[{name="a", duration_s=1, channel={fading="gauss-markov"}}]',), False),
    ):
        tracker = Tracker()
        tracker.reset(scenario(*overrides))
        assert (tracker.turns is not None) == known
    tracker = Tracker()
    tracker.reset(load("urban"))
    assert tracker.turns is None
    one = next(iter(told(load("urban", ["csi.delay_s=1e-3"]), 3)))[0]
    np.testing.assert_array_equal(tracker.belief(one).known, one.gain)  # nothing else is known yet


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(InputError, match=r"csi\.reports = gain: a Kalman filter needs channel"):
        Tracker("kalman").reset(scenario())
    with pytest.raises(ValueError, match="filter = wiener: must be one of single, kalman"):
        Tracker("wiener")
    with pytest.raises(ValueError, match="doppler = guessed: must be one of known, estimated"):
        Tracker(doppler="guessed")
    assert tracker_of("reported", "known") is None
    assert tracker_of("kalman", "known").filter == "kalman"  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="doppler = estimated: must be known where csi = report"):
        tracker_of("reported", "estimated")
    with pytest.raises(ValueError, match="csi = sampled: must be one of reported, conditional-"):
        tracker_of("sampled", "known")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("csi.delay_s=1e-3", "csi.delay_s = 0.001"),
        ("csi.period_s=2e-3", "csi.period_s = 0.002"),
        ("csi.error_nmse_db=-10", "csi.error_nmse_db = -10.0"),
        ('timing={mode="fixed", latency_s=1e-4}', "timing.latency_s = 0.0001"),
    ],
)
def test_episodes_that_fade_otherwise_are_refused_where_reports_are_not_the_gains(
    override: str, reason: str
) -> None:
    with pytest.raises(InputError) as refused:
        Tracker().reset(load("drift", [override]))
    assert str(refused.value) == (
        "episode Rice: channel.rician_k_db = 0.0: must be none, as in episode Rayleigh, where "
        f"{reason}; any where reports are at once and exact"
    )


@pytest.mark.parametrize("first", ["none", "iid", "gauss-markov"])
def test_exact_reports_of_now_are_believed_however_episodes_fade(first: str) -> None:
    kinds = (first, "sinusoids", "iid")
    episodes = ", ".join(
        f'{{name="{kind}", duration_s=0.004, channel={{fading="{kind}", rician_k_db=3}}}}'
        for kind in kinds
    )
    lived = scenario("csi.delay_s=0", f"episodes=[{episodes}]")
    tracker = Tracker()
    tracker.reset(lived)
    for observation, true in told(lived, 12):
        belief = tracker.belief(observation)
        np.testing.assert_array_equal(belief.known, true)
        assert (belief.unknown == 0.0).all()
    with pytest.raises(InputError, match=f"channel.fading = sinusoids: must be {first}, as in"):
        tracker.reset(scenario(f"episodes=[{episodes}]"))


def test_episodes_that_all_fade_alike_have_their_own_law_not_the_scenarios() -> None:
    alike = 'fading="sinusoids", rician_k_db=3'
    channels = (f"{{{alike}}}", f"{{{alike}, doppler_hz=50}}")
    episodes = ", ".join(
        f'{{name="{number}", duration_s=1, channel={one}}}' for number, one in enumerate(channels)
    )
    fades = fades_of(scenario(f"episodes=[{episodes}]"))
    assert (fades.kind, fades.turns) == ("sinusoids", None)
    assert fades.direct**2 == pytest.approx(10**0.3 / (10**0.3 + 1))


def test_absent_links_are_known_to_be_absent() -> None:
    one = told(scenario("csi.reports=channel"), 3)[0][0]
    mean = one.mean_gain.copy()
    mean[0, 1] = 0.0
    assert one.channel is not None
    channel = one.channel.copy()
    channel[0, 1] = 0.0
    tracker = Tracker("kalman")
    tracker.reset(scenario("csi.reports=channel"))
    belief = tracker.belief(replace(one, mean_gain=mean, channel=channel))
    assert belief.known[0, 1] == belief.unknown[0, 1] == 0.0
