"""Controllers that learn: their time is charged, their failures survived, their lessons kept."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers import Controller
from slotwise.emulator.lessons import Lesson
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, Scenario, load
from slotwise.runs.cells import Cell
from slotwise.runs.directory import read_run, write_run
from slotwise.runs.learning import during, learned
from slotwise.runs.life import Life
from slotwise.runs.pooled import fault_lines, pool
from slotwise.runs.simulation import simulate

Array = NDArray[np.float64]


class Pupil(Controller):
    """Full power; learns after every so many decisions, for a while, with outcomes in turn."""

    name = "pupil"
    learns = True

    def __init__(self, every: int = 10, pause_s: float = 0.0, script: Any = None) -> None:
        self.every, self.pause_s, self.script = every, pause_s, script or {}
        self.watched: list[Observation] = []
        self.asked = self.lessons = self.deployed = 0

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        return np.broadcast_to(p_max, gain.shape[:-1]).astype(np.float64)

    def watch(self, observation: Observation) -> None:
        self.watched.append(observation)

    def learn(self) -> Lesson | None:
        self.asked += 1
        if len(self.watched) % self.every:
            return None
        self.lessons += 1
        answer = self.script.get(self.lessons)
        if isinstance(answer, BaseException):
            raise answer
        if answer is not None:
            return answer  # type: ignore[no-any-return]
        time.sleep(self.pause_s)
        outcome = ("deployed", "rejected", "rolled back")[(self.lessons - 1) % 3]
        cause = f"every {self.every} decisions"
        return Lesson(outcome, len(self.watched), 0.01, -0.01, 0.03, 20, cause)

    def deploy(self) -> None:
        self.deployed += 1
        answer = self.script.get("deploy")
        if isinstance(answer, BaseException):
            raise answer


def _causes(life: Life) -> list[str]:
    events = life.tables["events"]
    kinds = zip(events["kind"], events["cause"], strict=True)
    return [str(cause) for kind, cause in kinds if kind == "fault"]


def _links(*changes: str) -> Scenario:
    return load("gaussian-ic", ["population.initial_users=4", *changes])


# --- in the seat -----------------------------------------------------------------------------


def test_a_seat_that_learns_watches_every_decision_and_learns_when_it_likes() -> None:
    pupil = Pupil(every=10)
    life = simulate(_links(), pupil, slots=45)
    assert [seen.slot for seen in pupil.watched] == list(range(45))
    lessons = life.tables["lessons"]
    assert np.asarray(lessons["slot"]).tolist() == [9, 19, 29, 39]
    assert list(lessons["outcome"]) == ["deployed", "rejected", "rolled back", "deployed"]
    assert pupil.deployed == 4
    assert life.summary["faults"] == 0


def test_what_was_watched_stays_what_it_was() -> None:
    kept: list[Array] = []

    class Keeper(Pupil):
        def watch(self, observation: Observation) -> None:
            super().watch(observation)
            kept.append(observation.gain.copy())

    keeper = Keeper()
    simulate(load("urban"), keeper, slots=40)
    for seen, gain in zip(keeper.watched, kept, strict=True):
        np.testing.assert_array_equal(seen.gain, gain)


def test_nobody_is_asked_for_a_lesson_while_one_is_under_way() -> None:
    timing = ["timing.mode=fixed", "timing.learning_s=0.0145"]
    pupil = Pupil(every=1)
    life = simulate(_links(*timing), pupil, slots=45)
    # A lesson of 14.5 slots from slot 0, 15 and 30 on.
    assert np.asarray(life.tables["lessons"]["slot"]).tolist() == [0, 15, 30]
    assert pupil.asked == 3
    assert len(pupil.watched) == 45


def test_one_that_does_not_learn_is_never_watched() -> None:
    pupil = Pupil()
    pupil.learns = False
    life = simulate(_links(), pupil, slots=30)
    assert pupil.watched == []
    assert life.summary["learning"] is None


@pytest.mark.parametrize("error", [ValueError("no idea\nat all"), MemoryError(), SystemExit(3)])
@pytest.mark.parametrize("where", [2, "deploy"])
def test_learning_that_fails_is_one_fault_and_the_network_goes_on(
    error: BaseException, where: int | str
) -> None:
    pupil = Pupil(every=5, script={where: error})
    life = simulate(_links(), pupil, slots=60)
    assert life.summary["decisions"] == 60
    assert life.summary["faults"] == 1
    assert life.summary["fallbacks"] == 0
    assert not any(life.tables["decisions"]["fault"])
    (cause,) = _causes(life)
    assert cause.startswith(f"learning: {type(error).__name__}: ")
    assert "\n" not in cause
    lessons = 2 if where == 2 else 1
    assert pupil.lessons == lessons  # and it was not asked again
    whole = simulate(_links(), "max", slots=60)
    assert life.summary["mean_sum_rate"] == whole.summary["mean_sum_rate"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("deployed", "learn() answered with a str, not with a Lesson"),
        (Lesson("splendid", 1, 0.0, 0.0, 0.0, 1, ""), "outcome = 'splendid': must be one of"),
        (Lesson("deployed", 1, None, 0.0, 0.0, 1, ""), "float"),  # type: ignore[arg-type]
    ],
)
def test_a_lesson_that_is_none_is_a_fault(answer: Any, words: str) -> None:
    life = simulate(_links(), Pupil(every=5, script={1: answer}), slots=20)
    (cause,) = _causes(life)
    assert words in cause
    assert len(life.tables["lessons"]["slot"]) == 0


def test_the_time_of_a_lesson_is_that_of_learning_and_of_all_that_was_watched_for_it() -> None:
    class Slow(Pupil):
        def watch(self, observation: Observation) -> None:
            super().watch(observation)
            time.sleep(0.002)

    scenario = _links("timing.mode=measured", "timing.slot_s=0.01", "timing.slowdown=2")
    life = simulate(scenario, Slow(every=5, pause_s=0.01), slots=12)
    lessons = life.tables["lessons"]
    elapsed_s, latency_s = (np.asarray(lessons[name]) for name in ("elapsed_s", "latency_s"))
    assert np.all(elapsed_s >= 5 * 0.002 + 0.01)
    np.testing.assert_allclose(latency_s, 2 * elapsed_s)
    assert np.median(np.asarray(life.tables["decisions"]["elapsed_s"])) < 0.002


# --- kept and replayed -----------------------------------------------------------------------


@pytest.mark.parametrize("learning", ["background", "inline"])
def test_a_measured_life_is_replayed_with_its_lessons(tmp_path: Path, learning: str) -> None:
    timing = ["timing.mode=measured", "timing.slot_s=0.002", f"timing.learning={learning}"]
    lived = simulate(_links(*timing), Pupil(every=8, pause_s=0.005), slots=60)
    assert len(lived.tables["lessons"]["slot"]) > 2
    write_run(lived, tmp_path / "lived")
    again = simulate(_links(*timing), Pupil(every=8), slots=60, replay=tmp_path / "lived")
    for name, columns in lived.tables.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(again.tables[name][column], values)
    assert {**again.summary, "seconds": 0} == {**lived.summary, "seconds": 0}


def test_a_replay_that_runs_out_of_lessons_is_refused() -> None:
    lived = simulate(_links(), Pupil(every=8), slots=30)
    with pytest.raises(InputError, match="has fewer lessons; its controller learned otherwise"):
        simulate(_links(), Pupil(every=7), slots=30, replay=lived)


def test_lessons_are_kept_as_parquet_and_read_back(tmp_path: Path) -> None:
    life = simulate(_links(), Pupil(every=10), slots=35)
    write_run(life, tmp_path / "kept")
    back = read_run(tmp_path / "kept")
    assert list(back.tables["lessons"]["outcome"]) == ["deployed", "rejected", "rolled back"]
    for name, values in life.tables["lessons"].items():
        np.testing.assert_array_equal(back.tables["lessons"][name], values)
    assert back.summary["learning"] == life.summary["learning"]
    nobody = simulate(_links(), "max", slots=5)
    write_run(nobody, tmp_path / "nobody")
    assert list(read_run(tmp_path / "nobody").tables["lessons"]["outcome"]) == []


# --- what it came to -------------------------------------------------------------------------


LESSONS: dict[str, Any] = {
    "start_s": [1.0, 6.0, 9.5],
    "elapsed_s": [0.5, 0.25, 3.0],
    "latency_s": [2.0, 0.5, 4.0],
    "outcome": ["deployed", "rolled back", "unfinished"],
}
DECISIONS: dict[str, Any] = {
    # The first is in force before a lesson begins, the second as it begins; the last, whose report
    # waited for the processor from 9 on, only when the third has begun.
    "slot": [0, 0, 2, 3, 4, 6, 9],
    "start_s": [0.0, 0.5, 2.0, 3.0, 4.0, 6.0, 9.25],
    "elapsed_s": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07],
    "latency_s": [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
}


def test_decisions_are_told_by_whether_a_lesson_was_under_way() -> None:
    beside = during(LESSONS, DECISIONS, slot_s=1.0)
    assert beside.tolist() == [False, False, True, False, False, True, True]
    # Reports that travel for a while arrive later: nothing waited for the processor at 9.
    assert during(LESSONS, DECISIONS, 1.0, 0.25).tolist() == beside.tolist()
    none = {name: values[:0] for name, values in LESSONS.items()}
    assert not during(none, DECISIONS, 1.0).any()
    at_once = {**LESSONS, "latency_s": [0.0, 0.0, 0.0]}
    assert not during(at_once, DECISIONS, 1.0).any()


def test_what_learning_came_to_by_hand() -> None:
    came_to = learned([(LESSONS, DECISIONS)], span_s=10.0, slot_s=1.0)
    assert came_to is not None
    counts = ("lessons", "deployed", "rejected", "rolled_back", "unfinished")
    assert [came_to[name] for name in counts] == [3, 1, 0, 1, 1]  # type: ignore[literal-required]
    assert came_to["clock_s_per_s"] == pytest.approx((2.0 + 0.5 + 0.5) / 10)  # the last is cut
    assert came_to["machine_s_per_s"] == pytest.approx(3.75 / 10)
    assert came_to["latency_p50_s"] == pytest.approx(0.06)
    assert came_to["latency_alone_p50_s"] == pytest.approx(np.median([0.01, 0.02, 0.04, 0.05]))
    assert came_to["answer_p50_s"] == pytest.approx(0.5)
    assert came_to["answer_p99_s"] == pytest.approx(np.percentile([0.5, 0.5, 0.75], 99))
    assert came_to["answer_alone_p99_s"] == pytest.approx(np.percentile([0.5, 1, 0.5, 0.5], 99))


def test_lives_are_taken_together_and_not_averaged() -> None:
    none = {name: values[:0] for name, values in LESSONS.items()}
    both = learned([(LESSONS, DECISIONS), (none, DECISIONS)], span_s=10.0, slot_s=1.0)
    one = learned([(LESSONS, DECISIONS)], span_s=10.0, slot_s=1.0)
    assert both is not None
    assert one is not None
    assert both["clock_s_per_s"] == pytest.approx(one["clock_s_per_s"] / 2)
    assert both["lessons"] == one["lessons"]
    alone = [0.01, 0.02, 0.04, 0.05, *DECISIONS["elapsed_s"]]
    assert both["latency_alone_p50_s"] == pytest.approx(np.median(alone))
    assert learned([(none, DECISIONS)], span_s=10.0, slot_s=1.0) is None


def _cells(folder: Path, scenario: Scenario, learns: bool, seeds: int) -> list[Cell]:
    """Finished cells of one controller."""
    cells = []
    for seed in range(seeds):
        pupil = Pupil(every=10, pause_s=0.002)
        pupil.learns = learns
        directory = folder / f"{learns}-{seed}"
        write_run(simulate(scenario, pupil, slots=45, seed=seed), directory)
        cells.append(Cell(scenario, "pupil", seed, 45, directory))
    return cells


def test_a_comparison_pools_lessons_and_the_decisions_beside_them(tmp_path: Path) -> None:
    scenario = _links("timing.mode=measured", "timing.slot_s=0.001", "csi.delay_s=0.0005")
    cells = {name: _cells(tmp_path, scenario, name == "pupil", 2) for name in ("max", "pupil")}
    rows = pool(cells)["controllers"]
    assert rows["max"]["learning"] is None
    found = rows["pupil"]["learning"]
    assert found is not None
    lives = [read_run(cell.directory).tables for cell in cells["pupil"]]
    tables = [(life["lessons"], life["decisions"]) for life in lives]
    assert found == learned(tables, 0.045, 0.001, 0.0005)
    alone = [read_run(cell.directory).summary["learning"] for cell in cells["pupil"]]
    assert found["lessons"] == sum(each["lessons"] for each in alone)
    assert found["clock_s_per_s"] == pytest.approx(
        np.mean([each["clock_s_per_s"] for each in alone])
    )
    json.dumps(found, allow_nan=False)


def test_faults_of_learning_are_not_called_faults_of_decisions() -> None:
    causes = ["learning: ValueError: no idea", "NaN", "power 2 W outside [0, 1] W"]
    assert fault_lines(causes, 1000) == [
        "2 of 1,000 decisions failed, first: NaN",
        "learning failed and was given up: ValueError: no idea",
    ]
    assert fault_lines([], 1000) == []
    assert fault_lines(["NaN"] * 3, 3) == [
        "every one of 3 decisions failed, all figures are the fallback's: NaN"
    ]


def test_where_lessons_take_no_time_no_decision_is_beside_one() -> None:
    life = simulate(_links(), Pupil(every=10), slots=45)
    came_to = life.summary["learning"]
    assert came_to["lessons"] == 4
    assert came_to["clock_s_per_s"] == 0.0
    assert came_to["machine_s_per_s"] > 0.0
    assert came_to["latency_p50_s"] is None
    assert came_to["latency_alone_p50_s"] == life.summary["latency_p50_s"]


def test_inline_lessons_show_between_a_report_and_its_powers_and_background_ones_do_not() -> None:
    fixed = ["timing.mode=fixed", "timing.latency_s=0.0002", "timing.learning_s=0.0025"]
    inline = simulate(_links(*fixed, "timing.learning=inline"), Pupil(every=20), slots=200)
    beside = simulate(_links(*fixed, "timing.learning=background"), Pupil(every=20), slots=200)
    # From 0.2 ms of a slot to 2.7 ms. A report is overtaken; the next waits for 0.7 ms.
    assert inline.summary["learning"]["answer_p50_s"] == pytest.approx(9e-4)
    assert inline.summary["learning"]["answer_alone_p50_s"] == pytest.approx(2e-4)
    assert inline.summary["missed_deadlines"] == inline.summary["learning"]["lessons"]
    assert beside.summary["learning"]["answer_p99_s"] == pytest.approx(2e-4)
    assert beside.summary["learning"]["answer_alone_p99_s"] == pytest.approx(2e-4)
    assert beside.summary["missed_deadlines"] == 0
    assert math.isclose(beside.summary["learning"]["clock_s_per_s"], 10 * 0.0025 / 0.2, rel_tol=0.1)
