"""Comparisons: paired, pooled by hand-checked rules, and undisturbed where time is measured."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from slotwise.controllers.heuristics import FullPower
from slotwise.emulator.scenario import InputError, Scenario, load
from slotwise.runs import cells, compare, quiet, simulate
from slotwise.runs.comparison import own_slots
from slotwise.runs.pooled import Comparison

TIMES = ("latency_p50_s", "latency_p99_s")
LIVELY = ["population.arrivals_per_s=200", "population.max_users=12", "timing.slot_s=1e-3"]
LIVELY += ["population.lifetime.kind=exponential", "population.lifetime.mean_s=0.02"]


def _short(
    scenario: Scenario, out: Path, controllers: tuple[str, ...] = ("max", "greedy"), **options: Any
) -> Comparison:
    """A comparison that takes no time, in this process, without a report."""
    defaults: dict[str, Any] = {"slots": 20, "seeds": 3, "jobs": 1, "report": False}
    return compare(scenario, controllers, out=out, **(defaults | options))


def _untimed(found: Any) -> Any:
    """A nested result without what this machine's clock said."""
    if isinstance(found, dict):
        return {key: _untimed(value) for key, value in found.items() if key not in TIMES}
    return found


def _cells(out: Path) -> list[Path]:
    return sorted(path.parent for path in out.rglob("seed-*/run.json"))


# --- what it finds ---------------------------------------------------------------------------


def test_the_interval_is_that_of_a_t_test_on_the_ratios(links: Scenario, tmp_path: Path) -> None:
    found = _short(links, tmp_path, seeds=5)["controllers"]["greedy"]
    rates = {
        spec: np.array(
            [simulate(links, spec, slots=20, seed=s).summary["mean_sum_rate"] for s in range(5)]
        )
        for spec in ("max", "greedy")
    }
    ratios = rates["greedy"] / rates["max"]
    expected = stats.ttest_1samp(ratios, 0.0).confidence_interval(0.95)
    assert found["relative"] == pytest.approx(ratios.mean(), rel=1e-12)
    assert found["relative_low"] == pytest.approx(expected.low, rel=1e-9)
    assert found["relative_high"] == pytest.approx(expected.high, rel=1e-9)
    assert found["mean_sum_rate"] == pytest.approx(rates["greedy"].mean(), rel=1e-12)
    assert found["mean_sum_rate_std"] == pytest.approx(stats.tstd(rates["greedy"]), rel=1e-12)


def test_the_reference_is_the_first_controller(links: Scenario, tmp_path: Path) -> None:
    found = _short(links, tmp_path, ("greedy", "max"))
    assert found["reference"] == "greedy"
    row = found["controllers"]["greedy"]
    assert (row["relative"], row["relative_low"], row["relative_high"]) == (1.0, 1.0, 1.0)


def test_one_seed_has_no_interval(links: Scenario, tmp_path: Path) -> None:
    row = _short(links, tmp_path, seeds=1)["controllers"]["greedy"]
    assert row["relative"] is not None
    assert (row["relative_low"], row["relative_high"], row["mean_sum_rate_std"]) == (None,) * 3


def test_counts_add_up_and_latencies_are_pooled(tmp_path: Path) -> None:
    scenario = load("gaussian-ic", LIVELY)
    found = _short(scenario, tmp_path, slots=60)
    summaries = [
        json.loads((tmp_path / f"cells/max/seed-{seed}/summary.json").read_text("utf-8"))
        for seed in range(3)
    ]
    for name, value in found["network"].items():
        assert value == sum(summary[name] for summary in summaries)
    assert found["network"]["leaves"] > 0
    row = found["controllers"]["max"]
    assert row["decisions"] == sum(summary["decisions"] for summary in summaries)
    for name in ("user_rate_p5", "jain_fairness", "energy_efficiency_bit_per_joule"):
        expected = sum(summary[name] for summary in summaries) / 3
        assert dict(row)[name] == pytest.approx(expected, rel=1e-12)
    elapsed = [
        value
        for path in (tmp_path / "cells/max").rglob("decisions.parquet")
        for value in pq.read_table(path)["elapsed_s"].to_pylist()
    ]
    ordered = sorted(elapsed)
    assert row["latency_p50_s"] == pytest.approx(np.median(elapsed), rel=1e-12)
    assert row["latency_p99_s"] is not None
    assert ordered[int(0.98 * len(ordered))] <= row["latency_p99_s"] <= ordered[-1]


def test_controllers_meet_the_same_users(tmp_path: Path) -> None:
    _short(load("gaussian-ic", LIVELY), tmp_path, slots=60, seeds=2)
    for seed in range(2):
        met = [
            pq.read_table(tmp_path / f"cells/{spec}/seed-{seed}/users.parquet")
            .select(["user_id", "join_s", "leave_s"])
            .to_pydict()
            for spec in ("max", "greedy")
        ]
        assert met[0] == met[1]


def test_processes_find_what_one_process_finds(links: Scenario, tmp_path: Path) -> None:
    alone_found = _short(links, tmp_path / "one", jobs=1)
    together_found = _short(links, tmp_path / "two", jobs=2)
    assert _untimed(together_found) == _untimed(alone_found)


def test_the_directory_tells_the_whole_story(links: Scenario, tmp_path: Path) -> None:
    found = _short(links, tmp_path)
    facts = json.loads((tmp_path / "compare.json").read_text("utf-8"))
    assert json.loads((tmp_path / "summary.json").read_text("utf-8")) == found
    assert facts["scenario"] == links.model_dump(mode="json")
    assert (facts["controllers"], facts["seeds"], facts["slots"]) == (
        ["max", "greedy"],
        [0, 1, 2],
        20,
    )
    assert facts["complete"] is True
    assert set(facts) >= {"versions", "created", "command", "attribution"}
    assert len(_cells(tmp_path)) == 6


def test_specs_of_one_controller_are_one_cell(links: Scenario, tmp_path: Path) -> None:
    found = _short(links, tmp_path, ("max", "wmmse:warm_start=true,starts=1"), seeds=1)
    assert list(found["controllers"]) == ["max", "wmmse:warm_start=true"]
    with pytest.raises(InputError, match=r"named twice \(it is wmmse\)"):
        _short(links, tmp_path, ("wmmse", "wmmse:starts=1"))


def test_a_report_is_made_unless_unwanted(links: Scenario, tmp_path: Path) -> None:
    _short(links, tmp_path)
    assert not (tmp_path / "report.html").exists()
    _short(links, tmp_path, report=True)
    assert "greedy" in (tmp_path / "report.html").read_text("utf-8")


def test_a_scenario_that_says_how_long_it_lasts_is_lived_so_long() -> None:
    assert own_slots(load("gaussian-ic")) == 1000
    assert own_slots(load("drift")) == 2000  # four episodes of half a second, slots of 1 ms
    visits = ["population.trace=[{join_s=0, leave_s=0.5}, {join_s=0.1, leave_s=0.25}]"]
    assert own_slots(load("gaussian-ic", [*visits, "population.max_users=20"])) == 500


# --- measured time ---------------------------------------------------------------------------


def test_lateness_is_compared_with_twins_that_are_never_late(
    links: Scenario, tmp_path: Path
) -> None:
    late = load("gaussian-ic", ["timing.mode=fixed", "timing.latency_s=5e-4"])
    found = _short(late, tmp_path / "late", ("max", "wmmse"), seeds=2)
    ideal = _short(load("gaussian-ic"), tmp_path / "ideal", ("max", "wmmse"), seeds=2)
    for spec, row in found["controllers"].items():
        never_late = ideal["controllers"][spec]["mean_sum_rate"]
        assert row["ideal_mean_sum_rate"] == never_late
    rates = found["controllers"]["wmmse"]
    assert rates["mean_sum_rate"] is not None
    assert rates["ideal_mean_sum_rate"] is not None
    assert rates["mean_sum_rate"] < rates["ideal_mean_sum_rate"]
    assert len(_cells(tmp_path / "late/cells-ideal")) == 4
    assert ideal["controllers"]["max"]["ideal_mean_sum_rate"] is None


def test_measured_decisions_are_taken_alone_warm_and_with_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    story: list[str] = []
    plain = FullPower.decide
    plain_warm_up = quiet.warm_up

    def watched(self: FullPower, observation: Any) -> Any:
        threads = {library["num_threads"] for library in threadpool_info()}
        story.append("one thread" if threads <= {1} else "threads")
        return plain(self, observation)

    def warm_up(scenario: Scenario, controller: str) -> None:
        plain_warm_up(scenario, controller)
        story.append(f"warm {controller}")

    monkeypatch.setattr(FullPower, "decide", watched)
    monkeypatch.setattr(quiet, "warm_up", warm_up)
    scenario = load("gaussian-ic", ["timing.mode=measured", "population.initial_users=3"])
    ideal_cells: list[cells.Cell] = []

    def in_parallel(planned: list[cells.Cell], label: str, **options: Any) -> None:
        story.append("ideal")
        ideal_cells.extend(planned)
        cells.live_in_quiet(planned, label, shown=False)

    monkeypatch.setattr(sys.modules["slotwise.runs.comparison"], "live_in_parallel", in_parallel)
    with threadpool_limits(2):
        _short(scenario, tmp_path, ("max",), slots=5, seeds=2, jobs=2)
    warm = story.index("warm max")
    assert set(story[:warm]) == {"threads"}
    measured = story[warm + 1 : story.index("ideal")]
    assert len(measured) >= 2  # a decision that takes longer than a slot costs the next ones
    assert set(measured) == {"one thread"}
    assert {cell.scenario.timing.mode for cell in ideal_cells} == {"ideal"}


def test_a_controller_that_goes_on_from_another_life_is_refused(tmp_path: Path) -> None:
    spec = f"finetuned:base=unrolled-tiny,resume={tmp_path / 'state'}"
    with pytest.raises(InputError, match="resume: every life of a comparison begins anew"):
        compare(load("gaussian-ic"), [spec], seeds=1, slots=5, out=tmp_path / "out")


@pytest.mark.parametrize("field", ["objective=sum-rate", "objective=weighted-energy-efficiency"])
def test_who_does_not_serve_the_objective_is_refused_before_anything_is_written(
    field: str, tmp_path: Path
) -> None:
    spec = "unrolled-ee" if field.endswith("sum-rate") else "optimum"
    said = f"controller {spec}: {field.replace('=', ' = ')}: {spec} serves"
    scenario = load("gaussian-ic", [field])
    with pytest.raises(InputError, match=said):
        compare(scenario, ["max", spec], out=tmp_path / "out", slots=5, progress=False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=said):
        simulate(scenario, spec, slots=5)


def test_a_warm_up_takes_hundreds_of_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = FullPower.decide
    decisions: list[int] = []

    def counted(self: FullPower, observation: Any) -> Any:
        decisions.append(observation.slot)
        return plain(self, observation)

    monkeypatch.setattr(FullPower, "decide", counted)
    monkeypatch.setattr(quiet, "_WARM_BUDGET_S", 60.0)
    quiet.warm_up(load("gaussian-ic"), "max")
    assert len(decisions) == 300


def test_a_warm_up_ends_however_slow_the_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = FullPower.decide

    def slow(self: FullPower, observation: Any) -> Any:
        time.sleep(0.02)
        return plain(self, observation)

    monkeypatch.setattr(FullPower, "decide", slow)
    monkeypatch.setattr(quiet, "_WARM_BUDGET_S", 0.1)
    before = time.perf_counter()
    quiet.warm_up(load("gaussian-ic"), "max")
    assert 0.1 < time.perf_counter() - before < 2.0
