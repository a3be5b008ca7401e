"""The study of learning online: its samples, its arms, its lives, and the command."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slotwise.controllers import make
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError, load
from slotwise.runs.studies.online import alarms, arms, draws, goals, lives
from slotwise.runs.studies.online.life import live
from slotwise.runs.studies.online.scale import SCALES
from slotwise.runs.studies.online.seeds import found, percent
from slotwise.runs.studies.online.study import online

Command = Callable[..., tuple[int, str, str]]

TINY = dataclasses.replace(
    SCALES["minutes"],
    samples=(8, 16),
    tests=30,
    episode_samples=16,
    memory=16,
    scratch_steps=1,
    steps=2,
    slots={"drift": 200, "d2d": 150, "auckland": 200},
    held=30,
    watched=200,
    networks=2,
    blocks=2,
    block_s=0.01,
)


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(SCALES, "minutes", TINY)
    monkeypatch.chdir(tmp_path)


def test_a_fixed_site_is_the_same_in_what_is_learned_from_and_judged_on() -> None:
    one = draws.pairs("fixed", 400, 400, seed=3)
    assert np.all(one.seen.mean == one.seen.mean[0])
    # Gains vary about the same means by fading alone: a Rice factor of 6 dB, mean one.
    assert np.allclose(one.true.mean(axis=0) / one.seen.mean[0], 1.0, atol=0.25)
    assert one.true is one.reported
    other = draws.pairs("fixed", 4, 4, seed=4)
    assert not np.allclose(one.seen.mean[0], other.seen.mean[0])


def test_random_sites_differ_in_every_sample() -> None:
    one = draws.pairs("random", 5, 5, seed=0)
    assert len(np.unique(one.seen.mean[:, 0, 0])) == 5
    assert not np.isin(one.true[:, 0, 0], one.seen.snr[:, 0, 0]).any()


def test_imperfect_csi_reports_other_gains_than_the_true_ones() -> None:
    exact = draws.pairs("fixed", 50, 50, seed=1)
    told = draws.pairs("fixed", 50, 50, seed=1, imperfect=True)
    assert np.array_equal(exact.true, told.true)
    levels = 10 * np.log10(told.reported)
    steps = (levels + 60) / (120 / 63)
    assert np.allclose(steps, np.rint(steps), atol=1e-6)  # six bits over 120 dB
    error = np.sqrt(told.reported) - np.sqrt(told.true)
    share = np.mean(error**2) / np.mean(told.true)
    assert 0.02 < share < 0.12  # of the error's 10 % the part in phase, and quantisation


@pytest.mark.parametrize(("number", "mean"), [(0, 1.0), (1, 1.0)])
def test_episodes_without_places_have_mean_gains_of_one(number: int, mean: float) -> None:
    one = draws.episode(number, 3, 300, seed=0)
    assert np.all(one.seen.mean == mean)
    assert one.true.mean() == pytest.approx(mean, abs=0.03)


def test_measured_gains_are_learned_early_and_judged_late(tmp_path: Path) -> None:
    gain = np.arange(1, 41, dtype=np.float64)[:, None, None] * np.ones((40, 10, 10))
    np.save(tmp_path / "gains.npy", gain)
    one = draws.measured(draws.Measured(tmp_path / "gains.npy", 2.0, 4.0), 100, 100, seed=0)
    assert sorted(one.seen.snr[:, 0, 0]) == [2.0 * slot for slot in range(1, 21)]
    assert sorted(one.true[:, 0, 0]) == [2.0 * slot for slot in range(21, 41)]
    assert np.all(one.seen.mean == 2.0 * 10.5)


def test_measured_gains_of_another_size_are_refused_in_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "three.npy", np.ones((4, 3, 3)))
    with pytest.raises(InputError, match=r"two slots of 10 users"):
        draws.measured(draws.Measured(tmp_path / "three.npy", 1.0, 1.0), 1, 1, seed=0)


def test_a_lesson_changes_weights_and_scratch_begins_elsewhere() -> None:
    seen = draws.pairs("fixed", 12, 1, seed=0).seen
    arm = arms.Arm("", "unrolled-tiny")
    base = arms.network(arm.base)
    steps = {"steps": 2, "fresh": 1}
    tuned = arms.learned(arm, base, arms.first(arm, base, seen, 0), seen, (0,), steps)
    assert {name: value.shape for name, value in tuned.items()} == {
        name: value.shape for name, value in base.tensors.items()
    }
    assert any(not np.array_equal(tuned[name], base.tensors[name]) for name in tuned)
    fresh = dataclasses.replace(arm, fresh=True)
    begun = arms.first(fresh, base, seen, 0)
    assert not np.array_equal(begun["start.weight"], base.tensors["start.weight"])


def test_losses_are_what_is_missing_to_wmmse() -> None:
    seen = draws.episode(0, 20, 1, seed=0).seen
    lost = arms.loss_of(make("max"), seen)
    snr = seen.snr.astype(np.float64)
    best = sum_rate(snr, make("wmmse").allocate(snr, 1.0, 1.0), 1.0)
    full = sum_rate(snr, np.ones((20, 10)), 1.0)
    assert np.allclose(lost, np.maximum(0.0, 1.0 - full / best))
    assert arms.loss_of(make("wmmse"), seen).max() < 1e-12


def test_a_bounded_memory_keeps_so_many() -> None:
    seen = draws.episode(0, 30, 1, seed=0).seen
    assert len(arms.kept(seen, 7, "reservoir", 0).weight) == 7
    newest = arms.kept(seen, 7, "recent", 0)
    assert np.array_equal(newest.snr, seen.snr[-7:])


def test_a_figure_over_seeds_is_a_mean_of_ratios_with_students_interval() -> None:
    one = found([1.0, 3.0, 2.0], [1.0, 2.0, 2.0])
    assert one.each == pytest.approx((100.0, 150.0, 100.0))
    assert one.value == pytest.approx(350 / 3)
    assert one.high is not None
    half = 4.302653 * np.std(one.each, ddof=1) / np.sqrt(3)  # t of two degrees of freedom
    assert one.high - one.value == pytest.approx(half, rel=1e-5)
    assert percent(found([1.0], [2.0])) == "50.00"
    with pytest.raises(ValueError, match="nothing to be relative to"):
        found([1.0], [0.0])


def test_a_life_without_learning_carries_what_the_emulator_says() -> None:
    scenario = load("gaussian-ic")
    lived = live(scenario, "wmmse", 0, 20, 5)
    assert lived.sum_rate.shape == (20,)
    assert (lived.lessons, lived.updates, lived.faults) == ({}, [], 0)
    late = load("gaussian-ic", ["csi.delay_s=1e-3"])
    assert live(late, "wmmse", 0, 20, 5).sum_rate.mean() < lived.sum_rate.mean()


def test_deployments_are_looked_at_on_the_slots_that_follow() -> None:
    scenario = load("gaussian-ic")
    spec = "finetuned:base=unrolled-tiny,every=30,guard=false,steps=1"
    lived = live(scenario, spec, 0, 150, 25)
    assert lived.lessons["deployed"] >= 2
    assert len(lived.updates) + lived.unseen == lived.lessons["deployed"]
    assert all(update.verdict.judged in range(20, 31) for update in lived.updates)
    assert all(update.outcome == "deployed" for update in lived.updates)
    assert abs(lived.updates[0].verdict.gain) < 0.2


def test_deployments_that_were_worse_are_counted() -> None:
    updates = [
        [10, "deployed", 0.01, 0.005, 0.02, 100],
        [20, "deployed", -0.01, -0.02, 0.001, 100],
        [30, "rolled back", -0.01, -0.02, -0.001, 100],
        [40, "deployed", 0.0, None, None, 100],
    ]
    result = {"lives": {"a": {"updates": updates}, "b": {"updates": []}}}
    good, total, gains = lives.kept_promises([result], ["a", "b"])
    assert (good, total) == (3, 4)
    assert gains == [0.01, -0.01, -0.01, 0.0]


def test_every_scene_can_be_lived() -> None:
    for scene in lives.SCENES:
        assert scene.scenario().timing.mode in ("ideal", "fixed")
        assert set(scene.drawn) <= set(scene.seats)
        assert SCALES["full"].slots[scene.name] % scene.bin_slots == 0


def test_false_alarms_are_counted_with_garwoods_interval() -> None:
    assert alarms.poisson_bounds(0) == pytest.approx((0.0, 3.6889), abs=1e-4)
    assert alarms.poisson_bounds(10) == pytest.approx((4.7954, 18.3904), abs=1e-4)


def test_a_change_is_found_in_the_scenario_that_changes() -> None:
    found_ = alarms.watched(load("drift"), 1200, 2, 0)
    assert all(any(1000 <= slot < 1200 for slot in one.alarms) for one in found_)


@pytest.mark.parametrize(
    ("value", "most", "tie", "high", "state"),
    [
        (99.5, False, False, None, "aim reached"),
        (98.0, False, False, None, "reached"),
        (97.0, False, False, 98.0, "missed"),
        (97.0, False, True, 98.0, "equal within the interval"),
        (97.0, True, False, None, "reached"),
        (None, False, False, None, "not measured"),
    ],
)
def test_goals_say_how_they_came_out(
    value: float | None, most: bool, tie: bool, high: float | None, state: str
) -> None:
    least, aim = (97.5, 97.5) if most else (97.5, 99.0)
    goal = goals.Goal("", least, aim, "samples", lambda _: reached, most=most, tie=tie)
    reached = goals.Reached(value, None, high, "")
    assert goal.state(goal.measure([])) == state


def test_the_study_has_its_goals_first_and_shares_their_units() -> None:
    study = online(TINY, range(2))
    names = [part.name for part in study.parts]
    assert names[0] == "goals"
    assert {"samples", "episodes", "drift", "d2d", "auckland", "alarms", "latency"} < set(names)
    others = {unit.file_name for part in study.parts[1:] for unit in part.units}
    assert {unit.file_name for unit in study.parts[0].units} == others


@pytest.mark.usefixtures("_tiny")
def test_a_part_is_measured_printed_and_gone_on_with(slotwise: Command, tmp_path: Path) -> None:
    code, out, err = slotwise("study", "online", "--tables", "drift", "--seeds", "1")
    assert (code, err) == (0, "")
    assert "Living: drift" in out
    assert "written: online-minutes/README.md" in out
    place = tmp_path / "online-minutes"
    written = {path.name for path in place.iterdir()}
    assert {"README.md", "study.json", "table-drift.csv", "time-drift.png", "units"} <= written
    kept = place / "units" / "table-drift" / "drift-seed-0.json"
    before = kept.stat().st_mtime_ns
    code, out, _ = slotwise("study", "online", "--tables", "drift", "--seeds", "1", "--json")
    assert code == 0
    assert json.loads(out)["parts"]["drift"]["rows"][0]["who"] == "wmmse"
    assert kept.stat().st_mtime_ns == before


@pytest.mark.usefixtures("_tiny")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--tables", "9"), "--tables 9: there are goals, samples, episodes"),
        (("--gains", "none.npy"), "--gains none.npy: no such file or folder"),
        (("--p-max", "2"), "with --gains only"),
    ],
)
def test_mistakes_are_told_in_one_line(
    slotwise: Command, tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    code, out, err = slotwise("study", "online", *arguments)
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1
    assert not any(tmp_path.iterdir())
