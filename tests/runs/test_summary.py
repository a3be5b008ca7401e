"""Figures of merit, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.emulator.scenario import parse
from slotwise.emulator.trace import Tally, Trace
from slotwise.runs.summary import jain_fairness, summarise


def test_jain_is_one_for_equal_rates_and_one_over_n_for_one_user() -> None:
    assert jain_fairness([2.0, 2.0, 2.0]) == pytest.approx(1.0)
    assert jain_fairness([0.0, 5.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert jain_fairness([1.0, 3.0]) == pytest.approx(16 / 20)
    assert math.isnan(jain_fairness([]))
    assert math.isnan(jain_fairness([0.0, 0.0]))


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
def test_jain_lies_between_one_over_n_and_one(rates: list[float]) -> None:
    assert 1 / len(rates) - 1e-12 <= jain_fairness(rates) <= 1 + 1e-12


def test_a_summary_by_hand() -> None:
    trace = Trace()
    # Two slots of half a second: 3 and 1 bit/s/Hz, 2 J and 6 J.
    trace.add("slots", 0, 0.0, 3.0, 2, 0.5, 2.0, 0.7, 2, True)
    trace.add("slots", 1, 0.5, 1.0, 1, 0.3, 6.0, 0.3, 1, False)
    trace.add("users", 0, 0.0, 1.0, 0.0, 0.0, 0, 1.0, False)
    trace.add("users", 1, 0.0, 0.5, 0.0, 0.0, 0, 3.0, True)
    trace.add("users", 2, 0.5, 0.5, 0.0, 0.0, 0, 0.0, True)  # came and went at one instant
    for slot, elapsed_s in enumerate([0.1, 0.2, 0.3]):
        trace.add("decisions", slot, 0.0, elapsed_s, 0.0, 2, False, "")
    radio = {"bandwidth_hz": 10.0, "min_rate": 1.5}
    lived = parse({"name": "lived", "radio": radio, "timing": {"slot_s": 0.5}})
    summary = summarise(trace, Tally(joins=3, leaves=2), lived)
    assert summary["mean_sum_rate"] == pytest.approx(2.0)
    assert summary["mean_users"] == pytest.approx(1.5)  # one stayed a second, one half of it
    assert summary["jain_fairness"] == pytest.approx(16 / 20)
    assert summary["user_rate_p50"] == pytest.approx(2.0)
    assert summary["user_rate_p5"] == pytest.approx(1.1)
    # (3 + 1) x 0.5 s x 10 Hz = 20 bit for 8 J.
    assert summary["energy_efficiency_bit_per_joule"] == pytest.approx(2.5)
    assert summary["own_efficiency_bit_per_joule"] == pytest.approx(5.0)
    assert summary["consumed_j"] == pytest.approx(8.0)
    assert summary["mean_power_w"] == pytest.approx(0.4)
    assert summary["promise"] == {
        "min_rate": 1.5,
        "slots": 2,
        "infeasible": 1,
        "broken": 1,
        "user_slots": 3,
        "short": 3,
    }
    assert summary["latency_p50_s"] == pytest.approx(0.2)
    assert (summary["joins"], summary["leaves"], summary["slots"]) == (3, 2, 2)


def test_nobody_and_nothing_is_nan_and_not_an_error() -> None:
    trace = Trace()
    trace.add("slots", 0, 0.0, 0.0, 0, 0.0, 0.0, 0.0, 0, False)
    summary = summarise(trace, Tally(), parse({"name": "empty"}))
    assert summary["promise"] is None
    assert summary["mean_sum_rate"] == 0.0
    for name in ("user_rate_p5", "jain_fairness", "latency_p50_s"):
        assert math.isnan(summary[name])
