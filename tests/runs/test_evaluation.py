"""Controllers on frozen draws: rates by hand, times kept apart, wrong arrays refused."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers.base import Controller
from slotwise.controllers.heuristics import FullPower
from slotwise.emulator.drops import draw
from slotwise.emulator.objective import Objective
from slotwise.emulator.scenario import InputError, load
from slotwise.runs import evaluate
from slotwise.runs import evaluate as evaluate_function
from slotwise.runs.frozen import Frozen

Array = NDArray[np.float64]
SURVEY = Path(os.environ.get("SLOTWISE_SHARED", Path(__file__).parents[2] / "../shared")) / Path(
    "data/uminho-wifi/survey-2019-02-19"
)


class Fixed(Controller):
    """Always the same answer, right or wrong."""

    name = "fixed"

    def __init__(self, answer: float | Array) -> None:
        self.answer = answer
        self.shapes: list[tuple[int, ...]] = []

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        self.shapes.append(gain.shape)
        if isinstance(self.answer, float):
            return np.full(gain.shape[:-1], self.answer)
        return self.answer


def test_two_links_by_hand() -> None:
    # Gains 4 and 9 direct, 1 and 2 across, noise 1, full power 1.
    gain = np.array([[4.0, 1.0], [2.0, 9.0]])
    row = evaluate(gain, ["max"], latency_samples=3)["max"]
    assert row["mean_sum_rate"] == pytest.approx(math.log2(1 + 4 / 2) + math.log2(1 + 9 / 3))
    assert (row["std_error"], row["relative_low"], row["relative_high"]) == (None, None, None)
    assert row["relative"] == 1.0


def test_efficiencies_and_a_promise_by_hand() -> None:
    # Rates of log2(3) and 2 at full power, which costs 2 W of radiation and 1 W besides.
    gain = np.array([[[4.0, 1.0], [2.0, 9.0]], [[4.0, 40.0], [2.0, 9.0]]])
    frozen = {
        aim: Frozen.of(gain, objective=Objective(aim, 2.0, 1.0, 1.5))
        for aim in ("energy-efficiency", "weighted-energy-efficiency")
    }
    first, second = math.log2(3.0), math.log2(1.0 + 4.0 / 41.0)
    for aim, scale in (("energy-efficiency", 6.0), ("weighted-energy-efficiency", 3.0)):
        row = evaluate(frozen[aim], ["max"], latency_samples=3)["max"]
        assert row["objective"] == aim
        assert row["mean_merit"] == pytest.approx((first + second + 4.0) / 2.0 / scale)
        assert row["mean_sum_rate"] == pytest.approx((first + second + 4.0) / 2.0)
        # In the second draw, 1.5 bit/s/Hz need a product of couplings below one: 1.83^2 (10) (2/9).
        assert row["promise"] == {
            "min_rate": 1.5,
            "slots": 2,
            "infeasible": 1,
            "broken": 0,
            "user_slots": 4,
            "short": 1,
        }
    silent = evaluate(frozen["energy-efficiency"], [Fixed(0.0)], latency_samples=3)["fixed"]
    assert silent["promise"] is not None
    assert (silent["promise"]["broken"], silent["promise"]["short"]) == (1, 4)


def test_who_can_serves_the_objective_of_the_draws() -> None:
    scenario = load("gaussian-ic", ["objective=energy-efficiency", "population.initial_users=3"])
    draws = draw(scenario, 50, seed=1)
    rows = evaluate(draws, ["optimum", "optimum:objective=sum-rate"], latency_samples=3)
    ours, theirs = rows.values()
    assert ours["mean_merit"] is not None
    assert theirs["mean_merit"] is not None
    assert ours["mean_sum_rate"] is not None
    assert theirs["mean_sum_rate"] is not None
    assert ours["mean_merit"] > 1.1 * theirs["mean_merit"]
    assert ours["mean_sum_rate"] < theirs["mean_sum_rate"]


def test_a_cap_of_the_draws_is_served_and_judged() -> None:
    gain, objective = np.eye(2)[None] * 9.0, Objective("energy-efficiency", 4.0, 1.0)
    frozen = Frozen.of(gain, sinr_cap=1.0, objective=objective)
    row = evaluate(frozen, ["fractional"], latency_samples=1)["fractional"]
    assert row["mean_merit"] == pytest.approx(2.0 / (2.0 + 8.0 / 9.0))
    assert row["mean_sum_rate"] == pytest.approx(2.0)
    promised = objective._replace(min_rate=1.5)
    kept = evaluate(Frozen.of(gain, sinr_cap=1.0, objective=promised), ["max"], latency_samples=1)
    assert kept["max"]["promise"] is not None
    assert (kept["max"]["promise"]["infeasible"], kept["max"]["promise"]["broken"]) == (1, 0)


def test_who_does_not_serve_the_objective_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="controller unrolled-ee: objective = sum-rate"):
        evaluate(np.eye(2), ["unrolled-ee"])


def test_mean_error_and_ratio_over_draws_by_hand() -> None:
    # One user: rates log2(1 + g p); gains 1, 3, 7 at 1 W: 1, 2, 3; at 3 W: 2, log2 10, log2 22.
    gain = np.array([1.0, 3.0, 7.0]).reshape(3, 1, 1)
    full, third = evaluate(gain, ["max", Fixed(1.0)], p_max=3.0, latency_samples=3).values()
    expected = (2 + math.log2(10) + math.log2(22)) / 3
    assert full["mean_sum_rate"] == pytest.approx(expected)
    assert third["mean_sum_rate"] == pytest.approx(2.0)
    assert third["std_error"] == pytest.approx(1 / math.sqrt(3))
    assert third["relative"] == pytest.approx(2 / expected)
    assert third["relative_low"] is not None
    assert third["relative_high"] is not None
    assert third["relative_low"] < 2 / expected < third["relative_high"]


def test_rates_stop_at_the_cap_of_the_scenario() -> None:
    scenario = load("gaussian-ic", ["radio.sinr_cap_db=0", "radio.noise_dbm=-100"])
    found = evaluate(draw(scenario, 20, seed=1, links=1), ["max"], latency_samples=1)
    assert found["max"]["mean_sum_rate"] == pytest.approx(1.0)


def test_weights_count() -> None:
    frozen = Frozen.of(np.eye(2), weight=[1.0, 3.0])
    assert evaluate(frozen, ["max"], latency_samples=1)["max"]["mean_sum_rate"] == pytest.approx(4)


def test_gaussian_links_give_the_published_mean_of_full_power_and_wmmse() -> None:
    # Sun et al. (2018), K = 10, 10^5 draws: WMMSE 2.8333; full power is 50% of it.
    found = evaluate(draw(load("gaussian-ic"), 4000, seed=3), ["wmmse", "max"], latency_samples=1)
    wmmse, full = found["wmmse"], found["max"]
    assert wmmse["mean_sum_rate"] is not None
    assert wmmse["std_error"] is not None
    assert abs(wmmse["mean_sum_rate"] - 2.8333) < 4 * wmmse["std_error"]
    assert wmmse["std_error"] == pytest.approx(0.75 / math.sqrt(4000), rel=0.1)
    assert full["relative"] == pytest.approx(0.50, abs=0.01)


def test_another_reference_can_be_named() -> None:
    gain = np.random.default_rng(0).exponential(size=(30, 3, 3))
    found = evaluate(gain, ["max", "greedy"], reference="greedy", latency_samples=1)
    assert found["greedy"]["relative"] == 1.0
    assert found["max"]["relative"] is not None
    assert found["max"]["relative"] < 1.0
    with pytest.raises(InputError, match="'wmmse' is not among"):
        evaluate(gain, ["max"], reference="wmmse")


def test_the_batch_is_one_call_and_a_decision_is_one_matrix() -> None:
    seat = Fixed(1.0)
    row = evaluate(np.ones((40, 2, 2)), [seat], latency_samples=7)["fixed"]
    batches = [shape for shape in seat.shapes if len(shape) == 3]
    assert batches == [(16, 2, 2), (40, 2, 2)]  # a small warm-up, then everything at once
    singles = [shape for shape in seat.shapes if len(shape) == 2]
    assert len(singles) == 20 + 7  # warm-up, then what is timed
    assert row["latency_samples"] == 7
    assert 0 < row["seconds_batch"] < 1
    assert row["latency_p50_s"] is not None
    assert row["latency_p99_s"] is not None
    assert 0 < row["latency_p50_s"] <= row["latency_p99_s"]


def test_large_batches_come_in_blocks_and_mean_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    gain = np.random.default_rng(0).exponential(size=(50, 3, 3))
    whole = evaluate(gain, ["greedy"], latency_samples=1)["greedy"]
    monkeypatch.setitem(evaluate_function.__globals__, "_BLOCK", 9 * 7)
    blocks = evaluate(gain, ["greedy"], latency_samples=1)["greedy"]
    assert blocks["mean_sum_rate"] == whole["mean_sum_rate"]


def test_slow_decisions_are_timed_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(evaluate_function.__globals__, "_LATENCY_BUDGET_S", 0.0)
    row = evaluate(np.ones((3, 1, 1)), ["max"], latency_samples=500)["max"]
    assert row["latency_samples"] == 5


def test_one_seed_gives_the_same_answers() -> None:
    gain = np.random.default_rng(0).exponential(size=(30, 3, 3))
    first, again, other = (
        evaluate(gain, ["random"], seed=seed, latency_samples=1)["random"]["mean_sum_rate"]
        for seed in (4, 4, 5)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (math.nan, "NaN or a power outside"),
        (-0.1, "NaN or a power outside"),
        (1.1, "NaN or a power outside"),
        (np.zeros(3), r"shape \(3,\) instead of"),
    ],
    ids=["NaN", "negative", "too much", "wrong shape"],
)
def test_a_wrong_answer_is_named(answer: float | Array, said: str) -> None:
    with pytest.raises(InputError, match=f"controller fixed answered with .*{said}"):
        evaluate(np.ones((5, 2, 2)), [Fixed(answer)])


def test_a_controller_that_refuses_says_why_in_one_line() -> None:
    with pytest.raises(InputError, match=r"controller mlp:.*at most 10") as caught:
        evaluate(np.ones((2, 20, 20)), ["mlp:gaussian-ic-10"])
    assert "\n" not in str(caught.value)


def test_a_fault_of_a_controller_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(FullPower, "allocate", fail)
    with pytest.raises(ZeroDivisionError):
        evaluate(np.ones((2, 2, 2)), ["max"])


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (np.ones(4), r"gain has shape \(4,\)"),
        (np.ones((2, 3)), r"gain has shape \(2, 3\)"),
        (np.ones((0, 2, 2)), "at least one sample"),
        (np.ones((2, 2), dtype=complex), "type complex128"),
        (np.array([[1.0, np.inf], [0.0, 1.0]]), r"gain\[0, 0, 1\] = inf: must be finite"),
        (np.array([[1.0, 0.0], [-20.0, 1.0]]), r"gain\[0, 1, 0\] = -20: must be zero or more"),
    ],
    ids=["vector", "not square", "empty", "complex", "infinite", "dB"],
)
def test_gains_are_checked(gain: NDArray[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        evaluate(gain, ["max"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"noise_power": 0.0}, "noise_power = 0: must be finite and positive"),
        ({"noise_power": [1.0, -1.0]}, "noise_power = -1"),
        ({"noise_power": np.ones(3)}, r"noise_power has shape \(3,\)"),
        ({"p_max": math.nan}, "p_max = nan"),
        ({"weight": -1.0}, "weight = -1: must be finite and zero or more"),
        ({"sinr_cap": 0.0}, "sinr_cap = 0"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_what_comes_with_gains_is_checked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Frozen.of(np.eye(2), **options)


def test_no_controllers_or_one_twice_are_refused() -> None:
    with pytest.raises(InputError, match="no controllers"):
        evaluate(np.eye(2), [])
    with pytest.raises(InputError, match="'wmmse' is named twice"):
        evaluate(np.eye(2), ["wmmse", "wmmse:starts=1"])


# --- gains of a survey -----------------------------------------------------------------------


def _survey(folder: Path) -> Path:
    """Four points 10 m apart, two samples each, four radios; point i hears radio i best."""
    level = {0: -40, 1: -60, 2: -75, 3: -80}
    rows = [
        ",".join(f"ap{radio}:{level[abs(point - radio)]}" for radio in range(4))
        for point in range(4)
        for _ in range(2)
    ]
    channels = ",".join(f"ap{radio}:{1 + radio}" for radio in range(4))
    folder.mkdir()
    (folder / "rssis.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (folder / "channels.csv").write_text("\n".join([channels] * 8) + "\n", "utf-8")
    places = "\n".join(f"{10 * point},0" for point in range(4) for _ in range(2))
    (folder / "coordinates.csv").write_text(places + "\n", "utf-8")
    return folder


def test_a_survey_becomes_gains_that_can_be_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from slotwise.runs.cli import status

    gains = tmp_path / "new/gains.npy"
    words = ["gains", "wifi", str(_survey(tmp_path / "survey")), "--links", "4", "--seed", "2"]
    words += ["--placements", "3", "--transmit-dbm", "10", "--out", str(gains)]
    assert status([*words, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["samples"], made["links"], made["points"], made["radios"]) == (6, 4, 4, 4)
    assert made["direct_gain_db"] == pytest.approx(-50.0)
    assert made["unheard_percent"] == 0.0
    stored = np.load(gains)
    assert stored.shape == (6, 4, 4)
    np.testing.assert_allclose(np.einsum("nkk->nk", stored), 1e-5)
    assert status([*words, "--json"]) == 2
    assert "exists" in capsys.readouterr().err
    words = ["evaluate", "--gains", str(gains), "--noise-power", "1e-12", "-c", "max"]
    assert status([*words, "--latency-samples", "1"]) == 0


def test_more_links_than_points_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from slotwise.runs.cli import status

    survey = _survey(tmp_path / "survey")
    words = ["gains", "wifi", str(survey), "--links", "5", "--out", str(tmp_path / "gains.npy")]
    assert status(words) == 2
    assert "links = 5" in capsys.readouterr().err
    assert not (tmp_path / "gains.npy").exists()


@pytest.mark.skipif(not SURVEY.is_dir(), reason="the survey is not in this checkout")
def test_the_survey_of_the_university_of_minho(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from slotwise.runs.cli import status

    gains = tmp_path / "gains.npy"
    assert status(["gains", "wifi", str(SURVEY), "--links", "10", "--out", str(gains)]) == 0
    words = ["evaluate", "--gains", str(gains), "--noise-power", "1e-12", "--p-max", "0.1"]
    capsys.readouterr()
    assert status([*words, "-c", "wmmse", "-c", "max", "--latency-samples", "5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["controllers"]
    assert rows["wmmse"]["samples"] == 20
    assert rows["max"]["relative_high"] < 1.0
