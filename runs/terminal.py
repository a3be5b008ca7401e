"""How the terminal shows tables: none is cropped, and long specs fold at their commas."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from slotwise.runs.report.quantities import MISSING, number, prefix

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "add",
    "console_for",
    "energy_unit",
    "folded",
    "plain_table",
    "plus_minus",
    "scaled",
    "show",
    "width",
]


def show(*parts: Table | str) -> None:
    """Print tables and lines on standard output."""
    console = console_for(parts)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def console_for(parts: Sequence[Table | str]) -> Console:
    """Standard output; as wide as its tables where it is not a terminal, so nothing is cropped."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = max([80, *(width(part) for part in parts if not isinstance(part, str))])
    return console


def width(table: Table) -> int:
    """Columns that a table takes when nothing in it is folded."""
    from rich.console import Console
    from rich.measure import Measurement

    wide = Console(width=10_000)
    return Measurement.get(wide, wide.options, table).maximum


def folded(spec: str, width: int) -> str:
    """A spec on lines of a width, broken after its colon and commas."""
    lines = [""]
    for part in re.findall(r"[^:,]+[:,]?", spec):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def plain_table(*heads: str, words: Sequence[int] = (0,)) -> Table:
    """A plain table whose columns hold numbers, save those named as words."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column, head in enumerate(heads):
        is_word = column in words
        table.add_column(
            Text(head),
            justify="left" if is_word else "right",
            overflow="fold",
            no_wrap=not is_word,
        )
    return table


def add(table: Table, *cells: str) -> None:
    """Add a row in which square brackets are text, not markup."""
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells))


def energy_unit(values: Iterable[float | None]) -> tuple[str, float]:
    """Unit that suits efficiencies, and what to multiply bit/J by."""
    unit, size = prefix(max((value or 0.0 for value in values), default=0.0), "bit/J")
    return unit, 1.0 / size


def plus_minus(value: float | None, half: float | None) -> str:
    """A number with as many decimals as two digits of its uncertainty have."""
    if value is None:
        return MISSING
    if not half:
        return number(value, 4)
    decimals = min(max(1 - math.floor(math.log10(half)), 0), 6)
    return f"{value:,.{decimals}f} ± {half:,.{decimals}f}"


def scaled(value: float | None, scale: float, digits: int = 3) -> str:
    """A number in another unit, or a dash."""
    return MISSING if value is None else number(scale * value, digits)
