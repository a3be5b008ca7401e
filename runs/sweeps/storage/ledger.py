"""What is known of a plan's cells, in memory: arrays by the number of the cell, and tables of them.

A cell's number says which point, seed and controller it is, so only what came of it is kept. A
result stands whatever is told later; an error stands until the cell has been lived once more. So
tables are taken up newest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from slotwise.runs.sweeps.cell import FIGURES, TIMES, Row, Times

if TYPE_CHECKING:
    from slotwise.runs.sweeps.planning.plan import SweepPlan, Value

__all__ = ["TIMES_SCHEMA", "Ledger", "row_schema"]

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_UNKNOWN, _FAILED, _DONE = 0, 1, 2

TIMES_SCHEMA = pa.schema(
    [("cell", pa.int64()), *((name, pa.float64()) for name in TIMES), ("worker", pa.string())]
)


def row_schema(plan: SweepPlan) -> pa.Schema:
    """Columns of a plan's rows.

    A figure that is also varied (``slots``) has one column, that of the varied field.

    Parameters
    ----------
    plan : SweepPlan
        Whose fields vary.
    """
    columns = zip(*plan.points, strict=True) if plan.varied else ()
    varied = {name: _type(values) for name, values in zip(plan.varied, columns, strict=True)}
    return pa.schema(
        [
            ("cell", pa.int64()),
            ("point", pa.int64()),
            ("seed", pa.int64()),
            ("controller", pa.dictionary(pa.int32(), pa.string())),
            *varied.items(),
            ("error", pa.string()),
            *((name, pa.float64()) for name in FIGURES if name not in varied),
        ]
    )


class Ledger:
    """What is known of the cells of a plan.

    Parameters
    ----------
    plan : SweepPlan
        Whose cells.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of the rows.
    """

    def __init__(self, plan: SweepPlan) -> None:
        self.schema = row_schema(plan)
        self._figure_names = [name for name in FIGURES if name not in plan.varied]
        self._controllers = pa.array(plan.controllers, pa.string())
        self._seeds = np.asarray(plan.seeds, np.int64)
        columns = zip(*plan.points, strict=True) if plan.varied else ()
        self._varied = [
            _column(values, self.schema.field(name).type)
            for name, values in zip(plan.varied, columns, strict=True)
        ]
        # Zeros, and not NaN: memory that nothing is written to costs nothing.
        self._state = np.zeros(plan.cells, np.int8)
        self._errors: dict[int, str] = {}
        self._figures = np.zeros((len(self._figure_names), plan.cells))
        self._timed = np.zeros(plan.cells, np.bool_)
        self._times = np.zeros((len(TIMES), plan.cells))
        self._workers: dict[str, int] = {"": 0}
        self._worker = np.zeros(plan.cells, np.int32)

    @property
    def done(self) -> Mask:
        """Shape (cells,): cells that have a result."""
        return np.equal(self._state, _DONE)

    @property
    def failed(self) -> Mask:
        """Shape (cells,): cells of which there is only an error."""
        return np.equal(self._state, _FAILED)

    def with_error(self, error: str) -> Mask:
        """Shape (cells,): cells of which there is only this very error."""
        mask = np.zeros(self._state.size, np.bool_)
        mask[[cell for cell, told in self._errors.items() if told == error]] = True
        return mask

    @property
    def known(self) -> Numbers:
        """Numbers of the cells that are done or have failed, in order."""
        return np.flatnonzero(self._state).astype(np.int64)

    def learn(self, row: Row, times: Times) -> None:
        """Take up what came of one cell."""
        cell = row["cell"]
        if row["error"] and self._state[cell] == _DONE:
            return
        if row["error"]:
            self._errors[cell] = row["error"]
        else:
            self._errors.pop(cell, None)
        figures = [row["figures"][name] for name in self._figure_names]
        self._figures[:, cell] = [np.nan if value is None else value for value in figures]
        self._state[cell] = _FAILED if row["error"] else _DONE
        taken = (times["seconds"], times["latency_p50_s"], times["latency_p99_s"])
        self._times[:, cell] = [np.nan if value is None else value for value in taken]
        self._worker[cell] = self._workers.setdefault(times["worker"], len(self._workers))
        self._timed[cell] = True

    def take_rows(self, table: pa.Table) -> bool:
        """Take up rows of a table of `schema`.

        Returns
        -------
        bool
            Whether a cell is known now that was not, or has a result now that had none.
        """
        cells, table = self._of_plan(table)
        failed = pc.not_equal(table["error"], "").to_numpy()
        state = np.where(failed, _FAILED, _DONE).astype(np.int8)
        # Results come last, and so stand where a table holds a cell twice.
        order = np.argsort(state, kind="stable")
        order = order[self._state[cells[order]] < state[order]]
        cells, state = cells[order], state[order]
        for index, name in enumerate(self._figure_names):
            self._figures[index, cells] = table[name].to_numpy()[order]
        self._state[cells] = state
        errors = table["error"].take(pa.array(order)).to_pylist()
        for cell, error in zip(cells.tolist(), errors, strict=True):
            if error:
                self._errors[cell] = error
            else:
                self._errors.pop(cell, None)
        return bool(order.size)

    def take_times(self, table: pa.Table) -> bool:
        """Take up what was measured, a table of `TIMES_SCHEMA`; what is known already stands.

        Returns
        -------
        bool
            Whether there are times of a cell now that had none.
        """
        cells, table = self._of_plan(table)
        new = np.flatnonzero(~self._timed[cells])
        cells, table = cells[new], table.take(pa.array(new))
        for index, name in enumerate(TIMES):
            self._times[index, cells] = table[name].to_numpy()
        workers = table["worker"].combine_chunks().dictionary_encode()
        codes = [
            self._workers.setdefault(worker or "", len(self._workers))
            for worker in workers.dictionary.to_pylist()
        ]
        self._worker[cells] = np.asarray(codes, np.int32)[workers.indices.to_numpy()]
        self._timed[cells] = True
        return bool(new.size)

    def forget(self, cells: Mask) -> None:
        """Unlearn some cells: shape (cells,), True for these."""
        self._state[cells] = _UNKNOWN
        self._timed[cells] = False
        for cell in [cell for cell in self._errors if cells[cell]]:
            del self._errors[cell]

    def among(self, cells: Numbers) -> Numbers:
        """Those of the cells that are done or have failed."""
        return cells[np.not_equal(self._state[cells], _UNKNOWN)]

    def timed(self, cells: Numbers) -> Numbers:
        """Those of the cells that have been timed."""
        return cells[self._timed[cells]]

    def rows(self, cells: Numbers) -> pa.Table:
        """Rows of known cells, in the order given."""
        per_point = self._seeds.size * len(self._controllers)
        point = cells // per_point
        seed = self._seeds[cells % per_point // len(self._controllers)]
        controller = pa.DictionaryArray.from_arrays(
            pa.array(cells % len(self._controllers), pa.int32()), self._controllers
        )
        varied = [column.take(pa.array(point)) for column in self._varied]
        error = pa.array([self._errors.get(cell, "") for cell in cells.tolist()], pa.string())
        figures = [_nullable(column, cells) for column in self._figures]
        columns = [pa.array(cells), pa.array(point), pa.array(seed), controller]
        return pa.Table.from_arrays([*columns, *varied, error, *figures], schema=self.schema)

    def times(self, cells: Numbers) -> pa.Table:
        """What was measured of cells, in the order given; null where it is not known."""
        known = self._timed[cells]
        times = [_nullable(np.where(known, column[cells], np.nan)) for column in self._times]
        names = pa.array(list(self._workers), pa.string())
        worker = names.take(pa.array(np.where(known, self._worker[cells], 0)))
        return pa.Table.from_arrays([pa.array(cells), *times, worker], schema=TIMES_SCHEMA)

    def _of_plan(self, table: pa.Table) -> tuple[Numbers, pa.Table]:
        """Cells of a table and the table, without numbers that the plan does not have."""
        cells = np.asarray(table["cell"], np.int64)
        inside = (cells >= 0) & (cells < self._state.size)
        return (cells, table) if inside.all() else (cells[inside], table.filter(pa.array(inside)))


def _type(values: Sequence[Value]) -> pa.DataType:
    """Type of the column of a varied field."""
    if all(isinstance(value, bool) for value in values):
        return pa.bool_()
    if any(isinstance(value, str | bool) for value in values):
        return pa.string()
    return pa.int64() if all(isinstance(value, int) for value in values) else pa.float64()


def _column(values: Sequence[Value], kind: pa.DataType) -> pa.Array:
    return pa.array([str(value) for value in values] if kind == pa.string() else values, kind)


def _nullable(values: NDArray[np.float64], cells: Numbers | slice = slice(None)) -> pa.Array:
    return pa.array(values[cells], pa.float64(), from_pandas=True)
