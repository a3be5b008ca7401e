"""Figures over network time: the sum rate with what happened below it, and the users present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.curves import bin_means, moving_mean, nice_window, pieces
from slotwise.runs.report.lesson_strips import draw_lesson_strips, lesson_words
from slotwise.runs.report.palette import GREY, INK, Look
from slotwise.runs.report.quantities import count, duration
from slotwise.runs.report.recording import Event, Recording, finite
from slotwise.runs.report.time_axis import (
    band,
    band_words,
    draw_marks,
    draw_ticks,
    marks_of,
    strip,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_active_users", "draw_relative_rate", "draw_sum_rate"]

Array = NDArray[np.float64]
Looks = Mapping[str, Look]

_POINTS = 400


class _Course(NamedTuple):
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


def _course(recording: Recording, parts: int) -> _Course:
    length = min(len(cell.slots["time_s"]) for cell in recording.cells.values())
    first = recording.each_seed()[0]
    slot = float(recording.timing["slot_s"])
    span = length * slot
    marks = [mark for mark in marks_of(first.events) if mark[0] < span]
    ranges = pieces(length, np.searchsorted(first.slots["time_s"], [time for time, _ in marks]))
    width = max(1, round(nice_window(span, slot, parts) / slot)) if length else 1
    return _Course(length, slot, marks, ranges, width)


def draw_sum_rate(recording: Recording, chosen: Looks) -> Drawing | None:
    """Moving mean of the sum rate with its band over seeds; joins and leaves below."""
    course = _course(recording, 60)
    if course.length == 0:
        return None
    first = recording.each_seed()[0]
    events = [e for e in first.events if e.kind in ("join", "leave") and e.time_s > 0]
    learners = [] if _relative(recording, course) else recording.learners

    figure, axes, strips = _panels(chosen, (len(events) > 0) + len(learners))
    for spec, look in chosen.items():
        rates = [cell.slots["sum_rate"][: course.length] for cell in recording.of(spec)]
        if rates:
            _draw_curve(axes, [(rate, None) for rate in rates], course, look, 0.4 / len(chosen))
    axes.margins(y=0.08)
    axes.set_ylim(max(0.0, axes.get_ylim()[0]), None)
    axes.set_ylabel("sum rate [bit/s/Hz]")
    if events:
        _draw_rug(strips[0], events, course.span)
    draw_lesson_strips(strips[len(strips) - len(learners) :], recording, chosen, course.span)
    _finish_panels(figure, axes, strips, course, chosen)
    caption = (
        "Sum rate of the network over its own time"
        + band_words(len(recording.each_seed()))
        + course.words()
        + _rug_words(events, first.seed)
        + lesson_words(recording, learners)
    )
    label = f"Line chart of sum rate in bit/s/Hz over {duration(course.span)} of network time."
    return finish(figure, "sum-rate", "Sum rate over time", caption, label)


def draw_relative_rate(recording: Recording, chosen: Looks) -> Drawing | None:
    """Sum rates relative to the first controller's, where networks or controllers change."""
    course = _course(recording, 40)
    if not _relative(recording, course):
        return None
    reference = recording.controllers[0]
    figure, axes, strips = _panels(chosen, len(recording.learners))
    for spec, look in chosen.items():
        pairs = [
            (cell.slots["sum_rate"], recording.cells[reference, cell.seed].slots["sum_rate"])
            for cell in recording.of(spec)
            if (reference, cell.seed) in recording.cells
        ]
        cut = [(ours[: course.length], theirs[: course.length]) for ours, theirs in pairs]
        if cut:
            _draw_curve(axes, cut, course, look, 0.4 / len(chosen))
    axes.margins(y=0.08)
    axes.set_ylim(max(0.0, axes.get_ylim()[0]), None)
    short = reference if len(reference) <= 12 else "the first"
    axes.set_ylabel(f"sum rate, {short} = 100 [%]")
    draw_lesson_strips(strips, recording, chosen, course.span)
    _finish_panels(figure, axes, strips, course, chosen)
    caption = (
        f"Sum rate in the same network at the same time, relative to `{reference}`'s"
        + band_words(len(recording.each_seed()))
        + course.words()
        + lesson_words(recording, recording.learners)
    )
    label = f"Line chart of relative sum rate in % over {duration(course.span)} of network time."
    return finish(figure, "relative-rate", "Relative sum rate over time", caption, label)


def _relative(recording: Recording, course: _Course) -> bool:
    """Whether ratios to the first controller have a course worth drawing, and are defined."""
    reference = recording.of(recording.controllers[0])
    if len(recording.controllers) < 2 or not reference or course.length == 0:
        return False
    if not any(bool(cell.slots["sum_rate"].any()) for cell in reference):
        return False
    return bool(recording.learners) or any(time > 0 for time, _ in course.marks)


def _panels(chosen: Looks, below: int) -> tuple[Figure, Axes, list[Axes]]:
    """A panel for curves, and low ones below it that share its time."""
    figure = sheet(2.9 + 0.3 * below, list(chosen))
    grid = figure.add_gridspec(1 + below, 1, height_ratios=[1, *[0.16] * below])
    axes = figure.add_subplot(grid[0])
    return figure, axes, [figure.add_subplot(grid[1 + n], sharex=axes) for n in range(below)]


def _finish_panels(
    figure: Figure, axes: Axes, strips: list[Axes], course: _Course, chosen: Looks
) -> None:
    axes.set_xlim(0, course.span)
    draw_marks(axes, course.marks, course.span)
    for panel in [axes, *strips][:-1]:
        panel.tick_params(labelbottom=False)
    for panel in strips[:-1]:
        panel.spines["bottom"].set_visible(False)
        panel.tick_params(axis="x", length=0)
    [axes, *strips][-1].set_xlabel("network time [s]")
    keys(figure, chosen)


def _draw_curve(
    axes: Axes,
    pairs: Sequence[tuple[Array, Array | None]],
    course: _Course,
    look: Look,
    strength: float,
) -> None:
    """One controller: the seeds' mean as a line, and the band over seeds behind it.

    Where a seed's rates come with those of a reference, their ratio is drawn in per cent.
    """
    for start, stop in course.ranges:
        points = max(2, round(_POINTS * (stop - start) / course.length))
        index = moving_mean(pairs[0][0][start:stop], course.width, points)[0]
        smoothed = []
        for ours, theirs in pairs:
            mean = moving_mean(ours[start:stop], course.width, points)[1]
            if theirs is not None:
                base = moving_mean(theirs[start:stop], course.width, points)[1]
                mean = 100.0 * np.divide(mean, base, out=np.full_like(mean, np.nan), where=base > 0)
            smoothed.append(mean)
        time, curves = (start + index + 0.5) * course.slot, np.array(smoothed)
        if len(curves) > 1:
            low, high = band(curves)
            axes.fill_between(
                time, low, high, color=look.colour, alpha=min(0.15, strength), linewidth=0
            )
        axes.plot(time, curves.mean(axis=0), color=look.colour, linestyle=look.linestyle)


def _draw_rug(axes: Axes, events: list[Event], span: float) -> None:
    """Joins up and leaves down."""
    strip(axes, "joins", "leaves")
    for kind, sign, colour in (("join", 1, INK), ("leave", -1, "#8A8A8A")):
        times_s = [event.time_s for event in events if event.kind == kind]
        draw_ticks(axes, times_s, span, sign, colour)
    axes.axhline(0, color=INK, linewidth=0.6)


def _rug_words(events: list[Event], seed: int) -> str:
    if not events:
        return ""
    joins = sum(event.kind == "join" for event in events)
    return (
        f" Ticks below: the {count(joins)} joins and {count(len(events) - joins)} leaves after the "
        f"start in seed {seed}; a longer tick stands for several."
    )


def draw_active_users(recording: Recording, chosen: Looks) -> Drawing | None:
    """Users present over time: one curve, since every controller lived with the same users."""
    del chosen
    seen = recording.each_seed()
    length = min(len(cell.slots["active"]) for cell in seen)
    active = np.array([cell.slots["active"][:length] for cell in seen])
    if length == 0 or np.ptp(active) == 0:
        return None
    slot = float(recording.timing["slot_s"])
    edges = bin_means(active[0], 300)[0]
    users = np.array([bin_means(row, 300)[1] for row in active])
    time = edges * slot

    figure = sheet(2.8)
    axes = figure.add_subplot()
    if len(users) > 1:
        low, high = band(users)
        axes.fill_between(
            time,
            np.append(low, low[-1]),
            np.append(high, high[-1]),
            step="post",
            color="#C9D3DB",
            linewidth=0,
        )
    axes.stairs(users.mean(axis=0), time, baseline=None, color=INK, linewidth=1.4)
    cap = finite((recording.scenario.get("population") or {}).get("max_users"))
    if cap is not None and users.max() > 0.6 * cap:
        axes.axhline(cap, color=GREY, linewidth=1, linestyle=(0, (3, 3)))
        axes.annotate(
            f"at most {count(cap)} users",
            (length * slot, cap),
            xytext=(-2, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=9,
        )
    axes.set_xlim(0, length * slot)
    axes.set_ylim(0, None)
    axes.set_xlabel("network time [s]")
    axes.set_ylabel("active users")
    marks = marks_of(seen[0].events)
    draw_marks(axes, marks, length * slot)
    each = length / (len(edges) - 1) * slot
    caption = (
        "Users present, the same under every controller"
        + band_words(len(seen))
        + (f" Each step is a mean over about {duration(each)}." if each > slot else "")
    )
    label = f"Line chart of users present over {duration(length * slot)} of network time."
    return finish(figure, "active-users", "Active users over time", caption, label)
