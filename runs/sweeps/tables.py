"""What a sweep says in the terminal: every point where they are few, else every controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slotwise.runs.sweeps.standings import by_controller, by_point, explained
from slotwise.runs.terminal import add, console_for, folded, plain_table, width

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table

    from slotwise.runs.studies.part import Grid
    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["sweep_tables"]

_FEW = 30
_NARROW = 16


def sweep_tables(plan: SweepPlan, summary: pa.Table) -> list[Table | str]:
    """Tables of a sweep and what their marks mean.

    Parameters
    ----------
    plan : SweepPlan
        Whose points and controllers.
    summary : pyarrow.Table
        As `slotwise.runs.sweeps.summary.summarise` gives it.

    Returns
    -------
    list of Table or str
        For `slotwise.runs.terminal.show`. Up to 30 points: a row for each, with controllers side by
        side, in several tables where the terminal is narrow. More: a row for each controller.
    """
    if len(plan.points) > _FEW:
        grid = by_controller(plan, summary)
        return [_table(grid), *explained(plan, summary, [grid])]
    grid = by_point(plan, summary)
    words, whole = explained(plan, summary, [grid]), _table(grid, len(plan.varied))
    if width(whole) <= console_for([whole]).width:
        return [whole, *words]
    parts: list[Table | str] = []
    left = list(range(len(plan.controllers)))
    while left:
        fits = max(
            (n for n in range(1, len(left) + 1) if _fits(plan, summary, left[:n])), default=1
        )
        shown, left = left[:fits], left[fits:]
        parts.append(_table(by_point(plan, summary, shown), len(plan.varied), _NARROW))
    return [*parts, *words]


def _fits(plan: SweepPlan, summary: pa.Table, shown: list[int]) -> bool:
    table = _table(by_point(plan, summary, shown), len(plan.varied), _NARROW)
    return width(table) <= console_for([table]).width


def _table(grid: Grid, words: int = 1, fold: int = 1000) -> Table:
    heads = (_folded(head, fold) for head in grid.heads)
    table = plain_table(*heads, words=(0,) if words == 1 else ())
    for row in grid.rows:
        add(table, *row)
    return table


def _folded(head: str, fold: int) -> str:
    """A head whose spec is folded at its commas; its unit stays on a line of its own."""
    name, _, unit = head.rpartition("\n")
    return f"{folded(name, fold)}\n{unit}" if name else head
