"""What the rows of a sweep come to: one row for each controller at each point.

Ratios are of means over seeds, with paired intervals. ``relative`` is to the plan's first
controller; ``of_best``, ``rank``, ``tied`` and ``lead`` are the standings of
`slotwise.runs.sweeps.contest`, so that who ranks higher is ahead in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.sweeps.contest import contest
from slotwise.runs.sweeps.outcomes import column, outcomes
from slotwise.runs.sweeps.paired import ratio_of_means
from slotwise.runs.sweeps.stopping import seeds_wanted

if TYPE_CHECKING:
    import pyarrow as pa

    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["matrix", "summarise"]

Array = NDArray[np.float64]


def summarise(plan: SweepPlan, rows: pa.Table, times: pa.Table) -> pa.Table:
    """Summarise the rows of a sweep, complete or not.

    Parameters
    ----------
    plan : SweepPlan
        Whose.
    rows, times : pyarrow.Table
        As of `slotwise.runs.sweeps.storage.store.Store`. Seeds that the plan's stopping does not
        want are left out.

    Returns
    -------
    pyarrow.Table
        Sorted by point and controller, in the plan's order: ``point``, the varied fields,
        ``controller``, ``seeds`` and ``failed`` [count], ``merit`` and its standard deviation
        ``merit_std`` over seeds, ``relative`` [1] with ``relative_low`` and ``relative_high``,
        ``of_best`` likewise, ``rank`` (1: the winner), ``tied`` with the winner, ``lead`` of the
        winner over the runner-up [1] likewise, ``missed_share`` of the deadlines [1], ``faults``
        [count], median over seeds of ``latency_p50_s`` [s], ``seconds`` altogether [s]. Null where
        something is undefined: bounds with one seed, ``tied`` with one network, standings of who
        is not ranked.
    """
    import pyarrow as pa

    every = outcomes(plan, rows)
    seeds = seeds_wanted(plan, every)
    outcome = every.within(seeds)
    merit, standings = outcome.merit, contest(outcome)
    there = np.isfinite(merit)
    unwanted = (np.arange(merit.shape[1]) >= seeds[:, None])[..., None]

    def over(table: pa.Table, name: str) -> Array:
        return np.where(unwanted, np.nan, column(plan, table, name))

    relative = ratio_of_means(merit, merit[..., :1])
    ranked, first = standings.rank > 0, standings.rank == 1
    single = ~ranked | (standings.networks < 2)[:, None]
    lead = (np.where(first, each[:, None], np.nan) for each in standings.lead())
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(there, merit, 0.0).sum(axis=1) / there.sum(axis=1)
        square = np.where(there, (merit - mean[:, None]) ** 2, 0.0).sum(axis=1)
        spread = np.sqrt(square / (there.sum(axis=1) - 1))
        missed = np.nansum(over(rows, "missed_deadlines"), axis=1)
        missed_share = missed / np.nansum(over(rows, "reports"), axis=1)
    numbers = {
        "merit": mean,
        "merit_std": spread,
        **_named("relative", relative),
        **_named("of_best", standings.of_best),
        **_named("lead", lead),
        "missed_share": missed_share,
        "latency_p50_s": _median(over(times, "latency_p50_s")),
        "seconds": np.nansum(over(times, "seconds"), axis=1),
    }
    counts = {
        "seeds": there.sum(axis=1),
        "failed": outcome.failed.sum(axis=1),
        "faults": np.nansum(over(rows, "faults"), axis=1).astype(np.int64),
    }
    columns = {name: _nullable(values) for name, values in numbers.items()}
    columns |= {name: pa.array(values.ravel(), pa.int64()) for name, values in counts.items()}
    columns["rank"] = pa.array(standings.rank.ravel(), pa.int64(), mask=~ranked.ravel())
    columns["tied"] = pa.array(standings.tied.ravel(), pa.bool_(), mask=single.ravel())
    names = ("seeds", "failed", *numbers, "faults", "rank", "tied")
    return pa.table(_keys(plan) | {name: columns[name] for name in names})


def _named(name: str, bounds: Iterable[Array]) -> dict[str, Array]:
    """An estimate with its bounds as columns."""
    ends = ("", "_low", "_high")
    return {f"{name}{end}": each for end, each in zip(ends, bounds, strict=True)}


def _keys(plan: SweepPlan) -> dict[str, pa.Array]:
    """What says which point and controller a row is of."""
    import pyarrow as pa

    points, controllers = len(plan.points), len(plan.controllers)
    number = np.repeat(np.arange(points), controllers)
    columns = {"point": pa.array(number, pa.int64())}
    for place, field in enumerate(plan.varied):
        values = [point[place] for point in plan.points]
        columns[field] = pa.array(values).take(pa.array(number))
    return columns | {"controller": pa.array(list(plan.controllers) * points, pa.string())}


def _nullable(values: Array) -> pa.Array:
    import pyarrow as pa

    flat = values.ravel()
    return pa.array(flat, pa.float64(), mask=~np.isfinite(flat))


def _median(values: Array) -> Array:
    """Median over the seeds that are there, NaN without any."""
    there = np.isfinite(values)
    ordered = np.sort(np.where(there, values, np.inf), axis=1)
    count = there.sum(axis=1)
    low, high = (
        np.take_along_axis(ordered, np.maximum(at, 0)[:, None], axis=1)[:, 0]
        for at in ((count - 1) // 2, count // 2)
    )
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, (low + high) / 2.0, np.nan)


def matrix(plan: SweepPlan, summary: pa.Table, name: str) -> Array:
    """A column of a summary as an array.

    Parameters
    ----------
    plan : SweepPlan
        Whose summary it is.
    summary : pyarrow.Table
        As `summarise` gives it.
    name : str
        Of a column of numbers or truths.

    Returns
    -------
    ndarray, shape (points, controllers), float64
        NaN where it is null.
    """
    values = summary[name].cast("float64").to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64).reshape(len(plan.points), len(plan.controllers))
