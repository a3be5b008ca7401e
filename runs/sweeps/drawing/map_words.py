"""What is written on the tiles of a winner map: names of regions, margins, marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slotwise.runs.report.palette import Look
from slotwise.runs.sweeps.drawing.marks import draw_mark, draw_outlined
from slotwise.runs.sweeps.drawing.shades import STRENGTHS, UNOPPOSED, mixed, on, width_pt
from slotwise.runs.sweeps.drawing.tiles import Place, Tile, regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Scale", "draw_names", "draw_words", "fill_of"]

Scale = tuple[float, float, float]

_NUMBER_PT = (11.5, 10.0)
_UNOPPOSED_PT = (*_NUMBER_PT, 9.0, 8.0)  # a long word, and nothing else on the tile says it
_NAMES_PT = (13.0, 11.5, 10.0)
_ROOM = 0.94
_LINE_PT = 7.6  # of the two lines on a tile from its middle
_MARK_PT = 8.0
_LEAST_PT = 9.0  # of a tile that gets a mark
_LINES_PT = 31.0  # height of a tile that has room for a name over a number


def fill_of(tile: Tile, colours: Sequence[str], scale: Scale) -> str:
    """Colour of a winner's tile; without a runner-up to be ahead of it is the palest.

    Parameters
    ----------
    tile : Tile
        Of the kind ``win``.
    colours : sequence of str
        Of the controllers.
    scale : (float, float, float)
        Margins between the strengths [%].
    """
    level = 0 if np.isnan(tile.lead) else int(np.searchsorted(scale, tile.lead, "right"))
    return mixed(colours[tile.ahead[0]], STRENGTHS[level])


def draw_names(
    axes: Axes,
    looks: dict[str, Look],
    placed: dict[Place, Tile],
    room: tuple[float, float],
) -> set[Place]:
    """Name each region where a row of its tiles has room.

    Parameters
    ----------
    axes : Axes
        Where a tile is one by one.
    looks : dict of str to Look
        Of the controllers, in the plan's order.
    placed : dict of (int, int) to Tile
        By column and row.
    room : (float, float)
        Width and height of a tile [pt].

    Returns
    -------
    set of (int, int)
        Tiles that are written on.
    """
    names, colours = list(looks), [look.colour for look in looks.values()]
    winners = {at: tile.ahead[0] for at, tile in placed.items() if tile.kind == "win"}
    written: set[Place] = set()
    if room[1] < _LINES_PT:
        return written
    for winner, region in regions(winners):
        run = max(_runs(region), key=lambda each: (len(each), -_off_centre(each, region)))
        wide = _ROOM * len(run) * room[0]
        fits = (pt for pt in _NAMES_PT if width_pt(names[winner], pt, bold=True) <= wide)
        size = next(fits, None)
        if size is None:
            continue
        middle = sum(at[0] for at in run) / len(run) + 0.5, run[0][1] + 0.5 + _LINE_PT / room[1]
        half = 0.5 * width_pt(names[winner], size, bold=True) / room[0]
        draw_outlined(axes, middle, names[winner], size, _darker(colours[winner]))
        written |= {at for at in run if abs(at[0] + 0.5 - middle[0]) < 0.5 + half}
    return written


def _runs(region: Sequence[Place]) -> list[list[Place]]:
    """Tiles of a region side by side in one row."""
    runs: list[list[Place]] = []
    for column, row in sorted(region, key=lambda at: (at[1], at[0])):
        if runs and runs[-1][-1] == (column - 1, row):
            runs[-1].append((column, row))
        else:
            runs.append([(column, row)])
    return runs


def _off_centre(run: Sequence[Place], region: Sequence[Place]) -> float:
    return abs(run[0][1] - sum(row for _, row in region) / len(region))


def _darker(colour: str) -> str:
    return "#" + "".join(f"{int(0.72 * int(colour[at : at + 2], 16)):02X}" for at in (1, 3, 5))


def draw_words(
    axes: Axes,
    look: Look,
    at: Place,
    text: str,
    room: tuple[float, float],
    how: tuple[str, bool, bool],
) -> None:
    """A winner's mark, unless its name stands there, and its margin.

    Parameters
    ----------
    axes, room
        As of `draw_names`.
    look : Look
        The winner's.
    at : (int, int)
        Column and row.
    text : str
        The margin as it is written; may be empty.
    how : (str, bool, bool)
        Colour of the tile, whether it has a pattern, and whether the region's name is on it.
    """
    from matplotlib.patheffects import Normal, Stroke

    fill, patterned, named = how
    ink = on(fill)
    x, y = at[0] + 0.5, at[1] + 0.5
    two = room[1] >= _LINES_PT
    tried = _UNOPPOSED_PT if text == UNOPPOSED else _NUMBER_PT
    sizes = (pt for pt in tried if width_pt(text, pt) <= _ROOM * room[0])
    size = next(sizes, None) if text and room[1] >= 13.0 else None
    if size is not None:
        axes.text(
            x,
            y - (_LINE_PT / room[1] if two else 0.0),
            text,
            ha="center",
            va="center_baseline",
            fontsize=size,
            color=ink,
            zorder=4,
            path_effects=[Stroke(linewidth=4.0, foreground=fill), Normal()] if patterned else [],
        )
    if not named and (two or size is None) and min(room) > _LEAST_PT:
        above = _LINE_PT / room[1] if two and size is not None else 0.0
        draw_mark(axes, (x, y + above), look, min(_MARK_PT, 0.6 * min(room)), ink)
