"""What holds in every life: conservation, common random numbers, reproducibility, no leaks."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.emulator.clock import Emulator
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import Scenario, builtin, load, parse

Array = NDArray[np.float64]


class RandomPowers:
    """Powers that depend on nothing that the network does."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, observation: Observation) -> Array:
        return observation.p_max * self._rng.random(observation.p_max.size)


def ideal(name: str) -> Scenario:
    return load(name, ["timing.mode=ideal"])


def history(scenario: Scenario, seed: int, slots: int, powers: RandomPowers) -> dict[str, Any]:
    """Everything that no decision may disturb: users, events and channels."""
    emulator = Emulator(scenario, seed, slots=slots, record=True)
    channels = hashlib.sha256()
    while (report := emulator.advance()) is not None:
        observation = report.observation()
        channels.update(observation.user_id.tobytes() + observation.gain.tobytes())
        emulator.grant(powers(observation))
    trace = emulator.journal.traces[0]
    users = trace.table("users")
    return {
        "channels": channels.hexdigest(),
        "events": list(zip(*trace.table("events").values(), strict=True)),
        "users": [np.asarray(users[name]).tolist() for name in users if name != "rate"],
        "carried": emulator.network.carried[0],
    }


BUSY = [
    "population.arrivals_per_s=200",
    "population.lifetime={kind='exponential',mean_s=0.05}",
    "mobility.update_s=0.005",
    "timing.mode=ideal",
]


def test_two_controllers_see_the_same_users_and_channels_to_the_last_bit() -> None:
    scenario = load("urban", BUSY)
    one = history(scenario, 7, 200, RandomPowers(1))
    other = history(scenario, 7, 200, RandomPowers(2))
    assert one.pop("carried") != other.pop("carried")
    assert one == other
    assert any(event[1] == "leave" for event in one["events"])


@pytest.mark.parametrize("name", ["gaussian-ic", "urban", "drift"])
def test_the_same_seed_gives_the_same_life_in_another_process(name: str) -> None:
    program = (
        "from slotwise.emulator.clock import Emulator\n"
        "from slotwise.emulator.scenario import load\n"
        f"emulator = Emulator(load({name!r}), 11, slots=50)\n"
        "while (report := emulator.advance()) is not None:\n"
        "    emulator.grant(0.5 * report.observation().p_max)\n"
        "print(emulator.network.carried[0].hex(), emulator.network.delivered.sum().hex())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    emulator = Emulator(load(name), 11, slots=50)
    while (report := emulator.advance()) is not None:
        emulator.grant(0.5 * report.observation().p_max)
    here = f"{emulator.network.carried[0].hex()} {emulator.network.delivered.sum().hex()}\n"
    assert runs == [here, here]


def test_another_seed_gives_another_life() -> None:
    scenario = load("gaussian-ic")
    assert history(scenario, 1, 5, RandomPowers(0)) != history(scenario, 2, 5, RandomPowers(0))


@pytest.mark.parametrize("name", ["gaussian-ic", "imac", "d2d", "nasir-guo", "urban", "drift"])
def test_a_network_lives_the_same_life_alone_and_among_others(name: str) -> None:
    scenario = load(name, BUSY if name == "urban" else [])
    slots = 30

    def lives(numbers: list[int]) -> dict[int, tuple[Array, Array, Array]]:
        emulator = Emulator(scenario, 5, networks=numbers, slots=slots)
        while (report := emulator.advance()) is not None:
            emulator.grant(np.where(report.user_id >= 0, 0.5 * report.p_max_w, 0.0))
        network = emulator.network
        return {
            number: (network.carried[b], network.delivered[b], network.medium.coupling[b])
            for b, number in enumerate(numbers)
        }

    among = lives([0, 1, 2, 3])
    for number in (0, 3):
        alone = lives([number])[number]
        for mine, theirs in zip(alone, among[number], strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert among[0][0] != among[3][0]


@pytest.mark.parametrize("latency_s", [None, 2e-4])
def test_visits_that_meet_a_slots_edge_disturb_no_other_network(latency_s: float | None) -> None:
    # The visit at 0.01 s and the tick of slot 10 are the same instant but for rounding, and other
    # networks have visits and lifetimes around it that the clock passes one after the other.
    timing = {} if latency_s is None else {"mode": "fixed", "latency_s": latency_s}
    table = {
        "name": "edges",
        "layout": {"kind": "links"},
        "channel": {"fading": "gauss-markov", "doppler_hz": 30.0},
        "population": {
            "initial_users": 2,
            "max_users": 8,
            "arrivals_per_s": 300.0,
            "lifetime": {"kind": "exponential", "mean_s": 0.02},
            "trace": [{"join_s": 0.01, "leave_s": 0.02}, {"join_s": 0.0105}],
        },
        "timing": timing,
    }
    scenario = parse(table)

    def delivered(numbers: list[int], seed: int) -> dict[int, Array]:
        emulator = Emulator(scenario, seed, networks=numbers, slots=30)
        while (report := emulator.advance()) is not None:
            levels = np.linspace(0.2, 1.0, report.user_id.shape[1])
            emulator.grant(np.where(report.user_id >= 0, levels * report.p_max_w, 0.0))
        ends = emulator.network.delivered
        return {number: ends[b].copy() for b, number in enumerate(numbers)}

    for seed in range(8):
        among = delivered([0, 1, 2, 3, 4], seed)
        for number in (0, 4):
            np.testing.assert_array_equal(delivered([number], seed)[number], among[number])


def test_a_thousand_resets_leave_memory_flat() -> None:
    scenario = load("urban", [*BUSY, "population.initial_users=4", "population.max_users=6"])
    emulator = Emulator(scenario, slots=3, record=True)

    def peak_after(lives: int) -> int:
        for seed in range(lives):
            emulator.reset(seed)
            while emulator.advance() is not None:
                emulator.skip()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in kB on Linux

    # A life here holds about 100 kB, so a thousand that stay would hold 100 MB.
    before = peak_after(50)
    assert peak_after(1000) - before < 10_000


LAYOUTS: list[dict[str, Any]] = [
    {"kind": "links"},
    {"kind": "pairs", "side_m": 200.0},
    {"kind": "pairs", "side_m": 50.0, "receiver": "anywhere"},
    {"kind": "hexagons", "cells": 3, "cell_shape": "disc", "association": "home"},
    {"kind": "hexagons", "cells": 7, "wrap_around": True},
    {"kind": "hexagons", "cells": 2, "direction": "downlink"},
    {"kind": "hexagons", "cells": 2, "direction": "downlink", "antennas": "per-user"},
    {"kind": "poisson", "density_per_km2": 20.0, "side_m": 500.0},
    {"kind": "grid", "rows": 2, "antennas": "per-user"},
]
LOSSES = ["power-law", "bounded", "log-distance", "macro", "umi", "uma", "p1411"]


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Small scenarios of every kind, in which something happens in every few slots."""
    layout = draw(st.sampled_from(LAYOUTS))
    linked = layout["kind"] == "links"
    moves = ["still", "waypoint", "direction"]
    if linked or layout.get("receiver") == "anywhere":
        moves = ["still"]
    elif layout.get("wrap_around"):
        moves = ["still", "direction"]
    loss = "unit" if linked else draw(st.sampled_from(LOSSES))
    channel: dict[str, Any] = {
        "path_loss": {"kind": loss},
        "shadowing_db": draw(st.sampled_from([None, 6.0])),
        "fading": draw(st.sampled_from(["none", "iid", "gauss-markov", "sinusoids"])),
        "rician_k_db": draw(st.sampled_from([None, 3.0])),
        "doppler_hz": draw(st.sampled_from([None, 0.0, 50.0])),
        "min_distance_m": 1.0,
    }
    initial = draw(st.integers(0, 4))
    timing = {
        "slot_s": 1e-3,
        "mode": draw(st.sampled_from(["ideal", "fixed", "measured"])),
        "latency_s": draw(st.sampled_from([0.0, 3e-4, 1e-3, 2.6e-3])),
        "fallback": draw(st.sampled_from(["hold", "max", "silent"])),
    }
    table = {
        "name": "any",
        "layout": layout,
        "channel": channel,
        "mobility": {
            "kind": draw(st.sampled_from(moves)),
            "groups": [{"speed_min_mps": 0.0, "speed_max_mps": 30.0}],
            "update_s": 2e-3,
            "redrop_s": draw(st.sampled_from([None, 5e-3])),
        },
        "population": {
            "initial_users": initial,
            "max_users": draw(st.integers(max(initial, 1), 6)),
            "arrivals_per_s": draw(st.sampled_from([0.0, 200.0, 2000.0])),
            "lifetime": {
                "kind": draw(st.sampled_from(["forever", "exponential", "log-normal", "fixed"])),
                "mean_s": 4e-3,
            },
        },
        "csi": {
            "delay_s": draw(st.sampled_from([0.0, 4e-4, 2e-3])),
            "period_s": draw(st.sampled_from([None, 3e-3])),
            "error_nmse_db": draw(st.sampled_from([None, -10.0])),
            "quantisation_bits": draw(st.sampled_from([None, 6])),
        },
        "radio": {"sinr_cap_db": draw(st.sampled_from([None, 20.0]))},
        "timing": timing,
    }
    return parse(table)


@settings(max_examples=60)
@given(scenario=scenarios(), seed=st.integers(0, 2**32 - 1))
def test_any_life_conserves_bits_and_keeps_powers_in_the_box(scenario: Scenario, seed: int) -> None:
    emulator = Emulator(scenario, seed, slots=20, record=True)
    network = emulator.network
    powers = RandomPowers(seed)
    elapsed = np.random.default_rng(seed).exponential(1e-3, size=100)
    cap = np.inf if scenario.radio.sinr_cap_db is None else np.log2(1.0 + 100.0)
    for elapsed_s in elapsed:
        report = emulator.advance()
        if report is None:
            break
        observation = report.observation()
        assert np.all(np.isfinite(observation.gain))
        assert np.all(observation.gain >= 0)
        emulator.grant(powers(observation), elapsed_s)
        absent = network.user_id < 0
        assert np.all((network.power >= 0) & (network.power <= network.p_max_w))
        assert np.all(network.power[absent] == 0)
        assert np.all(network.rates()[absent] == 0)
        assert np.all(network.rates() <= cap + 1e-12)
    assert emulator.over

    trace = emulator.journal.traces[0]
    users, slots = trace.table("users"), trace.table("slots")
    joined, left = np.asarray(users["join_s"]), np.asarray(users["leave_s"])
    rates = np.asarray(users["rate"])
    assert np.all(np.isfinite(rates))
    assert np.all(rates >= 0)
    carried = float(network.carried[0])
    assert float(np.sum(rates * (left - joined))) == pytest.approx(carried, rel=1e-9, abs=1e-12)
    assert float(np.sum(np.asarray(slots["sum_rate"]))) * 1e-3 == pytest.approx(
        carried, rel=1e-9, abs=1e-12
    )
    tally = emulator.journal.tally
    assert tally.joins == len(rates)
    assert tally.leaves == int(np.sum(np.asarray(users["left"])))
    assert tally.missed_deadlines <= tally.reports


def test_every_builtin_scenario_lives() -> None:
    for name in builtin():
        if name == "auckland":  # needs the data of an extra; it has tests of its own
            continue
        emulator = Emulator(ideal(name), 1, slots=30, record=True)
        while (report := emulator.advance()) is not None:
            emulator.grant(report.observation().p_max)
        assert emulator.network.carried[0] > 0, name
