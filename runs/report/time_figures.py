"""Figures over network time: the sum rate with what happened below it, and the users present."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import Drawing, finish, sheet
from slotwise.runs.report.curves import bin_means
from slotwise.runs.report.lesson_strips import draw_lesson_strips, lesson_words
from slotwise.runs.report.merit import Series
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
from slotwise.runs.report.time_course import (
    Course,
    course_of,
    draw_curve,
    finish_panels,
    panels,
    trim,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_active_users", "draw_relative", "draw_sum_rate"]

Array = NDArray[np.float64]
Looks = Mapping[str, Look]


def draw_sum_rate(recording: Recording, chosen: Looks) -> Drawing | None:
    """Moving mean of the sum rate with its band over seeds; joins and leaves below."""
    course = course_of(recording, 60)
    if course.length == 0:
        return None
    first = recording.each_seed()[0]
    events = [e for e in first.events if e.kind in ("join", "leave") and e.time_s > 0]
    learners = [] if _relative(recording, course) else recording.learners

    figure, axes, strips = _with_strips(chosen, (len(events) > 0) + len(learners))
    for spec, look in chosen.items():
        rates = [Series(cell.slots["sum_rate"]) for cell in recording.of(spec)]
        if rates:
            draw_curve(axes, [(rate, None) for rate in rates], course, look, 0.4 / len(chosen))
    trim(axes)
    axes.set_ylabel("sum rate [bit/s/Hz]")
    if events:
        _draw_rug(strips[0], events, course.span)
    draw_lesson_strips(strips[len(strips) - len(learners) :], recording, chosen, course.span)
    _finish_strips(figure, axes, strips, course, chosen)
    caption = (
        "Sum rate of the network over its own time"
        + band_words(len(recording.each_seed()))
        + course.words()
        + _rug_words(events, first.seed)
        + lesson_words(recording, learners)
    )
    label = f"Line chart of sum rate in bit/s/Hz over {duration(course.span)} of network time."
    return finish(figure, "sum-rate", "Sum rate over time", caption, label)


def draw_relative(recording: Recording, chosen: Looks) -> Drawing | None:
    """What controllers are compared by over the first's, where networks or controllers change."""
    course = course_of(recording, 40)
    if not _relative(recording, course):
        return None
    reference, merit = recording.controllers[0], recording.merit
    figure, axes, strips = _with_strips(chosen, len(recording.learners))
    for spec, look in chosen.items():
        pairs = [
            (merit.over_slots(cell), merit.over_slots(recording.cells[reference, cell.seed]))
            for cell in recording.of(spec)
            if (reference, cell.seed) in recording.cells
        ]
        if pairs:
            draw_curve(axes, pairs, course, look, 0.4 / len(chosen))
    trim(axes)
    short = reference if len(reference) <= 12 else "the first"
    axes.set_ylabel(f"{merit.quantity},{chr(10) if merit.saves else ' '}{short} = 100 [%]")
    draw_lesson_strips(strips, recording, chosen, course.span)
    _finish_strips(figure, axes, strips, course, chosen)
    caption = (
        f"{merit.quantity.capitalize()} in the same network at the same time, relative to "
        f"`{reference}`'s"
        + band_words(len(recording.each_seed()))
        + course.words()
        + lesson_words(recording, recording.learners)
    )
    span = duration(course.span)
    label = f"Line chart of relative {merit.quantity} in % over {span} of network time."
    return finish(figure, "relative", f"Relative {merit.quantity} over time", caption, label)


def _relative(recording: Recording, course: Course) -> bool:
    """Whether ratios to the first controller have a course worth drawing, and are defined."""
    reference = recording.of(recording.controllers[0])
    if len(recording.controllers) < 2 or not reference or course.length == 0:
        return False
    if not any(bool(cell.slots["sum_rate"].any()) for cell in reference):
        return False
    return bool(recording.learners) or any(time > 0 for time, _ in course.marks)


def _with_strips(chosen: Looks, below: int) -> tuple[Figure, Axes, list[Axes]]:
    """A panel for curves, and low ones below it that share its time."""
    figure, drawn = panels(chosen, [1, *[0.16] * below], 2.9 + 0.3 * below)
    return figure, drawn[0], drawn[1:]


def _finish_strips(
    figure: Figure, axes: Axes, strips: list[Axes], course: Course, chosen: Looks
) -> None:
    for panel in strips[:-1]:
        panel.spines["bottom"].set_visible(False)
        panel.tick_params(axis="x", length=0)
    finish_panels(figure, [axes, *strips], course, chosen)


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
