"""A study's short tables as a terminal shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slotwise.runs.studies.part import Grid

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["grid_table"]


def grid_table(grid: Grid) -> Table:
    """One table; the first column holds words, the others numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column, head in enumerate(grid.heads):
        table.add_column(Text(head), justify="right" if column else "left", no_wrap=True)
    for row in grid.rows:
        table.add_row(*(Text(cell.replace("`", "")) for cell in row))
    return table
