"""What a study measures: rates raw and rounded, times, goals, and who is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers import registry
from slotwise.controllers.base import Controller
from slotwise.emulator.drops import draw
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError, load
from slotwise.runs import evaluate
from slotwise.runs.studies import measurement
from slotwise.runs.studies.measurement import Measurement, draw_seed, measure
from slotwise.runs.studies.setting import Goal, Scale, Setting

Array = NDArray[np.float64]

TINY = Scale("minutes", 40, 20, 8, 6, 0.05, 200, 4)
THREE = Setting("K = 3", "gaussian-ic", 3, 40, ("wmmse", "greedy", "max"))


def run(setting: Setting, seed: int = 0) -> Measurement:
    return measure(setting, {label: label for label in setting.methods}, TINY, seed)


class Fixed(Controller):
    """Answers the same powers always."""

    def __init__(self, power: list[float]) -> None:
        self.power = np.array(power)

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        return np.broadcast_to(self.power, gain.shape[:-1])


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make specs stand for controllers of the test."""
    original = registry.make

    def given(**controllers: Controller) -> None:
        monkeypatch.setattr(
            measurement, "make", lambda spec: controllers.get(spec) or original(spec)
        )

    return given


def test_rates_are_those_of_an_evaluation_on_the_same_draws() -> None:
    ours = {row["method"]: row for row in run(THREE, seed=5).rows}
    drops = draw(load("gaussian-ic"), 40, draw_seed(5), 3)
    theirs = evaluate(drops, ["wmmse", "greedy", "max"], latency_samples=1)
    for method, row in theirs.items():
        assert ours[method]["mean_sum_rate"] == pytest.approx(row["mean_sum_rate"], rel=1e-12)
        assert ours[method]["std_error"] == pytest.approx(row["std_error"], rel=1e-9)
        for kind in ("", "_low", "_high"):
            expected = row[f"relative{kind}"]  # type: ignore[literal-required]
            assert ours[method][f"relative_raw{kind}"] == pytest.approx(expected, rel=1e-12)


def test_a_large_setting_is_measured_in_blocks_of_other_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measurement, "_BLOCK_VALUES", 9 * 15)  # fifteen draws of three users
    row = run(THREE).rows[0]
    assert row["samples"] == 40
    parts = [draw(load("gaussian-ic"), n, draw_seed(0, i), 3) for i, n in enumerate((15, 15, 10))]
    assert not np.array_equal(parts[0].gain[0], parts[1].gain[0])
    means = [evaluate(part, ["wmmse"], latency_samples=1)["wmmse"] for part in parts]
    mean = sum(n * (each["mean_sum_rate"] or 0) for n, each in zip((15, 15, 10), means)) / 40  # noqa: B905
    assert row["mean_sum_rate"] == pytest.approx(mean, rel=1e-12)


def test_powers_are_rated_as_they_are_and_rounded_and_as_the_better(
    give: Callable[..., None],
) -> None:
    give(half=Fixed([0.6, 0.4, 0.5]))
    found = run(replace(THREE, methods=("max", "half")))
    drops = draw(load("gaussian-ic"), 40, draw_seed(0), 3)

    def rates(power: list[float]) -> Array:
        return np.asarray(sum_rate(drops.gain, np.tile(power, (40, 1)), drops.noise_power))

    raw, rounded, base = rates([0.6, 0.4, 0.5]), rates([1.0, 0.0, 1.0]), rates([1.0] * 3)
    row = found.rows[1]
    assert row["relative_raw"] == pytest.approx(raw.mean() / base.mean())
    assert row["relative_rounded"] == pytest.approx(rounded.mean() / base.mean())
    assert row["relative_better"] == pytest.approx(np.maximum(raw, rounded).mean() / base.mean())
    kept = found.quantiles["half"]
    assert kept["rounded"][0] == pytest.approx(rounded.min())
    assert kept["raw"][100] == pytest.approx(np.median(raw))


def test_every_method_has_both_times() -> None:
    for row in run(THREE).rows:
        assert row["seconds_batch"] > 0
        assert 0 < row["latency_p50_s"] <= row["latency_p99_s"]
        assert row["latency_samples"] == TINY.latency_samples
    assert run(THREE).rows[0]["speed"] == 1.0


def test_who_cannot_take_part_is_left_out_with_the_reason(give: Callable[..., None]) -> None:
    give(nan=Fixed([np.nan] * 3), short=Fixed([1.0]), strong=Fixed([2.0] * 3))
    found = run(replace(THREE, methods=("wmmse", "nonesuch", "nan", "strong")))
    assert [row["method"] for row in found.rows] == ["wmmse"]
    assert "unknown" in found.left_out["nonesuch"]
    assert "NaN" in found.left_out["nan"]
    assert "outside [0, p_max]" in found.left_out["strong"]


def test_without_its_reference_a_setting_has_no_ratios() -> None:
    found = run(replace(THREE, methods=("nonesuch", "max"), goals=(Goal("max", "raw", 1.0),)))
    assert found.rows[0]["relative_raw"] is None
    assert found.rows[0]["speed"] is None
    assert found.goals[0]["reached"] is None


def test_goals_say_what_was_reached_and_against_whom() -> None:
    goals = (
        Goal("greedy", "raw", 50.0, 99.0),
        Goal("max", "better", 99.9),
        Goal("nonesuch", "raw", 1.0),
        Goal("wmmse", "raw", 100.0, against="max"),
        Goal("max", "speed", 1e-6),
    )
    found = run(replace(THREE, goals=goals)).goals
    assert [goal["reached"] for goal in found] == [True, False, None, True, True]
    assert [goal["against"] for goal in found] == ["wmmse"] * 3 + ["max", "wmmse"]
    assert found[0]["low"] < found[0]["measured"] < found[0]["high"]


def test_a_certificate_is_told_with_what_it_left_open(give: Callable[..., None]) -> None:
    class Certified(Fixed):
        class certificate:
            closed = np.array([True, False])
            gap = np.array([0.001, 0.2])

    give(certain=Certified([1.0] * 3))
    row = run(replace(THREE, methods=("certain",))).rows[0]
    assert (row["open"], row["largest_gap"]) == (1, 0.2)


def test_a_wrong_scenario_is_an_error() -> None:
    with pytest.raises(InputError, match="no-such"):
        run(replace(THREE, scenario="no-such"))
