"""What is written on the tiles of a winner map: names of regions, margins, marks, who is tied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slotwise.runs.report.palette import INK, Look
from slotwise.runs.sweep.drawing.shades import STRENGTHS, label_of, looks_of, mixed, on, width_pt
from slotwise.runs.sweep.drawing.tiles import Place, Tile, regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from slotwise.runs.sweep.plan import SweepPlan

__all__ = ["draw_names", "draw_words", "fill_of"]

_NUMBER_PT = 10.5
_NAMES_PT = (11.0, 9.5, 8.5)
_TIE_PT = 8.5
_TICK_ROOM = 0.92
_LINE_PT = 7.2  # of the two lines on a tile from its middle
_MARK_PT = 7.0
_LEAST_PT = 22.0  # of a tile on which a tie is written
_LINES_PT = 30.0  # height of a tile that has room for a name over a number


def fill_of(tile: Tile, colours: Sequence[str], scale: tuple[float, float, float]) -> str:
    """Colour of a winner's tile; a margin that is none, for want of a rival, is the strongest.

    Parameters
    ----------
    tile : Tile
        Of the kind ``win``.
    colours : sequence of str
        Of the controllers.
    scale : (float, float, float)
        Margins between the strengths [%].
    """
    level = 3 if not np.isfinite(tile.lead) else int(np.searchsorted(scale, tile.lead, "right"))
    return mixed(colours[tile.ahead[0]], STRENGTHS[level])


def draw_names(
    axes: Axes,
    plan: SweepPlan,
    placed: dict[Place, Tile],
    colours: Sequence[str],
    room: tuple[float, float],
) -> set[Place]:
    """Name each region where a row of its tiles has room.

    Parameters
    ----------
    axes : Axes
        Where a tile is one by one.
    plan : SweepPlan
        Whose controllers.
    placed : dict of (int, int) to Tile
        By column and row.
    colours : sequence of str
        Of the controllers.
    room : (float, float)
        Width and height of a tile [pt].

    Returns
    -------
    set of (int, int)
        Tiles that are written on.
    """
    from matplotlib.patheffects import Normal, Stroke

    winners = {at: tile.ahead[0] for at, tile in placed.items() if tile.kind == "win"}
    written: set[Place] = set()
    if room[1] < _LINES_PT:
        return written
    for winner, region in regions(winners):
        run = max(_runs(region), key=lambda each: (len(each), -_off_centre(each, region)))
        name = plan.controllers[winner]
        wide = _TICK_ROOM * len(run) * room[0]
        size = next((pt for pt in _NAMES_PT if width_pt(name, pt, bold=True) <= wide), None)
        if size is None:
            continue
        axes.text(
            sum(at[0] for at in run) / len(run) + 0.5,
            run[0][1] + 0.5 + _LINE_PT / room[1],
            name,
            ha="center",
            va="center",
            fontsize=size,
            fontweight="bold",
            color="white",
            zorder=4,
            path_effects=[Stroke(linewidth=2.6, foreground=_darker(colours[winner])), Normal()],
        )
        written |= set(run)
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
    plan: SweepPlan,
    at: Place,
    tile: Tile,
    room: tuple[float, float],
    how: tuple[tuple[float, float, float], bool],
) -> None:
    """The winner's mark, unless its name stands there, and the margin; in a tie, who is tied.

    Parameters
    ----------
    axes, plan, room
        As of `draw_names`.
    at : (int, int)
        Column and row.
    tile : Tile
        What is there.
    how : ((float, float, float), bool)
        Margins between the strengths [%], and whether the region's name is on the tile.
    """
    scale, named = how
    looks = list(looks_of(plan.controllers).values())
    x, y, wide = at[0] + 0.5, at[1] + 0.5, _TICK_ROOM * room[0]
    if tile.kind == "tie":
        _draw_tie(axes, plan, tile, (x, y), (wide, room[1]))
    if tile.kind != "win":
        return
    ink = on(fill_of(tile, [look.colour for look in looks], scale))
    text = label_of(tile.lead)
    two = room[1] >= _LINES_PT
    fits = width_pt(text, _NUMBER_PT) <= wide and room[1] >= 13.0
    if text and fits:
        axes.text(
            x,
            y - (_LINE_PT / room[1] if two else 0.0),
            text,
            ha="center",
            va="center_baseline",
            fontsize=_NUMBER_PT,
            color=ink,
        )
    if not named and (two or not (text and fits)) and min(room) > 6.0:
        above = _LINE_PT / room[1] if two and text and fits else 0.0
        _draw_mark(axes, (x, y + above), looks[tile.ahead[0]], ink)


def _draw_mark(axes: Axes, at: tuple[float, float], look: Look, ink: str) -> None:
    """A controller's marker, for who cannot tell it by its colour."""
    axes.plot(*at, marker=look.marker, markersize=_MARK_PT, color=ink, markeredgewidth=0, zorder=4)


def _draw_tie(
    axes: Axes,
    plan: SweepPlan,
    tile: Tile,
    middle: tuple[float, float],
    room: tuple[float, float],
) -> None:
    """Names of who is tied, one a line, where they fit; else their marks."""
    from matplotlib.patheffects import Normal, Stroke

    names = [plan.controllers[one] for one in tile.ahead]
    fits = all(width_pt(name, _TIE_PT) <= room[0] for name in names)
    fits &= len(names) * 1.25 * _TIE_PT <= room[1]
    text = "\n".join(names) if fits else "tie"
    two = not fits and room[1] >= _LINES_PT
    across = 1.35 * _MARK_PT
    if two and len(names) * across <= room[0]:
        looks = looks_of(plan.controllers)
        for place, name in enumerate(names):
            right = (place - (len(names) - 1) / 2) * across / (room[0] / _TICK_ROOM)
            at = (middle[0] + right, middle[1] + _LINE_PT / room[1])
            _draw_mark(axes, at, looks[name], INK)
    if width_pt(text, _TIE_PT) > room[0] or min(room) < _LEAST_PT:
        return
    axes.text(
        middle[0],
        middle[1] - (_LINE_PT / room[1] if two else 0.0),
        text,
        ha="center",
        va="center" if fits else "center_baseline",
        fontsize=_TIE_PT,
        color=INK,
        linespacing=1.05,
        zorder=4,
        path_effects=[Stroke(linewidth=2.4, foreground="white"), Normal()],
    )
