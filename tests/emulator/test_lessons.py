"""Lessons on the clock: when what was learned decides, and what decides meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.clock import Emulator
from slotwise.emulator.lessons import Lesson
from slotwise.emulator.scenario import Scenario

Array = NDArray[np.float64]
Replayed = Callable[..., Scenario]

LESSON = Lesson("deployed", 50, 0.02, 0.01, 0.03, 20, "every 10 decisions")
ALONE = np.ones((1, 1, 1))
FOREVER = [{"join_s": 0.0}]


class Pupil:
    """Decides at once, learns once in a given slot, and writes down when things happened.

    Its power is 0.25 W until what it learned is deployed, and 1 W from then on.
    """

    def __init__(self, emulator: Emulator, *, slot: int, elapsed_s: float = 0.0) -> None:
        self.emulator, self.slot, self.elapsed_s = emulator, slot, elapsed_s
        self.power = 0.25
        self.handed_s: list[float] = []
        self.slots: list[int] = []
        self.deployed_s: list[float] = []

    def deploy(self) -> None:
        self.deployed_s.append(self.emulator.now_s)
        self.power = 1.0

    def live(self, decision_s: float = 0.0) -> None:
        while (report := self.emulator.advance()) is not None:
            self.handed_s.append(report.time_s)
            self.slots.append(report.slot)
            self.emulator.grant([self.power], decision_s)
            if report.slot == self.slot:
                self.emulator.learn(LESSON, self.elapsed_s, self.deploy)


def rows(emulator: Emulator) -> list[dict[str, Any]]:
    """The lessons of an emulator's only network, a row each."""
    table = emulator.journal.traces[0].table("lessons")
    names = list(table)
    return [dict(zip(names, row, strict=True)) for row in zip(*table.values(), strict=True)]


def test_in_an_ideal_timing_what_was_learned_decides_from_the_next_report_on(
    replayed: Replayed,
) -> None:
    emulator = Emulator(replayed(ALONE, FOREVER), slots=5, record=True)
    pupil = Pupil(emulator, slot=2, elapsed_s=7.5)
    pupil.live()
    assert pupil.deployed_s == [2.0]
    # Slots 0, 1, 2 at a quarter of a watt over one of noise, 3 and 4 at one.
    assert emulator.network.carried[0] == pytest.approx(3 * np.log2(1.25) + 2 * np.log2(2.0))
    (row,) = rows(emulator)
    assert row == {
        "slot": 2,
        "start_s": 2.0,
        "elapsed_s": 7.5,
        "latency_s": 0.0,
        **LESSON._asdict(),
    }


@pytest.mark.parametrize("learning", ["background", "inline"])
def test_in_an_ideal_timing_it_does_not_matter_where_one_learns(
    replayed: Replayed, learning: str
) -> None:
    emulator = Emulator(replayed(ALONE, FOREVER, timing={"slot_s": 1.0, "learning": learning}))
    emulator.advance()
    emulator.grant([1.0])
    done: list[float] = []
    emulator.learn(LESSON, 100.0, lambda: done.append(emulator.now_s))
    assert done == [0.0]
    assert not emulator.learning


@pytest.mark.parametrize(
    ("timing", "elapsed_s", "latency_s"),
    [
        ({"mode": "fixed", "learning_s": 0.75}, 40.0, 0.75),
        ({"mode": "fixed", "learning_s": 0.75, "learning_share": 0.25}, 40.0, 3.0),
        ({"mode": "measured"}, 1.5, 1.5),
        ({"mode": "measured", "slowdown": 3.0}, 0.5, 1.5),
        ({"mode": "measured", "slowdown": 3.0, "learning_share": 0.5}, 0.5, 3.0),
        ({"mode": "fixed", "learning_s": 0.0}, 40.0, 0.0),
    ],
)
def test_in_the_background_a_lesson_takes_its_time_over_the_share_and_delays_no_decision(
    replayed: Replayed, timing: dict[str, Any], elapsed_s: float, latency_s: float
) -> None:
    scenario = replayed(ALONE, FOREVER, timing={"slot_s": 1.0, **timing})
    emulator = Emulator(scenario, slots=8, record=True)
    pupil = Pupil(emulator, slot=1, elapsed_s=elapsed_s)
    pupil.live()
    assert pupil.deployed_s == [pytest.approx(1.0 + latency_s, abs=1e-12)]
    assert pupil.handed_s == pytest.approx(range(8), abs=1e-12)
    assert emulator.journal.tally.missed_deadlines == 0
    # A report that arrives at the very instant at which a lesson ends is decided by what it taught.
    first = next(t for t in range(2, 9) if t >= 1.0 + latency_s)
    expected = first * np.log2(1.25) + (8 - first) * np.log2(2.0)
    assert emulator.network.carried[0] == pytest.approx(expected)
    (row,) = rows(emulator)
    assert (row["start_s"], row["elapsed_s"]) == (1.0, elapsed_s)
    assert row["latency_s"] == pytest.approx(latency_s, rel=1e-12)


def test_in_the_background_a_lesson_runs_beside_the_decision_that_is_under_way(
    replayed: Replayed,
) -> None:
    timing = {"slot_s": 1.0, "mode": "fixed", "latency_s": 0.5, "learning_s": 0.25}
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=4, record=True)
    pupil = Pupil(emulator, slot=1)
    pupil.live()
    assert pupil.deployed_s == [1.25]
    # What the lesson taught does not touch the decision that was made before: 1 W comes at 2.5.
    assert emulator.network.carried[0] == pytest.approx(2.0 * np.log2(1.25) + 1.5 * np.log2(2.0))


def test_inline_the_decision_under_way_comes_first_and_reports_wait_for_the_lesson(
    replayed: Replayed,
) -> None:
    timing = {
        "slot_s": 1.0,
        "mode": "fixed",
        "latency_s": 0.25,
        "learning": "inline",
        "learning_s": 2.5,
    }
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=7, record=True)
    pupil = Pupil(emulator, slot=1)
    pupil.live()
    # The decision of slot 1 is in force at 1.25, then comes the lesson, until 3.75. The report of
    # slot 2 is overtaken by that of 3, which is handed over when the lesson ends, and in force at
    # 4.0, just at its deadline; that of 4 finds the processor idle.
    assert pupil.deployed_s == [3.75]
    assert pupil.slots == [0, 1, 3, 4, 5, 6]
    assert pupil.handed_s == [0.0, 1.0, 3.75, 4.0, 5.0, 6.0]
    assert emulator.journal.tally.reports == 7
    assert emulator.journal.tally.missed_deadlines == 1
    expected = 3.75 * np.log2(1.25) + 3.0 * np.log2(2.0)
    assert emulator.network.carried[0] == pytest.approx(expected)
    (row,) = rows(emulator)
    assert (row["slot"], row["start_s"], row["latency_s"]) == (1, 1.25, 2.5)


def test_inline_a_report_whose_decision_was_held_up_by_a_lesson_misses_its_deadline(
    replayed: Replayed,
) -> None:
    timing = {
        "slot_s": 1.0,
        "mode": "measured",
        "learning": "inline",
        "learning_share": 0.5,  # of a second core, which is not the one that decides
        "slowdown": 2.0,
    }
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=5, record=True)
    pupil = Pupil(emulator, slot=0, elapsed_s=0.9)
    pupil.live(decision_s=0.25)
    # Decision until 0.5, lesson until 2.3. The report of 1 is overtaken; that of 2 is decided from
    # 2.3 to 2.8, in time; the one of 3 waits for nobody.
    assert pupil.handed_s == pytest.approx([0.0, 2.3, 3.0, 4.0], abs=1e-12)
    assert pupil.deployed_s == pytest.approx([2.3], abs=1e-12)
    assert emulator.journal.tally.missed_deadlines == 1
    emulator.reset(0)
    pupil = Pupil(emulator, slot=0, elapsed_s=1.2)
    pupil.live(decision_s=0.25)
    # Lesson until 2.9: what is decided on the report of 2 is in force at 3.4, too late, and the
    # report of 3 waits until then, and is in force at 3.9.
    assert pupil.handed_s == pytest.approx([0.0, 2.9, 3.4, 4.0], abs=1e-12)
    assert emulator.journal.tally.missed_deadlines == 2
    late = np.asarray(emulator.journal.traces[0].table("decisions")["missed"])
    assert late.tolist() == [False, True, False, False]


@pytest.mark.parametrize(("fallback", "power"), [("hold", 0.25), ("max", 1.0), ("silent", 0.0)])
def test_inline_the_fallback_stands_in_while_a_lesson_keeps_the_processor(
    replayed: Replayed, fallback: str, power: float
) -> None:
    timing = {
        "slot_s": 1.0,
        "mode": "fixed",
        "learning": "inline",
        "learning_s": 2.5,
        "deadline_s": 0.5,
        "fallback": fallback,
    }
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=3)
    pupil = Pupil(emulator, slot=0)
    pupil.live()
    # The report of 1 has no decision by 1.5, so the fallback answers until the lesson ends at 2.5
    # and the report of 2 is decided at once.
    assert pupil.handed_s == [0.0, 2.5]
    expected = 1.5 * np.log2(1.25) + 1.0 * np.log2(1 + power) + 0.5 * np.log2(2.0)
    assert emulator.network.carried[0] == pytest.approx(expected)


def test_inline_the_next_report_is_handed_over_at_the_instant_at_which_the_lesson_ends(
    replayed: Replayed,
) -> None:
    timing = {"slot_s": 1.0, "mode": "fixed", "learning": "inline", "learning_s": 2.0}
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=5, record=True)
    pupil = Pupil(emulator, slot=1)
    pupil.live()
    # The lesson ends as the report of slot 3 arrives: it is the freshest, and decided at once.
    assert pupil.slots == [0, 1, 3, 4]
    assert pupil.handed_s == [0.0, 1.0, 3.0, 4.0]
    assert pupil.deployed_s == [3.0]


def test_lessons_in_milliseconds_do_not_drift_off_the_clock(replayed: Replayed) -> None:
    """Slots, decisions and lessons whose times no binary fraction is, a thousand times over."""
    timing = {
        "slot_s": 1e-3,
        "mode": "fixed",
        "latency_s": 1e-4,
        "learning": "inline",
        "learning_s": 3e-4,
        "deadline_s": 1e-4,
    }
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=1000, record=True)
    handed_s = []
    while (report := emulator.advance()) is not None:
        handed_s.append(report.time_s)
        emulator.grant([1.0])
        emulator.learn(LESSON, 0.0, lambda: None)
    np.testing.assert_allclose(handed_s, 1e-3 * np.arange(1000), rtol=0, atol=1e-12)
    assert emulator.journal.tally.missed_deadlines == 0
    start_s = np.asarray(emulator.journal.traces[0].table("lessons")["start_s"])
    np.testing.assert_allclose(start_s, 1e-3 * np.arange(1000) + 1e-4, rtol=0, atol=1e-12)


@pytest.mark.parametrize("learning", ["background", "inline"])
def test_a_lesson_that_the_end_finds_at_work_is_unfinished_and_not_deployed(
    replayed: Replayed, learning: str
) -> None:
    timing = {"slot_s": 1.0, "mode": "fixed", "learning": learning, "learning_s": 9.0}
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=4, record=True)
    pupil = Pupil(emulator, slot=2)
    pupil.live()
    assert pupil.deployed_s == []
    (row,) = rows(emulator)
    assert (row["outcome"], row["start_s"], row["latency_s"]) == ("unfinished", 2.0, 9.0)
    assert (row["gain"], row["cause"]) == (LESSON.gain, LESSON.cause)


def test_one_lesson_at_a_time(replayed: Replayed) -> None:
    timing = {"slot_s": 1.0, "mode": "fixed", "learning_s": 1.5}
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=4)
    emulator.advance()
    emulator.grant([1.0])
    emulator.learn(LESSON, 0.0, lambda: None)
    busy = [emulator.learning]
    emulator.advance()
    emulator.grant([1.0])
    with pytest.raises(RuntimeError, match="one at a time"):
        emulator.learn(LESSON, 0.0, lambda: None)
    emulator.advance()  # of slot 2, half a second after the first has ended
    busy.append(emulator.learning)
    emulator.grant([1.0])
    emulator.learn(LESSON, 0.0, lambda: None)
    assert busy == [True, False]


def test_the_slot_of_a_lesson_is_that_of_the_newest_channel_decided_on(replayed: Replayed) -> None:
    scenario = replayed(
        ALONE,
        FOREVER,
        timing={"slot_s": 1.0, "mode": "fixed", "latency_s": 0.25},
        csi={"delay_s": 2.0},
    )
    emulator = Emulator(scenario, slots=6, record=True)
    pupil = Pupil(emulator, slot=1)
    pupil.live()
    (row,) = rows(emulator)
    assert (row["slot"], row["start_s"]) == (1, 3.0)  # measured in slot 1, handed over in slot 3


def test_a_new_life_knows_no_lesson_of_the_old_one(replayed: Replayed) -> None:
    timing = {"slot_s": 1.0, "mode": "fixed", "learning": "inline", "learning_s": 9.0}
    emulator = Emulator(replayed(ALONE, FOREVER, timing=timing), slots=3, record=True)
    Pupil(emulator, slot=0).live()
    emulator.reset(0)
    assert not emulator.learning
    pupil = Pupil(emulator, slot=-1)
    pupil.live()
    assert pupil.handed_s == [0.0, 1.0, 2.0]
    assert rows(emulator) == []
