"""The winner map: which controller is ahead where, and by how much.

Panels of tiles, one for each point. A tile has the colour of the controller that wins, the stronger
the larger its margin over the runner-up, and says the margin; a pale tile has the marks of all who
cannot be told apart. Drawn for a slide: wide, with text that is read from the back row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slotwise.runs.report.canvas import Drawing, finish
from slotwise.runs.sweeps.drawing.dimension import Dimension, dimension, merit_word, spread
from slotwise.runs.sweeps.drawing.groups import groups
from slotwise.runs.sweeps.drawing.map_key import Key, column_in, draw_key, key_of, lay_out
from slotwise.runs.sweeps.drawing.map_words import Scale, draw_names, draw_words, fill_of
from slotwise.runs.sweeps.drawing.marks import draw_blank, draw_tied
from slotwise.runs.sweeps.drawing.shades import (
    TWICE,
    edges,
    hatch_of,
    looks_of,
    shortened,
    width_pt,
    wrapped,
)
from slotwise.runs.sweeps.drawing.tiles import Place, Tile, margin_of, tiles
from slotwise.runs.sweeps.summary import matrix

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["draw_winner_map"]

_MOST_PANELS = 12
_TITLE_PT = 16.0
_TITLE_IN = 0.3  # a line of it
_HEAD_PT = 13.5
_TEXT_PT = 12.5
_TICK_PT = 11.5
_EDGE_IN = 0.18
_GAP_IN = 0.25
_ABOVE_IN = 0.34  # title of a panel, where there are several
_BELOW_IN = 0.56  # ticks and label
_WIDE_IN = (6.4, 4.7, 3.45, 2.6)  # panels by how many stand side by side
_HIGH_IN = (3.9, 1.7, 1.2)  # by how many stand above each other
_SHORT_IN = 0.8  # a label up to which is never turned
_UPRIGHT_IN = 1.1  # lines of one that has no room to be turned, at most
_TILE_IN = (1.3, 0.66)  # at most
_KEY_IN = (3.6, 4.8)  # a key beside the map: at least and at most


Box = tuple[float, float, float, float]


class Paper(NamedTuple):
    """How large everything is, and where the key stands, from the upper left corner [in]."""

    columns: int
    left: float
    top: float
    above: float
    panel: tuple[float, float]
    key: Box
    whole: tuple[float, float]

    def box(self, left: float, top: float, wide: float, high: float) -> Box:
        """A place on the paper as a figure has it."""
        whole_wide, whole_high = self.whole
        return (
            left / whole_wide,
            1.0 - (top + high) / whole_high,
            wide / whole_wide,
            high / whole_high,
        )


def draw_winner_map(plan: SweepPlan, summary: pa.Table) -> Drawing:
    """Draw the map that a plan asks for.

    Parameters
    ----------
    plan : SweepPlan
        With a drawing that names a field for x and one for y. Other varied fields, such as the
        drawing's panel, make panels.
    summary : pyarrow.Table
        As `slotwise.runs.sweeps.summary.summarise` gives it.
    """
    from matplotlib.figure import Figure

    assert plan.drawing is not None
    assert plan.drawing.y is not None
    x, y = dimension(plan, plan.drawing.x), dimension(plan, plan.drawing.y)
    every = groups(plan, (x.field, y.field))
    panels = spread(every, _MOST_PANELS)
    found = tiles(plan, summary)
    scale = edges(np.array([tile.lead for tile in found if tile.kind == "win"]))
    key = key_of(plan, found, scale)
    paper = _paper(plan, len(panels), (x, y), key)
    figure = Figure(figsize=paper.whole)
    _draw_title(figure, plan, paper)
    for number, (title, points) in enumerate(panels):
        row, column = divmod(number, paper.columns)
        left = paper.left + column * (paper.panel[0] + _GAP_IN)
        top = paper.top + row * (paper.above + paper.panel[1] + _BELOW_IN) + paper.above
        axes = figure.add_axes(paper.box(left, top, *paper.panel))
        shown = {at: found[point] for at, point in _placed(plan, points, x, y).items()}
        axes.set_xlim(0, len(x.values))
        axes.set_ylim(0, len(y.values))
        _draw_tiles(axes, plan, shown, scale, paper)
        last = number + paper.columns >= len(panels)
        _draw_frame(axes, (x, y), title, (column == 0, last), paper)
    draw_key(figure.add_axes(paper.box(*paper.key)), key, lay_out(key, paper.key[2]))
    return finish(
        figure,
        "winner-map",
        f"Who wins where: {x.word} and {y.word}",
        _caption(plan, summary, found) + _left_out(len(panels), len(every)),
        f"{'Maps' if len(panels) > 1 else 'Map'} of the winning controller over {x.word} and "
        f"{y.word}.",
    )


def _paper(plan: SweepPlan, panels: int, axes: tuple[Dimension, Dimension], key: Key) -> Paper:
    """Paper for some panels with the key beside or below, whichever is larger on a slide."""
    x, y = axes
    columns = panels if panels <= 3 else 2 if panels == 4 else 3 if panels in (5, 6, 9) else 4
    rows = math.ceil(panels / columns)
    wide = min(_WIDE_IN[columns - 1], max(_TILE_IN[0] * len(x.values), 1.6))
    tile = wide / len(x.values)
    high = max(_HIGH_IN[rows - 1] / len(y.values), min(0.24, 0.6 * tile))
    high = len(y.values) * min(high, 0.95 * tile, _TILE_IN[1])
    left = _EDGE_IN + _ticks_in(y) + 0.1 + _label_of(y, high)[1]
    above = _ABOVE_IN if panels > 1 else 0.08
    body = left + columns * wide + (columns - 1) * _GAP_IN, rows * (above + high + _BELOW_IN)
    found = []
    for is_beside in (False, True):
        key_wide = min(max(column_in(key), _KEY_IN[0]), _KEY_IN[1])
        whole = body[0] + (2 * _GAP_IN + key_wide if is_beside else 0.0) + _EDGE_IN
        if not is_beside:
            whole = max(whole, _WIDE_IN[0])
            key_wide = whole - 2 * _EDGE_IN
        title = wrapped(plan.title, 72.0 * (whole - 2 * _EDGE_IN), _TITLE_PT, bold=True)[:2]
        top = 0.1 + (_TITLE_IN * len(title) + 0.1 if plan.title else 0.0)
        key_high = lay_out(key, key_wide).high
        key_at = (body[0] + 2 * _GAP_IN, top + above) if is_beside else (_EDGE_IN, top + body[1])
        lower = max(top + body[1], key_at[1] + key_high + 0.12)
        place = (*key_at, key_wide, key_high)
        found.append(Paper(columns, left, top, above, (wide, high), place, (whole, lower)))
    return max(found, key=lambda one: min(16.0 / one.whole[0], 9.0 / one.whole[1]))


def _ticks_in(y: Dimension) -> float:
    return max(width_pt(_tick(y, place), _TICK_PT) for place in range(len(y.values))) / 72.0


def _tick(y: Dimension, place: int) -> str:
    return shortened(y.text(y.values[place]), 80.0, _TICK_PT)


def _label_of(y: Dimension, high_in: float) -> tuple[str, float, bool]:
    """Label of the panels' left side, what it takes of the width [in], and whether it is turned.

    It is turned where it is long and, on one line or on more, not higher than the panel.
    """
    whole = width_pt(y.label, _TEXT_PT) / 72.0
    if whole > _SHORT_IN:
        lines = wrapped(y.label, 72.0 * high_in, _TEXT_PT)
        if "…" not in "".join(lines):
            return "\n".join(lines), 0.1 + 0.2 * len(lines), True
    lines = wrapped(y.label, 72.0 * _UPRIGHT_IN, _TEXT_PT)
    return "\n".join(lines), 0.12 + max(width_pt(line, _TEXT_PT) for line in lines) / 72.0, False


def _placed(plan: SweepPlan, points: Sequence[int], x: Dimension, y: Dimension) -> dict[Place, int]:
    """Points of a panel by their column and row."""
    at = plan.varied.index(x.field), plan.varied.index(y.field)
    across, up = x.order(), y.order()
    return {
        (across[plan.points[point][at[0]]], up[plan.points[point][at[1]]]): point
        for point in points
    }


def _draw_title(figure: Figure, plan: SweepPlan, paper: Paper) -> None:
    wide, high = paper.whole
    lines = wrapped(plan.title, 72.0 * (wide - 2 * _EDGE_IN), _TITLE_PT, bold=True)
    if len(lines) > 2:
        lines[1:] = [shortened(" ".join(lines[1:]), 72.0 * (wide - 0.4), _TITLE_PT, bold=True)]
    for number, line in enumerate(lines):
        y = 1.0 - (0.1 + (number + 0.5) * _TITLE_IN) / high
        figure.text(
            _EDGE_IN / wide, y, line, fontsize=_TITLE_PT, fontweight="bold", va="center_baseline"
        )


def _draw_tiles(
    axes: Axes, plan: SweepPlan, placed: dict[Place, Tile], scale: Scale, paper: Paper
) -> None:
    from matplotlib.patches import Rectangle

    looks = looks_of(plan.controllers)
    every = list(looks.values())
    colours = [look.colour for look in every]
    columns, rows = round(axes.get_xlim()[1]), round(axes.get_ylim()[1])
    room = 72.0 * paper.panel[0] / columns, 72.0 * paper.panel[1] / rows
    line = 1.6 if min(room) > 16 else 0.4
    for at, tile in placed.items():
        if tile.kind == "tie":
            draw_tied(axes, at, (1.0, 1.0), room, [every[one] for one in sorted(tile.ahead)])
        elif tile.kind == "win":
            axes.add_patch(
                Rectangle(
                    at,
                    1,
                    1,
                    facecolor=fill_of(tile, colours, scale),
                    edgecolor="white",
                    linewidth=0,
                    hatch=hatch_of(tile.ahead[0]),
                )
            )
        else:
            draw_blank(axes, at, (1.0, 1.0), room, tile.kind)
    axes.hlines(range(rows + 1), 0, columns, color="white", linewidth=line, zorder=2)
    axes.vlines(range(columns + 1), 0, rows, color="white", linewidth=line, zorder=2)
    named = draw_names(axes, looks, placed, room)
    for at, tile in placed.items():
        if tile.kind == "win":
            fill = fill_of(tile, colours, scale)
            how = fill, bool(hatch_of(tile.ahead[0])), at in named
            draw_words(axes, every[tile.ahead[0]], at, margin_of(plan, tile), room, how)


def _draw_frame(
    axes: Axes,
    fields: tuple[Dimension, Dimension],
    title: str,
    sides: tuple[bool, bool],
    paper: Paper,
) -> None:
    """Ticks at the middles of tiles, labels at the outer sides, the title above."""
    x, y = fields
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelsize=_TICK_PT, pad=3, labelrotation=0)
    room = 72.0 * paper.panel[0] / len(x.values)
    every = 1 if len(x.values) <= 12 else math.ceil(len(x.values) / 8)
    texts = [shortened(x.text(value), 0.95 * every * room, _TICK_PT) for value in x.values]
    shown = range(0, len(x.values), every)
    axes.set_xticks([n + 0.5 for n in shown], [texts[n] for n in shown])
    every = max(1, math.ceil(len(y.values) * 14.0 / (72.0 * paper.panel[1])))
    shown = range(0, len(y.values), every)
    labels = [_tick(y, n) for n in shown]
    axes.set_yticks([n + 0.5 for n in shown], labels if sides[0] else [""] * len(labels))
    if sides[0]:
        label, _, is_turned = _label_of(y, paper.panel[1])
        how: dict[str, Any] = (
            {} if is_turned else {"rotation": 0, "ha": "right", "va": "center", "labelpad": 7}
        )
        axes.set_ylabel(label, fontsize=_TEXT_PT, **how)
    if sides[1]:
        axes.set_xlabel(x.label, fontsize=_TEXT_PT)
    if title:
        fitted = shortened(title, 72.0 * paper.panel[0], _HEAD_PT, bold=True)
        axes.set_title(fitted, fontsize=_HEAD_PT, fontweight="bold", pad=5)


def _left_out(shown: int, every: int) -> str:
    return f" {shown} of {every} panels are shown." if shown < every else ""


def _caption(plan: SweepPlan, summary: pa.Table, found: Sequence[Tile]) -> str:
    """What is drawn, in sentences."""
    kinds = [tile.kind for tile in found]
    words = _of_leads(plan, summary, found)
    if len(plan.controllers) == 1:
        words = [f"Colour: where `{plan.controllers[0]}`, the only controller, yields anything."]
    if nobody := kinds.count("nobody"):
        words.append(f"Nobody yields anything at {_points(nobody)}.")
    if missing := kinds.count("failed") + kinds.count("absent"):
        verb = "have" if missing > 1 else "has"
        words.append(f"{_points(missing)} {verb} no winner: cells failed or are still to be lived.")
    return " ".join(words)


def _points(number: int) -> str:
    return f"{number} point{'s' if number != 1 else ''}"


def _of_leads(plan: SweepPlan, summary: pa.Table, found: Sequence[Tile]) -> list[str]:
    """What colours, numbers, words and marks mean where several controllers compete."""
    lived, rank = (matrix(plan, summary, name) for name in ("seeds", "rank"))
    few, most = int(lived.max(axis=1).min()), int(lived.max())
    leads = np.array([tile.lead for tile in found if tile.kind == "win"])
    words = [
        f"Colour: the controller with the highest {merit_word(plan)} over the same networks. "
        "Strength and number: its lead over the runner-up, ratio of means."
    ]
    if (np.isfinite(leads) & (leads >= TWICE)).any():
        words.append("×2: twice as much as the runner-up.")
    if np.isinf(leads).any():
        words.append("Alone: nobody else yields anything.")
    if np.isnan(leads).any():
        words.append("Unopposed, the palest: all others failed.")
    ranked = np.isfinite(rank)
    if partly := int((ranked.any(axis=1) & ~ranked.all(axis=1)).sum()):
        words.append(f"At {_points(partly)} not all controllers lived.")
    if most > 1:
        count = f"{most}" if few == most else f"up to {most}"
        ties = sum(tile.kind == "tie" for tile in found)
        words.append(
            f"Pale tiles with marks: ties, the 95% interval of the ratio, paired over {count} "
            f"networks, reaches 100% ({ties} of {len(found)} points)."
        )
    else:
        words.append("One network for each point: no intervals, so no ties.")
    return words
