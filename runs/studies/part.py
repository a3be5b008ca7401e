"""Parts of a study: what is computed, kept, and written of it.

A unit is the smallest thing that is kept. It has an identity, everything that its result depends
on as JSON, and is computed again only when the identity has changed: another seed, other weights, a
method that could not be made before. What a part makes of its units' results costs nothing and is
written anew each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from slotwise.runs.report.canvas import Drawing

__all__ = ["Document", "Grid", "Part", "Result", "Unit"]

Result = Mapping[str, Any]
"""What a unit computed: one JSON object."""


class Grid(NamedTuple):
    """A table as text.

    Attributes
    ----------
    title : str
        Heading; empty where the part has only this one.
    heads : tuple of str
        Heads of the columns; the first column holds words, the others numbers.
    rows : sequence of tuple of str
        Cells.
    """

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Unit:
    """Something to compute once.

    Attributes
    ----------
    place : str
        Folder of its file, such as ``table-1``. Two parts may share a unit.
    name : str
        Unique in its folder, for people and file names.
    steps : int
        Steps that it reports; 0 where nobody can tell.
    identity : callable
        Gives all that the result depends on, as JSON. It is asked when the unit's turn has come,
        because that may train a network first.
    compute : callable
        Takes what to call with the steps done, gives the result.
    timed : bool
        Whether times are part of the result: then nothing of ours may run beside it.
    """

    place: str
    name: str
    steps: int
    identity: Callable[[], Mapping[str, Any]]
    compute: Callable[[Callable[[int], None]], Result]
    timed: bool = False

    @property
    def file_name(self) -> str:
        """Where its result is kept: ``table-1/k-10.json``."""
        return f"{self.place}/{re.sub('[^a-z0-9.]+', '-', self.name.lower()).strip('-')}.json"


@dataclass(frozen=True, slots=True)
class Document:
    """What is written of a part.

    Attributes
    ----------
    grids : sequence of Grid
        Short tables, for the terminal and the study's page.
    details : sequence of Grid
        Long ones, for the part's own page.
    rows : sequence of mapping
        Lines of the CSV, with every digit.
    notes : sequence of str
        Sentences below the tables.
    drawings : list of Drawing
        Figures, made by a call because matplotlib takes its time.
    """

    grids: Sequence[Grid]
    details: Sequence[Grid] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    drawings: Callable[[], Sequence[Drawing]] = tuple


@dataclass(frozen=True, slots=True)
class Part:
    """A table or figure of a paper.

    Attributes
    ----------
    name : str
        As ``--tables`` names it, such as ``1``, ``20db`` or ``fig3``.
    title : str
        Heading.
    words : str
        What was measured, and how it differs from the paper.
    units : tuple of Unit
        What is computed, in order.
    document : callable
        Takes the units' results in their order.
    """

    name: str
    title: str
    words: str
    units: tuple[Unit, ...]
    document: Callable[[Sequence[Result]], Document]

    @property
    def file_name(self) -> str:
        """Stem of the part's files: ``table-1``, ``figure-3``."""
        if self.name.startswith("fig"):
            return f"figure-{self.name.removeprefix('fig')}"
        return f"table-{self.name}"
