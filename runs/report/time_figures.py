"""Figures over network time: the sum rate with joins and leaves below it, and the users present."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.curves import bin_means, moving_mean, nice_window, pieces
from slotwise.runs.report.palette import GREY, INK, Look
from slotwise.runs.report.quantities import count, duration
from slotwise.runs.report.recording import Event, Recording, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_active_users", "draw_sum_rate"]

Array = NDArray[np.float64]
Looks = Mapping[str, Look]

_POINTS = 400
_RUG_COLUMNS = 300
_MANY_SEEDS = 5
"""From so many seeds on, a band shows their quartiles: the range of many says little."""


def draw_sum_rate(recording: Recording, chosen: Looks) -> Drawing | None:
    """Moving mean of the sum rate with its band over seeds; joins and leaves below."""
    length = min(len(cell.slots["time_s"]) for cell in recording.cells.values())
    if length == 0:
        return None
    first = recording.each_seed()[0]
    slot = float(recording.timing["slot_s"])
    span = length * slot
    marks = [mark for mark in _marks(first.events) if mark[0] < span]
    ranges = pieces(length, np.searchsorted(first.slots["time_s"], [time for time, _ in marks]))
    width = max(1, round(nice_window(span, slot) / slot))
    events = [e for e in first.events if e.kind in ("join", "leave") and e.time_s > 0]

    figure = sheet(3.2 if events else 2.9, list(chosen))
    grid = figure.add_gridspec(2, 1, height_ratios=[1, 0.16]) if events else None
    axes = figure.add_subplot(grid[0] if grid else 111)
    for spec, look in chosen.items():
        rates = [cell.slots["sum_rate"][:length] for cell in recording.of(spec)]
        if rates:
            _draw_curve(axes, rates, slot, (width, ranges), look, 0.4 / len(chosen))
    axes.margins(y=0.08)
    axes.set_ylim(max(0.0, axes.get_ylim()[0]), None)
    axes.set_xlim(0, span)
    axes.set_ylabel("sum rate [bit/s/Hz]")
    _draw_marks(axes, marks, span)
    if grid:
        rug = figure.add_subplot(grid[1], sharex=axes)
        _draw_rug(rug, events, span)
        axes.tick_params(labelbottom=False)
        axes = rug
    axes.set_xlabel("network time [s]")
    keys(figure, chosen)
    smoothing = (
        " Every slot is drawn as it was."
        if width == 1
        else f" Each seed is smoothed by a centred moving mean over {duration(width * slot)}"
        + (" that never reaches across a dashed line." if len(ranges) > 1 else ".")
    )
    caption = (
        "Sum rate of the network over its own time"
        + _band_words(len(recording.each_seed()))
        + smoothing
        + _rug_words(events, first.seed)
    )
    label = f"Line chart of sum rate in bit/s/Hz over {duration(span)} of network time."
    return finish(figure, "sum-rate", "Sum rate over time", caption, label)


def _draw_curve(
    axes: Axes,
    rates: list[Array],
    slot: float,
    smoothing: tuple[int, list[tuple[int, int]]],
    look: Look,
    strength: float,
) -> None:
    """One controller: the seeds' mean as a line, and the band over seeds behind it."""
    width, ranges = smoothing
    for start, stop in ranges:
        points = max(2, round(_POINTS * (stop - start) / len(rates[0])))
        curves = [moving_mean(rate[start:stop], width, points) for rate in rates]
        time = (start + curves[0][0] + 0.5) * slot
        means = np.array([mean for _, mean in curves])
        if len(rates) > 1:
            low, high = _edges(means)
            axes.fill_between(
                time, low, high, color=look.colour, alpha=min(0.15, strength), linewidth=0
            )
        axes.plot(time, means.mean(axis=0), color=look.colour, linestyle=look.linestyle)


def _edges(curves: Array) -> tuple[Array, Array]:
    """Lower and upper edge of a band over seeds (S, N): quartiles, or all of fewer than five."""
    share = 0.25 if len(curves) >= _MANY_SEEDS else 0.0
    return np.quantile(curves, share, axis=0), np.quantile(curves, 1 - share, axis=0)


def _band_words(seeds: int) -> str:
    if seeds == 1:
        return "."
    band = (
        "the band holds the middle half of the seeds."
        if seeds >= _MANY_SEEDS
        else "the band reaches from the lowest seed to the highest."
    )
    return f", mean over {seeds} seeds; {band}"


def _marks(events: list[Event]) -> list[tuple[float, str]]:
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


def _draw_marks(axes: Axes, marks: list[tuple[float, str]], span: float) -> None:
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


def _draw_rug(axes: Axes, events: list[Event], span: float) -> None:
    """Joins up and leaves down, summed in columns as narrow as a tick."""
    edges = np.linspace(0, span, _RUG_COLUMNS + 1)
    for kind, sign, colour in (("join", 1, INK), ("leave", -1, "#8A8A8A")):
        times = [event.time_s for event in events if event.kind == kind]
        amount, _ = np.histogram(times, edges)
        column = np.flatnonzero(amount)
        if len(column):
            tall = 0.35 + 0.65 * amount[column] / amount.max()
            tall = tall if amount.max() > 1 else np.ones(len(column))
            centre = (edges[column] + edges[column + 1]) / 2
            axes.vlines(centre, 0, sign * tall, color=colour, linewidth=0.9)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_ylim(-1.15, 1.15)
    axes.set_yticks([0.6, -0.6], ["joins", "leaves"], fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)


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
        low, high = _edges(users)
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
    marks = _marks(seen[0].events)
    _draw_marks(axes, marks, length * slot)
    each = length / (len(edges) - 1) * slot
    caption = (
        "Users present, the same under every controller"
        + _band_words(len(seen))
        + (f" Each step is a mean over about {duration(each)}." if each > slot else "")
    )
    label = f"Line chart of users present over {duration(length * slot)} of network time."
    return finish(figure, "active-users", "Active users over time", caption, label)
