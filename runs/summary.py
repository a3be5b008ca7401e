"""Figures of merit of one life: what a controller achieved and what its decisions took."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slotwise.emulator.scenario import Scenario
from slotwise.emulator.trace import Tally, Trace
from slotwise.runs.learning import learned
from slotwise.runs.merits import kept_in

__all__ = ["jain_fairness", "summarise"]

Array = NDArray[np.float64]


def jain_fairness(rates: ArrayLike) -> float:
    """Jain's index (sum r)² / (n sum r²): 1 if all rates are equal, 1/n if one user has all.

    NaN without users or if every rate is zero (R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984).

    Parameters
    ----------
    rates : array_like, shape (n,)
        Rates of users.
    """
    rate = np.asarray(rates, dtype=np.float64)
    square = float(np.sum(rate * rate))
    return float(np.sum(rate)) ** 2 / (rate.size * square) if square > 0 else float("nan")


def summarise(trace: Trace, tally: Tally, scenario: Scenario) -> dict[str, Any]:
    """Summary of a life from its trace and tally.

    Parameters
    ----------
    trace : Trace
        Of one network.
    tally : Tally
        Of the same life.
    scenario : Scenario
        What was lived.

    Returns
    -------
    dict
        Rates in bit/s/Hz, time means over the whole life; users' rates are means over each
        user's stay; latencies are wall-clock seconds of single decisions; NaN where undefined.
        ``own_efficiency_bit_per_joule`` is what users make of their own joules, added up.
        ``promise`` is a `Kept`, or None where nothing is promised, and ``learning`` a
        `slotwise.runs.learning.Learning`, or None where nobody learned.
    """
    slot_s, bandwidth_hz = scenario.timing.slot_s, scenario.radio.bandwidth_hz
    slots, users, decisions = (trace.table(name) for name in ("slots", "users", "decisions"))
    sum_rate, own_efficiency, power_w = (
        np.asarray(slots[name], dtype=np.float64)
        for name in ("sum_rate", "own_efficiency", "power_w")
    )
    stay_s = np.asarray(users["leave_s"]) - np.asarray(users["join_s"])
    stayed = stay_s > 0.0
    rate = np.asarray(users["rate"], dtype=np.float64)[stayed]
    elapsed = np.asarray(decisions["elapsed_s"], dtype=np.float64)
    consumed_j = float(np.sum(np.asarray(slots["energy_j"], dtype=np.float64)))
    bits = float(np.sum(sum_rate)) * slot_s * bandwidth_hz
    return {
        "mean_sum_rate": float(np.mean(sum_rate)),
        "mean_users": float(np.sum(stay_s)) / (sum_rate.size * slot_s),
        "user_rate_p5": _percentile(rate, 5),
        "user_rate_p50": _percentile(rate, 50),
        "jain_fairness": jain_fairness(rate),
        "energy_efficiency_bit_per_joule": bits / consumed_j if consumed_j > 0 else float("nan"),
        "own_efficiency_bit_per_joule": float(np.mean(own_efficiency)) * bandwidth_hz,
        "consumed_j": consumed_j,
        "mean_power_w": float(np.mean(power_w)),
        "latency_p50_s": _percentile(elapsed, 50),
        "latency_p99_s": _percentile(elapsed, 99),
        **asdict(tally),
        "slots": int(sum_rate.size),
        "promise": kept_in(slots, scenario.radio.min_rate),
        "learning": learned(
            [(trace.table("lessons"), decisions)],
            sum_rate.size * slot_s,
            slot_s,
            scenario.csi.delay_s,
        ),
    }


def _percentile(values: Array, percent: float) -> float:
    return float(np.percentile(values, percent)) if values.size else float("nan")
