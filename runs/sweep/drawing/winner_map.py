"""The winner map: which controller is ahead where, and by how much.

Panels of tiles, one for each point. A tile has the colour of the controller that wins, the stronger
the larger its margin over the runner-up, and says the margin; stripes in the colours of all who
cannot be told apart mark ties. Drawn for a slide: wide, with text that is read from the back row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slotwise.runs.report.canvas import Drawing, finish
from slotwise.runs.report.palette import GREY
from slotwise.runs.sweep.drawing.dimension import Dimension, dimension, spread
from slotwise.runs.sweep.drawing.map_key import draw_key, key_height_in
from slotwise.runs.sweep.drawing.map_words import draw_names, draw_words, fill_of
from slotwise.runs.sweep.drawing.shades import (
    edges,
    hatch_of,
    looks_of,
    shortened,
)
from slotwise.runs.sweep.drawing.stripes import BANDS, Piece, draw_pieces, striped
from slotwise.runs.sweep.drawing.tiles import Place, Tile, tiles
from slotwise.runs.sweep.summary import matrix

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes

    from slotwise.runs.sweep.plan import SweepPlan, Value

__all__ = ["draw_winner_map", "panels_of"]

_CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
_MOST_PANELS = 12
_TEXT_PT = 12.0
_LEFT_IN = 0.95
_HEAD_IN = 0.85  # title of a panel, ticks and label below


class Sizes(NamedTuple):
    """How large everything is [in]."""

    columns: int
    rows: int
    wide: float
    panel_wide: float
    panel_high: float


def draw_winner_map(plan: SweepPlan, summary: pa.Table) -> Drawing:
    """Draw the map that a plan asks for.

    Parameters
    ----------
    plan : SweepPlan
        With a drawing that names a field for x and one for y. Other varied fields, such as the
        drawing's panel, make panels.
    summary : pyarrow.Table
        As `slotwise.runs.sweep.summary.summarise` gives it.
    """
    from matplotlib.figure import Figure

    assert plan.drawing is not None
    assert plan.drawing.y is not None
    x, y = dimension(plan, plan.drawing.x), dimension(plan, plan.drawing.y)
    every = panels_of(plan, (x.field, y.field))
    panels = {title: every[title] for title in spread(list(every), _MOST_PANELS)}
    found = tiles(plan, summary)
    scale = edges(np.array([tile.lead for tile in found if tile.kind == "win"]))
    sizes = _sizes(len(panels), len(x.values), len(y.values))
    key_in = key_height_in(plan, found, sizes.wide)
    high = sizes.rows * (sizes.panel_high + _HEAD_IN)
    figure = Figure(figsize=(sizes.wide, high + key_in))
    for number, (title, points) in enumerate(panels.items()):
        row, column = divmod(number, sizes.columns)
        axes = figure.add_axes(_box(sizes, row, column, key_in, high + key_in))
        placed = _placed(plan, points, x, y)
        _draw_tiles(axes, plan, {at: found[point] for at, point in placed.items()}, scale, sizes)
        last = number + sizes.columns >= len(panels)
        _draw_frame(axes, x, y, title, (column == 0, last), sizes)
    draw_key(figure, plan, found, scale, key_in)
    return finish(
        figure,
        "winner-map",
        f"Who wins where: {x.word} and {y.word}",
        _caption(plan, summary, found) + _left_out(len(panels), len(every)),
        f"{'Maps' if len(panels) > 1 else 'Map'} of the winning controller over {x.word} and "
        f"{y.word}.",
    )


def panels_of(plan: SweepPlan, axes: Sequence[str]) -> dict[str, list[int]]:
    """Points of each panel by its title: the values of the fields that are not axes and vary.

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
    groups: dict[tuple[Value, ...], list[int]] = {}
    for number, point in enumerate(plan.points):
        groups.setdefault(tuple(point[column] for column in columns), []).append(number)

    places = [one.order() for one in others]

    def order(values: tuple[Value, ...]) -> list[int]:
        return [one[value] for one, value in zip(places, values, strict=True)]

    return {
        ", ".join(one.told(value) for one, value in zip(others, values, strict=True)): groups[
            values
        ]
        for values in sorted(groups, key=order)
    }


def _sizes(panels: int, across: int, up: int) -> Sizes:
    """Paper for so many panels of so many tiles: of a slide's width from three panels on."""
    columns = panels if panels <= 3 else 2 if panels == 4 else 3 if panels in (5, 6, 9) else 4
    wide = (6.4, 8.4, 10.0, 12.0)[min(columns, 4) - 1]
    panel = (wide - _LEFT_IN - 0.15 - 0.22 * (columns - 1)) / columns
    high = up * min(max(0.92 * panel / across, 0.26), 0.66)
    return Sizes(columns, math.ceil(panels / columns), wide, panel, min(max(high, 1.3), 5.2))


def _box(
    sizes: Sizes, row: int, column: int, key_in: float, high: float
) -> tuple[float, float, float, float]:
    left = _LEFT_IN + column * (sizes.panel_wide + 0.22)
    above = sizes.rows - 1 - row
    bottom = key_in + above * (sizes.panel_high + _HEAD_IN) + _HEAD_IN - 0.33
    return (
        left / sizes.wide,
        bottom / high,
        sizes.panel_wide / sizes.wide,
        sizes.panel_high / high,
    )


def _placed(plan: SweepPlan, points: Sequence[int], x: Dimension, y: Dimension) -> dict[Place, int]:
    """Points of a panel by their column and row."""
    at = plan.varied.index(x.field), plan.varied.index(y.field)
    across, up = x.order(), y.order()
    return {
        (across[plan.points[point][at[0]]], up[plan.points[point][at[1]]]): point
        for point in points
    }


def _draw_tiles(
    axes: Axes,
    plan: SweepPlan,
    placed: dict[Place, Tile],
    scale: tuple[float, float, float],
    sizes: Sizes,
) -> None:
    from matplotlib.patches import Rectangle

    colours = [one.colour for one in looks_of(plan.controllers).values()]
    columns, rows = (1 + max(at[axis] for at in placed) for axis in (0, 1))
    axes.set_xlim(0, columns)
    axes.set_ylim(0, rows)
    room = 72.0 * sizes.panel_wide / columns, 72.0 * sizes.panel_high / rows
    line = 1.4 if min(room) > 16 else 0.4
    bands = BANDS if min(room) > 16 else 2
    pieces: list[Piece] = []
    for at, tile in placed.items():
        if tile.kind == "tie":
            pieces += striped(at, (1.0, 1.0), [colours[one] for one in tile.ahead], bands)
        elif tile.kind == "win":
            square = [(at[0] + u, at[1] + v) for u, v in _CORNERS]
            fill = fill_of(tile, colours, scale)
            pieces.append((square, fill))
            if hatch := hatch_of(tile.ahead[0]):
                axes.add_patch(
                    Rectangle(
                        at,
                        1,
                        1,
                        fill=False,
                        edgecolor="white",
                        linewidth=0,
                        hatch=hatch,
                        zorder=1.5,
                    )
                )
        else:
            _draw_blank(axes, at, tile, room)
    if pieces:
        draw_pieces(axes, pieces)
    axes.hlines(range(rows + 1), 0, columns, color="white", linewidth=line, zorder=2)
    axes.vlines(range(columns + 1), 0, rows, color="white", linewidth=line, zorder=2)
    named = draw_names(axes, plan, placed, colours, room)
    for at, tile in placed.items():
        draw_words(axes, plan, at, tile, room, (scale, at in named))


def _draw_blank(axes: Axes, at: Place, tile: Tile, room: tuple[float, float]) -> None:
    from matplotlib.patches import Rectangle

    inset = 0.06
    axes.add_patch(
        Rectangle(
            (at[0] + inset, at[1] + inset),
            1 - 2 * inset,
            1 - 2 * inset,
            facecolor="#ECECEC" if tile.kind == "failed" else "none",
            edgecolor="#B5B5B5",
            linewidth=0.9,
            linestyle="solid" if tile.kind == "failed" else (0, (2, 2)),
        )
    )
    if tile.kind == "failed" and min(room) > 14:
        middle = (at[0] + 0.5, at[1] + 0.5)
        axes.text(*middle, "×", ha="center", va="center", fontsize=13, color=GREY)


def _draw_frame(
    axes: Axes,
    x: Dimension,
    y: Dimension,
    title: str,
    sides: tuple[bool, bool],
    sizes: Sizes,
) -> None:
    """Ticks at the middles of tiles, labels at the outer sides, the title above."""
    axes.set_aspect("auto")
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelsize=_TEXT_PT - 1, pad=3)
    room = 72.0 * sizes.panel_wide / len(x.values)
    texts = [shortened(x.text(value), 0.95 * room, _TEXT_PT - 1) for value in x.values]
    every = 1 if len(x.values) <= 12 else math.ceil(len(x.values) / 8)
    axes.set_xticks(
        [n + 0.5 for n in range(0, len(x.values), every)],
        [x.text(x.values[n]) if every > 1 else texts[n] for n in range(0, len(texts), every)],
    )
    every = max(1, math.ceil(len(y.values) * 13.0 / (72.0 * sizes.panel_high)))
    shown = range(0, len(y.values), every)
    labels = [shortened(y.text(y.values[n]), 44.0, _TEXT_PT - 1) for n in shown]
    axes.set_yticks([n + 0.5 for n in shown], labels if sides[0] else [""] * len(labels))
    if sides[0]:
        axes.set_ylabel(y.label, fontsize=_TEXT_PT)
    if sides[1]:
        axes.set_xlabel(x.label, fontsize=_TEXT_PT)
    if title:
        fitted = shortened(title, 72.0 * sizes.panel_wide, _TEXT_PT)
        axes.set_title(fitted, fontsize=_TEXT_PT, fontweight="bold", pad=5)


def _left_out(shown: int, every: int) -> str:
    return f" {shown} of {every} panels are shown." if shown < every else ""


def _caption(plan: SweepPlan, summary: pa.Table, found: Sequence[Tile]) -> str:
    """What is drawn, in sentences."""
    seeds = matrix(plan, summary, "seeds")
    lived = seeds.max(axis=1)
    few, most = int(lived.min()), int(lived.max())
    ties = sum(tile.kind == "tie" for tile in found)
    missing = sum(tile.kind in ("failed", "absent") for tile in found)
    words = [
        "Colour: the controller with the largest mean merit over the same networks. Strength and "
        "number: how much it exceeds the runner-up, ratio of means."
    ]
    if most > 1:
        count = f"{most}" if few == most else f"up to {most}"
        words.append(
            f"Stripes: ties, the 95% interval of the ratio, paired over {count} networks, reaches "
            f"100% for everybody named or coloured ({ties} of {len(found)} points)."
        )
    else:
        words.append("One network for each point: no intervals, so no ties.")
    if missing:
        words.append(f"{missing} points have no winner: cells failed or are still to be lived.")
    return " ".join(words)
