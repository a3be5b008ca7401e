"""Results of a comparison, pooled from its finished cells.

A cell speaks for one network. Rates, fairness and energy are averaged over networks, counts are
added up, and decision times are thrown together, because a decision does not know in which network
it was taken. The pooled numbers are computed from what is on disk alone, so a comparison that was
stopped and resumed ends with the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.objective import Aim
from slotwise.emulator.scenario import InputError
from slotwise.runs.cells import Cell
from slotwise.runs.directory import read_json
from slotwise.runs.intervals import mean_of_ratios
from slotwise.runs.learning import Learning, learned
from slotwise.runs.merits import MERIT, Kept
from slotwise.runs.simulation import ABANDONED

__all__ = [
    "Comparison",
    "NetworkCounts",
    "Row",
    "fault_lines",
    "fault_words",
    "pool",
    "was_abandoned",
]

Array = NDArray[np.float64]
Summary = Mapping[str, Any]

_LESSON = ("start_s", "elapsed_s", "latency_s", "outcome")
_DECISION = ("slot", "start_s", "elapsed_s", "latency_s")


class Row(TypedDict):
    """One controller over all seeds; None where undefined.

    Rates in bit/s/Hz, times in s of this machine's clock, joules of one network's life. ``merit``
    is how well the objective was served, one of the other figures (`slotwise.runs.merits.MERIT`);
    ``relative`` is the mean over seeds of its ratio to the first controller's, with the bounds of a
    paired 95 % t interval. What is ``ideal`` the same decisions are worth when they cost no time.
    ``promise`` is None where nothing is promised and ``learning`` where nobody learned.
    """

    merit: float | None
    ideal_merit: float | None
    mean_sum_rate: float | None
    mean_sum_rate_std: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    ideal_mean_sum_rate: float | None
    user_rate_p5: float | None
    jain_fairness: float | None
    energy_efficiency_bit_per_joule: float | None
    own_efficiency_bit_per_joule: float | None
    consumed_j: float | None
    mean_power_w: float | None
    latency_p50_s: float | None
    latency_p99_s: float | None
    reports: int
    missed_deadlines: int
    decisions: int
    faults: int
    fallbacks: int
    promise: Kept | None
    learning: Learning | None


class NetworkCounts(TypedDict):
    """What happened in the networks, all seeds together, whoever decided."""

    joins: int
    leaves: int
    blocked: int
    handovers: int


class Comparison(TypedDict):
    """Controllers that met the same networks."""

    scenario: str
    objective: Aim
    slots: int
    seeds: list[int]
    reference: str
    controllers: dict[str, Row]
    network: NetworkCounts


def pool(
    cells: Mapping[str, Sequence[Cell]], ideal: Mapping[str, Sequence[Cell]] | None = None
) -> Comparison:
    """Pool finished cells.

    Parameters
    ----------
    cells : mapping of str to sequence of Cell
        Finished cells by controller, all in the same order of seeds; the first controller is the
        reference.
    ideal : mapping of str to sequence of Cell, optional
        Their twins with ideal timing.

    Raises
    ------
    InputError
        If a file of a cell is damaged.
    """
    lives = {spec: [_summary(cell) for cell in group] for spec, group in cells.items()}
    reference = next(iter(cells))
    first = cells[reference]
    aim = first[0].scenario.objective
    base = _values(lives[reference], MERIT[aim])
    rows = {
        spec: _row(
            group, lives[spec], base, [_summary(cell) for cell in (ideal or {}).get(spec, [])]
        )
        for spec, group in cells.items()
    }
    return Comparison(
        scenario=first[0].scenario.name,
        objective=aim,
        slots=first[0].slots,
        seeds=[cell.seed for cell in first],
        reference=reference,
        controllers=rows,
        network=NetworkCounts(
            joins=_count(lives[reference], "joins"),
            leaves=_count(lives[reference], "leaves"),
            blocked=_count(lives[reference], "blocked"),
            handovers=_count(lives[reference], "handovers"),
        ),
    )


def _row(
    cells: Sequence[Cell], lives: Sequence[Summary], base: Array, ideal: Sequence[Summary]
) -> Row:
    rates = _values(lives, "mean_sum_rate")
    merit = MERIT[cells[0].scenario.objective]
    relative = mean_of_ratios(_values(lives, merit), base)
    p50, p99 = _latencies([cell.directory for cell in cells])
    return Row(
        merit=_mean(_values(lives, merit)),
        ideal_merit=_mean(_values(ideal, merit)),
        mean_sum_rate=_mean(rates),
        mean_sum_rate_std=float(rates.std(ddof=1)) if rates.size > 1 else None,
        relative=relative.value,
        relative_low=relative.low,
        relative_high=relative.high,
        ideal_mean_sum_rate=_mean(_values(ideal, "mean_sum_rate")),
        user_rate_p5=_mean(_values(lives, "user_rate_p5")),
        jain_fairness=_mean(_values(lives, "jain_fairness")),
        energy_efficiency_bit_per_joule=_mean(_values(lives, "energy_efficiency_bit_per_joule")),
        own_efficiency_bit_per_joule=_mean(_values(lives, "own_efficiency_bit_per_joule")),
        consumed_j=_mean(_values(lives, "consumed_j")),
        mean_power_w=_mean(_values(lives, "mean_power_w")),
        latency_p50_s=p50,
        latency_p99_s=p99,
        reports=_count(lives, "reports"),
        missed_deadlines=_count(lives, "missed_deadlines"),
        decisions=_count(lives, "decisions"),
        faults=_count(lives, "faults"),
        fallbacks=_count(lives, "fallbacks"),
        promise=_promise(lives),
        learning=_learning(cells),
    )


def _promise(lives: Sequence[Mapping[str, Any]]) -> Kept | None:
    """What became of a promised rate, all networks together."""
    kept = [life["promise"] for life in lives]
    if not all(kept):
        return None

    def added(name: str) -> int:
        return sum(int(each[name]) for each in kept)

    return Kept(
        min_rate=float(kept[0]["min_rate"]),
        slots=added("slots"),
        infeasible=added("infeasible"),
        broken=added("broken"),
        user_slots=added("user_slots"),
        short=added("short"),
    )


def _learning(cells: Sequence[Cell]) -> Learning | None:
    """What learning came to, all networks together."""
    lessons = [_table(cell.directory, "lessons", _LESSON) for cell in cells]
    if not any(table["outcome"].size for table in lessons):
        return None
    decisions = [_table(cell.directory, "decisions", _DECISION) for cell in cells]
    scenario, slot_s = cells[0].scenario, cells[0].scenario.timing.slot_s
    lives = list(zip(lessons, decisions, strict=True))
    return learned(lives, cells[0].slots * slot_s, slot_s, scenario.csi.delay_s)


def _summary(cell: Cell) -> Summary:
    return read_json(cell.directory / "summary.json")


def _values(lives: Sequence[Summary], name: str) -> Array:
    """One quantity of every life; NaN where it is undefined."""
    return np.array([np.nan if life[name] is None else life[name] for life in lives], np.float64)


def _mean(values: Array) -> float | None:
    """Mean over the networks in which a quantity is defined."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _count(lives: Sequence[Summary], name: str) -> int:
    return sum(int(life[name] or 0) for life in lives)


def _latencies(directories: Sequence[Path]) -> tuple[float | None, float | None]:
    """Median and 99th percentile of single decisions, all networks together [s]."""
    elapsed = np.concatenate([_column(path, "decisions", "elapsed_s") for path in directories])
    if not elapsed.size:
        return None, None
    p50, p99 = np.percentile(elapsed, (50, 99))
    return float(p50), float(p99)


def was_abandoned(cell: Cell) -> bool:
    """Whether a decision of a finished cell had to be ended from outside."""
    faults = _column(cell.directory, "decisions", "fault")
    return any(str(fault).startswith(ABANDONED) for fault in np.unique(faults))


def fault_words(cells: Sequence[Cell], decisions: int) -> list[str]:
    """What failed in cells of one controller and why, the first time; empty where nothing did.

    Parameters
    ----------
    cells : sequence of Cell
        Finished.
    decisions : int
        How many were taken in them.
    """
    causes: list[str] = []
    for cell in cells:
        events = _table(cell.directory, "events", ("kind", "cause"))
        causes += [str(cause) for cause in events["cause"][events["kind"] == "fault"]]
    return fault_lines(causes, decisions)


def fault_lines(causes: Sequence[str], decisions: int) -> list[str]:
    """Faults of decisions, and of learning, in a line each; causes in the order of their times."""
    learning = [cause for cause in causes if cause.startswith("learning: ")]
    failed = [cause for cause in causes if not cause.startswith("learning: ")]
    lines = []
    if failed:
        few = f"{len(failed):,} of {decisions:,} decisions failed, first: "
        none = f"every one of {decisions:,} decisions failed, all figures are the fallback's: "
        lines.append((none if len(failed) >= decisions else few) + failed[0])
    if learning:
        lines.append(f"learning failed and was given up: {learning[0].removeprefix('learning: ')}")
    return lines


def _column(directory: Path, table: str, column: str) -> Any:
    """One column of a table of a finished cell, as an array."""
    return _table(directory, table, (column,))[column]


def _table(directory: Path, table: str, columns: Sequence[str]) -> dict[str, Any]:
    """Columns of a table of a finished cell, as arrays."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = directory / f"{table}.parquet"
    try:
        found = pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: damaged or missing: {str(error).splitlines()[0]}") from None
    return {column: np.asarray(found[column].to_numpy()) for column in columns}
