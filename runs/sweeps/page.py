"""The page of a sweep in Markdown: what was varied, who is ahead where, and how it was made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slotwise.runs.report.quantities import MISSING, count, factor
from slotwise.runs.simulation import versions
from slotwise.runs.studies.part import Grid
from slotwise.runs.sweeps.drawing.dimension import dimension
from slotwise.runs.sweeps.drawing.groups import groups
from slotwise.runs.sweeps.drawing.tiles import Tile, margin_of, tiles
from slotwise.runs.sweeps.standings import by_controller, by_point, explained
from slotwise.runs.sweeps.summary import matrix

if TYPE_CHECKING:
    import pyarrow as pa

    from slotwise.runs.report.canvas import Drawing
    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["page"]

_FEW = 30
_MOST = 300
_MOST_VALUES = 12
_MOST_ERRORS = 10
_LONG = 300  # characters of an error
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?")


def page(
    plan: SweepPlan, summary: pa.Table, rows: pa.Table, drawings: Sequence[Drawing], command: str
) -> str:
    """README of a sweep's directory.

    Parameters
    ----------
    plan : SweepPlan
        What was lived.
    summary : pyarrow.Table
        As `slotwise.runs.sweeps.summary.summarise` gives it.
    rows : pyarrow.Table
        What the summary is of; their errors are told.
    drawings : sequence of Drawing
        As `slotwise.runs.sweeps.drawing.figures.draw` gives them.
    command : str
        What was typed; may be empty.
    """
    lines = [f"# {plan.title or _untitled(plan)}", _what(plan, summary)]
    if plan.varied:
        lines.append(_markdown(_varied(plan)))
    for drawing in drawings:
        lines += [f"## {drawing.title}", f"![{drawing.label}]({drawing.name}.svg)", drawing.caption]
    heading, grids = "", list[Grid]()
    if plan.drawing is not None and plan.drawing.y is not None and len(plan.points) <= _MOST:
        heading, grids = "## Winner by point", _pivots(plan, summary)
    elif plan.varied and len(plan.points) <= _FEW:
        heading, grids = "## By point", [by_point(plan, summary)]
    standings = by_controller(plan, summary)
    lines += ["## Standings", _markdown(standings)]
    lines += _sentences(plan, summary, [standings, *grids])
    if grids:
        lines += [heading, *map(_markdown, grids)]
    lines.append(
        "Every digit: [summary.csv](summary.csv), and the same as Parquet; every cell is in "
        f"[cells/plan={plan.hash}](cells/plan={plan.hash})."
    )
    lines += _failures(plan, rows)
    lines += ["## How it was made", *_made(plan, command)]
    return "\n\n".join(lines) + "\n"


def _names(plan: SweepPlan) -> list[str]:
    return [name for name, _ in plan.scenarios] or [plan.base.name]


def _untitled(plan: SweepPlan) -> str:
    """Heading of a plan without a title; one typed without a file is called ``sweep``."""
    if plan.name == "sweep":
        return f"Sweep of {', '.join(_names(plan))}"
    return f"Sweep {plan.name}"


def _what(plan: SweepPlan, summary: pa.Table) -> str:
    """How much was lived, in sentences."""
    seeds, failed = (matrix(plan, summary, name) for name in ("seeds", "failed"))
    cells, broken = int(seeds.sum()), int(failed.sum())
    points = len(plan.points)
    names = _names(plan)
    left = 0
    if plan.stopping is None:
        left = points * len(plan.controllers) * len(plan.seeds) - cells - broken
    words = (
        f"Scenario{'s' if len(names) > 1 else ''} {', '.join(f'`{name}`' for name in names)}: "
        f"{count(points)} point{'s' if points != 1 else ''} × "
        f"{len(plan.controllers)} controller{'s' if len(plan.controllers) != 1 else ''}, "
        f"{count(cells)} cell{'s' if cells != 1 else ''} lived"
    )
    if plan.stopping is None:
        words += f", {len(plan.seeds)} network{'s' if len(plan.seeds) != 1 else ''}"
        words += f"{' planned' if left else ''} for each point"
    words += f"; {count(broken)} more failed." if broken else "."
    if left:
        words += f" {count(left)} {'are' if left > 1 else 'is'} still to be lived."
    return words + " Under one seed everybody meets the same network."


def _varied(plan: SweepPlan) -> Grid:
    rows = []
    for field in plan.varied:
        one = dimension(plan, field)
        texts = [one.text(value) for value in one.values]
        if len(texts) > _MOST_VALUES:
            shown = f"{len(texts)} values"
            shown += f" from {texts[0]} to {texts[-1]}" if one.is_numeric else ""
        else:
            shown = ", ".join(texts)
        rows.append((f"`{field}`", one.unit or MISSING, shown))
    return Grid("", ("varied", "unit", "values"), rows)


def _pivots(plan: SweepPlan, summary: pa.Table) -> list[Grid]:
    """Who is ahead by how much, a table for each panel of the map."""
    assert plan.drawing is not None
    assert plan.drawing.y is not None
    x, y = dimension(plan, plan.drawing.x), dimension(plan, plan.drawing.y)
    columns = plan.varied.index(x.field), plan.varied.index(y.field)
    found, grids = tiles(plan, summary), []
    for title, points in groups(plan, (x.field, y.field)):
        at = {tuple(plan.points[point][one] for one in columns): point for point in points}
        rows = []
        for value in reversed(y.values):
            cells = [
                _told(plan, found[at[other, value]]) if (other, value) in at else MISSING
                for other in x.values
            ]
            rows.append((y.told(value), *cells))
        heads = (title, *(x.told(value) for value in x.values))
        grids.append(Grid("", heads, rows))
    return grids


def _told(plan: SweepPlan, tile: Tile) -> str:
    """A tile in words: ``wmmse +3%``, ``beam ≈ max``."""
    names = [f"`{plan.controllers[one]}`" for one in tile.ahead]
    if tile.kind == "tie":
        return " ≈ ".join(names)
    if tile.kind == "win":
        return f"{names[0]} {margin_of(plan, tile)}".rstrip()
    return MISSING if tile.kind == "absent" else tile.kind


def _sentences(plan: SweepPlan, summary: pa.Table, grids: Sequence[Grid]) -> list[str]:
    words = [" ".join(explained(plan, summary, grids)).replace("*", "\\*")]
    if plan.stopping is not None:
        words.append(_stopped(plan, summary))
    return words


def _stopped(plan: SweepPlan, summary: pa.Table) -> str:
    """What optional stopping did."""
    assert plan.stopping is not None
    low, high, failed, seeds = (
        matrix(plan, summary, name) for name in ("relative_low", "relative_high", "failed", "seeds")
    )
    wanted = plan.stopping.width_percent
    lived = (seeds + failed).max(axis=1)
    wide = ((50.0 * (high - low) > wanted) & (failed == 0)).any(axis=1)
    text = (
        f"Networks were added {plan.stopping.step} at a time after the first "
        f"{plan.stopping.first} until every controller's paired 95% interval was at most "
        f"±{factor(wanted)}% wide: {int(lived.min())} to {int(lived.max())} networks, median "
        f"{factor(float(np.median(lived)))}."
    )
    if wide.any():
        many = int(wide.sum())
        text += f" {many} point{'s' if many > 1 else ''} stayed wider after all {len(plan.seeds)}."
    return text + " Intervals that end a search for short ones hold a little less often than 95%."


def _failures(plan: SweepPlan, rows: pa.Table) -> list[str]:
    """Errors, the most frequent first: how often, whose, and where first.

    Those of a controller that differ in numbers only are one.
    """
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for cell, error in zip(rows["cell"].to_pylist(), rows["error"].to_pylist(), strict=True):
        if error:
            kind = plan.cell(cell).controller, _NUMBER.sub("0", error)
            found.setdefault(kind, []).append((cell, error))
    if not found:
        return []
    often = sorted(found.items(), key=lambda pair: (-len(pair[1]), min(pair[1])))
    lines = []
    for (spec, _), cells in often[:_MOST_ERRORS]:
        place, error = min(cells)
        first = plan.cell(place)
        values = zip(plan.varied, plan.points[first.point], strict=True)
        where = ", ".join(dimension(plan, field).told(value) for field, value in values)
        text = error if len(error) <= _LONG else f"{error[:_LONG]}…"
        lines.append(
            f"- {count(len(cells))} cell{'s' if len(cells) > 1 else ''} of `{spec}`, first with "
            f"{where + ', ' if where else ''}seed {first.seed}: `{text.replace('`', chr(39))}`"
        )
    if len(often) > _MOST_ERRORS:
        lines.append(f"- and {len(often) - _MOST_ERRORS} more: see the cells' column `error`")
    return ["## Failures", "\n".join(lines)]


def _made(plan: SweepPlan, command: str) -> list[str]:
    lines = [f"```text\n$ {command}\n```"] if command else []
    written = ", ".join(f"{name} {number}" for name, number in versions().items())
    return [*lines, f"Plan `{plan.name}`, hash `{plan.hash}`, with {written}."]


def _markdown(grid: Grid) -> str:
    heads = [head.replace("\n", " ") for head in grid.heads]
    lines = [
        "| " + " | ".join(heads) + " |",
        "| --- |" + " ---: |" * (len(heads) - 1),
    ]
    for row in grid.rows:
        cells = [cell.strip().replace("|", "\\|").replace(" *", " \\*") for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
