"""Energy over network time: what the network consumes, and what it makes of its joules."""

from __future__ import annotations

from collections.abc import Mapping

from slotwise.runs.report.canvas import Drawing, finish
from slotwise.runs.report.merit import MERITS, consumed_power
from slotwise.runs.report.palette import Look
from slotwise.runs.report.quantities import duration, prefix
from slotwise.runs.report.recording import Recording
from slotwise.runs.report.time_axis import band_words, draw_marks
from slotwise.runs.report.time_course import course_of, draw_curve, finish_panels, panels, trim

__all__ = ["draw_energy"]

Looks = Mapping[str, Look]

_APART = 0.005
"""Share by which joules of controllers must differ to be worth a figure."""


def draw_energy(recording: Recording, chosen: Looks) -> Drawing | None:
    """Consumed power and efficiency, where joules are the objective or controllers differ in them.

    Where joules are not the objective, the efficiency is the network's.
    """
    course = course_of(recording, 60)
    spent = [recording.value(spec, "consumed_j") or 0.0 for spec in chosen]
    differ = max(spent) > (1.0 + _APART) * min(spent)
    if course.length == 0 or max(spent) <= 0.0 or not (differ or recording.merit.saves):
        return None
    merit = recording.merit if recording.merit.saves else MERITS["energy-efficiency"]
    watt, power_w = prefix(max(spent) / course.span, "W")
    unit, size = merit.scale(max(recording.value(spec, merit.name) or 0.0 for spec in chosen))

    figure, (upper, lower) = panels(chosen, [1, 1], 4.4)
    for spec, look in chosen.items():
        cells = recording.of(spec)
        for axes, of, whole in (
            (upper, consumed_power, power_w),
            (lower, merit.over_slots, size),
        ):
            pairs = [(of(cell), None) for cell in cells]
            if pairs:
                draw_curve(axes, pairs, course, look, 0.4 / len(chosen), 1.0 / whole)
    trim(upper)
    trim(lower)
    upper.set_ylabel(f"consumed power\n[{watt}]")
    lower.set_ylabel(f"{merit.quantity}\n[{unit}]")
    draw_marks(lower, [(time, "") for time, _ in course.marks], course.span)
    finish_panels(figure, [upper, lower], course, chosen)
    caption = (
        "Above, the power that the network consumes, circuits of the users present included; "
        f"below, its {merit.quantity}" + band_words(len(recording.each_seed())) + course.words()
    )
    label = (
        f"Line charts of consumed power in {watt} and of {merit.quantity} in {unit} over "
        f"{duration(course.span)} of network time."
    )
    return finish(figure, "energy", "Energy over time", caption, label)
