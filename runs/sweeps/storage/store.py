"""The store of a sweep: what came of its cells, on disk as soon as it is known.

``OUT/cells/plan=HASH`` holds what a cell came to, the same whenever and wherever it was lived, and
``OUT/times/plan=HASH`` what was measured. Both are Hive partitions of Parquet files that anybody
may read at any time. In the end each is one file, and the bytes of ``cells.parquet`` do not depend
on the order in which cells came, nor on how often the work was stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.scenario import InputError
from slotwise.runs.place import writing
from slotwise.runs.sweeps.storage.adoption import results_of_earlier
from slotwise.runs.sweeps.storage.ledger import TIMES_SCHEMA, Ledger
from slotwise.runs.sweeps.storage.manifest import (
    check_sweep_place,
    earlier_partitions,
    write_manifest,
)
from slotwise.runs.sweeps.storage.partition import Partition
from slotwise.runs.workers import LOST_LINE

if TYPE_CHECKING:
    import pyarrow as pa

    from slotwise.runs.sweeps.cell import Row, Times
    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["Store"]

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_FLUSH_S = 0.25
_ATTEMPTS = 4


class _Side(NamedTuple):
    """One of the two partitions, and what the ledger has to do with it."""

    partition: Partition
    take: Callable[[pa.Table], bool]
    table: Callable[[Numbers], pa.Table]
    known: Callable[[Numbers], Numbers]


class Store:
    """What is kept of a plan's cells.

    A row is on disk at most a quarter of a second after it was added, and files come at most at
    that pace. Several stores may be open on one directory, as happens where files cannot be locked:
    what each has added is kept, and a cell that was lived twice is kept once.

    Parameters
    ----------
    out : Path
        Directory of the sweep; made if it is not there. Results of earlier plans in it that this
        plan shares are taken over.
    plan : SweepPlan
        Whose cells.
    command : str
        By which the plan is begun; goes into the manifest.
    threadless : bool
        Write only while the caller calls, and never from a thread of the store's own, which would
        take the interpreter away from whatever is being measured here. Then what was added last
        may wait for the next.

    Attributes
    ----------
    adopted : int
        Cells that have just been taken over from earlier plans.

    Raises
    ------
    InputError
        If the directory holds something else, or another sweep, or the disk refuses.
    """

    def __init__(
        self, out: Path, plan: SweepPlan, command: str, *, threadless: bool = False
    ) -> None:
        self._out = out
        self._plan = plan
        self._threadless = threadless
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._pending: list[int] = []
        self._flushed = -np.inf
        self._ledger = Ledger(plan)
        self.adopted = 0
        with writing(out):
            check_sweep_place(out, plan)
            cells, times = (out / side / f"plan={plan.hash}" for side in ("cells", "times"))
            cells.mkdir(parents=True, exist_ok=True)
            write_manifest(cells, plan, command)
            times.mkdir(parents=True, exist_ok=True)
            self._sides = self._opened(cells, times)
            self._refresh()
            if not self._ledger.done.all():
                self._adopt()

    def done(self) -> Mask:
        """Cells that have a result: shape (cells,)."""
        with self._lock:
            return self._ledger.done

    def failed(self) -> Mask:
        """Cells of which there is only an error: shape (cells,)."""
        with self._lock:
            return self._ledger.failed

    def lost(self) -> Mask:
        """Those of the failed cells whose processes were killed: shape (cells,).

        What killed them need not be there any more.
        """
        with self._lock:
            return self._ledger.with_error(LOST_LINE)

    def add(self, row: Row, times: Times) -> None:
        """Take up what came of a cell.

        Raises
        ------
        InputError
            If the disk refuses; the row is kept in memory, and the next flush tries again.
        """
        with self._lock:
            self._pending.append(row["cell"])
            self._ledger.learn(row, times)
            due_s = self._flushed + _FLUSH_S - time.monotonic()
            if due_s <= 0:
                self.flush()
            elif self._timer is None and not self._threadless:
                self._timer = threading.Timer(due_s, self._flush_later)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what has been added.

        Raises
        ------
        InputError
            If the disk refuses; nothing is lost then, and the next flush tries again.
        """
        with self._lock, writing(self._out):
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._pending:
                return
            cells = np.unique(np.asarray(self._pending, np.int64))
            for side in self._sides:
                side.partition.append(side.table(side.known(cells)))
            self._pending.clear()
            for side in self._sides:
                while crowd := side.partition.crowd():
                    side.partition.merge(crowd, side.table(side.known(side.partition.cells(crowd))))
            self._flushed = time.monotonic()

    def rows(self) -> pa.Table:
        """Rows of all cells that are done or have failed, in the order of their numbers."""
        with self._lock:
            return self._ledger.rows(self._ledger.known)

    def times(self) -> pa.Table:
        """What was measured of the cells of `rows`, row by row; null where it has been lost."""
        with self._lock:
            return self._ledger.times(self._ledger.known)

    def compact(self, keep: Mask | None = None) -> None:
        """Make one file of all rows.

        Parameters
        ----------
        keep : ndarray of bool, shape (cells,), optional
            Cells that belong to the result; rows of the others are removed.

        Raises
        ------
        InputError
            If the disk refuses; nothing is lost then.
        """
        with self._lock, writing(self._out):
            self.flush()
            wanted = np.ones(self._plan.cells, np.bool_) if keep is None else keep
            for side in self._sides:
                self._compact(side, wanted)
            self._ledger.forget(~wanted)

    def _opened(self, cells: Path, times: Path) -> tuple[_Side, _Side]:
        """Times come first: where there is a row, what was measured of it is there as well."""
        ledger = self._ledger
        return (
            _Side(
                Partition(times, "times.parquet", TIMES_SCHEMA, "those times are lost"),
                ledger.take_times,
                ledger.times,
                ledger.timed,
            ),
            _Side(
                Partition(cells, "cells.parquet", ledger.schema, "those cells are lived again"),
                ledger.take_rows,
                ledger.rows,
                ledger.among,
            ),
        )

    def _refresh(self) -> None:
        for side in self._sides:
            _taken_up(side)

    def _compact(self, side: _Side, wanted: Mask) -> None:
        """Again if meanwhile another store has brought something; what is left then stays apart."""
        for _ in range(_ATTEMPTS):
            _taken_up(side)
            cells = side.known(np.flatnonzero(wanted).astype(np.int64))
            if side.partition.is_just(cells):
                return
            before = side.partition.parts()
            aside = side.partition.put_whole(side.table(cells))
            if not _taken_up(side) and side.partition.has_whole():
                side.partition.remove([*before, *aside])

    def _adopt(self) -> None:
        """Take over what earlier plans of this directory have lived of this plan's cells."""
        before = self._ledger.done
        for name in earlier_partitions(self._out, self._plan):
            found = results_of_earlier(
                self._plan, self._out / "cells" / name, self._out / "times" / name
            )
            if found is None:
                continue
            rows, times = found
            theirs = np.zeros(self._plan.cells, np.bool_)
            theirs[np.asarray(rows["cell"], np.int64)] = True
            self._ledger.forget(theirs & self._ledger.failed)
            self._ledger.take_rows(rows)
            self._ledger.take_times(times)
        new = np.flatnonzero(self._ledger.done & ~before)
        self.adopted = new.size
        self._pending.extend(new.tolist())
        self.flush()

    def _flush_later(self) -> None:
        """From the timer; what fails here fails again where it can be told."""
        with suppress(InputError, OSError):
            self.flush()


def _taken_up(side: _Side) -> bool:
    """Read what has come; whether anything was new."""
    gained = False
    for table in side.partition.arrivals():
        gained |= side.take(table)
    return gained
