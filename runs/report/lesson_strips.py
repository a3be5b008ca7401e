"""Lessons on the axis of network time: when something was learned, and what came of it.

A strip belongs to one controller, and its base line looks like the controller's curve. Ticks
upwards are lessons that were deployed, ticks downwards those that were rejected, and a cross is a
deployment that was taken back, all seeds together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from slotwise.runs.report.palette import INK, Look
from slotwise.runs.report.recording import Recording
from slotwise.runs.report.time_axis import column_counts, draw_ticks, strip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["REJECTED", "draw_lesson_strips", "lesson_words"]

REJECTED = "#8A8A8A"
"""Lessons that changed nothing."""


def draw_lesson_strips(
    strips: Sequence[Axes], recording: Recording, chosen: Mapping[str, Look], span: float
) -> None:
    """Draw the lessons of those who learned.

    Parameters
    ----------
    strips : sequence of Axes
        A low panel for each, in the order of the comparison.
    recording : Recording
        Whose lessons.
    chosen : mapping of str to Look
        How controllers are drawn.
    span : float
        Network time of the axis [s].
    """
    for axes, spec in zip(strips, recording.learners, strict=False):
        look = chosen[spec]
        times: dict[str, list[float]] = {}
        for cell in recording.of(spec):
            for time_s, outcome in zip(cell.lessons.end_s, cell.lessons.outcome, strict=True):
                times.setdefault(outcome, []).append(float(time_s))
        strip(axes, "deployed", "rejected")
        draw_ticks(axes, times.get("deployed", []), span, 1, look.colour)
        draw_ticks(axes, times.get("rejected", []), span, -1, REJECTED)
        axes.axhline(0, color=look.colour, linewidth=1.2, linestyle=look.linestyle, zorder=2.5)
        centre, amount = column_counts(times.get("rolled back", []), span)
        there = centre[np.flatnonzero(amount)]
        for colour, width in (("white", 3.2), (INK, 1.3)) if len(there) else ():
            axes.plot(
                there,
                np.zeros(len(there)),
                linestyle="none",
                marker="x",
                markersize=5,
                markeredgewidth=width,
                color=colour,
                zorder=4,
                clip_on=False,
            )


def lesson_words(recording: Recording, learners: Sequence[str]) -> str:
    """What a caption says of the strips."""
    if not learners:
        return ""
    several = " of all seeds" if len(recording.each_seed()) > 1 else ""
    back = any(recording.learning(spec).get("rolled_back") for spec in learners)
    return (
        f" Below, on a line like its curve, the lessons{several} that a controller learned from: "
        "ticks upwards were deployed, ticks downwards rejected"
        + (", and a cross is a deployment that was taken back" if back else "")
        + "; a longer tick stands for several."
    )
