"""Figures of a sweep: the map and slices of it that its plan asks for, or curves.

Whatever is drawn comes from the summary, so that tables and figures cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from slotwise.runs.merits import MERIT
from slotwise.runs.report.canvas import Drawing, finish
from slotwise.runs.report.quantities import prefix
from slotwise.runs.sweeps.drawing.dimension import Dimension, dimension, merit_word, spread
from slotwise.runs.sweeps.drawing.groups import groups
from slotwise.runs.sweeps.drawing.panels import Bands, Panel, draw_panels, how_intervals_are
from slotwise.runs.sweeps.drawing.shades import looks_of
from slotwise.runs.sweeps.drawing.winner_map import draw_winner_map
from slotwise.runs.sweeps.summary import matrix

if TYPE_CHECKING:
    import pyarrow as pa

    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["draw"]

_CHOSEN = 3
_MOST_PANELS = 12
_FULL = 0.3
_RELATIVE = "merit relative\nto the best [%]"
_DRAWN = {"shaded": "are shaded", "bars": "are bars", "left out": "are left out"}


def draw(plan: SweepPlan, summary: pa.Table) -> list[Drawing]:
    """Draw a sweep; call it inside `slotwise.runs.report.canvas.style`.

    Parameters
    ----------
    plan : SweepPlan
        What was asked for.
    summary : pyarrow.Table
        As `slotwise.runs.sweeps.summary.summarise` gives it.

    Returns
    -------
    list of Drawing
        With a drawing in the plan that names two axes: the winner map, and slices of it along
        both; a sample of points is too thin for that. Otherwise merit, and merit relative to the
        best, over one field. Nothing is relative to the best where a plan has one controller.
        Empty while nothing has been lived, and without a varied field.
    """
    if not plan.varied or not (matrix(plan, summary, "seeds") > 0).any():
        return []
    compared = len(plan.controllers) > 1
    if plan.drawing is not None and plan.drawing.y is not None:
        x, y = dimension(plan, plan.drawing.x), dimension(plan, plan.drawing.y)
        places = len(x.values) * len(y.values) * len(groups(plan, (x.field, y.field)))
        if len(plan.points) < _FULL * places:  # a random sample makes no map
            return [_curves(plan, x, (_relative if compared else _merit)(plan, summary))]
        pairs = [pair for pair in ((y, x), (x, y)) if compared and len(pair[0].values) > 1]
        slices = [_slices(plan, summary, *pair) for pair in pairs]
        return [draw_winner_map(plan, summary), *slices]
    x = dimension(plan, plan.drawing.x if plan.drawing else _along(plan))
    quantities = (_merit, _relative) if compared else (_merit,)
    return [_curves(plan, x, bands(plan, summary)) for bands in quantities]


def _along(plan: SweepPlan) -> str:
    """The first varied field with more than one number, else the first."""
    fields = [dimension(plan, field) for field in plan.varied]
    numbers = (one.field for one in fields if one.is_numeric and len(one.values) > 1)
    return next(numbers, plan.varied[0])


def _slices(plan: SweepPlan, summary: pa.Table, x: Dimension, cut: Dimension) -> Drawing:
    """Merit relative to the best along one axis of the map, at up to three values of the other."""
    every = groups(plan, (x.field, cut.field))
    values = spread(cut.values, _CHOSEN)
    column = plan.varied.index(cut.field)
    panels = []
    for row, (title, group) in enumerate(spread(every, _CHOSEN)):
        for place, value in enumerate(values):
            points = [point for point in group if plan.points[point][column] == value]
            if points:
                heading = ", ".join(text for text in (cut.told(value), title) if text)
                panels.append(Panel(row, place, heading, points))
    bands = _relative(plan, summary)
    figure = draw_panels(plan, x, panels, bands, looks_of(plan.controllers))
    at = f"{len(values)} of {len(cut.values)}" if len(values) < len(cut.values) else "all"
    caption = (
        f"Slices of the map over {x.word}, at {at} values of {cut.word}: mean merit relative to "
        f"that of the best controller at the same point; {_told(panels, bands)}"
    )
    label = f"Line charts of merit relative to the best in per cent over {x.word}."
    return finish(figure, f"slices-{_stem(x)}", f"Slices over {x.word}", caption, label)


def _curves(plan: SweepPlan, x: Dimension, bands: Bands) -> Drawing:
    """A quantity over one field, a panel for each combination of the others."""
    column = plan.varied.index(x.field)
    every = groups(plan, (x.field,))
    along = [{plan.points[point][column] for point in points} for _, points in every]
    # A random sample has hardly two points that differ in one field only: no lines join them.
    lines = len(x.values) == 1 or sum(map(len, along)) >= 2 * len(every)
    is_apart = "scenario" in plan.varied and x.field != "scenario"
    if not lines:
        others = [field for field in plan.varied if field != "scenario" or not is_apart]
        every = groups(plan, others)
    shown = spread(every, _MOST_PANELS)
    across = _across(len(shown))
    panels = [Panel(n // across, n % across, *group, lines) for n, group in enumerate(shown)]
    is_merit = bands.level is None
    figure = draw_panels(
        plan, x, panels, bands, looks_of(plan.controllers), free=is_merit and is_apart
    )
    what = merit_word(plan) if is_merit else "merit relative to the best"
    title = f"{what[0].upper()}{what[1:]} over {x.word}"
    words = [f"{title}; {_told(panels, bands)}"]
    if len(shown) < len(every):
        words.append(f"{len(shown)} of {len(every)} combinations of the other fields are shown.")
    if not lines and set(plan.varied) - {x.field, "scenario" if is_apart else ""}:
        words.append("Every mark is a point; other fields differ between them.")
    if is_merit and is_apart:
        words.append("Every scenario has a scale of its own.")
    name = f"{'merit' if is_merit else 'relative'}-{_stem(x)}"
    return finish(figure, name, title, " ".join(words), f"Charts of {what} over {x.word}.")


def _told(panels: Sequence[Panel], bands: Bands) -> str:
    """What became of intervals."""
    if not np.isfinite(bands.low).any():
        return "one network for each point gives no intervals."
    ways = dict.fromkeys(_DRAWN[how_intervals_are(panel)] for panel in panels)
    paired = "" if bands.level is None else "paired "
    return f"{paired}95% intervals over networks {' or '.join(ways)}."


def _across(panels: int) -> int:
    """How many of some panels stand side by side."""
    return 2 if panels == 4 else min(panels, 3 if panels <= 6 or panels == 9 else 4)


def _relative(plan: SweepPlan, summary: pa.Table) -> Bands:
    """Merit relative to the best of each point [%]."""
    value, low, high = (
        100.0 * matrix(plan, summary, f"of_best{end}") for end in ("", "_low", "_high")
    )
    return Bands(value, low, high, _RELATIVE, 100.0)


def _merit(plan: SweepPlan, summary: pa.Table) -> Bands:
    """Mean merit, with the interval of a mean over networks."""
    mean, spread, seeds = (matrix(plan, summary, name) for name in ("merit", "merit_std", "seeds"))
    quantile = special.stdtrit(np.maximum(seeds - 1, 1), 0.975)
    half = np.where(seeds > 1, quantile * spread / np.sqrt(np.maximum(seeds, 1)), np.nan)
    figure = MERIT[plan.base.objective]
    unit, size = "bit/s/Hz", 1.0
    if figure != "mean_sum_rate":
        unit, size = prefix(float(np.nanmax(mean)), "bit/J")
    label = f"{merit_word(plan)}\n[{unit}]"
    return Bands(mean / size, (mean - half) / size, (mean + half) / size, label)


def _stem(x: Dimension) -> str:
    return re.sub("[^a-z0-9]+", "-", x.word.lower()).strip("-")
