"""What happened: a trace of each network in columns, and a tally of all of them.

A journal is only ever appended to. It knows no files; whoever wants one writes the columns.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "Column", "Journal", "Tally", "Trace"]

Column = NDArray[np.float64] | NDArray[np.int64] | NDArray[np.bool_] | list[str]
Value = float | int | bool | str

COLUMNS: Final[Mapping[str, Mapping[str, type]]] = {
    "slots": {
        "slot": int,
        "time_s": float,
        "sum_rate": float,
        "active": int,
        "power_w": float,
        "energy_j": float,
        "own_efficiency": float,
        "short": int,
        "infeasible": bool,
    },
    "events": {"time_s": float, "kind": str, "user_id": int, "cause": str},
    "users": {
        "user_id": int,
        "join_s": float,
        "leave_s": float,
        "x_m": float,
        "y_m": float,
        "station": int,
        "rate": float,
        "left": bool,
    },
    "decisions": {
        "slot": int,
        "start_s": float,
        "elapsed_s": float,
        "latency_s": float,
        "users": int,
        "missed": bool,
        "fault": str,
    },
    "lessons": {
        "slot": int,
        "start_s": float,
        "elapsed_s": float,
        "latency_s": float,
        "outcome": str,
        "samples": int,
        "gain": float,
        "low": float,
        "high": float,
        "judged": int,
        "cause": str,
    },
}
"""Tables of a trace, their columns and types; units are in the names, rates in bit/s/Hz."""


class Trace:
    """Growing tables of one network; see `COLUMNS`."""

    def __init__(self) -> None:
        self._tables: dict[str, list[array[float] | array[int] | list[str]]] = {
            table: [_empty(kind) for kind in columns.values()] for table, columns in COLUMNS.items()
        }

    def add(self, table: str, *row: Value) -> None:
        """Append a row, in the order of the table's columns.

        Raises
        ------
        ValueError
            If the row has another length than the table has columns.
        """
        for column, value in zip(self._tables[table], row, strict=True):
            column.append(value)  # type: ignore[arg-type]

    def table(self, name: str) -> dict[str, Column]:
        """Columns of a table: NumPy arrays, or lists of str.

        Raises
        ------
        KeyError
            If there is no such table.
        """
        columns = zip(COLUMNS[name].items(), self._tables[name], strict=True)
        return {
            column: [str(value) for value in values]
            if kind is str
            else np.array(values, dtype=kind)
            for (column, kind), values in columns
        }


def _empty(kind: type) -> array[float] | array[int] | list[str]:
    if kind is str:
        return []
    return array("d") if kind is float else array("q")


@dataclass(slots=True)
class Tally:
    """Counts over a life, all networks together.

    Attributes
    ----------
    reports : int
        Reports that arrived.
    decisions : int
        Reports that were answered, with powers or with a failure.
    missed_deadlines : int
        Reports whose decision was not in force by the deadline, undecided ones included.
    faults : int
        Decisions that failed: an exception, a wrong shape, not finite, out of the box.
    fallbacks : int
        Times the fallback answered instead: after a fault, or while a decision was overdue.
    joins, leaves, blocked, handovers : int
        Of users.
    """

    reports: int = 0
    decisions: int = 0
    missed_deadlines: int = 0
    faults: int = 0
    fallbacks: int = 0
    joins: int = 0
    leaves: int = 0
    blocked: int = 0
    handovers: int = 0


class Journal:
    """Keeps the tally of B networks and, if asked, a trace of each.

    Parameters
    ----------
    networks : int
        B.
    record : bool
        Whether to keep traces.
    """

    def __init__(self, networks: int, record: bool) -> None:
        self.tally = Tally()
        self.traces = [Trace() for _ in range(networks)] if record else []
        self._before = np.zeros((4, networks))

    def note(
        self, now_s: float, kind: str, network: int | None = None, user: int = -1, cause: str = ""
    ) -> None:
        """An event, in one network or (``network = None``) in all."""
        for trace in self.traces if network is None else self.traces[network : network + 1]:
            trace.add("events", now_s, kind, user, cause)

    def slot(
        self,
        number: int,
        slot_s: float,
        totals: NDArray[np.float64],
        users: Column,
        kept: tuple[Column, Column],
    ) -> None:
        """The end of a slot.

        Parameters
        ----------
        number : int
            Which slot.
        slot_s : float
            Its duration [s].
        totals : ndarray, shape (4, B)
            Integrals since time zero: carried [bit/Hz], radiated [J], consumed [J], and what users
            make of their own joules, added up [bit s/J/Hz].
        users : ndarray, shape (B,)
            Users present now.
        kept : pair of ndarray, shape (B,)
            Users whose mean rate was below the promised one, and whether no powers could have kept
            all promises; see `slotwise.emulator.promise`.
        """
        if not self.traces:
            return
        carried, radiated, consumed, own = totals - self._before
        short, infeasible = kept
        self._before = totals
        for b, trace in enumerate(self.traces):
            trace.add(
                "slots",
                number,
                number * slot_s,
                carried[b] / slot_s,
                int(users[b]),
                radiated[b] / slot_s,
                consumed[b],
                own[b] / slot_s,
                int(short[b]),
                bool(infeasible[b]),
            )
