"""The figures of a report, made only from what a run directory recorded.

Each figure is one function from a recording to a `Drawing`, or to None where the recording has
nothing for it: a network whose users never change needs no curve of their number.
"""

from __future__ import annotations

from slotwise.runs.report.canvas import Drawing, style
from slotwise.runs.report.distribution_figures import draw_slots, draw_user_rates
from slotwise.runs.report.energy_figures import draw_energy
from slotwise.runs.report.latency_figures import draw_latency, draw_lateness, draw_trade_off
from slotwise.runs.report.lesson_figures import draw_answers, draw_gains
from slotwise.runs.report.map_figure import draw_map
from slotwise.runs.report.palette import looks
from slotwise.runs.report.recording import Recording
from slotwise.runs.report.time_figures import draw_active_users, draw_relative, draw_sum_rate

__all__ = ["FIGURES", "LEARNING", "draw_figures"]

FIGURES = {
    "trade-off": draw_trade_off,
    "sum-rate": draw_sum_rate,
    "relative": draw_relative,
    "energy": draw_energy,
    "slots": draw_slots,
    "user-rates": draw_user_rates,
    "latency": draw_latency,
    "lateness": draw_lateness,
    "active-users": draw_active_users,
    "map": draw_map,
    "lesson-gains": draw_gains,
    "lesson-latency": draw_answers,
}
"""Every figure by its name, in the order of the report."""

LEARNING = ("lesson-gains", "lesson-latency")
"""Those that stand in the section on learning."""


def draw_figures(recording: Recording) -> list[Drawing]:
    """Every figure that the recording has the data for, in the order of the report.

    Parameters
    ----------
    recording : Recording
        A comparison or a single run.

    Returns
    -------
    list of Drawing
        Each with vector, pixels and words.
    """
    chosen = looks(recording.controllers)
    with style():
        drawings = [draw(recording, chosen) for draw in FIGURES.values()]
    return [drawing for drawing in drawings if drawing is not None]
