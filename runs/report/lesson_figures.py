"""Figures about lessons: what each was worth, and how decisions fared while one was under way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.learning import answer_s, during
from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.curves import cumulative
from slotwise.runs.report.latency_figures import latency_axis
from slotwise.runs.report.lesson_strips import REJECTED
from slotwise.runs.report.palette import GREY, INK, Look
from slotwise.runs.report.quantities import count, duration
from slotwise.runs.report.recording import Recording
from slotwise.runs.report.time_axis import draw_marks, marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["draw_answers", "draw_gains"]

Array = NDArray[np.float64]
Looks = Mapping[str, Look]

_MOST = 250
"""Lessons of one controller that a panel shows; more would be one blot."""


# --- what lessons were worth -----------------------------------------------------------------


class _Gains(NamedTuple):
    """Judged lessons of one controller, all seeds, in the order of their times."""

    time_s: Array
    gain: Array
    low: Array
    high: Array
    outcome: NDArray[np.str_]

    def among(self, chosen: NDArray[Any]) -> _Gains:
        """Some of them, by a mask or in an order."""
        time_s, gain, low, high, outcome = self
        return _Gains(time_s[chosen], gain[chosen], low[chosen], high[chosen], outcome[chosen])


def draw_gains(recording: Recording, chosen: Looks) -> Drawing | None:
    """Gain of every lesson with its interval over time, a panel for each who learned."""
    judged = {spec: _judged(recording, spec) for spec in recording.learners}
    judged = {spec: gains for spec, gains in judged.items() if len(gains.gain)}
    if not judged:
        return None
    shown = {spec: gains.among(_kept(gains.outcome)) for spec, gains in judged.items()}
    span = min(len(c.slots["time_s"]) for c in recording.cells.values())
    span_s = span * float(recording.timing["slot_s"])
    marks = [mark for mark in marks_of(recording.each_seed()[0].events) if mark[0] < span_s]

    outcomes = [o for o in _STYLES if any(o in gains.outcome for gains in shown.values())]
    names = [_STYLES[outcome].name for outcome in outcomes]
    figure = sheet(0.7 + 1.75 * len(shown), names)
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    outside = 0
    for place, (axes, (spec, gains)) in enumerate(zip(panels, shown.items(), strict=True)):
        outside += _draw_panel(axes, gains, chosen[spec].colour)
        title = spec if len(spec) <= 48 else f"{spec[:47]}…"
        axes.set_title(title, loc="left", fontsize=9.5, pad=18 if place == 0 and marks else 6)
        axes.set_xlim(0, 1.01 * span_s)  # the last lesson may end with the life
        if place == 0:
            draw_marks(axes, marks, span_s)
        else:
            draw_marks(axes, [(time, "") for time, _ in marks], span_s)
    figure.supylabel("gain of a lesson [%]", fontsize=10)
    panels[-1].set_xlabel("network time [s]")
    handles = [(_sample(outcome), _STYLES[outcome].name) for outcome in outcomes]
    keys(figure, {}, extra=handles)
    caption = (
        "By how much what was learned is better than what it was to replace, on observations that "
        "were not learned from, with its paired 95% interval. A mark above zero that was taken "
        "back says how much better it is to go back."
        if "rolled back" in outcomes
        else "By how much what was learned is better than what it was to replace, on observations "
        "that were not learned from, with its paired 95% interval."
    )
    caption += _left_out(judged, shown, outside)
    label = f"Chart of the gain of every lesson in % over {duration(span_s)} of network time."
    return finish(figure, "lesson-gains", "What lessons were worth", caption, label)


class _Style(NamedTuple):
    name: str
    marker: str
    filled: bool


_STYLES = {
    "rejected": _Style("rejected", "o", filled=False),
    "deployed": _Style("deployed", "o", filled=True),
    "rolled back": _Style("taken back", "X", filled=True),
}


def _judged(recording: Recording, spec: str) -> _Gains:
    """Lessons that were completed and judged."""
    cells = [cell.lessons for cell in recording.of(spec)]
    time_s, gain, low, high = (
        np.concatenate([np.empty(0), *(getattr(lessons, name) for lessons in cells)])
        for name in ("end_s", "gain", "low", "high")
    )
    outcome = np.array([word for lessons in cells for word in lessons.outcome], dtype=np.str_)
    gains = _Gains(time_s, gain, low, high, outcome)
    gains = gains.among(np.isfinite(gain) & (outcome != "unfinished"))
    return gains.among(np.argsort(gains.time_s, kind="stable"))


def _kept(outcome: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which lessons to draw: all, or where they are many, an even choice of each outcome."""
    if len(outcome) <= _MOST:
        return np.ones(len(outcome), np.bool_)
    kept = np.zeros(len(outcome), np.bool_)
    for word in _STYLES:
        (place,) = np.nonzero(outcome == word)
        number = min(len(place), max(_MOST // 5, _MOST * len(place) // len(outcome)))
        if number:
            kept[place[np.linspace(0, len(place) - 1, number).round().astype(int)]] = True
    return kept


def _draw_panel(axes: Axes, gains: _Gains, colour: str) -> int:
    """One controller's lessons; how many lie outside the axis."""
    few = len(gains.gain) <= 60
    colours = {"deployed": colour, "rejected": REJECTED, "rolled back": INK}
    for layer, (outcome, look) in enumerate(_STYLES.items()):
        own = gains.among(gains.outcome == outcome)
        if not len(own.gain):
            continue
        time_s, gain, low, high = own.time_s, 100 * own.gain, 100 * own.low, 100 * own.high
        axes.vlines(
            time_s,
            np.where(np.isfinite(low), low, gain),
            np.where(np.isfinite(high), high, gain),
            color=colours[outcome],
            linewidth=1.0 if few else 0.6,
            alpha=1.0 if few else 0.55,
            zorder=2 + layer,
        )
        axes.plot(
            time_s,
            gain,
            linestyle="none",
            marker=look.marker,
            markersize=(4.5 if few else 3.2) * (1.35 if look.marker == "X" else 1.0),
            markerfacecolor=colours[outcome] if look.filled else "white",
            markeredgecolor="white" if look.marker == "X" else colours[outcome],
            markeredgewidth=0.6 if look.marker == "X" else 1.0,
            zorder=3 + layer,
        )
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1.5)
    bottom, top = _limits(100 * gains.gain, 100 * gains.low, 100 * gains.high)
    axes.set_ylim(bottom, top)
    return int(np.sum((100 * gains.gain < bottom) | (100 * gains.gain > top)))


def _limits(gain: Array, low: Array, high: Array) -> tuple[float, float]:
    """An axis that holds zero and nearly all: a few wide intervals do not press the rest flat."""
    ends = [v[np.isfinite(v)] for v in (gain, low, high)]
    bottom = min(0.0, *(float(np.quantile(v, 0.02)) for v in ends if len(v)))
    top = max(0.0, *(float(np.quantile(v, 0.98)) for v in ends if len(v)))
    room = 0.12 * max(top - bottom, 1e-3)
    return bottom - room, top + room


def _sample(outcome: str) -> Line2D:
    from matplotlib.lines import Line2D

    look = _STYLES[outcome]
    colour = {"rejected": REJECTED, "deployed": GREY}.get(outcome, INK)
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=look.marker,
        markersize=5.5,
        markerfacecolor=colour if look.filled else "white",
        markeredgecolor=colour,
    )


def _left_out(judged: Mapping[str, _Gains], shown: Mapping[str, _Gains], outside: int) -> str:
    """What the caption says of lessons that are not seen."""
    every, seen = (sum(len(g.gain) for g in each.values()) for each in (judged, shown))
    words = f" {count(every)} lessons"
    if seen < every:
        words += f", of which {count(seen)} are drawn, chosen evenly from each outcome"
    if outside:
        words += f"; {count(outside)} outside the axis"
    return words + "."


# --- decisions beside lessons ----------------------------------------------------------------


def draw_answers(recording: Recording, chosen: Looks) -> Drawing | None:
    """How long reports waited for their powers, while a lesson was under way and while none was."""
    slot = float(recording.timing["slot_s"])
    delay = float((recording.scenario.get("csi") or {}).get("delay_s") or 0.0)
    samples: dict[str, tuple[Array, Array]] = {}
    for spec in recording.learners:
        beside, alone = [np.empty(0)], [np.empty(0)]
        for cell in recording.of(spec):
            lessons = {"start_s": cell.lessons.start_s, "latency_s": cell.lessons.latency_s}
            busy = during(lessons, cell.decisions, slot, delay)
            waited = 1e3 * answer_s(cell.decisions, slot, delay)
            beside.append(waited[busy])
            alone.append(waited[~busy])
        samples[spec] = np.concatenate(beside), np.concatenate(alone)
    samples = {
        spec: pair for spec, pair in samples.items() if all(np.any(part > 0) for part in pair)
    }
    if not samples:
        return None
    from matplotlib.lines import Line2D

    extra = ["while learning"]
    figure = sheet(2.7, [*samples, *extra])
    axes = figure.add_subplot()
    for spec, pair in samples.items():
        for sample, learning in zip(pair, (True, False), strict=True):
            value, share = cumulative(sample[sample > 0])
            axes.step(
                np.append(value[0], value),
                np.append(0.0, share),
                where="post",
                color=chosen[spec].colour,
                linestyle="solid" if learning else chosen[spec].linestyle,
                **(_HALO if learning else {}),
            )
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of decisions")
    latency_axis(
        axes, recording, np.concatenate([part for pair in samples.values() for part in pair])
    )
    axes.set_xlabel("from a report to its powers in force [ms]")
    halo = Line2D([], [], color=GREY, **_HALO)
    keys(figure, {spec: chosen[spec] for spec in samples}, extra=[(halo, extra[0])])
    amounts = [sum(len(pair[n]) for pair in samples.values()) for n in range(2)]
    caption = (
        "Share of decisions that were in force at most so long after their report had arrived, by "
        f"the network's clock. Bands: the {count(amounts[0])} decisions during which a lesson was "
        f"under way; lines: the {count(amounts[1])} others."
    )
    label = "Cumulative distribution of the time from report to powers in milliseconds."
    return finish(figure, "lesson-latency", "Decisions while learning", caption, label)


_HALO: dict[str, Any] = {"linewidth": 5.0, "alpha": 0.35, "solid_capstyle": "butt"}
