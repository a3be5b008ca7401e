"""Figures 4 to 9: errors over epochs, and over the number of real samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slotwise.runs.report.canvas import Drawing, finish, keys, sheet
from slotwise.runs.report.palette import GREY, Look, look
from slotwise.runs.report.quantities import count, superscript
from slotwise.runs.studies.density.tables import Outcome, quartiles
from slotwise.runs.studies.part import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curves", "draw_transfer"]

_HIGHEST = 3.0
"""Untrained networks answer anything: what is above this is not drawn."""


def draw_transfer(name: str, outcome: Outcome) -> Drawing:
    """Relative MSE on the test set over the number of real samples.

    Parameters
    ----------
    name : str
        Stem of the figure's files.
    outcome : Outcome
        Both kinds.
    """
    order = outcome.order
    best = f"best of {order.starts} starts"
    lines: dict[str, tuple[Look, Sequence[Sequence[float]]]] = {
        f"pre-trained, {best}": (look(0), outcome.tuned["test"]),
        f"real samples alone, {best}": (look(1), outcome.scratch["test"]),
        "pre-trained, one start": (look(5), outcome.tuned["one"]),
        "real samples alone, one start": (look(4), outcome.scratch["one"]),
    }
    chosen = {words: style for words, (style, _) in lines.items()}
    figure = sheet(3.2, [*chosen, "the model alone"])
    axes = figure.add_subplot()
    for style, values in lines.values():
        low, middle, high = quartiles(values)
        if style in (look(0), look(1)):
            axes.fill_between(order.sizes, low, high, color=style.colour, alpha=0.15, linewidth=0)
        axes.plot(
            order.sizes,
            middle,
            color=style.colour,
            linestyle=style.linestyle,
            marker=style.marker,
            markersize=4.0,
        )
    alone = axes.axhline(
        float(np.median(outcome.tuned["model"])), color=GREY, linestyle=(0, (1, 2)), linewidth=1.4
    )
    axes.set_xscale("log")
    ticks = [size for size in (10, 30, 100, 300, 1000, 3000) if size in order.sizes]
    axes.set_xticks(ticks, [count(tick) for tick in ticks])
    axes.minorticks_off()
    _decades(axes)
    axes.set_xlabel("real samples")
    axes.set_ylabel("relative MSE on the test set")
    keys(figure, chosen, extra=[(alone, "the model alone")])
    caption = (
        f"Relative MSE of the density over the number of real samples, {outcome.labels} labels: "
        f"medians of {order.seeds} seeds, quartiles shaded."
    )
    label = "Line chart of the relative MSE on the test set over the number of real samples."
    return finish(figure, name, "Test error over real samples", caption, label)


def draw_curves(name: str, labels: Sequence[str], results: Sequence[Result]) -> Drawing:
    """Relative MSE over epochs: training above, validation below.

    Parameters
    ----------
    name : str
        Stem of the figure's files.
    labels : sequence of str
        Of each result.
    results : sequence of mapping
        What `curves` gave.
    """
    from matplotlib.lines import Line2D

    chosen = {label: Look(look(place).colour, (), "") for place, label in enumerate(labels)}
    dashes = {"tuned": "solid", "scratch": (0.0, (3.0, 1.4))}
    words = {"tuned": "pre-trained", "scratch": "real samples alone"}
    extra = [
        (Line2D([], [], color=GREY, linestyle=style), words[arm])  # type: ignore[arg-type]
        for arm, style in dashes.items()
    ]
    figure = sheet(5.4, [*chosen, *words.values()])
    for place, part in enumerate(("training", "validation"), 1):
        axes = figure.add_subplot(2, 1, place)
        for style, result in zip(chosen.values(), results, strict=True):
            for arm, dash in dashes.items():
                middle = np.median(result[arm][part], axis=1)
                axes.plot(middle, color=style.colour, linestyle=dash, linewidth=1.4)
        _decades(axes)
        axes.set_ylim(top=min(_HIGHEST, axes.get_ylim()[1]))
        axes.set_ylabel(f"relative MSE, {part}")
        axes.set_xlabel("epochs on real samples" if place == 2 else "")
    keys(figure, chosen, extra=extra)
    caption = "Relative MSE of the density over epochs, medians over seeds."
    label = "Two line charts of the relative MSE over epochs, training and validation."
    return finish(figure, name, "Errors over epochs", caption, label)


def _decades(axes: Axes) -> None:
    """A logarithmic axis for errors, with powers of ten as its labels."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"10{superscript(round(math.log10(value)))}")
    )
    axes.yaxis.set_minor_formatter(NullFormatter())
