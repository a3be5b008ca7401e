from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest

from slotwise.emulator.scenario import load
from slotwise.runs.report.marks import Heading
from slotwise.runs.report.quantities import number, percent
from slotwise.runs.report.recording import Recording, read_recording
from slotwise.runs.report.results import result_table
from slotwise.runs.report.scenario_fields import scenario_sections
from slotwise.runs.report.tables import episode_table, failure_rows, network_rows, promise_table


def _columns(heads: list[Heading]) -> dict[str, int]:
    """Place of each column by its head, whose words may be kept together."""
    return {head.text.replace("\N{NO-BREAK SPACE}", " "): i for i, head in enumerate(heads)}


def test_the_table_shows_the_numbers_of_the_summary(town: Path) -> None:
    summary = json.loads((town / "summary.json").read_text())["controllers"]
    heads, rows = result_table(read_recording(town))
    assert [spec for spec, _ in rows] == list(summary)
    column = _columns(heads)
    for spec, marks in rows:
        row = summary[spec]
        shown = {name: marks[place] for name, place in column.items()}
        assert float(shown["Mean sum rate"].text) == pytest.approx(row["mean_sum_rate"], rel=1e-3)
        assert float(shown["Latency, median"].text) == pytest.approx(
            1e3 * row["latency_p50_s"], rel=0.05
        )
        assert float(shown["Energy efficiency"].text) == pytest.approx(
            row["energy_efficiency_bit_per_joule"] / 1e6, rel=1e-2
        )
        assert shown["Missed deadlines"].small == f"{row['missed_deadlines']:,} of 12,000"
        assert shown["Faults"].text == str(row["faults"])
    relative = rows[1][1][column["Against max"]]
    low, high = (100 * (summary["wmmse"][f"relative_{end}"] - 1) for end in ("low", "high"))
    assert relative.small == f"[{low:+.1f}, {high:+.1f}]".replace("-", "−")
    assert rows[0][1][column["Against max"]].text == "reference"


def test_units_stand_in_the_heads(town: Path) -> None:
    heads, _ = result_table(read_recording(town))
    assert {name: heads[place].unit for name, place in _columns(heads).items()} == {
        "Mean sum rate": "bit/s/Hz",
        "Against max": "%, 95% interval",
        "User rate, 5th pct.": "bit/s/Hz",
        "Jain fairness": "0 to 1",
        "Energy efficiency": "Mbit/J",
        "Energy consumed": "J",
        "Latency, median": "ms",
        "Latency, 99th pct.": "ms",
        "Missed deadlines": "% of reports",
        "Faults": "count",
        "Fallbacks": "count",
    }


def test_the_best_of_a_column_is_marked_and_ties_of_all_are_not(pair: Recording) -> None:
    results = {
        "max": {"mean_sum_rate": 4.0, "latency_p50_s": 1e-6, "jain_fairness": 0.7},
        "wmmse": {"mean_sum_rate": 5.0, "latency_p50_s": 1e-3, "jain_fairness": 0.7},
    }
    heads, rows = result_table(replace(pair, summary=results))
    column = _columns(heads)
    best = {
        name: [marks[column[name]].best for _, marks in rows]
        for name in ("Mean sum rate", "Latency, median", "Jain fairness")
    }
    assert best == {
        "Mean sum rate": [False, True],
        "Latency, median": [True, False],
        "Jain fairness": [False, False],
    }


def test_a_tie_of_all_that_have_a_value_is_not_marked(pair: Recording) -> None:
    one = {"mean_sum_rate": 4.0, "jain_fairness": 0.7}
    recording = replace(pair, controllers=("max", "wmmse", "gone"))
    heads, rows = result_table(replace(recording, summary={"max": one, "wmmse": one}))
    assert not any(mark.best for _, marks in rows for mark in marks)
    assert rows[2][1][_columns(heads)["Jain fairness"]].text == "–"


def test_what_happened_in_the_network_is_counted_once_and_not_for_each_controller(
    town: Path,
) -> None:
    recording = read_recording(town)
    each = [cell.summary["joins"] for cell in recording.of("max")]
    rows = {name: (total, spread) for name, total, spread in network_rows(recording)}
    assert rows["Joins"] == (str(sum(each)), ", ".join(str(n) for n in each))
    assert rows["Users seen"] == rows["Joins"]
    assert rows["Blocked arrivals"] == ("3", "1, 1, 1")


def test_faults_and_fallbacks_are_counted_by_cause(town: Path) -> None:
    assert sorted(failure_rows(read_recording(town))) == [
        ("wmmse", "fallback", "fault: hold", "9"),
        ("wmmse", "fault", "power of user 3 is NaN", "9"),
    ]


def test_every_field_of_every_section_has_its_meaning() -> None:
    scenario = load("auckland").model_dump(mode="json")
    groups = dict(scenario_sections(scenario))
    assert list(groups) == [
        "objective",
        "layout",
        "channel",
        "mobility",
        "population",
        "csi",
        "radio",
        "timing",
    ]
    for fields in groups.values():
        assert all(field.meaning for field in fields)
    timing = {field.name: (field.value, field.meaning) for field in groups["timing"]}
    assert timing["slot_s"] == ("0.01", "slot duration [s]")
    channel = {field.name: field.value for field in groups["channel"]}
    assert channel["carrier_hz"] == "3.5×10⁹"
    assert channel["path_loss.kind"] == "umi"
    assert channel["doppler_hz"] == "not set"


def test_episodes_and_long_traces_are_shown_in_their_own_way() -> None:
    scenario = load("drift").model_dump(mode="json")
    scenario["population"]["trace"] = [{"join_s": float(i), "leave_s": None} for i in range(200)]
    groups = dict(scenario_sections(scenario))
    names = [field.value for field in groups["episodes"] if field.name.endswith(".name")]
    assert names == ["Rayleigh", "Rice", "Geometry10", "Geometry50"]
    population = {field.name: field.value for field in groups["population"]}
    assert population["trace"] == "200 entries"


# --- joules and promises ---------------------------------------------------------------------


def test_where_joules_count_the_table_is_led_by_what_is_made_of_them(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(slots=300, seeds=(1, 2), objective="energy-efficiency", ideal=False)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    heads, rows = result_table(recording)
    assert list(_columns(heads))[:3] == [
        "Energy efficiency",
        "Against max",
        "Mean sum rate",
    ]
    assert [head.unit for head in heads[:3]] == ["Mbit/J", "%, 95% interval", "bit/s/Hz"]
    column = _columns(heads)["Energy consumed"]
    for spec, marks in rows:
        each = [
            10.0 * c.slots["sum_rate"].sum() * 1e-3 / c.slots["energy_j"].sum()
            for c in recording.of(spec)
        ]
        assert float(marks[0].text) == pytest.approx(np.mean(each), rel=1e-3)
        assert marks[0].small == f"± {number(np.std(each, ddof=1), 2)}"
        spent = np.mean([c.slots["energy_j"].sum() for c in recording.of(spec)])
        assert float(marks[column].text) == pytest.approx(spent, rel=0.01)
        assert marks[column].small.endswith("W sent")
    assert [marks[column].best for _, marks in rows] == [False, False, True]


def test_shares_of_promises_are_of_the_slots_that_could_keep_them(
    synthetic: ModuleType, tmp_path: Path, town: Path
) -> None:
    plan = synthetic.Plan(slots=300, seeds=(1, 2), min_rate=0.5, ideal=False)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    heads, rows = promise_table(recording)
    assert [head.unit for head in heads] == [
        "% of slots",
        "% of feasible slots",
        "% of users' slots",
    ]
    for spec, marks in rows:
        tables = [pq.read_table(c.directory / "slots.parquet") for c in recording.of(spec)]
        slots = {
            name: np.concatenate([t[name].to_numpy() for t in tables])
            for name in ("short", "infeasible", "active")
        }
        feasible = ~slots["infeasible"]
        broken = int((feasible & (slots["short"] > 0)).sum())
        assert marks[0].small == f"{(~feasible).sum()} of 600"
        assert marks[1].small == f"{broken} of {feasible.sum()}"
        assert marks[2].small == f"{slots['short'].sum():,} of {slots['active'].sum():,}"
        assert marks[1].text == percent(broken / feasible.sum())
    assert promise_table(read_recording(town)) == ([], [])


def test_episodes_are_compared_by_bits_over_joules_where_these_count(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    marks = ((0.0, "episode", "one"), (0.1, "episode", "two"))
    plan = synthetic.Plan(
        slots=300, seeds=(1,), marks=marks, objective="energy-efficiency", ideal=False
    )
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    rows = episode_table(recording)[1]
    ours, theirs = (
        c.slots["sum_rate"][100:].sum() / c.slots["energy_j"][100:].sum()
        for spec in ("wmmse", "max")
        for c in recording.of(spec)
    )
    assert rows[1][1][1].text == f"{100 * ours / theirs:.1f}"
