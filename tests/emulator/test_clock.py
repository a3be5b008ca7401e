"""The clock: small histories by hand, and what a scenario's instants do to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simpy
from numpy.typing import NDArray
from scipy.special import expn

from slotwise.emulator.clock import Emulator
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, Scenario, load, parse

Array = NDArray[np.float64]
Decide = Callable[[Observation], Any]
Replayed = Callable[..., Scenario]

NOISE_W = 1.0


def live(emulator: Emulator, decide: Decide) -> None:
    while (report := emulator.advance()) is not None:
        emulator.grant(decide(report.observation()))


def full_power(observation: Observation) -> Array:
    return observation.p_max


def rates_by_hand(gain: Array, power: Sequence[float]) -> list[float]:
    """Rates from the definition, in explicit loops."""
    rates = []
    for k in range(len(power)):
        interference = sum(gain[k][j] * power[j] for j in range(len(power)) if j != k)
        rates.append(float(np.log2(1.0 + gain[k][k] * power[k] / (interference + NOISE_W))))
    return rates


def test_three_users_one_join_one_leave_and_one_late_decision(replayed: Replayed) -> None:
    gains = np.random.default_rng(5).exponential(size=(4, 3, 3))
    visits = [{"join_s": 0.0}, {"join_s": 0.0, "leave_s": 2.5}, {"join_s": 1.25}]
    scenario = replayed(gains, visits, timing={"slot_s": 1.0, "mode": "measured"})
    emulator = Emulator(scenario, slots=4, record=True)

    # What the controller answers, and how long each answer takes. The second takes 1.6 slots,
    # so the report of slot 2 waits until 2.6, and by then user 1 has left.
    answers = [([0.5, 1.0], 0.25), ([0.25, 0.75], 1.6), ([1.0, 0.5], 0.1), ([0.2, 0.8], 0.5)]
    asked: list[tuple[float, list[int]]] = []
    for power, elapsed_s in answers:
        report = emulator.advance()
        assert report is not None
        seen = report.observation()
        asked.append((seen.time_s, seen.user_id.tolist()))
        emulator.grant(power, elapsed_s)
    assert emulator.advance() is None
    assert asked == [(0.0, [0, 1]), (1.0, [0, 1]), (2.6, [0, 2]), (3.0, [0, 2])]

    in_force = [  # from, to, slot of the gains, powers of users 0, 1, 2
        (0.0, 0.25, 0, [0.0, 0.0, 0.0]),
        (0.25, 1.0, 0, [0.5, 1.0, 0.0]),
        (1.0, 2.0, 1, [0.5, 1.0, 0.0]),  # user 2 joins at 1.25 and is silent until granted
        (2.0, 2.5, 2, [0.5, 1.0, 0.0]),
        (2.5, 2.6, 2, [0.5, 0.0, 0.0]),  # user 1 has left
        (2.6, 2.7, 2, [0.25, 0.0, 0.0]),  # what was meant for user 1 goes to nobody
        (2.7, 3.0, 2, [1.0, 0.0, 0.5]),
        (3.0, 3.5, 3, [1.0, 0.0, 0.5]),
        (3.5, 4.0, 3, [0.2, 0.0, 0.8]),
    ]
    bits = np.zeros(3)
    for start_s, end_s, slot, power in in_force:
        bits += (end_s - start_s) * np.array(rates_by_hand(gains[slot], power))

    users = emulator.journal.traces[0].table("users")
    stay_s = np.asarray(users["leave_s"]) - np.asarray(users["join_s"])
    delivered = dict(
        zip(np.asarray(users["user_id"]), np.asarray(users["rate"]) * stay_s, strict=True)
    )
    assert [delivered[user] for user in range(3)] == pytest.approx(bits, rel=1e-9)
    assert emulator.network.carried[0] == pytest.approx(bits.sum(), rel=1e-9)
    tally = emulator.journal.tally
    # Slot 1's answer came at 2.6, 0.6 s after its deadline. Slot 2's came at 2.7, in time.
    assert (tally.reports, tally.decisions, tally.missed_deadlines) == (4, 4, 1)
    assert (tally.joins, tally.leaves, tally.blocked) == (3, 1, 0)


def test_a_file_that_a_later_episode_needs_is_missed_at_once(tmp_path: Path) -> None:
    channel = {"fading": "replay", "replay_path": str(tmp_path / "absent.npy")}
    episodes = [
        {"name": "a", "duration_s": 1.0},
        {"name": "b", "duration_s": 1.0, "channel": channel},
    ]
    scenario = parse({"name": "two", "episodes": episodes})
    with pytest.raises(InputError, match=r"absent\.npy"):
        Emulator(scenario)


def test_an_episode_that_begins_at_zero_is_there_from_the_start() -> None:
    grid = {"kind": "grid", "rows": 3}
    cells = {"kind": "hexagons", "cells": 7}
    loss = {"path_loss": {"kind": "power-law"}}
    episodes = [{"name": "a", "duration_s": 1.0, "layout": cells}]
    table = {"name": "n", "layout": grid, "channel": loss, "episodes": episodes}
    emulator = Emulator(parse(table), slots=2, record=True)
    assert len(emulator.network.medium.places[0].station) == 7
    before = emulator.network.medium.motion.position.copy()
    live(emulator, full_power)
    np.testing.assert_array_equal(emulator.network.medium.motion.position, before)
    events = emulator.journal.traces[0].table("events")
    assert list(events["kind"]).count("episode") == 1


def test_reports_arrive_late_and_seldom_as_the_scenario_says(replayed: Replayed) -> None:
    gains = np.arange(1.0, 9.0).reshape(8, 1, 1)
    csi = {"delay_s": 1.5, "period_s": 3.0}
    scenario = replayed(gains, [{"join_s": 0.0}], csi=csi)
    emulator = Emulator(scenario, slots=8)
    seen = []
    while (report := emulator.advance()) is not None:
        observation = report.observation()
        seen.append((observation.time_s, observation.measured_s, observation.gain[0, 0]))
        emulator.grant([1.0])
    # Measured in slots 0, 3, 6; the last arrives at 7.5.
    assert seen == [(1.5, 0.0, 1.0), (4.5, 3.0, 4.0), (7.5, 6.0, 7.0)]


def test_estimation_error_is_relative_to_the_mean_of_what_is_replayed(replayed: Replayed) -> None:
    gains = np.full((400, 1, 1), 1e-9)
    scenario = replayed(gains, [{"join_s": 0.0}], csi={"error_nmse_db": -10.0})
    emulator = Emulator(scenario, slots=400)
    seen = []
    while (report := emulator.advance()) is not None:
        seen.append(report.observation().gain[0, 0])
        emulator.grant([1.0])
    # |sqrt(g) + e|² with E|e|² = g / 10: mean 1.1 g, and a deviation of sqrt(0.21) g.
    assert np.mean(seen) / 1e-9 == pytest.approx(1.1, abs=4 * np.sqrt(0.21 / 400))


def test_arrivals_beyond_the_cap_are_blocked_and_counted(replayed: Replayed) -> None:
    visits = [{"join_s": 0.0, "leave_s": 1.5}, {"join_s": 0.5}, {"join_s": 1.75}]
    scenario = replayed(np.ones((1, 1, 1)), visits)
    emulator = Emulator(scenario, slots=3, record=True)
    live(emulator, full_power)
    tally = emulator.journal.tally
    assert (tally.joins, tally.blocked, tally.leaves) == (2, 1, 1)
    users = emulator.journal.traces[0].table("users")
    assert np.asarray(users["user_id"]).tolist() == [0, 2]  # the blocked one used up id 1


def test_energy_is_the_integral_of_what_amplifiers_and_circuits_draw(replayed: Replayed) -> None:
    radio = {
        "bandwidth_hz": 1.0,
        "p_max_dbm": 30.0,
        "noise_dbm": 30.0,
        "amplifier_inefficiency": 4.0,
        "circuit_power_w": 0.5,
    }
    visits = [{"join_s": 0.0}, {"join_s": 0.0, "leave_s": 1.25}]
    scenario = replayed(np.ones((1, 2, 2)), visits, radio=radio)
    emulator = Emulator(scenario, slots=2)
    live(emulator, lambda observation: 0.25 * observation.p_max)
    # User 0 for 2 s and user 1 for 1.25 s, each 4 x 0.25 W + 0.5 W.
    assert emulator.network.consumed[0] == pytest.approx(1.5 * 3.25)
    assert emulator.network.radiated[0] == pytest.approx(0.25 * 3.25)


def test_episodes_change_the_channel_and_keep_the_users() -> None:
    scenario = load("drift", ["mobility.redrop_s=none"])
    emulator = Emulator(scenario, seed=3, slots=2000, record=True)
    means = []
    while (report := emulator.advance()) is not None:
        observation = report.observation()
        assert observation.user_id.tolist() == list(range(10))
        means.append(observation.gain.mean())
        emulator.grant(observation.p_max)
    events = emulator.journal.traces[0].table("events")
    times = np.asarray(events["time_s"])
    episodes = [
        (float(time), cause)
        for time, kind, cause in zip(times, events["kind"], events["cause"], strict=True)
        if kind == "episode"
    ]
    assert [name for _, name in episodes] == ["Rayleigh", "Rice", "Geometry10", "Geometry50"]
    assert [time for time, _ in episodes] == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=1e-9)
    # Mean gains: 1 in both fading episodes (50,000 draws each, deviation 1 and 0.87), far below
    # in 10 m and further in 50 m.
    assert np.mean(means[:500]) == pytest.approx(1.0, abs=4 / np.sqrt(50_000))
    assert np.mean(means[500:1000]) == pytest.approx(1.0, abs=4 / np.sqrt(50_000))
    assert np.mean(means[1500:]) < 0.2 * np.mean(means[1000:1500]) < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"networks": 0}, "networks = 0"),
        ({"slots": 0}, "slots = 0"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_impossible_emulators_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Emulator(load("gaussian-ic"), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["gaussian-ic", "d2d", "nasir-guo", "imac"])
@pytest.mark.parametrize("networks", [1, 64])
def test_a_slot_is_at_most_two_events(
    name: str, networks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever is there: nothing runs for a user between its own events.
    emulator = Emulator(load(name), seed=1, networks=networks, slots=51)
    events = 0
    step = simpy.Environment.step

    def counted(clock: simpy.Environment) -> None:
        nonlocal events
        events += 1
        step(clock)

    monkeypatch.setattr(simpy.Environment, "step", counted)
    while (report := emulator.advance()) is not None:
        emulator.grant(np.full(report.user_id.shape, report.p_max_w))
    assert emulator.journal.tally.decisions == 51
    assert events <= 2 * 52


def test_four_thousand_networks_live_on_one_clock() -> None:
    emulator = Emulator(load("gaussian-ic"), seed=1, networks=4096, slots=2)
    while (report := emulator.advance()) is not None:
        assert report.gain.shape == (4096, 10, 10)
        emulator.grant(np.full(report.user_id.shape, report.p_max_w))
    carried = emulator.network.carried / (2 * emulator.scenario.timing.slot_s)
    # Signal and nine interferers are exponential: the mean of ln(1 + S / (1 + I)) is the integral
    # of exp(-t) (1 + t)^-10, which is e E_10(1).
    expected = 10.0 * np.e * expn(10, 1.0) / np.log(2.0)
    assert carried.mean() == pytest.approx(expected, abs=4.0 * carried.std() / 64.0)
    assert len(np.unique(carried)) == 4096
