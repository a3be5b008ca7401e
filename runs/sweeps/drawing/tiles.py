"""What a winner map shows at each point: who wins, by how much, or why nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from slotwise.runs.sweeps.drawing.shades import label_of
from slotwise.runs.sweeps.summary import matrix

if TYPE_CHECKING:
    import pyarrow as pa

    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["Tile", "margin_of", "regions", "tiles"]

Place = tuple[int, int]


class Tile(NamedTuple):
    """A point of the map.

    Attributes
    ----------
    kind : {"win", "tie", "nobody", "failed", "absent"}
        Somebody is ahead of all others; cannot be told from others; nobody yields anything; nobody
        could be ranked; cells have not been lived yet.
    ahead : tuple of int
        Controllers by position: the winner, and in a tie those tied with it, best first.
    lead : float
        Of the winner over the runner-up [%]; infinite over one that yields nothing, NaN without
        one: all rivals failed, or the plan has none.
    """

    kind: Literal["win", "tie", "nobody", "failed", "absent"]
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
        As `slotwise.runs.sweeps.summary.summarise` gives it.
    """
    rank, tied, lead, failed, merit = (
        matrix(plan, summary, name) for name in ("rank", "tied", "lead", "failed", "merit")
    )
    found = []
    for point in range(len(plan.points)):
        ranked, lived = np.isfinite(rank[point]), np.isfinite(merit[point])
        over = (lived | (failed[point] > 0)).all()
        if over and lived.any() and not (merit[point][lived] > 0.0).any():
            found.append(Tile("nobody"))
            continue
        if not ranked.any():
            found.append(Tile("failed" if over and (failed[point] > 0).any() else "absent"))
            continue
        order = np.argsort(np.where(ranked, rank[point], np.inf), kind="stable")
        first = int(order[0])
        ahead = 100.0 * float(lead[point, first])
        if ranked.sum() > 1 and np.isnan(ahead):
            ahead = np.inf
        if tied[point, first] == 1.0:
            everybody = tuple(int(one) for one in order if tied[point, one] == 1.0)
            found.append(Tile("tie", everybody, ahead))
        else:
            found.append(Tile("win", (first,), ahead))
    return found


def margin_of(plan: SweepPlan, tile: Tile) -> str:
    """What is written of a winner's margin; nothing in a plan of one controller.

    Parameters
    ----------
    plan : SweepPlan
        Whose controllers compete.
    tile : Tile
        Of the kind ``win``.
    """
    return label_of(tile.lead) if len(plan.controllers) > 1 else ""


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
