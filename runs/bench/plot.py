"""A drawing of growth: what more slots, networks and users cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slotwise.emulator.scenario import InputError
from slotwise.runs.bench.row import Row
from slotwise.runs.report.canvas import finish, sheet, style
from slotwise.runs.report.palette import COLOURS, GREY
from slotwise.runs.report.quantities import factor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check", "draw_growth"]

_GROUP = "growth"


def check(file: Path) -> None:
    """Refuse a file that no drawing can become, before anything is measured for it.

    Raises
    ------
    InputError
        If it ends neither in ``.png`` nor in ``.svg``, or its folder does not exist.
    """
    if file.suffix not in {".png", ".svg"}:
        raise InputError(f"--plot {file}: must end in .png or .svg")
    if not file.parent.is_dir():
        raise InputError(f"--plot {file}: there is no folder {file.parent}")


def draw_growth(rows: Sequence[Row], file: Path) -> None:
    """Draw the time of the rows of growth over what grows, both logarithmic.

    Parameters
    ----------
    rows : sequence of Row
        Of a benchmark; those of the group ``growth`` are drawn.
    file : Path
        Where to, ending in ``.png`` or ``.svg``.

    Raises
    ------
    InputError
        If the file ends otherwise.
    """
    check(file)
    grown = [row for row in rows if row.group == _GROUP]
    with style():
        figure = sheet(1.9 * len(grown))
        for axes, row in zip(figure.subplots(len(grown), squeeze=False)[:, 0], grown, strict=True):
            _draw_row(axes, row)
        drawing = finish(
            figure,
            "growth",
            "What more work costs",
            "CPU time of one core over what grows; the grey line is the exact power.",
            "Three curves on logarithmic axes beside straight lines.",
        )
    if file.suffix == ".svg":
        file.write_text(drawing.svg, "utf-8")
    else:
        file.write_bytes(drawing.png)


def _draw_row(axes: Axes, row: Row) -> None:
    """Measured points, and the line of the exact power through the largest."""
    size = [float(name) for name in row.times_s]
    milliseconds = [1e3 * seconds for seconds in row.times_s.values()]
    power = row.aim or 1.0
    exact = [milliseconds[-1] * (one / size[-1]) ** power for one in size]
    law = "in proportion" if power == 1.0 else f"by the power {power:g}"
    axes.plot(size, exact, color=GREY, linewidth=1.0, dashes=(4.0, 2.0), label=law)
    axes.plot(size, milliseconds, color=COLOURS[0], marker="o", markersize=4.5, label="measured")
    axes.legend(loc="upper left", frameon=False)
    axes.margins(x=0.08)
    for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        scale("log")
        axis.set_major_formatter(lambda value, _: factor(value))
        axis.set_minor_formatter(lambda *_: "")
    axes.set_xticks(size, [f"{one:,.0f}" for one in size])
    axes.set_xlabel(row.what.removeprefix("time with ").partition(",")[0])
    axes.set_ylabel("CPU time [ms]")
