from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

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
