"""What figures over network time share: bands over seeds, named instants, strips of ticks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slotwise.runs.report.palette import GREY, INK
from slotwise.runs.report.recording import Event

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["band", "band_words", "column_counts", "draw_marks", "draw_ticks", "marks_of", "strip"]

Array = NDArray[np.float64]

_COLUMNS = 300
_MANY_SEEDS = 5
"""From so many seeds on, a band shows their quartiles: the range of many says little."""


def band(curves: Array) -> tuple[Array, Array]:
    """Lower and upper edge of a band over seeds (S, N): quartiles, or all of fewer than five."""
    share = 0.25 if len(curves) >= _MANY_SEEDS else 0.0
    return np.quantile(curves, share, axis=0), np.quantile(curves, 1 - share, axis=0)


def band_words(seeds: int) -> str:
    """How a caption goes on after what is drawn: over how many seeds, and what the band holds."""
    if seeds == 1:
        return "."
    held = (
        "the band holds the middle half of the seeds."
        if seeds >= _MANY_SEEDS
        else "the band reaches from the lowest seed to the highest."
    )
    return f", mean over {seeds} seeds; {held}"


def marks_of(events: list[Event]) -> list[tuple[float, str]]:
    """Where an hour or an episode starts, and what it is called."""
    marks: list[tuple[float, str]] = []
    for event in events:
        if event.kind == "hour":
            clock = re.search(r"\d{1,2}:\d{2}", event.cause)
            hours = re.findall(r"\d+", event.cause)
            name = clock.group() if clock else f"{int(hours[-1]):02d}:00" if hours else event.cause
            marks.append((event.time_s, name))
        elif event.kind == "episode":
            marks.append((event.time_s, event.cause))
    return marks


def draw_marks(axes: Axes, marks: list[tuple[float, str]], span: float) -> None:
    """Dashed lines with names above the axes; a name without room takes a second row."""
    free = [0.0, 0.0]
    for time, name in marks:
        if time > span:
            continue
        if time > 0:
            axes.axvline(time, color=GREY, linewidth=0.9, linestyle=(0, (3, 3)), zorder=1)
        short = name if len(name) <= 24 else name[:23] + "…"
        wide = span * (len(short) * 0.0205 + 0.02)
        left = max(0.0, min(time, span - wide))
        row = next((r for r, edge in enumerate(free) if left >= edge - 1e-9 * span), None)
        if row is not None:
            free[row] = left + wide
            axes.annotate(
                short,
                (left, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(1, 2 + 11 * row),
                textcoords="offset points",
                fontsize=9,
                color=INK,
            )


def strip(axes: Axes, up: str, down: str) -> None:
    """Make a low panel into a strip of ticks, with names for those upwards and downwards."""
    axes.set_ylim(-1.15, 1.15)
    axes.set_yticks([0.6, -0.6], [up, down], fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)


def column_counts(times_s: ArrayLike, span: float) -> tuple[Array, NDArray[np.int64]]:
    """Centres of the columns of a strip, each as narrow as a tick [s], and how many fall in each.

    What happens at the very end, or is done a rounding later, falls in the last.
    """
    borders = np.linspace(0, span, _COLUMNS + 1)
    amount, _ = np.histogram(np.minimum(np.asarray(times_s, dtype=np.float64), span), borders)
    return (borders[:-1] + borders[1:]) / 2, amount


def draw_ticks(axes: Axes, times_s: Sequence[float], span: float, sign: int, colour: str) -> None:
    """Ticks upwards (1) or downwards (-1) of a strip; the more at one instant, the longer."""
    centre, amount = column_counts(times_s, span)
    column = np.flatnonzero(amount)
    if not len(column):
        return
    tall = 0.35 + 0.65 * amount[column] / amount.max() if amount.max() > 1 else np.ones(len(column))
    width = 0.9 if len(column) > 40 else 1.3
    axes.vlines(centre[column], 0, sign * tall, color=colour, linewidth=width)
