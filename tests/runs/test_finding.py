from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from slotwise.runs.report.finding import finding, setting
from slotwise.runs.report.recording import Recording, read_recording


def _with(recording: Recording, values: Mapping[str, Mapping[str, Any]]) -> Recording:
    """The recording with some of its results changed."""
    summary = {spec: {**row, **values.get(spec, {})} for spec, row in recording.summary.items()}
    return replace(recording, summary=summary)


def _compared(
    mean: float, relative: float, low: float | None, high: float | None
) -> dict[str, Any]:
    return {
        "mean_sum_rate": mean,
        "relative": relative,
        "relative_low": low,
        "relative_high": high,
    }


def test_a_clear_lead_is_told_with_its_interval(pair: Recording) -> None:
    told = finding(
        _with(pair, {"max": _compared(4.12, 1, 1, 1), "wmmse": _compared(4.21, 1.021, 1.012, 1.03)})
    )
    assert told[0] == (
        "`wmmse` delivered the most: 4.21 bit/s/Hz on average over three seeds, 2.1% more than "
        "`max` (95% interval +1.2% to +3.0%)."
    )


def test_a_lead_whose_interval_includes_zero_is_called_unsettled(pair: Recording) -> None:
    told = finding(
        _with(pair, {"max": _compared(4.2, 1, 1, 1), "wmmse": _compared(4.21, 1.002, 0.99, 1.014)})
    )
    assert told[0] == (
        "`wmmse` had the highest mean, 4.21 bit/s/Hz over three seeds, but its difference of +0.2% "
        "from `max` is not settled: the 95% interval, −1.0% to +1.4%, includes zero."
    )


def test_a_reference_that_is_clearly_best_is_told_against_the_next(pair: Recording) -> None:
    told = finding(
        _with(pair, {"max": _compared(5, 1, 1, 1), "wmmse": _compared(4.5, 0.9, 0.88, 0.92)})
    )
    assert told[0] == (
        "`max` delivered the most: 5.00 bit/s/Hz on average over three seeds. `wmmse` came next "
        "with 10% less (95% interval −12.0% to −8.0%)."
    )


def test_a_reference_whose_lead_is_not_settled_says_so(pair: Recording) -> None:
    told = finding(
        _with(pair, {"max": _compared(5, 1, 1, 1), "wmmse": _compared(4.9, 0.98, 0.9, 1.06)})
    )
    assert "not settled that `wmmse` is any worse" in told[0]
    assert "−10.0% to +6.0%, which includes zero" in told[0]


def test_one_seed_is_called_one_seed(pair: Recording) -> None:
    one = replace(pair, seeds=(1,))
    told = finding(
        _with(one, {"max": _compared(4, 1, None, None), "wmmse": _compared(5, 1.25, None, None)})
    )
    assert told[:2] == [
        "`wmmse` delivered the most in the one seed that ran: 5.00 bit/s/Hz, 25% more than `max`.",
        "One seed gives no interval, so the difference may be chance.",
    ]


def test_equal_controllers_are_called_equal(pair: Recording) -> None:
    told = finding(_with(pair, {"max": _compared(4, 1, 1, 1), "wmmse": _compared(4, 1, 1, 1)}))
    assert told[0] == "Both controllers delivered the same: 4.00 bit/s/Hz."
    assert told[1].startswith("`max` decided in")


def test_the_runner_up_is_compared_seed_by_seed(town: Path) -> None:
    recording = read_recording(town)
    told = finding(
        _with(
            recording,
            {
                "max": _compared(4, 1, 1, 1),
                "wmmse": _compared(4.5, 1.1, 1.05, 1.15),
                "wmmse:warm_start=true": _compared(5, 1.2, 1.1, 1.3),
            },
        )
    )
    best, second = (
        [cell.summary["mean_sum_rate"] for cell in recording.of(spec)]
        for spec in ("wmmse:warm_start=true", "wmmse")
    )
    assert all(a > b for a, b in zip(best, second, strict=True))
    assert told[1] == "It was ahead of the next, `wmmse` (4.50 bit/s/Hz), in all three seeds."


def test_latency_and_missed_deadlines_are_told_of_the_best(pair: Recording) -> None:
    told = finding(
        _with(
            pair,
            {
                "max": _compared(4, 1, 1, 1) | {"latency_p50_s": 5e-6},
                "wmmse": _compared(5, 1.25, 1.2, 1.3)
                | {
                    "latency_p50_s": 4.1e-4,
                    "latency_p99_s": 9e-4,
                    "missed_deadlines": 360,
                    "reports": 12_000,
                },
            },
        )
    )
    assert told[1] == (
        "`wmmse` decided in 0.41 ms at the median (`max`: 5 µs) and 0.9 ms at the 99th percentile; "
        "3.0% missed the deadline of 1 ms."
    )


def test_ideal_timing_is_said_to_cost_nothing(synthetic: ModuleType, tmp_path: Path) -> None:
    plan = synthetic.Plan(slots=200, mode="ideal", latencies=(2e-6, 0.05, 0.05))
    told = " ".join(finding(read_recording(synthetic.write_comparison(tmp_path, plan))))
    assert "timing was ideal, so that cost nothing here, though all took longer than 1 ms" in told
    assert "missed" not in told


def test_what_lateness_cost_and_what_failed_is_told(town: Path) -> None:
    told = finding(read_recording(town))
    cost = r"Deciding late cost `wmmse:warm_start=true` \d+% against ideal timing\."
    assert any(re.fullmatch(cost, sentence) for sentence in told)
    assert told[-1] == "Decisions failed and the fallback stood in: `wmmse` 9 times."


def test_missed_deadlines_are_a_share_of_the_reports_and_not_of_the_decisions(
    pair: Recording,
) -> None:
    lost = {"missed_deadlines": 99, "decisions": 10, "reports": 110}
    assert _with(pair, {"wmmse": lost}).missed("wmmse") == (99, 110)
    assert _with(pair, {"wmmse": lost | {"reports": 0}}).missed("wmmse") is None


def test_the_setting_counts_what_was_run(town: Path) -> None:
    assert setting(read_recording(town)) == (
        "3 controllers · 3 seeds · 4 s of network time each (4,000 slots of 1 ms) · decisions take "
        "the time they took on this machine"
    )


# --- joules and promises ---------------------------------------------------------------------


def _saving(synthetic: ModuleType, directory: Path, **changes: Any) -> Recording:
    plan = synthetic.Plan(
        **{"slots": 400, "marks": (), "controllers": ("max", "greedy"), "faults": 0, **changes}
    )
    return read_recording(synthetic.write_comparison(directory, plan))


def test_an_efficient_network_is_told_of_in_bits_per_joule(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    recording = _saving(synthetic, tmp_path, objective="energy-efficiency", mode="ideal")
    cells = {spec: recording.of(spec) for spec in recording.controllers}
    totals: dict[str, list[tuple[float, float]]] = {  # Mbit and joules of each life
        spec: [
            (float(c.slots["sum_rate"].sum()) * 1e-3 * 10.0, float(c.slots["energy_j"].sum()))
            for c in own
        ]
        for spec, own in cells.items()
    }
    ratio = [
        (b / j) / (base / spent)
        for (b, j), (base, spent) in zip(totals["greedy"], totals["max"], strict=True)
    ]
    efficiency = sum(b / j for b, j in totals["greedy"]) / 3
    spent = sum(j for _, j in totals["greedy"]) / 3
    less = 1 - sum(j / i for (_, j), (_, i) in zip(*totals.values(), strict=True)) ** -1 * 3
    rate = sum(a / b for (b, _), (a, _) in zip(*totals.values(), strict=True)) / 3
    told = finding(recording)
    assert told[0].startswith(
        f"`greedy` carried the most per joule: {efficiency:.1f} Mbit/J on average over three "
        f"seeds, {100 * (sum(ratio) / 3 - 1):.0f}% more than `max` (95% interval +"
    )
    found = re.fullmatch(
        r"`greedy` spent ([\d.]+) J per network, (\d+)% less than `max`, for (\d+)% more "
        r"throughput\.",
        told[1],
    )
    assert found is not None
    assert float(found[1]) == pytest.approx(spent, rel=0.01)
    assert float(found[2]) == pytest.approx(100 * less, abs=0.6)
    assert float(found[3]) == pytest.approx(100 * (rate - 1), abs=0.6)
    assert setting(recording).endswith(" · objective: energy efficiency")


def test_where_users_make_the_most_of_their_own_joules_that_is_said(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    recording = _saving(synthetic, tmp_path, objective="weighted-energy-efficiency")
    told = finding(recording)
    assert told[0].startswith("`greedy` had the largest sum of users' efficiencies: ")
    own = [10.0 * cell.slots["own_efficiency"].mean() for cell in recording.of("greedy")]
    assert f": {sum(own) / 3:.1f} Mbit/J on average over three seeds" in told[0]
    assert any(sentence.startswith("Deciding late cost `greedy` ") for sentence in told)
    assert any("of its users' efficiencies against ideal timing" in sentence for sentence in told)


def test_where_bits_count_joules_come_last_and_without_throughput(pair: Recording) -> None:
    told = finding(pair)
    spent = [
        [float(cell.slots["energy_j"].sum()) for cell in pair.of(spec)] for spec in pair.controllers
    ]
    more = 100 * (sum(a / b for a, b in zip(*spent, strict=True)) / 3 - 1)
    assert any(
        f"J per network, {more:.0f}% more than `wmmse`." in sentence for sentence in told[1:]
    )
    assert told[0].startswith("`max` delivered the most: ")
    assert "throughput" not in " ".join(told)
    assert "objective" not in setting(pair)


def test_equal_joules_are_not_told_of(synthetic: ModuleType, tmp_path: Path) -> None:
    told = finding(_saving(synthetic, tmp_path, powers=(0.2, 0.2)))
    assert "spent" not in " ".join(told)
    assert "promise" not in " ".join(told)


def test_a_promise_is_told_of_with_the_slots_that_could_not_keep_it(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    recording = _saving(synthetic, tmp_path, min_rate=0.25)
    (told,) = (sentence for sentence in finding(recording) if "promise" in sentence)
    kept = recording.promise("greedy")
    lost = 100 * kept["infeasible"] / kept["slots"]
    broken = 100 * kept["broken"] / (kept["slots"] - kept["infeasible"])
    digits = 1 if broken < 9.95 else 0
    start = f"The promise of 0.25 bit/s/Hz to every user could not be kept in {lost:.0f}%"
    other = f"{lost:.1f}%"
    assert told.startswith(start) or other in told
    assert told.endswith(
        " of the slots, whatever the powers; in the others `max` broke it in none and `greedy` in "
        f"{broken:.{digits}f}%."
    )
    assert setting(recording).endswith("every user promised 0.25 bit/s/Hz")


def test_a_promise_that_can_always_or_never_be_kept_is_told_so(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    recording = _saving(synthetic, tmp_path, min_rate=0.25)
    kept = {**recording.promise("max"), "slots": 100, "infeasible": 0, "broken": 7}
    told = " ".join(finding(_with(recording, {s: {"promise": kept} for s in recording.summary})))
    assert "could be kept in every slot; `max` broke it in 7.0% and `greedy` in 7.0%." in told
    kept |= {"infeasible": 100}
    told = " ".join(finding(_with(recording, {s: {"promise": kept} for s in recording.summary})))
    assert "could not be kept in any slot, whatever the powers." in told


def test_a_single_life_tells_what_it_spent_where_joules_count(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(slots=400, objective="energy-efficiency")
    recording = read_recording(synthetic.write_run(tmp_path, plan))
    assert re.match(r"`max` carried [\d.]+ Mbit/J on average, with ", finding(recording)[0])
    rate = recording.of("max")[0].slots["sum_rate"].mean()
    assert finding(recording)[1].endswith(f" J and delivered {rate:.2f} bit/s/Hz.")
