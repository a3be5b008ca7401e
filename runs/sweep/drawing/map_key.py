"""Key of a winner map: colours and strengths as a table, and what other marks mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slotwise.runs.report.palette import INK
from slotwise.runs.sweep.drawing.shades import (
    STRENGTHS,
    hatch_of,
    looks_of,
    mixed,
    shortened,
    width_pt,
)
from slotwise.runs.sweep.drawing.stripes import draw_pieces, striped
from slotwise.runs.sweep.drawing.tiles import Tile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from slotwise.runs.sweep.plan import SweepPlan

__all__ = ["draw_key", "key_height_in"]

_TEXT_PT = 11.0
_ROW_IN = 0.25
_HEAD_IN = 0.46
_SWATCH_IN = 0.56
_LEFT_IN = 0.15
_TABLE_IN = 4.75
_BESIDE_IN = 9.0  # paper that has room for both halves side by side
_MARK_IN = 0.42


def key_height_in(plan: SweepPlan, found: Sequence[Tile], wide_in: float) -> float:
    """Height that the key of a map takes [in].

    Parameters
    ----------
    plan : SweepPlan
        Whose controllers.
    found : sequence of Tile
        What the map shows.
    wide_in : float
        Width of the paper [in].
    """
    table = _HEAD_IN + _ROW_IN * len(_shown(found))
    marks = sum(_mark_in(text) for _, text in _marks(plan, found, wide_in))
    return 0.2 + (max(table, marks) if wide_in >= _BESIDE_IN else table + 0.12 + marks)


def draw_key(
    figure: Figure,
    plan: SweepPlan,
    found: Sequence[Tile],
    scale: tuple[float, float, float],
    high_in: float,
) -> None:
    """Draw the key along the lower edge of the paper.

    Parameters
    ----------
    figure : Figure
        Where.
    plan : SweepPlan
        Whose controllers.
    found : sequence of Tile
        What the map shows.
    scale : (float, float, float)
        Margins between the strengths [%].
    high_in : float
        As `key_height_in` has it.
    """
    wide, whole = (float(each) for each in figure.get_size_inches())
    axes = figure.add_axes((0.0, 0.0, 1.0, high_in / whole))
    axes.set_axis_off()
    axes.set_xlim(0.0, wide)
    axes.set_ylim(0.0, high_in)
    _draw_table(axes, plan, found, scale, high_in - 0.08)
    if wide >= _BESIDE_IN:
        _draw_marks(axes, _marks(plan, found, wide), 0.15 + _TABLE_IN + 0.25, high_in - 0.08)
    else:
        below = high_in - 0.2 - _HEAD_IN - _ROW_IN * len(_shown(found))
        _draw_marks(axes, _marks(plan, found, wide), _LEFT_IN, below)


def _shown(found: Sequence[Tile]) -> list[int]:
    """Controllers that are ahead somewhere, alone or not."""
    return sorted({one for tile in found for one in tile.ahead})


def _draw_table(
    axes: Axes,
    plan: SweepPlan,
    found: Sequence[Tile],
    scale: tuple[float, float, float],
    top: float,
) -> None:
    from matplotlib.patches import Rectangle

    shown = _shown(found)
    if not shown:
        return
    least, some, much = (f"{edge:g}" for edge in scale)
    heads = (f"<{least}", f"{least}–{some}", f"{some}–{much}", f">{much}")
    axes.text(
        _LEFT_IN,
        top - 0.1,
        "winner, by its margin over the runner-up [%]",
        fontsize=_TEXT_PT,
        fontweight="bold",
        va="center",
    )
    for column, head in enumerate(heads):
        x = _LEFT_IN + (column + 0.5) * _SWATCH_IN
        axes.text(x, top - 0.33, head, fontsize=_TEXT_PT - 1.0, ha="center", va="center")
    looks = list(looks_of(plan.controllers).values())
    right = _LEFT_IN + len(heads) * _SWATCH_IN + 0.1
    for row, one in enumerate(shown):
        y = top - _HEAD_IN - row * _ROW_IN
        for column, strength in enumerate(STRENGTHS):
            fill = mixed(looks[one].colour, strength)
            corner = (_LEFT_IN + column * _SWATCH_IN, y - _ROW_IN + 0.03)
            axes.add_patch(
                Rectangle(
                    corner,
                    _SWATCH_IN - 0.03,
                    _ROW_IN - 0.04,
                    facecolor=fill,
                    edgecolor="white",
                    linewidth=0,
                    hatch=hatch_of(one),
                )
            )
        middle = y - _ROW_IN / 2
        axes.plot(right + 0.08, middle, marker=looks[one].marker, markersize=7, color=INK, mew=0)
        name = shortened(plan.controllers[one], 72.0 * (_TABLE_IN - 0.1 - right), _TEXT_PT)
        axes.text(right + 0.25, middle, name, fontsize=_TEXT_PT, va="center", color=INK)


def _marks(plan: SweepPlan, found: Sequence[Tile], wide_in: float) -> list[tuple[str, str]]:
    """Marks that the map shows, with their meanings on as many lines as they need."""
    kinds = {tile.kind for tile in found}
    marks = []
    if any(tile.kind == "win" and np.isfinite(tile.lead) for tile in found):
        marks.append(("+3%", "margin over the runner-up in the same networks"))
    if "tie" in kinds:
        marks.append(
            (
                "tie",
                "tie: the margin’s 95% interval reaches 0; stripes in the colours "
                "of all who are tied",
            )
        )
    if "failed" in kinds:
        marks.append(("failed", "cells failed: nobody to rank"))
    if "absent" in kinds:
        marks.append(("absent", "not lived yet"))
    never = [spec for n, spec in enumerate(plan.controllers) if n not in _shown(found)]
    if never and _shown(found):
        marks.append(("", f"never ahead: {', '.join(never)}"))
    room = 72.0 * (wide_in - (_TABLE_IN + 0.4 if wide_in >= _BESIDE_IN else 0.0) - 1.0)
    return [(kind, _wrapped(text, room)) for kind, text in marks]


def _wrapped(text: str, room_pt: float) -> str:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_pt(longer, _TEXT_PT) > room_pt:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(shortened(line, room_pt, _TEXT_PT) for line in lines)


def _mark_in(text: str) -> float:
    return 0.1 + 0.19 * (text.count("\n") + 1)


def _draw_marks(axes: Axes, marks: Sequence[tuple[str, str]], left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    y = top
    for kind, text in marks:
        first = y - 0.1
        corner, size = (left, first - 0.1), (_MARK_IN, 0.21)
        if kind == "tie":
            draw_pieces(axes, striped(corner, size, ["#0072B2", "#009E73"]))
        elif kind in ("failed", "absent"):
            axes.add_patch(
                Rectangle(
                    corner,
                    *size,
                    facecolor="#ECECEC" if kind == "failed" else "none",
                    edgecolor="#B5B5B5",
                    linewidth=0.9,
                    linestyle="solid" if kind == "failed" else (0, (2, 2)),
                )
            )
        elif kind:
            axes.text(
                left + _MARK_IN / 2, first, kind, fontsize=_TEXT_PT - 0.5, ha="center", va="center"
            )
        if kind == "failed":
            axes.text(left + _MARK_IN / 2, first, "×", fontsize=12, ha="center", va="center")
        x = left + (_MARK_IN + 0.12 if kind else 0.0)
        axes.text(x, y, text, fontsize=_TEXT_PT, va="top", linespacing=1.2, color=INK)
        y -= _mark_in(text)
