"""Curves of the study: relative rate over real samples, and over the time since a change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import GREY, Look, looks
from slotwise.runs.studies.online.seeds import Found

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["draw_course", "draw_samples", "draw_since"]

Array = NDArray[np.float64]
Curves = Mapping[str, Array]
Lines = Mapping[str, Sequence[tuple[int, Found]]]

_ZERO_AT = 0.35  # of the fewest samples: a logarithm has no zero
_LABEL = "sum rate, WMMSE on\ntrue CSI = 100 [%]"
_SHORT_LABEL = "relative rate [%]"
_ROOM = 0.2
_MUCH = 0.7  # of what there is: no second panel for that
_DASHES = ((4.0, 3.0), (1.2, 2.0))


def draw_samples(name: str, lines: Lines, levels: Mapping[str, Found], near: float) -> Drawing:
    """Relative rate over the number of real samples, zero of them at the left.

    Parameters
    ----------
    name : str
        Of the network.
    lines : mapping of str to sequence of (int, Found)
        Samples and figure of each way to learn.
    levels : mapping of str to Found
        Who learns nothing.
    near : float
        A second panel shows what is above this [%].
    """
    chosen = looks(list(lines))
    every = [one.value for line in lines.values() for _, one in line]
    every += [one.value for one in levels.values()]
    closer = [value for value in every if value >= near]
    two = bool(closer) and np.ptp(closer) < _MUCH * np.ptp(every)
    figure = sheet(4.6 if two else 2.9, [*chosen, *levels])
    panels = figure.subplots(1 + two, 1, sharex=True, squeeze=False)[:, 0]
    counts = sorted({count for line in lines.values() for count, _ in line if count})
    left = _ZERO_AT * counts[0]
    extra: list[tuple[Artist, str]] = []
    for axes in panels:
        for label, look in chosen.items():
            _draw_line(axes, lines[label], look, left)
        extra = []
        for (label, one), dashes in zip(levels.items(), _DASHES, strict=False):
            line = axes.axhline(one.value, color=GREY, linewidth=1.0, linestyle=(0, dashes))
            extra.append((line, label))
        axes.set_ylabel(_LABEL)
    axes = panels[-1]
    _limit(panels[0], closer)
    _limit(axes, every)
    axes.set_xscale("log")
    axes.set_xticks([left, *counts], ["0", *(f"{count:,}" for count in counts)])
    axes.minorticks_off()
    axes.set_xlim(0.8 * left, 1.4 * counts[-1])
    axes.set_xlabel("real samples")
    keys(figure, chosen, extra=extra)
    caption = (
        f"Learning from real samples, {name}: mean true sum rate over held-out draws, mean over "
        "seeds with its 95% interval, which may leave the panel; at zero the pre-trained networks "
        "as they are. Grey: WMMSE "
        "on the same CSI." + (" Above, what is at the top of the panel below." if two else "")
    )
    label = f"Line charts of the relative sum rate over the number of real samples, {name}."
    return finish(figure, f"samples-{_stem(name)}", f"Real samples: {name}", caption, label)


def draw_since(name: str, panels: Mapping[str, tuple[Array, Curves]], words: str) -> Drawing:
    """Relative rate over the slots since a change, one panel for each.

    Parameters
    ----------
    name : str
        Of the life.
    panels : mapping of str to (ndarray, mapping of str to ndarray)
        By what the network became: slots since then [n], and per cents of each controller and seed
        [seeds, n].
    words : str
        What the caption goes on with.
    """
    chosen = looks(list(next(iter(panels.values()))[1]))
    rows = (len(panels) + 1) // 2
    figure = sheet(2.0 * rows + 0.3, list(chosen))
    grid = figure.subplots(rows, 2, sharex=True, squeeze=False)
    for axes, (title, (slots, curves)) in zip(grid.flat, panels.items(), strict=False):
        _draw_curves(axes, slots, curves, chosen)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(0, slots[-1] + slots[0])
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("slots since the change")
    for axes in grid[:, 0]:
        axes.set_ylabel(_SHORT_LABEL)
    keys(figure, chosen)
    caption = (
        f"`{name}`: sum rate relative to WMMSE on true CSI over the slots since the network "
        f"changed, mean over seeds with its 95% interval. {words} Panels have scales of their own, "
        "which an interval may leave."
    )
    label = f"Line charts of the relative sum rate over the slots since a change, {name}."
    return finish(figure, f"time-{_stem(name)}", f"After a change: {name}", caption, label)


def draw_course(
    name: str, time_s: Array, curves: Curves, marks: Sequence[tuple[float, str]], words: str
) -> Drawing:
    """Relative rate over network time.

    Parameters
    ----------
    name : str
        Of the life.
    time_s : ndarray, shape (n,)
        Network time [s].
    curves : mapping of str to ndarray, shape (seeds, n)
        Per cents of each controller and seed.
    marks : sequence of (float, str)
        Instants with names.
    words : str
        What the caption goes on with.
    """
    chosen = looks(list(curves))
    figure = sheet(3.0, list(chosen))
    axes = figure.add_subplot()
    _draw_curves(axes, time_s, curves, chosen)
    span = float(time_s[-1] + time_s[0])
    axes.set_xlim(0, span)
    for at_s, text in marks:
        if at_s > 0:
            axes.axvline(at_s, color=GREY, linewidth=0.9, linestyle=(0, (3, 3)), zorder=1)
        axes.annotate(
            text,
            (at_s, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(1, 2),
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_xlabel("network time [s]")
    axes.set_ylabel(_LABEL)
    keys(figure, chosen)
    caption = (
        f"`{name}`: sum rate relative to WMMSE on true CSI over network time, mean over seeds with "
        f"its 95% interval, which may leave the panel. {words}"
    )
    label = f"Line chart of the relative sum rate over network time, {name}."
    return finish(figure, f"time-{_stem(name)}", f"Over time: {name}", caption, label)


def _draw_line(axes: Axes, line: Sequence[tuple[int, Found]], look: Look, left: float) -> None:
    x = [count or left for count, _ in line]
    each = [one for _, one in line]
    low = [one.value if one.low is None else one.low for one in each]
    high = [one.value if one.high is None else one.high for one in each]
    axes.fill_between(x, low, high, color=look.colour, alpha=0.09, linewidth=0)
    axes.plot(
        x,
        [one.value for one in each],
        color=look.colour,
        linestyle=look.linestyle,
        marker=look.marker,
        markersize=4.5,
    )


def _draw_curves(axes: Axes, x: Array, curves: Curves, chosen: Mapping[str, Look]) -> None:
    from scipy import special

    means = []
    for label, look in chosen.items():
        each = curves[label]
        seeds = len(each)
        mean = each.mean(axis=0)
        means.append(mean)
        if seeds > 1:
            quantile = float(special.stdtrit(seeds - 1, 0.975))
            half = quantile * each.std(axis=0, ddof=1) / np.sqrt(seeds)
            axes.fill_between(
                x, mean - half, mean + half, color=look.colour, alpha=0.09, linewidth=0
            )
        axes.plot(x, mean, color=look.colour, linestyle=look.linestyle, linewidth=1.4)
    _limit(axes, np.concatenate(means))


def _limit(axes: Axes, values: Iterable[float]) -> None:
    """Show lines whole; a band that few seeds make wide may leave the panel."""
    shown = np.array(list(values))
    low, high = float(shown.min()), float(shown.max())
    room = max(_ROOM * (high - low), 0.2)
    axes.set_ylim(low - room, high + room)


def _stem(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
