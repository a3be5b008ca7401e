"""What learning came to: lessons by outcome, the time they took, and decisions beside them.

A lesson keeps one core busy for a while. Whether that was felt shows in the decisions during whose
making it was under way, beside all others: by this machine's clock around one decision, and by the
network's clock from a report's arrival until its powers were in force, which is where a processor
that was busy learning shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

__all__ = ["Learning", "answer_s", "during", "learned"]

Array = NDArray[np.float64]
Table = Mapping[str, Any]


class Learning(TypedDict):
    """Lessons of one controller; None where undefined.

    Counts of lessons, then seconds of learning per second of network time, by the network's clock
    and by this machine's. ``latency`` is this machine's time of one decision, ``answer`` the
    network's from a report to its powers in force [s], of decisions during which a lesson was under
    way and, ``alone``, of the others.
    """

    lessons: int
    deployed: int
    rejected: int
    rolled_back: int
    unfinished: int
    clock_s_per_s: float
    machine_s_per_s: float
    latency_p50_s: float | None
    latency_p99_s: float | None
    latency_alone_p50_s: float | None
    latency_alone_p99_s: float | None
    answer_p50_s: float | None
    answer_p99_s: float | None
    answer_alone_p50_s: float | None
    answer_alone_p99_s: float | None


def learned(
    lives: Sequence[tuple[Table, Table]], span_s: float, slot_s: float, delay_s: float = 0.0
) -> Learning | None:
    """What learning came to in lives of one controller, taken together.

    Parameters
    ----------
    lives : sequence of (mapping, mapping)
        Tables ``lessons`` and ``decisions`` of each, columns as in
        `slotwise.emulator.trace.COLUMNS`.
    span_s : float
        Network time that each lasted [s].
    slot_s : float
        Slot duration [s].
    delay_s : float
        From a measurement to the report's arrival [s].

    Returns
    -------
    Learning or None
        None where nothing was tried.
    """
    outcomes = [str(outcome) for lessons, _ in lives for outcome in lessons["outcome"]]
    if not outcomes:
        return None
    spent_s = sum(_under_way_s(lessons, span_s) for lessons, _ in lives)
    elapsed_s = sum(float(np.sum(np.asarray(lessons["elapsed_s"]))) for lessons, _ in lives)
    beside = np.concatenate(
        [during(lessons, decisions, slot_s, delay_s) for lessons, decisions in lives]
    )
    latency = np.concatenate([_column(decisions, "elapsed_s") for _, decisions in lives])
    answer = np.concatenate([answer_s(decisions, slot_s, delay_s) for _, decisions in lives])
    latencies = (*_percentiles(latency[beside]), *_percentiles(latency[~beside]))
    answers = (*_percentiles(answer[beside]), *_percentiles(answer[~beside]))
    return Learning(
        lessons=len(outcomes),
        deployed=outcomes.count("deployed"),
        rejected=outcomes.count("rejected"),
        rolled_back=outcomes.count("rolled back"),
        unfinished=outcomes.count("unfinished"),
        clock_s_per_s=spent_s / (span_s * len(lives)),
        machine_s_per_s=elapsed_s / (span_s * len(lives)),
        latency_p50_s=latencies[0],
        latency_p99_s=latencies[1],
        latency_alone_p50_s=latencies[2],
        latency_alone_p99_s=latencies[3],
        answer_p50_s=answers[0],
        answer_p99_s=answers[1],
        answer_alone_p50_s=answers[2],
        answer_alone_p99_s=answers[3],
    )


def during(
    lessons: Table, decisions: Table, slot_s: float, delay_s: float = 0.0
) -> NDArray[np.bool_]:
    """Which decisions had a lesson under way between their report and their powers in force.

    Parameters
    ----------
    lessons, decisions : mapping
        Tables of one life.
    slot_s : float
        Slot duration [s].
    delay_s : float
        From a measurement to the report's arrival [s].

    Returns
    -------
    (N,) ndarray of bool
        Of each decision; False where lessons take no time.
    """
    instant_s = 1e-9 * slot_s
    start = _column(lessons, "start_s")
    end = start + _column(lessons, "latency_s")
    took_time = end > start
    start, end = start[took_time] + instant_s, end[took_time] - instant_s
    in_force = _column(decisions, "start_s") + _column(decisions, "latency_s")
    arrived = in_force - answer_s(decisions, slot_s, delay_s)
    # Lessons come one after another, so of those begun before an instant the last ends last.
    begun = np.searchsorted(start, in_force)
    last_end = np.concatenate([[-np.inf], end])[begun]
    return np.asarray(last_end > arrived)


def _under_way_s(lessons: Table, span_s: float) -> float:
    """Network time with a lesson under way; one that was not finished ends with the life."""
    start = _column(lessons, "start_s")
    end = np.minimum(start + _column(lessons, "latency_s"), span_s)
    return float(np.sum(np.maximum(end - start, 0.0)))


def answer_s(decisions: Table, slot_s: float, delay_s: float) -> Array:
    """How long after their report's arrival powers were in force.

    Parameters
    ----------
    decisions : mapping
        Table of one life.
    slot_s : float
        Slot duration [s].
    delay_s : float
        From a measurement to the report's arrival [s].

    Returns
    -------
    (N,) ndarray of float64
        Of each decision, by the network's clock [s].
    """
    in_force = _column(decisions, "start_s") + _column(decisions, "latency_s")
    arrived = _column(decisions, "slot") * slot_s + delay_s
    return np.asarray(np.maximum(in_force - arrived, 0.0))


def _column(table: Table, name: str) -> Array:
    return np.asarray(table[name], dtype=np.float64)


def _percentiles(values: Array) -> tuple[float | None, float | None]:
    if not values.size:
        return None, None
    p50, p99 = np.percentile(values, (50, 99))
    return float(p50), float(p99)
