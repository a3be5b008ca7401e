"""One life: the seat, its failures, its clock, and its replay."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers import Controller
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, load
from slotwise.runs.life import Life
from slotwise.runs.simulation import simulate

Array = NDArray[np.float64]


class Scripted(Controller):
    """Full power, and now and then what a script says."""

    name = "scripted"

    def __init__(self, script: dict[int, Any]) -> None:
        self.script = script
        self.decided = 0

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        return np.broadcast_to(p_max, gain.shape[:-1]).astype(np.float64)

    def decide(self, observation: Observation) -> Array:
        answer = self.script.get(self.decided)
        self.decided += 1
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, float):
            time.sleep(answer)
        elif answer is not None:
            return np.asarray(answer)
        return observation.p_max


class Hanging(Scripted):
    """Never answers, and swallows every exception that it can."""

    def decide(self, observation: Observation) -> Array:
        self.decided += 1
        while self.decided == 2:
            with suppress(Exception):
                time.sleep(10)
        return observation.p_max


MEASURED = ["timing.mode=measured", "timing.slot_s=0.02"]


def test_what_a_controller_does_wrong_is_counted_and_the_network_goes_on() -> None:
    script = {
        2: ValueError("no idea\nat all"),
        4: [np.nan] * 10,
        6: [0.5] * 9,
        8: [2.0] * 10,
        10: MemoryError(),
    }
    life = simulate(load("gaussian-ic"), Scripted(script), slots=20)
    assert life.summary["decisions"] == 20
    assert life.summary["faults"] == 5
    assert life.summary["fallbacks"] == 5
    faults = [fault for fault in life.tables["decisions"]["fault"] if fault]
    assert faults == [
        "ValueError: no idea",
        "power nan W outside [0, 1] W",
        "powers of shape (9,), expected (10,)",
        "power 2 W outside [0, 1] W",
        "MemoryError: ",
    ]
    # The fallback holds the last powers, full power here, so nothing was lost.
    whole = simulate(load("gaussian-ic"), "max", slots=20)
    assert life.summary["mean_sum_rate"] == whole.summary["mean_sum_rate"]


def test_a_measured_decision_beyond_its_deadline_is_missed_and_charged() -> None:
    life = simulate(load("gaussian-ic", MEASURED), Scripted({3: 0.07}), slots=12)
    decisions = life.tables["decisions"]
    late = np.flatnonzero(decisions["missed"])
    assert late.tolist() == [3]
    assert np.asarray(decisions["latency_s"])[3] >= 0.07
    # It began in slot 3 and ended three and a half slots later, in slot 6: the reports of 4 and 5
    # were overtaken.
    assert np.asarray(decisions["slot"])[4] == 6
    assert life.summary["missed_deadlines"] == 3


def test_slowdown_stands_for_a_slower_processor() -> None:
    slow = load("gaussian-ic", [*MEASURED, "timing.slowdown=1000"])
    decisions = simulate(slow, "max", slots=5).tables["decisions"]
    np.testing.assert_allclose(
        np.asarray(decisions["latency_s"]), 1000 * np.asarray(decisions["elapsed_s"])
    )


def test_a_decision_that_never_ends_is_abandoned() -> None:
    scenario = load("gaussian-ic", [*MEASURED, "timing.abandon_s=0.2"])
    life = simulate(scenario, Hanging({}), slots=15)
    faults = [fault for fault in life.tables["decisions"]["fault"] if fault]
    assert faults == ["abandoned after 0.2 s"]
    assert life.summary["faults"] == 1
    assert life.summary["missed_deadlines"] >= 1
    assert life.summary["decisions"] >= 3


def test_a_measured_life_is_replayed_exactly() -> None:
    scenario = load("urban", ["timing.mode=measured", "timing.slowdown=0.5"])
    lived = simulate(scenario, "wmmse:warm_start=true", slots=60, seed=4)
    again = simulate(scenario, "wmmse:warm_start=true", slots=60, seed=4, replay=lived)
    assert {**again.summary, "seconds": 0} == {**lived.summary, "seconds": 0}
    for name, columns in lived.tables.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(again.tables[name][column], values)


class Stubborn(Scripted):
    """Hangs at its second decision, swallows even the end of it, and answers."""

    def decide(self, observation: Observation) -> Array:
        self.decided += 1
        with suppress(BaseException):
            while self.decided == 2:
                time.sleep(10)
        return observation.p_max


def test_a_controller_that_swallows_its_end_was_abandoned_all_the_same() -> None:
    scenario = load("gaussian-ic", [*MEASURED, "timing.abandon_s=0.2"])
    life = simulate(scenario, Stubborn({}), slots=15)
    assert [fault for fault in life.tables["decisions"]["fault"] if fault] == [
        "abandoned after 0.2 s"
    ]


def test_a_life_with_an_abandoned_decision_is_replayed_without_asking_for_it() -> None:
    scenario = load("gaussian-ic", [*MEASURED, "timing.abandon_s=0.2"])
    lived = simulate(scenario, Hanging({}), slots=15)
    began = time.perf_counter()
    again = simulate(scenario, Scripted({}), slots=15, replay=_named(lived, "scripted"))
    assert time.perf_counter() - began < 5  # asked, it would hang for ever
    assert {**again.summary, "seconds": 0} == {**lived.summary, "seconds": 0}


def _named(life: Life, controller: str) -> Life:
    return Life({**life.info, "controller": controller}, life.summary, life.tables)


def test_a_replay_longer_than_what_was_recorded_is_refused() -> None:
    lived = simulate(load("gaussian-ic"), "max", slots=3)
    with pytest.raises(InputError, match=r"has 3 slots; slots = 4 must not be more"):
        simulate(load("gaussian-ic"), "max", slots=4, replay=lived)
    shorter = simulate(load("gaussian-ic"), "max", slots=2, replay=lived)
    assert shorter.summary["decisions"] == 2


def test_a_replay_that_runs_out_of_decisions_is_refused() -> None:
    lived = simulate(load("gaussian-ic"), "max", slots=3)
    decisions = {name: values[:2] for name, values in lived.tables["decisions"].items()}
    short = Life(lived.info, lived.summary, {**lived.tables, "decisions": decisions})
    with pytest.raises(InputError, match="has fewer decisions"):
        simulate(load("gaussian-ic"), "max", slots=3, replay=short)


def test_a_controller_cannot_end_the_run() -> None:
    life = simulate(load("gaussian-ic"), Scripted({1: SystemExit(3)}), slots=3)
    assert life.summary["faults"] == 1


@pytest.mark.parametrize(
    ("scenario", "controller", "seed", "message"),
    [
        ("imac", "max", 4, "another scenario"),
        ("gaussian-ic", "random", 4, "another controller = 'max'"),
        ("gaussian-ic", "max", 5, "another seed = 4"),
    ],
)
def test_replaying_something_else_is_refused(
    scenario: str, controller: str, seed: int, message: str
) -> None:
    lived = simulate(load("gaussian-ic"), "max", slots=3, seed=4)
    with pytest.raises(InputError, match=message):
        simulate(load(scenario), controller, slots=3, seed=seed, replay=lived)


def test_an_empty_network_asks_nobody() -> None:
    scenario = load(
        "gaussian-ic",
        [
            "population.initial_users=0",
            "population.max_users=1",
            "population.trace=[{join_s=0.0035}]",
        ],
    )
    life = simulate(scenario, "wmmse", slots=6)
    assert np.asarray(life.tables["slots"]["active"]).tolist() == [0, 0, 0, 1, 1, 1]
    assert np.asarray(life.tables["decisions"]["slot"]).tolist() == [4, 5]


def test_progress_is_reported_in_slots() -> None:
    seen: list[int] = []
    simulate(load("gaussian-ic"), "max", slots=400, progress=seen.append)
    assert seen == list(range(0, 400, 2))


@pytest.mark.parametrize(("slots", "seed"), [(0, 0), (-1, 0), (3, -1)])
def test_impossible_lives_are_refused(slots: int, seed: int) -> None:
    with pytest.raises(InputError, match="must be"):
        simulate(load("gaussian-ic"), "max", slots=slots, seed=seed)
