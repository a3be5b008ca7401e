"""Small charts side by side: a quantity of every controller over a varied field, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.report.palette import GREY, Look
from slotwise.runs.sweeps.drawing.dimension import Dimension
from slotwise.runs.sweeps.drawing.shades import shortened, width_pt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["Bands", "Panel", "draw_panels", "how_intervals_are"]

Array = NDArray[np.float64]

_TEXT_PT = 11.0
_HIGH_IN = (2.3, 1.95, 1.7)  # a row of panels, by how many there are
_WIDE_IN = (5.6, 8.0, 10.0, 12.0)
_KEY_ROW_IN = 0.26
_ROOM = 0.06
_BEYOND = 6.0  # intervals are shown so far beyond the values, in what these span
_MOST_TICKS = 12
_MOST_BARS = 60  # points whose bars can still be told apart
_DODGE_PT = 5.0  # between bars of different controllers


class Bands(NamedTuple):
    """A quantity with the bounds of its intervals, [points, controllers]; NaN where there is none.

    Attributes
    ----------
    value, low, high : [points, controllers], float64
        In the unit of the label.
    label : str
        Of the axis, with the unit.
    level : float, optional
        Where a grey line belongs.
    """

    value: Array
    low: Array
    high: Array
    label: str
    level: float | None = None


class Panel(NamedTuple):
    """One chart: its place on the paper, its heading, its points, and whether lines join them."""

    row: int
    column: int
    title: str
    points: Sequence[int]
    joined: bool = True


def draw_panels(
    plan: SweepPlan,
    x: Dimension,
    panels: Sequence[Panel],
    bands: Bands,
    looks: Mapping[str, Look],
    *,
    free: bool = False,
) -> Figure:
    """Draw charts with a key above them.

    Parameters
    ----------
    plan : SweepPlan
        Whose points.
    x : Dimension
        The field along the axis.
    panels : sequence of Panel
        What is drawn where.
    bands : Bands
        The quantity.
    looks : mapping of str to Look
        Of the controllers, in the plan's order.
    free : bool
        Whether each chart has a scale of its own along y.
    """
    from matplotlib.figure import Figure

    rows = 1 + max(panel.row for panel in panels)
    columns = 1 + max(panel.column for panel in panels)
    wide = _WIDE_IN[min(columns, 4) - 1]
    names, across = _key(list(looks), 72.0 * wide - 30.0)
    key_in = _KEY_ROW_IN * math.ceil(len(names) / across)
    high = _HIGH_IN[min(rows, 3) - 1] * rows
    figure = Figure(figsize=(wide, high + 0.5 + key_in), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=not free, squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    taken = {(panel.row, panel.column) for panel in panels}
    for panel in panels:
        axes = grid[panel.row, panel.column]
        axes.set_visible(True)
        _draw(axes, plan, x, panel, bands, looks)
        axes.set_title(
            shortened(panel.title, 72.0 * wide / columns - 24.0, _TEXT_PT), fontsize=_TEXT_PT
        )
        if panel.column == 0:
            axes.set_ylabel(bands.label, fontsize=_TEXT_PT)
        if (panel.row + 1, panel.column) not in taken:
            axes.set_xlabel(x.label, fontsize=_TEXT_PT)
            axes.tick_params(labelbottom=True)
        if free:
            _scale_y(axes, bands, [panel])
    figure.align_ylabels(grid[:, 0])
    first = grid[panels[0].row, panels[0].column]
    _scale_x(first, x, 72.0 * wide / columns)
    if not free:
        _scale_y(first, bands, panels)
    _draw_key(figure, looks, names, across, any(map(_has_lines, panels)))
    return figure


def how_intervals_are(panel: Panel) -> Literal["shaded", "bars", "left out"]:
    """How a chart shows intervals: bars where nothing is joined, none where they would be many."""
    if _has_lines(panel):
        return "shaded"
    return "bars" if len(panel.points) <= _MOST_BARS else "left out"


def _has_lines(panel: Panel) -> bool:
    return panel.joined and len(panel.points) > 1


def _draw(
    axes: Axes,
    plan: SweepPlan,
    x: Dimension,
    panel: Panel,
    bands: Bands,
    looks: Mapping[str, Look],
) -> None:
    from matplotlib.transforms import ScaledTranslation

    column = plan.varied.index(x.field)
    places = dict(zip(x.values, _positions(x), strict=True))
    order = sorted(panel.points, key=lambda point: places[plan.points[point][column]])
    at = np.array([places[plan.points[point][column]] for point in order])
    if bands.level is not None:
        axes.axhline(bands.level, color=GREY, linewidth=0.8, zorder=1)
    how = how_intervals_are(panel)
    for one, look in enumerate(looks.values()):
        value, low, high = (each[order, one] for each in bands[:3])
        beside = (one - (len(looks) - 1) / 2) * _DODGE_PT if how == "bars" else 0.0
        place = axes.transData + ScaledTranslation(beside / 72.0, 0.0, axes.figure.dpi_scale_trans)
        axes.plot(
            at,
            value,
            color=look.colour,
            linestyle=look.linestyle if panel.joined else "none",
            marker=look.marker,
            markersize=5.0 if panel.joined else 4.5,
            transform=place,
        )
        known = np.isfinite(low) & np.isfinite(high)
        if how == "shaded":
            axes.fill_between(
                at, low, high, where=known, color=look.colour, alpha=0.18, linewidth=0
            )
        elif how == "bars" and known.any():
            axes.vlines(
                at[known], low[known], high[known], look.colour, linewidth=1.0, transform=place
            )


def _positions(x: Dimension) -> list[float]:
    """Where values stand along the axis: numbers where they are, others one after another."""
    return [float(value if x.is_numeric else place) for place, value in enumerate(x.values)]


def _scale_x(axes: Axes, x: Dimension, wide_pt: float) -> None:
    """Ticks at the values, as many as have room; a logarithm where values span much."""
    axes.tick_params(labelsize=_TEXT_PT - 1.0)
    places = _positions(x)
    low, high = min(places), max(places)
    if x.is_log:
        axes.set_xscale("log")
        room = (high / low) ** 0.06
        axes.set_xlim(low / room, high * room)
        share = np.log(np.array(places) / low) / math.log(high / low)
    else:
        room = 0.06 * (high - low) or 0.5
        axes.set_xlim(low - room, high + room)
        share = (np.array(places) - low) / ((high - low) or 1.0)
    if len(places) > _MOST_TICKS and x.is_numeric:
        _round_ticks(axes, x, low, high)
        return
    texts = [shortened(x.text(value), 0.3 * wide_pt, _TEXT_PT - 1.0) for value in x.values]
    shown: list[int] = []
    for n, text in enumerate(texts):
        last = texts[shown[-1]] if shown else ""
        ends = 0.5 * (width_pt(text, _TEXT_PT - 1.0) + width_pt(last, _TEXT_PT - 1.0)) + 3.0
        if not shown or (share[n] - share[shown[-1]]) * 0.72 * wide_pt > ends:
            shown.append(n)
    axes.set_xticks([places[n] for n in shown], [texts[n] for n in shown])
    axes.minorticks_off()


def _round_ticks(axes: Axes, x: Dimension, low: float, high: float) -> None:
    """Round numbers where there are too many values to write them all."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    steps = (1.0, 3.0) if x.is_log and high > 30.0 * low else (1.0, 2.0, 5.0)
    locator = LogLocator(subs=steps) if x.is_log else MaxNLocator(5)
    ticks = [float(tick) for tick in locator.tick_values(low, high) if low <= tick <= high]
    axes.set_xticks(ticks, [x.text(tick) for tick in ticks])
    axes.minorticks_off()


def _scale_y(axes: Axes, bands: Bands, panels: Sequence[Panel]) -> None:
    """Show all values whole, and of their intervals what is not far beyond them.

    Relative to the best, bands that few networks make wide may leave the chart.
    """
    points = [point for panel in panels for point in panel.points]
    known = bands.value[points][np.isfinite(bands.value[points])]
    if not known.size:
        return
    low, high = float(known.min()), float(known.max())
    room = _ROOM * (high - low) or max(abs(high) * 0.05, 1e-12)
    least, most = low, high
    if bands.level is None or any(how_intervals_are(panel) == "bars" for panel in panels):
        ends = np.stack([bands.low[points], bands.high[points]])
        beyond = _BEYOND * max(high - low, 5.0 * room)
        least = max(float(np.nanmin(ends, initial=low)), low - beyond)
        most = min(float(np.nanmax(ends, initial=high)), high + beyond)
    axes.set_ylim(least - room, most + room)


def _key(names: Sequence[str], room_pt: float) -> tuple[list[str], int]:
    """Names of the key as they fit, and how many stand side by side."""
    fitted = [shortened(name, room_pt - 60.0, _TEXT_PT) for name in names]
    widest = max(width_pt(name, _TEXT_PT) for name in fitted) + 52.0
    return fitted, max(1, min(len(fitted), int(room_pt // widest)))


def _draw_key(
    figure: Figure, looks: Mapping[str, Look], names: Sequence[str], across: int, joined: bool
) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=look.colour,
            linestyle=look.linestyle if joined else "none",
            marker=look.marker,
            markersize=5.0 if joined else 6.0,
        )
        for look in looks.values()
    ]
    figure.legend(
        handles,
        list(names),
        loc="outside upper left",
        ncols=across,
        fontsize=_TEXT_PT,
        handlelength=2.6 if joined else 1.0,
        columnspacing=1.4,
        labelspacing=0.3,
        borderaxespad=0.1,
        borderpad=0.1,
    )
