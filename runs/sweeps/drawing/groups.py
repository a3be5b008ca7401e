"""Points of a sweep that share a panel: those that agree in whatever is not an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from slotwise.runs.sweeps.drawing.dimension import dimension

if TYPE_CHECKING:
    from slotwise.runs.sweeps.planning.plan import SweepPlan, Value

__all__ = ["Group", "groups"]


class Group(NamedTuple):
    """A panel: what its points have in common, and their numbers."""

    title: str
    points: list[int]


def groups(plan: SweepPlan, axes: Sequence[str]) -> list[Group]:
    """Points of each panel, in the order of the values of the fields that are not axes and vary.

    Parameters
    ----------
    plan : SweepPlan
        Whose points.
    axes : sequence of str
        Varied fields that a panel shows.
    """
    others = [dimension(plan, field) for field in plan.varied if field not in axes]
    first = plan.drawing.panel if plan.drawing else None
    others = [one for one in others if len(one.values) > 1]
    others.sort(key=lambda one: one.field != first)
    columns = [plan.varied.index(one.field) for one in others]
    found: dict[tuple[Value, ...], list[int]] = {}
    for number, point in enumerate(plan.points):
        found.setdefault(tuple(point[column] for column in columns), []).append(number)
    places = [one.order() for one in others]

    def order(values: tuple[Value, ...]) -> list[int]:
        return [one[value] for one, value in zip(places, values, strict=True)]

    def title(values: tuple[Value, ...]) -> str:
        return ", ".join(one.told(value) for one, value in zip(others, values, strict=True))

    return [Group(title(values), found[values]) for values in sorted(found, key=order)]
