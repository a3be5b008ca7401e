"""Rows of a sweep as arrays over points, seeds and controllers, which all statistics start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.merits import MERIT

if TYPE_CHECKING:
    import pyarrow as pa

    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["Outcomes", "column", "outcomes"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Outcomes(NamedTuple):
    """What became of the cells of a plan.

    Attributes
    ----------
    merit : [points, seeds, controllers], float64
        The figure that judges the plan, see `slotwise.runs.merits.MERIT`; NaN where there is none.
    failed : [points, seeds, controllers], bool
        Lived, but with an error, or the figure is undefined.
    """

    merit: Array
    failed: Mask

    @property
    def lived(self) -> Mask:
        """Cells that somebody lived, whether they failed or not."""
        return np.asarray(np.isfinite(self.merit) | self.failed, np.bool_)

    def within(self, seeds: NDArray[np.int64]) -> Outcomes:
        """The same as if only the first seeds of each point had been lived.

        Parameters
        ----------
        seeds : [points], int64
            How many.
        """
        inside = (np.arange(self.merit.shape[1]) < seeds[:, None])[..., None]
        return Outcomes(np.where(inside, self.merit, np.nan), self.failed & inside)


def outcomes(plan: SweepPlan, rows: pa.Table) -> Outcomes:
    """Merits and failures of all cells of a plan.

    Parameters
    ----------
    plan : SweepPlan
        Whose.
    rows : pyarrow.Table
        Those there are, in any order.
    """
    merit = column(plan, rows, MERIT[plan.base.objective])
    failed = np.zeros(merit.size, np.bool_)
    failed[np.asarray(rows["cell"], np.int64)] = True
    failed = failed.reshape(merit.shape) & ~np.isfinite(merit)
    return Outcomes(merit, failed)


def column(plan: SweepPlan, table: pa.Table, name: str) -> Array:
    """A column over all cells of a plan.

    Parameters
    ----------
    plan : SweepPlan
        Whose.
    table : pyarrow.Table
        Rows or times; column ``cell`` says which they are.
    name : str
        Of a column of numbers.

    Returns
    -------
    ndarray, shape (points, seeds, controllers), float64
        NaN where there is no row, no number, or one that is not finite.
    """
    values = np.full(plan.cells, np.nan)
    values[np.asarray(table["cell"], np.int64)] = np.asarray(table[name], np.float64)
    values[~np.isfinite(values)] = np.nan
    return values.reshape(len(plan.points), len(plan.seeds), len(plan.controllers))
