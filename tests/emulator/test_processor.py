"""The processor: which report is decided, when it counts, and what stands in for a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.clock import Emulator
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import Scenario, load

Array = NDArray[np.float64]
Decide = Callable[[Observation], Any]
Replayed = Callable[..., Scenario]


def live(emulator: Emulator, decide: Decide) -> None:
    while (report := emulator.advance()) is not None:
        emulator.grant(decide(report.observation()))


def full_power(observation: Observation) -> Array:
    return observation.p_max


def test_a_report_overtaken_while_the_processor_is_busy_is_a_missed_deadline(
    replayed: Replayed,
) -> None:
    scenario = replayed(
        np.ones((1, 1, 1)), [{"join_s": 0.0}], timing={"slot_s": 1.0, "mode": "measured"}
    )
    emulator = Emulator(scenario, slots=6, record=True)
    slots = []
    while (report := emulator.advance()) is not None:
        slots.append(report.slot)
        emulator.grant([1.0], elapsed_s=2.5)
    # Reports come at 0, 1, ... 5. The processor takes those of 0 (until 2.5), 2 (until 5.0, the
    # instant at which 5 arrives) and 5 (beyond the end).
    assert slots == [0, 2, 5]
    # Overtaken: 1, 3 and 4. In force too late: 0 and 2. At the end 5 is just at its deadline.
    assert emulator.journal.tally.missed_deadlines == 5
    assert emulator.journal.tally.reports == 6


@pytest.mark.parametrize(("fallback", "power"), [("hold", 0.0), ("max", 1.0), ("silent", 0.0)])
def test_fallback_answers_from_the_deadline_until_the_late_decision(
    replayed: Replayed, fallback: str, power: float
) -> None:
    timing = {"slot_s": 1.0, "mode": "measured", "deadline_s": 0.5, "fallback": fallback}
    scenario = replayed(np.ones((1, 1, 1)), [{"join_s": 0.0}], timing=timing)
    emulator = Emulator(scenario, slots=1)
    emulator.advance()
    emulator.grant([0.25], elapsed_s=0.75)
    assert emulator.advance() is None
    expected = 0.25 * np.log2(1 + power) + 0.25 * np.log2(1.25)
    assert emulator.network.carried[0] == pytest.approx(expected, rel=1e-12)
    assert emulator.journal.tally.missed_deadlines == 1
    assert emulator.journal.tally.fallbacks == 1


def test_an_overtaken_report_does_not_silence_a_fresher_decision(replayed: Replayed) -> None:
    timing = {
        "slot_s": 1.0,
        "mode": "fixed",
        "latency_s": 2.2,
        "deadline_s": 4.0,
        "fallback": "silent",
    }
    visits = [{"join_s": 0.0}]
    emulator = Emulator(replayed(np.ones((1, 1, 1)), visits, timing=timing), slots=12)
    live(emulator, full_power)
    # Reports are decided from 0, 2.2, 4.4 ... on, each in force 2.2 later and thus in time. The
    # overtaken ones are missed; what is in force when their deadline comes is fresher.
    assert emulator.network.carried[0] == pytest.approx(12 - 2.2)
    assert emulator.journal.tally.fallbacks == 0


@pytest.mark.parametrize("fallback", ["hold", "max", "silent"])
def test_a_decision_in_force_just_at_its_deadline_is_in_time(
    replayed: Replayed, fallback: str
) -> None:
    timing = {"slot_s": 1e-3, "mode": "fixed", "latency_s": 1e-3, "fallback": fallback}
    visits = [{"join_s": 0.0}]
    emulator = Emulator(replayed(np.ones((1, 1, 1)), visits, timing=timing), slots=50)
    live(emulator, full_power)
    tally = emulator.journal.tally
    assert (tally.missed_deadlines, tally.fallbacks) == (0, 0)
    assert emulator.network.carried[0] == pytest.approx(0.049)


def test_one_report_falls_back_once_however_many_reasons_there_are(replayed: Replayed) -> None:
    timing = {"slot_s": 1.0, "mode": "fixed", "latency_s": 1.5}
    visits = [{"join_s": 0.0}]
    emulator = Emulator(replayed(np.ones((1, 1, 1)), visits, timing=timing), slots=1)
    emulator.advance()
    emulator.fail("no idea")
    assert emulator.advance() is None
    emulator = Emulator(replayed(np.ones((1, 1, 1)), visits, timing=timing), slots=2)
    emulator.advance()
    emulator.fail("no idea")
    emulator.advance()
    tally = emulator.journal.tally
    assert (tally.faults, tally.missed_deadlines, tally.fallbacks) == (1, 1, 1)


def test_a_report_has_no_gains_to_or_from_the_absent() -> None:
    changes = ["population.max_users=12", "population.initial_users=6", "timing.slot_s=1e-3"]
    emulator = Emulator(load("nasir-guo", changes), seed=1, networks=3, slots=1)
    report = emulator.advance()
    assert report is not None
    present = report.user_id >= 0
    both = present[:, :, None] & present[:, None, :]
    assert np.all(report.gain[~both] == 0)
    assert np.all(report.gain[both] > 0)
    for network in range(3):
        observation = report.observation(network)
        rows = np.flatnonzero(present[network])
        np.testing.assert_array_equal(observation.gain, report.gain[network][np.ix_(rows, rows)])


@pytest.mark.parametrize(
    "answer",
    [
        [0.5j, 0.5],
        [np.nan, 0.5],
        [0.5, np.inf],
        [-0.1, 0.5],
        [0.5, 1.1],
        [0.5],
        [0.5, 0.5, 0.5],
        [[0.5, 0.5, 0.5]],
        "loud",
        None,
        [0.5, "loud"],
    ],
)
@pytest.mark.parametrize(
    ("fallback", "expected"), [("hold", [0.5, 0.25]), ("max", [1.0, 1.0]), ("silent", [0.0, 0.0])]
)
def test_a_faulty_answer_is_counted_and_the_fallback_answers(
    replayed: Replayed, answer: Any, fallback: str, expected: list[float]
) -> None:
    timing = {"slot_s": 1.0, "fallback": fallback}
    visits = [{"join_s": 0.0}, {"join_s": 0.0}]
    scenario = replayed(np.ones((1, 2, 2)), visits, timing=timing)
    emulator = Emulator(scenario, slots=3, record=True)
    emulator.advance()
    emulator.grant([0.5, 0.25])
    emulator.advance()
    emulator.grant(answer)
    assert emulator.network.power[0].tolist() == expected
    assert emulator.journal.tally.faults == 1
    assert emulator.journal.tally.fallbacks == 1
    emulator.advance()
    emulator.grant([0.125, 0.5])
    assert emulator.network.power[0].tolist() == [0.125, 0.5]
    decisions = emulator.journal.traces[0].table("decisions")
    assert [bool(fault) for fault in decisions["fault"]] == [False, True, False]


def test_a_fault_in_one_network_leaves_its_neighbours_alone() -> None:
    emulator = Emulator(load("gaussian-ic"), networks=3, slots=1)
    report = emulator.advance()
    assert report is not None
    power = np.full(report.user_id.shape, 0.5)
    power[1, 4] = np.nan
    emulator.grant(power)
    assert np.all(emulator.network.power[[0, 2]] == 0.5)
    assert np.all(emulator.network.power[1] == 0.0)
    assert emulator.journal.tally.faults == 1


def test_a_failure_holds_the_last_powers_and_names_its_cause(replayed: Replayed) -> None:
    scenario = replayed(np.ones((1, 1, 1)), [{"join_s": 0.0}])
    emulator = Emulator(scenario, slots=2, record=True)
    emulator.advance()
    emulator.grant([0.5])
    emulator.advance()
    emulator.fail("ZeroDivisionError: division by zero")
    assert emulator.advance() is None
    assert emulator.network.carried[0] == pytest.approx(2 * np.log2(1.5))
    events = emulator.journal.traces[0].table("events")
    faults = [c for k, c in zip(events["kind"], events["cause"], strict=True) if k == "fault"]
    assert faults == ["ZeroDivisionError: division by zero"]


def test_a_user_that_left_before_the_report_was_read_is_not_in_the_observation(
    replayed: Replayed,
) -> None:
    visits = [{"join_s": 0.0}, {"join_s": 0.0, "leave_s": 0.25}]
    scenario = replayed(np.ones((1, 2, 2)), visits, csi={"delay_s": 0.5})
    report = Emulator(scenario, slots=1).advance()
    assert report is not None
    assert report.observation().user_id.tolist() == [0]


def test_a_row_reused_during_a_decision_does_not_inherit_its_power(replayed: Replayed) -> None:
    # User 0 leaves and user 1 takes its row while the decision for user 0 is computed.
    visits = [{"join_s": 0.0, "leave_s": 0.25}, {"join_s": 0.375}]
    timing = {"slot_s": 1.0, "mode": "fixed", "latency_s": 0.5}
    scenario = replayed(np.ones((1, 1, 1)), visits, timing=timing)
    emulator = Emulator(scenario, slots=1, record=True)
    live(emulator, full_power)
    assert emulator.network.carried[0] == 0.0
    assert emulator.journal.tally.joins == 2


def test_an_empty_network_asks_and_is_skipped(replayed: Replayed) -> None:
    scenario = replayed(np.ones((1, 1, 1)), [{"join_s": 1.5}])
    emulator = Emulator(scenario, slots=3)
    users = []
    while (report := emulator.advance()) is not None:
        users.append(int(report.users[0]))
        if users[-1]:
            emulator.grant([1.0])
        else:
            emulator.skip()
    assert users == [0, 0, 1]
    assert emulator.journal.tally.decisions == 1


def test_advancing_without_an_answer_or_answering_without_a_report_is_an_error() -> None:
    emulator = Emulator(load("gaussian-ic"), slots=2)
    with pytest.raises(RuntimeError, match="no report waits"):
        emulator.grant([1.0])
    emulator.advance()
    with pytest.raises(RuntimeError, match="waits for its decision"):
        emulator.advance()


@pytest.mark.parametrize("fallback", ["silent", "max"])
def test_a_decision_that_comes_into_force_at_the_deadline_of_a_later_report_stays(
    fallback: str,
) -> None:
    """Two slots of latency and a deadline of one: each decision holds until the next deadline."""
    changes = ["timing.mode=fixed", "timing.latency_s=0.002", f"timing.fallback={fallback}"]
    emulator = Emulator(load("gaussian-ic", changes), seed=1, slots=12)
    in_force = []
    while emulator.advance() is not None:
        in_force.append(emulator.network.power[0].copy())
        emulator.grant(np.full(10, 0.25))
    # Handed over at 0, 2, 4, ... ms: what was decided at one comes into force at the next.
    assert len(in_force) == 6
    np.testing.assert_array_equal(in_force[1:], np.full((5, 10), 0.25))
