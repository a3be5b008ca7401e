"""Curves over network time: how they are smoothed and drawn, with their bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import keys, sheet
from slotwise.runs.report.curves import nice_window, pieces
from slotwise.runs.report.merit import Series, divided
from slotwise.runs.report.palette import Look
from slotwise.runs.report.quantities import duration
from slotwise.runs.report.recording import Recording
from slotwise.runs.report.time_axis import band, draw_marks, marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Course", "course_of", "draw_curve", "finish_panels", "panels", "trim"]

Array = NDArray[np.float64]
Looks = Mapping[str, Look]

_POINTS = 400


class Course(NamedTuple):
    """Network time as all cells have it: slots, their duration [s], marks, how to smooth."""

    length: int
    slot: float
    marks: list[tuple[float, str]]
    ranges: list[tuple[int, int]]
    width: int

    @property
    def span(self) -> float:
        """How long [s]."""
        return self.length * self.slot

    def words(self) -> str:
        """How a caption tells of the smoothing."""
        if self.width == 1:
            return " Every slot is drawn as it was."
        return (
            " Each seed is smoothed by a centred moving mean over "
            + duration(self.width * self.slot)
            + (" that never reaches across a dashed line." if len(self.ranges) > 1 else ".")
        )


def course_of(recording: Recording, parts: int) -> Course:
    """Network time of a recording, smoothed over about a share of it.

    Parameters
    ----------
    recording : Recording
        A comparison or a single run.
    parts : int
        Windows that should fit into its time.
    """
    length = min(len(cell.slots["time_s"]) for cell in recording.cells.values())
    first = recording.each_seed()[0]
    slot = float(recording.timing["slot_s"])
    span = length * slot
    marks = [mark for mark in marks_of(first.events) if mark[0] < span]
    ranges = pieces(length, np.searchsorted(first.slots["time_s"], [time for time, _ in marks]))
    width = max(1, round(nice_window(span, slot, parts) / slot)) if length else 1
    return Course(length, slot, marks, ranges, width)


def panels(chosen: Looks, heights: Sequence[float], inches: float) -> tuple[Figure, list[Axes]]:
    """Panels one below the other that share their time.

    Parameters
    ----------
    chosen : mapping of str to Look
        Controllers, for the key.
    heights : sequence of float
        Of the panels, relative to each other.
    inches : float
        Height of all without the key [in].
    """
    figure = sheet(inches, list(chosen))
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    first = figure.add_subplot(grid[0])
    rest = [figure.add_subplot(grid[n], sharex=first) for n in range(1, len(heights))]
    return figure, [first, *rest]


def finish_panels(figure: Figure, drawn: Sequence[Axes], course: Course, chosen: Looks) -> None:
    """Time below the last panel, marks across the first, and the key."""
    drawn[0].set_xlim(0, course.span)
    draw_marks(drawn[0], course.marks, course.span)
    for axes in drawn[:-1]:
        axes.tick_params(labelbottom=False)
    drawn[-1].set_xlabel("network time [s]")
    keys(figure, chosen)


def trim(axes: Axes) -> None:
    """Room around curves that are never negative."""
    axes.margins(y=0.08)
    axes.set_ylim(max(0.0, axes.get_ylim()[0]), None)


def draw_curve(
    axes: Axes,
    pairs: Sequence[tuple[Series, Series | None]],
    course: Course,
    look: Look,
    strength: float,
    scale: float = 1.0,
) -> None:
    """One controller: the seeds' mean as a line, and the band over seeds behind it.

    Parameters
    ----------
    axes : Axes
        Where.
    pairs : sequence of (Series, Series or None)
        A seed's series and that of a reference: where there is one, their ratio is drawn in per
        cent.
    course : Course
        Network time.
    look : Look
        The controller's.
    strength : float
        Opacity of the band, at most 0.15.
    scale : float
        What values are multiplied by.
    """
    for start, stop in course.ranges:
        points = max(2, round(_POINTS * (stop - start) / course.length))
        slots = slice(start, stop)
        smoothed = [ours.smoothed(slots, course.width, points) for ours, _ in pairs]
        bases = [theirs and theirs.smoothed(slots, course.width, points) for _, theirs in pairs]
        curves = scale * np.array(
            [
                mean if base is None else 100.0 * divided(mean, base[1])
                for (_, mean), base in zip(smoothed, bases, strict=True)
            ]
        )
        time = (start + smoothed[0][0] + 0.5) * course.slot
        if len(curves) > 1:
            low, high = band(curves)
            axes.fill_between(
                time, low, high, color=look.colour, alpha=min(0.15, strength), linewidth=0
            )
        axes.plot(time, curves.mean(axis=0), color=look.colour, linestyle=look.linestyle)
