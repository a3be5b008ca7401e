"""What a winner map shows at each point: who wins, by how much, or why nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from slotwise.runs.sweep.summary import matrix

if TYPE_CHECKING:
    import pyarrow as pa

    from slotwise.runs.sweep.plan import SweepPlan

__all__ = ["Tile", "regions", "tiles"]

Place = tuple[int, int]


class Tile(NamedTuple):
    """A point of the map.

    Attributes
    ----------
    kind : {"win", "tie", "failed", "absent"}
        Somebody is ahead of all others; cannot be told from others; nobody could be ranked; cells
        have not been lived yet.
    ahead : tuple of int
        Controllers by position: the winner, and in a tie those tied with it, best first.
    lead : float
        Of the winner over the runner-up [%]; NaN without one, or with one that yields nothing.
    """

    kind: Literal["win", "tie", "failed", "absent"]
    ahead: tuple[int, ...] = ()
    lead: float = np.nan

    @property
    def winner(self) -> int | None:
        """Position of who wins alone, else None."""
        return self.ahead[0] if self.kind == "win" else None


def tiles(plan: SweepPlan, summary: pa.Table) -> list[Tile]:
    """A tile for each point.

    Parameters
    ----------
    plan : SweepPlan
        Whose points.
    summary : pyarrow.Table
        As `slotwise.runs.sweep.summary.summarise` gives it.
    """
    rank, tied, lead, failed, seeds = (
        matrix(plan, summary, name) for name in ("rank", "tied", "lead", "failed", "seeds")
    )
    found = []
    for point in range(len(plan.points)):
        if not np.isfinite(rank[point]).any():
            over = ((failed[point] > 0) | (seeds[point] > 0)).all() and (failed[point] > 0).any()
            found.append(Tile("failed" if over else "absent"))
            continue
        order = np.argsort(np.where(np.isfinite(rank[point]), rank[point], np.inf), kind="stable")
        first = int(order[0])
        if tied[point, first] == 1.0:
            ahead = tuple(int(one) for one in order if tied[point, one] == 1.0)
            found.append(Tile("tie", ahead, 100.0 * float(lead[point, first])))
        else:
            found.append(Tile("win", (first,), 100.0 * float(lead[point, first])))
    return found


def regions(winners: dict[Place, int]) -> Iterator[tuple[int, list[Place]]]:
    """Connected regions of places, column and row, with the same winner; large ones first."""
    left, found = dict(winners), []
    while left:
        start, winner = next(iter(left.items()))
        region, ahead = [], [start]
        del left[start]
        while ahead:
            column, row = ahead.pop()
            region.append((column, row))
            for step in (
                (column + 1, row),
                (column - 1, row),
                (column, row + 1),
                (column, row - 1),
            ):
                if left.get(step) == winner:
                    del left[step]
                    ahead.append(step)
        found.append((winner, region))
    yield from sorted(found, key=lambda pair: -len(pair[1]))
