"""A cell of a sweep: one controller in one network, and the row that is kept of it.

A cell depends on nothing but its task, so it may be lived anywhere, again, and by two at a time:
but for measured times, its row is the same.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypedDict

from slotwise.controllers.registry import make
from slotwise.emulator.scenario import Scenario
from slotwise.runs.room import check_room
from slotwise.runs.simulation import rehearse, simulate

__all__ = ["FIGURES", "TIMES", "Row", "Task", "Times", "live", "lost"]

FIGURES: Final = (
    "mean_sum_rate",
    "energy_efficiency_bit_per_joule",
    "own_efficiency_bit_per_joule",
    "consumed_j",
    "mean_power_w",
    "mean_users",
    "user_rate_p5",
    "user_rate_p50",
    "jain_fairness",
    "reports",
    "decisions",
    "missed_deadlines",
    "faults",
    "fallbacks",
    "joins",
    "leaves",
    "blocked",
    "handovers",
    "slots",
    "promise_infeasible",
    "promise_broken",
)
"""What is kept of a life's summary, see `slotwise.runs.summary.summarise`; the last two count slots
of `slotwise.runs.merits.Kept`."""

TIMES: Final = ("seconds", "latency_p50_s", "latency_p99_s")
"""What was measured, and is another each time [s]: the whole cell, and single decisions."""


class Row(TypedDict):
    """What a cell came to: ``error`` is empty, or one line and there are no figures."""

    cell: int
    error: str
    figures: Mapping[str, float | None]


class Times(TypedDict):
    """What was measured of a cell [s], and where."""

    cell: int
    seconds: float | None
    latency_p50_s: float | None
    latency_p99_s: float | None
    worker: str


class Task(NamedTuple):
    """All that it takes to live a cell.

    Attributes
    ----------
    cell : int
        Its number in the plan.
    scenario : Scenario
        The network.
    controller : str
        Spec of who decides.
    seed, slots : int
        Which network, and for how long.
    """

    cell: int
    scenario: Scenario
    controller: str
    seed: int
    slots: int


def live(task: Task) -> tuple[Row, Times]:
    """Live a cell; whatever goes wrong in it is its error and nobody else's.

    Parameters
    ----------
    task : Task
        Which one.

    Returns
    -------
    Row, Times
    """
    began = time.perf_counter()
    try:
        seat = make(task.controller, seed=task.seed)
        check_room(task.controller, seat, task.scenario)
        rehearse(task.controller, task.scenario, task.seed)
        life = simulate(task.scenario, seat, slots=task.slots, seed=task.seed)
    except Exception as error:  # noqa: BLE001 - it is recorded, and the other cells go on
        seconds = time.perf_counter() - began
        return lost(task.cell, f"{type(error).__name__}: {error}", seconds)
    summary = life.summary
    promise = summary["promise"] or {}
    slots = {f"promise_{name}": promise.get(name) for name in ("infeasible", "broken")}
    kept = {**summary, **slots}
    return (
        Row(cell=task.cell, error="", figures={name: _number(kept[name]) for name in FIGURES}),
        Times(
            cell=task.cell,
            seconds=time.perf_counter() - began,
            latency_p50_s=_number(summary["latency_p50_s"]),
            latency_p99_s=_number(summary["latency_p99_s"]),
            worker=_here(),
        ),
    )


def lost(cell: int, error: str, seconds: float | None = None) -> tuple[Row, Times]:
    """What is kept of a cell that failed.

    Parameters
    ----------
    cell : int
        Which one.
    error : str
        Why; line breaks become spaces.
    seconds : float, optional
        How long it took to fail.
    """
    return (
        Row(cell=cell, error=" ".join(error.split()), figures=dict.fromkeys(FIGURES)),
        Times(cell=cell, seconds=seconds, latency_p50_s=None, latency_p99_s=None, worker=_here()),
    )


def _number(value: Any) -> float | None:
    """A float that JSON and Parquet agree on: undefined is none."""
    return None if value is None or not math.isfinite(value) else float(value)


def _here() -> str:
    return f"{platform.node()}:{os.getpid()}"
