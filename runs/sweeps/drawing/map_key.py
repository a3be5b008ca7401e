"""Key of a winner map: what wins, controllers with their strengths, and what other marks mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slotwise.runs.report.palette import GREY, INK, Look
from slotwise.runs.sweeps.drawing.dimension import merit_word
from slotwise.runs.sweeps.drawing.map_words import Scale
from slotwise.runs.sweeps.drawing.marks import draw_blank, draw_mark, draw_tied
from slotwise.runs.sweeps.drawing.shades import (
    ALONE,
    STRENGTHS,
    UNOPPOSED,
    hatch_of,
    label_of,
    looks_of,
    mixed,
    shortened,
    width_pt,
    wrapped,
)
from slotwise.runs.sweeps.drawing.tiles import Tile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["Key", "Layout", "column_in", "draw_key", "key_of", "lay_out"]

_TEXT_PT = 12.0
_HEAD_PT = 12.5
_SMALL_PT = 10.5
_LINE_IN = 0.215
_ROW_IN = 0.27
_SWATCH_IN = 0.4
_NAME_IN = 0.3  # where names begin, right of their marks
_GAP_IN = 0.35
_SAMPLE_IN = (0.66, 0.25)
_NOTE_IN = 0.09  # between notes
_LEAST_NOTES_IN = 2.9
_ONLY_TIED_IN = 0.8  # these words
_DRAWN = ("tie", "nobody", "failed", "absent")  # samples that are tiles


class Entry(NamedTuple):
    """A controller that is ahead somewhere: its position, and whether it ever is so alone."""

    position: int
    name: str
    look: Look
    wins: bool


class Key(NamedTuple):
    """What a key says: its heading, its controllers, and notes, each with a sample.

    It is graded where somebody has a lead, so that strengths of a colour mean something.
    """

    heading: str
    entries: list[Entry]
    notes: list[tuple[str, str]]
    scale: Scale
    is_graded: bool

    @property
    def strengths(self) -> tuple[float, ...]:
        """Those of colours: all, or the palest where no winner has a runner-up."""
        return STRENGTHS if self.is_graded else STRENGTHS[:1]

    @property
    def ramp_in(self) -> float:
        """Width of a controller's colours [in]; none where nobody wins."""
        if not any(entry.wins for entry in self.entries):
            return 0.0
        return max(len(self.strengths) * _SWATCH_IN, _ONLY_TIED_IN)

    @property
    def sample_in(self) -> float:
        """Width of the samples of notes [in]."""
        texts = [kind for kind, _ in self.notes if kind not in _DRAWN]
        return max([_SAMPLE_IN[0], *(width_pt(text, _TEXT_PT) / 72.0 for text in texts)])


class Layout(NamedTuple):
    """A key on paper of some width [in]: columns of so many controllers, notes beside or below."""

    heading: list[str]
    rows: int
    column: float
    notes: list[tuple[str, list[str]]]
    notes_at: tuple[float, float]
    high: float


def key_of(plan: SweepPlan, found: Sequence[Tile], scale: Scale) -> Key:
    """What the key of a map has to say.

    Parameters
    ----------
    plan : SweepPlan
        Whose controllers.
    found : sequence of Tile
        What the map shows.
    scale : (float, float, float)
        Margins between the strengths [%].
    """
    ahead = sorted({one for tile in found for one in tile.ahead})
    alone = {tile.winner for tile in found}
    looks = list(looks_of(plan.controllers).items())
    entries = [Entry(one, *looks[one], one in alone) for one in ahead]
    heading = f"Winner: the highest {merit_word(plan)}{_charged(plan)}"
    if any(np.isfinite(tile.lead) for tile in found if tile.kind == "win"):
        heading += ". Number: lead over the runner-up"
    graded = any(tile.kind == "win" and not np.isnan(tile.lead) for tile in found)
    return Key(heading, entries, _notes(plan, found, ahead), scale, graded)


def _charged(plan: SweepPlan) -> str:
    """Whether decisions take time, in the words of the heading."""
    every = [plan.base, *(scenario for _, scenario in plan.scenarios)]
    modes = {scenario.timing.mode for scenario in every}
    if "timing.mode" in plan.varied or "ideal" in modes:
        return ""
    return (
        ", each decision charged the time it took"
        if modes == {"measured"}
        else (", each decision charged its time")
    )


def _notes(plan: SweepPlan, found: Sequence[Tile], ahead: Sequence[int]) -> list[tuple[str, str]]:
    """Samples of what stands on tiles, with their meanings."""
    kinds = {tile.kind for tile in found}
    leads = np.array([tile.lead for tile in found if tile.kind == "win"])
    texts = [label_of(lead) for lead in np.sort(leads[np.isfinite(leads)])]
    notes = []
    if times := [text for text in texts if "×" in text]:
        notes.append((times[len(times) // 2], "so many times the runner-up"))
    if np.isinf(leads).any():
        notes.append((ALONE, "nobody else yields anything"))
    if np.isnan(leads).any() and len(plan.controllers) > 1:
        notes.append((UNOPPOSED, "all others failed"))
    if "tie" in kinds:
        notes.append(("tie", "tied: not told apart (95%)"))
    if "nobody" in kinds:
        notes.append(("nobody", "nobody yields anything"))
    if "failed" in kinds:
        notes.append(("failed", "cells failed: nobody to rank"))
    if "absent" in kinds:
        notes.append(("absent", "not lived yet"))
    never = [spec for n, spec in enumerate(plan.controllers) if n not in ahead]
    if never and ahead:
        notes.append(("", f"never ahead: {', '.join(never)}"))
    return notes


def column_in(key: Key) -> float:
    """Width of one column of controllers, with names as long as they are [in]."""
    names = max((width_pt(entry.name, _TEXT_PT) for entry in key.entries), default=0.0)
    return _NAME_IN + max(names, 60.0) / 72.0 + 0.15 + key.ramp_in


def lay_out(key: Key, wide_in: float) -> Layout:
    """Lay a key out on paper of some width, as low as it can be."""
    natural = min(column_in(key), wide_in)
    most = max(1, int((wide_in + _GAP_IN) // (natural + _GAP_IN)))
    columns = range(1, min(most, max(len(key.entries), 1)) + 1)
    return min((_laid_out(key, wide_in, natural, n) for n in columns), key=lambda one: one.high)


def _laid_out(key: Key, wide_in: float, column: float, columns: int) -> Layout:
    heading = wrapped(key.heading, 72.0 * wide_in, _HEAD_PT, bold=True)
    rows = math.ceil(len(key.entries) / columns)
    top = _LINE_IN * len(heading) + 0.12
    table = _ROW_IN * (rows + key.is_graded)
    left = columns * (column + _GAP_IN) if rows else 0.0
    beside = wide_in - left >= _LEAST_NOTES_IN
    at = (left, top + 0.04) if beside else (0.0, top + table + 0.1)
    room = 72.0 * (wide_in - at[0] - key.sample_in - 0.12)
    notes = [(kind, wrapped(text, room, _TEXT_PT)) for kind, text in key.notes]
    ends = at[1] + sum(_LINE_IN * len(lines) + _NOTE_IN for _, lines in notes)
    return Layout(heading, rows, column, notes, at, max(top + table, ends if notes else 0.0))


def draw_key(axes: Axes, key: Key, layout: Layout) -> None:
    """Draw a key.

    Parameters
    ----------
    axes : Axes
        As large as the layout; its units become inches from the upper left corner.
    key : Key
        What is drawn.
    layout : Layout
        Where.
    """
    wide, high = axes.bbox.width / axes.figure.dpi, axes.bbox.height / axes.figure.dpi
    axes.set_axis_off()
    axes.set_xlim(0.0, wide)
    axes.set_ylim(high, 0.0)
    for line, text in enumerate(layout.heading):
        _write(axes, 0.0, (line + 0.5) * _LINE_IN, text, size_pt=_HEAD_PT, bold=True)
    top = _LINE_IN * len(layout.heading) + 0.12
    for place, entry in enumerate(key.entries):
        column, row = divmod(place, layout.rows)
        left = column * (layout.column + _GAP_IN)
        if row == 0 and key.is_graded:
            _draw_heads(axes, key, left + layout.column, top + _ROW_IN / 2)
        middle = top + (row + key.is_graded + 0.5) * _ROW_IN
        _draw_entry(axes, key, entry, (left, middle), layout.column)
    x, y = layout.notes_at
    for kind, lines in layout.notes:
        _draw_sample(axes, key, kind, x, y + _LINE_IN / 2)
        indent = key.sample_in + 0.12 if kind else 0.0
        for line, text in enumerate(lines):
            _write(axes, x + indent, y + (line + 0.5) * _LINE_IN, text)
        y += _LINE_IN * len(lines) + _NOTE_IN


def _draw_heads(axes: Axes, key: Key, right: float, middle: float) -> None:
    """Margins where one strength ends and the next begins, the last ending at some place."""
    left = right - len(STRENGTHS) * _SWATCH_IN
    _write(axes, left - 0.1, middle, "leads by", "right", size_pt=_SMALL_PT)
    for place, edge in enumerate(key.scale, 1):
        text = f"{edge:g}%" if place == len(key.scale) else f"{edge:g}"
        _write(axes, left + place * _SWATCH_IN - 0.015, middle, text, "center", size_pt=_SMALL_PT)


def _draw_entry(axes: Axes, key: Key, entry: Entry, at: tuple[float, float], wide: float) -> None:
    """A controller: mark, name, and if anybody wins, its colour in all strengths where it does."""
    from matplotlib.patches import Rectangle

    (left, middle), ramp = at, key.ramp_in
    room = wide - _NAME_IN - (ramp + 0.08 if ramp else 0.0)
    draw_mark(axes, (left + 0.1, middle), entry.look, 9.0)
    _write(axes, left + _NAME_IN, middle, shortened(entry.name, 72.0 * room, _TEXT_PT))
    if not entry.wins:
        if ramp:
            _write(axes, left + wide - ramp, middle, "only tied", size_pt=_SMALL_PT, colour=GREY)
        return
    for place, strength in enumerate(key.strengths):
        axes.add_patch(
            Rectangle(
                (left + wide - ramp + place * _SWATCH_IN, middle - _ROW_IN / 2 + 0.02),
                _SWATCH_IN - 0.03,
                _ROW_IN - 0.04,
                facecolor=mixed(entry.look.colour, strength),
                edgecolor="white",
                linewidth=0,
                hatch=hatch_of(entry.position),
            )
        )


def _draw_sample(axes: Axes, key: Key, kind: str, x: float, middle: float) -> None:
    """What a note is about, as it stands on the map."""
    corner, size = (x, middle - _SAMPLE_IN[1] / 2), (key.sample_in, _SAMPLE_IN[1])
    room = 72.0 * size[0], 72.0 * size[1]
    if kind == "tie":
        draw_tied(axes, corner, size, room, [entry.look for entry in key.entries[:3]])
    elif kind in _DRAWN:
        draw_blank(axes, corner, size, room, kind)  # type: ignore[arg-type]
    elif kind:
        _write(axes, x + size[0] / 2, middle, kind, "center")


def _write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    align: str = "left",
    *,
    size_pt: float = _TEXT_PT,
    colour: str = INK,
    bold: bool = False,
) -> None:
    weight = "bold" if bold else "normal"
    axes.text(
        x, y, text, ha=align, va="center_baseline", fontsize=size_pt, color=colour, weight=weight
    )
