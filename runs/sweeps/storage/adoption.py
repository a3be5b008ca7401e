"""Rows of an earlier plan in the same directory, as rows of the plan at hand.

A plan that has grown numbers its cells anew. What stays is what a cell is: the values of the varied
fields, the seed and the controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from slotwise.runs.sweeps.cell import FIGURES
from slotwise.runs.sweeps.storage.ledger import TIMES_SCHEMA, row_schema
from slotwise.runs.sweeps.storage.partition import read_all

if TYPE_CHECKING:
    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["results_of_earlier"]

Numbers = NDArray[np.int64]

_ELSEWHERE = -1


def results_of_earlier(
    plan: SweepPlan, cells: Path, times: Path
) -> tuple[pa.Table, pa.Table] | None:
    """Read the partition of another plan, and number its cells as this plan does.

    Errors are left behind: a plan that begins tries for itself.

    Parameters
    ----------
    plan : SweepPlan
        Whose rows they are to be.
    cells, times : Path
        Folders of the other plan; what is damaged there is passed over, nothing is changed.

    Returns
    -------
    tuple of pyarrow.Table or None
        Rows (cell, error, figures) and times of cells that the plan has too; None if there are
        none, or they are of another form.
    """
    found = read_all(cells)
    try:
        rows = pa.concat_tables(found) if found else None
        if rows is None:
            return None
        rows = rows.filter(pc.equal(rows["error"], ""))
        number = _numbers(plan, rows)
        mine = np.flatnonzero(number != _ELSEWHERE)
        number, rows = number[mine], rows.take(pa.array(mine))
        figures = [name for name in FIGURES if name not in plan.varied]
        taken = pa.table(
            {
                "cell": pa.array(number),
                "error": rows["error"],
                **{name: rows[name].cast(pa.float64()) for name in figures},
            }
        )
        measured = _renamed(
            times, dict(zip(rows["cell"].to_pylist(), number.tolist(), strict=True))
        )
    except (KeyError, pa.ArrowException):
        return None
    return (taken, measured) if mine.size else None


def _renamed(times: Path, number: Mapping[int, int]) -> pa.Table:
    """What was measured of some cells, under their new numbers."""
    measured = pa.concat_tables([TIMES_SCHEMA.empty_table(), *read_all(times)])
    cells = [number.get(cell, _ELSEWHERE) for cell in measured["cell"].to_pylist()]
    renamed = measured.set_column(0, TIMES_SCHEMA.field(0), pa.array(cells, pa.int64()))
    return renamed.filter(pc.not_equal(renamed["cell"], _ELSEWHERE))


def _numbers(plan: SweepPlan, rows: pa.Table) -> Numbers:
    """Numbers in the plan of another plan's rows; where it has no such cell, -1."""
    point = _points(plan, rows)
    seeds = np.asarray(rows["seed"], np.int64)
    seed = _positions({int(seed): index for index, seed in enumerate(plan.seeds)}, seeds)
    names = rows["controller"].combine_chunks().dictionary_decode().dictionary_encode()
    places = {name: index for index, name in enumerate(plan.controllers)}
    known = np.asarray(
        [places.get(name, _ELSEWHERE) for name in names.dictionary.to_pylist()], np.int64
    )
    controller = known[names.indices.to_numpy()]
    number = (point * len(plan.seeds) + seed) * len(plan.controllers) + controller
    found = (point >= 0) & (seed >= 0) & (controller >= 0)
    return np.where(found, number, _ELSEWHERE).astype(np.int64)


def _points(plan: SweepPlan, rows: pa.Table) -> Numbers:
    """Points of the plan that have the rows' values; where there is none, -1."""
    there, first = np.unique(np.asarray(rows["point"], np.int64), return_index=True)
    if not plan.varied:
        return np.zeros(rows.num_rows, np.int64)
    texts = [pa.types.is_string(row_schema(plan).field(name).type) for name in plan.varied]

    def key(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            str(value) if text else value for value, text in zip(values, texts, strict=True)
        )

    here = {key(values): index for index, values in enumerate(plan.points)}
    columns = [rows[name].take(pa.array(first)).to_pylist() for name in plan.varied]
    index = [here.get(key(values), _ELSEWHERE) for values in zip(*columns, strict=True)]
    known = dict(zip(there.tolist(), index, strict=True))
    return _positions(known, np.asarray(rows["point"], np.int64))


def _positions(places: Mapping[int, int], values: Numbers) -> Numbers:
    """What each value stands for; -1 for values that stand for nothing."""
    distinct, inverse = np.unique(values, return_inverse=True)
    found = [places.get(value, _ELSEWHERE) for value in distinct.tolist()]
    return np.asarray(found, np.int64)[inverse]
