"""Cells of a report's tables: heads with units, numbers with smaller additions, the best marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Column", "Heading", "Mark", "Table", "column", "table"]


@dataclass(frozen=True, slots=True)
class Heading:
    """Head of a column: what it holds and in which unit."""

    text: str
    unit: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A cell of the table: its number, a smaller addition, and whether it is the best."""

    text: str
    small: str = ""
    best: bool = False


Table = tuple[list[Heading], list[tuple[str, list[Mark]]]]
"""Heads of columns without the first, the controller's, and rows: a controller and its cells."""

Column = tuple[Heading, list[Mark]]
"""A head and a cell for each row."""


def _best(texts: Sequence[str], values: Sequence[float | None], most: bool) -> list[bool]:
    """Which cells to mark: all that read like the best, unless every one does or there is one."""
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return [False] * len(values)
    winner = texts[values.index(max(known) if most else min(known))]
    marked = [text == winner for text in texts]
    return [False] * len(values) if sum(marked) == len(known) else marked


def column(
    head: Heading, values: Sequence[float | None], texts: list[str], small: list[str], most: bool
) -> Column:
    """A column whose best cells are marked.

    Parameters
    ----------
    head : Heading
        Its head.
    values : sequence of float or None
        What decides which cell is best.
    texts, small : list of str
        What cells show, and their smaller additions.
    most : bool
        Whether the most is best, or the least.
    """
    best = _best(texts, values, most)
    return head, [Mark(*cell) for cell in zip(texts, small, best, strict=True)]


def table(names: Iterable[str], columns: Sequence[Column]) -> Table:
    """Columns as rows with names."""
    rows = [(name, [marks[place] for _, marks in columns]) for place, name in enumerate(names)]
    return [head for head, _ in columns], rows
