"""Standings as text: what the tables of a sweep say, in the terminal and on its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.merits import MERIT
from slotwise.runs.report.quantities import MISSING, number, prefix
from slotwise.runs.studies.part import Grid
from slotwise.runs.sweeps.drawing.dimension import dimension
from slotwise.runs.sweeps.summary import matrix
from slotwise.runs.terminal import plus_minus

if TYPE_CHECKING:
    import pyarrow as pa

    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["TIED", "WINS", "by_controller", "by_point", "explained"]

Array = NDArray[np.float64]

WINS, TIED = "*", "≈"
"""Marks of who is ahead of everybody else, and of those who cannot be told from the best."""


def by_point(plan: SweepPlan, summary: pa.Table, controllers: Sequence[int] = ()) -> Grid:
    """A row for each point: merit of the reference, and the others' relative to it.

    Parameters
    ----------
    plan : SweepPlan
        Whose points.
    summary : pyarrow.Table
        As `slotwise.runs.sweeps.summary.summarise` gives it.
    controllers : sequence of int
        Positions of those that are shown; left out: all.
    """
    shown = list(controllers) or list(range(len(plan.controllers)))
    fields = [dimension(plan, field) for field in plan.varied]
    merit, value, high, rank, tied = (
        matrix(plan, summary, name)
        for name in ("merit", "relative", "relative_high", "rank", "tied")
    )
    unit, size = _unit(plan, merit)
    heads = [one.label.replace(" [", "\n[") for one in fields]
    heads += [f"{plan.controllers[one]}\n[{'%' if one else unit}]" for one in shown]
    rows = []
    for point, values in enumerate(plan.points):
        cells = [one.text(each) for one, each in zip(fields, values, strict=True)]
        for one in shown:
            if one:
                at = 100.0 * value[point, one], 100.0 * (high - value)[point, one]
                text = plus_minus(*(None if np.isnan(each) else float(each) for each in at))
            else:
                text = number(float(merit[point, 0]) / size, 4)
            mark = _mark(rank[point, one], tied[point, one]) if len(plan.controllers) > 1 else " "
            cells.append(f"{text} {mark}")
        rows.append(tuple(cells))
    return Grid("", tuple(heads), rows)


def by_controller(plan: SweepPlan, summary: pa.Table) -> Grid:
    """A row for each controller: how often it is ahead, and how far from it.

    Parameters
    ----------
    plan, summary
        As of `by_point`.
    """
    rank, tied, relative, of_best, missed, failed = (
        matrix(plan, summary, name)
        for name in ("rank", "tied", "relative", "of_best", "missed_share", "failed")
    )
    heads = (
        "controller",
        "wins\n[points]",
        "tied for best\n[points]",
        "relative,\nmedian [%]",
        "of the best,\nmedian [%]",
        "of the best,\nleast [%]",
        "missed,\nmedian [%]",
        "failed\n[cells]",
    )
    rows = []
    for one, spec in enumerate(plan.controllers):
        wins = (rank[:, one] == 1.0) & (tied[:, one] != 1.0)
        texts = [
            _share(relative[:, one], 0.5),
            _share(of_best[:, one], 0.5),
            _share(of_best[:, one], 0.0),
            _share(missed[:, one], 0.5),
        ]
        counts = [int(wins.sum()), int((tied[:, one] == 1.0).sum())]
        rows.append(
            (spec, *(f"{n:,}" for n in counts), *texts, f"{int(np.nansum(failed[:, one])):,}")
        )
    return Grid("", heads, rows)


def explained(plan: SweepPlan, summary: pa.Table, shown: Sequence[Grid]) -> list[str]:
    """What per cents and marks mean, in sentences.

    Parameters
    ----------
    plan, summary
        As of `by_point`.
    shown : sequence of Grid
        Tables that are read with it; marks and columns that none of them has are not explained.
    """
    seeds, rank, merit, failed = (
        matrix(plan, summary, name) for name in ("seeds", "rank", "merit", "failed")
    )
    lived = seeds.max(axis=1)
    few, most = int(lived.min()), int(lived.max())
    networks = f"{few} to {most}" if 0 < few < most else f"{'up to ' * (few < most)}{most}"
    networks += f" network{'s' if most != 1 else ''} for each point"
    words = [f"Per cents are relative to {plan.controllers[0]}: ratios of means"]
    if most:
        ends = ", ± half the 95% interval" if most > 1 else "; one network gives no intervals"
        words[0] += f", paired over {networks}{ends}"
    words[0] += "."
    meanings = {
        WINS: "wins: largest mean merit, and nobody is tied with it"
        if most > 1
        else "largest merit",
        TIED: "tied for best: the paired 95% interval of its ratio to the best reaches 100%",
    }
    told = []
    for mark, what in meanings.items():
        if any(f" {mark}" in cell for grid in shown for row in grid.rows for cell in row):
            told.append(f"{mark} {what}")
        elif any(head.startswith(what.partition(":")[0]) for grid in shown for head in grid.heads):
            told.append(what)
    if told:
        words.append(f"{told[0][0].upper()}{'; '.join(told)[1:]}.")
    unranked = (~np.isfinite(rank)).all(axis=1)
    idle = unranked & ((merit <= 0.0) | ((seeds == 0) & (failed > 0))).all(axis=1)
    idle &= lived > 0
    reasons = {
        "cells failed or are still to be lived": unranked & ~idle,
        "nobody yields anything": idle,
    }
    for why, points in reasons.items():
        if points.any():
            of = f"{int(points.sum())} of {len(plan.points)} points"
            words.append(f"Nobody is ranked at {of}: {why}.")
    return words


def _share(shares: Array, quantile: float) -> str:
    """A quantile over points, in per cent."""
    known = shares[np.isfinite(shares)]
    return f"{100.0 * float(np.quantile(known, quantile)):.1f}" if known.size else MISSING


def _mark(rank: float, tied: float) -> str:
    if tied == 1.0:
        return TIED
    return WINS if rank == 1.0 else " "


def _unit(plan: SweepPlan, merit: Array) -> tuple[str, float]:
    if MERIT[plan.base.objective] == "mean_sum_rate":
        return "bit/s/Hz", 1.0
    return prefix(float(np.nanmax(merit, initial=0.0)), "bit/J")
