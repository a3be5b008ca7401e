"""What maps and their keys are drawn of: markers, tiles without a winner, outlined text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from slotwise.runs.report.palette import GREY, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_blank", "draw_mark", "draw_outlined", "draw_tied"]

Pair = tuple[float, float]
Blank = Literal["nobody", "failed", "absent"]

_TIED = "#F2F2F2"
_EDGE = "#B5B5B5"
_SIZES_PT = (9.5, 8.5, 7.5, 6.5, 5.5, 4.5)
_STEP = 1.4  # from mark to mark, in sizes
_ROOM = 0.92
_INSET = 0.05
_NOBODY_PT = 10.0
_EVEN = {"*": 1.35, "D": 0.86, "d": 1.15, "p": 1.1, "h": 1.1, "P": 1.05, "X": 1.05}
"""Factors that make markers look equally large."""


def draw_mark(axes: Axes, at: Pair, look: Look, size_pt: float, colour: str = "") -> None:
    """A controller's marker, in its own colour or in another."""
    axes.plot(
        *at,
        marker=look.marker,
        markersize=size_pt * _EVEN.get(look.marker, 1.0),
        color=colour or look.colour,
        markeredgewidth=0,
        linestyle="none",
        zorder=4,
    )


def draw_tied(axes: Axes, corner: Pair, size: Pair, room: Pair, looks: Sequence[Look]) -> None:
    """A pale tile with the marks of all who are tied, on as few rows as let them be large.

    Parameters
    ----------
    axes : Axes
        Where.
    corner, size : (float, float)
        Of the tile, in units of the axes.
    room : (float, float)
        Its width and height [pt].
    looks : sequence of Look
        Whose marks; of none where they have no room.
    """
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle(corner, *size, facecolor=_TIED, linewidth=0))
    fitted = _fitted(len(looks), room)
    if fitted is None:
        return
    across, rows, size_pt = fitted
    step = _STEP * size_pt / room[0] * size[0], _STEP * size_pt / room[1] * size[1]
    for place, look in enumerate(looks):
        row, column = divmod(place, across)
        beside = min(across, len(looks) - row * across)
        x = corner[0] + size[0] / 2 + (column - (beside - 1) / 2) * step[0]
        y = corner[1] + size[1] / 2 + ((rows - 1) / 2 - row) * step[1]
        draw_mark(axes, (x, y), look, size_pt)


def _fitted(marks: int, room: Pair) -> tuple[int, int, float] | None:
    """How many marks stand side by side, on how many rows, and how large."""
    for size in _SIZES_PT:
        for rows in range(1, marks + 1):
            across = math.ceil(marks / rows)
            wide, high = (_STEP * size * count for count in (across, rows))
            if wide <= _ROOM * room[0] and high <= _ROOM * room[1]:
                return across, rows, size
    return None


def draw_blank(axes: Axes, corner: Pair, size: Pair, room: Pair, kind: Blank) -> None:
    """A tile without a winner: ``nobody`` yields anything, cells failed, or are still to be lived.

    Parameters
    ----------
    axes, corner, size, room
        As of `draw_tied`.
    kind : {"nobody", "failed", "absent"}
        Which.
    """
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (corner[0] + _INSET * size[0], corner[1] + _INSET * size[1]),
            (1 - 2 * _INSET) * size[0],
            (1 - 2 * _INSET) * size[1],
            facecolor="#ECECEC" if kind == "failed" else "none",
            edgecolor=_EDGE,
            linewidth=0.9,
            linestyle=(0, (2, 2)) if kind == "absent" else "solid",
        )
    )
    text = {"nobody": "nobody", "failed": "×", "absent": ""}[kind]
    if min(room) > 14 and room[0] > 0.62 * _NOBODY_PT * len(text):
        middle = corner[0] + size[0] / 2, corner[1] + size[1] / 2
        size_pt = 13.0 if kind == "failed" else _NOBODY_PT
        axes.text(*middle, text, ha="center", va="center", fontsize=size_pt, color=GREY)


def draw_outlined(axes: Axes, at: Pair, text: str, size_pt: float, outline: str) -> None:
    """Bold white text that is read on any strength of a colour."""
    from matplotlib.patheffects import Normal, Stroke

    axes.text(
        *at,
        text,
        ha="center",
        va="center",
        fontsize=size_pt,
        fontweight="bold",
        color="white",
        zorder=4,
        path_effects=[Stroke(linewidth=2.8, foreground=outline), Normal()],
    )
