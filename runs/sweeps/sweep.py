"""Sweeps: a plan carried out cell by cell, on this machine's cores or a cluster's.

Whatever is missing is lived, each cell is stored when it has been, and when nothing is missing the
rows are summarised and drawn. What is on disk decides what is missing, so it does not matter how
often, where or by what a sweep was stopped. Cells whose processes were killed, however often, are
missing too when the sweep is asked for again; those that failed by themselves would fail again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.scenario import InputError
from slotwise.runs.place import alone, check_writable, writing
from slotwise.runs.progress import note, progress_bar
from slotwise.runs.quiet import single_threaded, warm_up
from slotwise.runs.simulation import command_line, rehearse
from slotwise.runs.sweeps.cell import Task, live, lost
from slotwise.runs.sweeps.pace import pace_shown, spell
from slotwise.runs.sweeps.planning.plan import SweepPlan, read_plan
from slotwise.runs.sweeps.results import write_results
from slotwise.runs.sweeps.stopping import wanted
from slotwise.runs.sweeps.storage.store import Store
from slotwise.runs.sweeps.visiting import Cost, cost, in_fair_order
from slotwise.runs.workers import Lost, Workers, spread, together

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Estimate", "Swept", "estimate", "kept", "sweep"]

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Seconds = NDArray[np.float64]

_LOCAL = Workers()
_SAMPLE = 32  # cells of different networks, for an estimate
_BEGINNING = 16  # networks, each with all its controllers


class Estimate(NamedTuple):
    """What a sweep will cost.

    Attributes
    ----------
    cells, left, sampled : int
        Of the plan; of these still to be lived; of all those stored, timed for this estimate.
    workers : int
        Processes.
    cost : Cost
        Of what is left, on one worker [s].
    """

    cells: int
    left: int
    sampled: int
    workers: int
    cost: Cost


class Swept(NamedTuple):
    """What a sweep came to.

    Attributes
    ----------
    plan, hash : str
        Of what.
    cells, failed, left : int
        That are in the result; those of them that failed; how many are not in it, because only the
        failed ones were to be lived.
    error : str
        The first failure's, or empty.
    seconds : float
        That all cells took together.
    summary : pyarrow.Table
        A row for each controller at each point, see `slotwise.runs.sweeps.summary.summarise`.
    """

    plan: str
    hash: str
    cells: int
    failed: int
    left: int
    error: str
    seconds: float
    summary: pa.Table


def sweep(
    plan: SweepPlan | Mapping[str, Any] | str | Path,
    *,
    out: str | Path,
    workers: Workers = _LOCAL,
    retry_failed: bool = False,
    progress: bool = True,
) -> Swept:
    """Carry a plan out, or go on with one that was stopped.

    Parameters
    ----------
    plan : SweepPlan, mapping, str or Path
        What to live; what is no plan yet is read by `slotwise.runs.sweeps.planning.plan.read_plan`.
    out : str or Path
        Directory of the sweep: new, empty, or one of the same plan, or of an earlier one whose
        cells it shares.
    workers : Workers
        Who lives the cells. Where decisions are measured on this machine, cells are lived one at a
        time whatever it says.
    retry_failed : bool
        Live the cells that failed once more, whatever they failed of, and no others. Otherwise
        those whose processes were killed are lived once more.
    progress : bool
        Show a bar and notices on standard error.

    Returns
    -------
    Swept

    Raises
    ------
    InputError
        If the plan is wrong, ``out`` is something else or in use, or the disk refuses: finished
        cells are kept.
    """
    if not isinstance(plan, SweepPlan):
        plan = read_plan(plan)
    if retry_failed and not (Path(out) / "cells").is_dir():
        raise InputError(f"{out} holds no sweep, so no cell has failed; leave out --retry-failed")
    with _opened(plan, Path(out), progress) as store:
        if retry_failed:
            failed = store.failed()
            if progress and not failed.any():
                note(f"{_label(plan)}: no cell has failed")
            _live(plan, store, failed, workers, progress)
        else:
            missing = _missing(plan, store, again=store.lost())
            with together(_team(plan, workers)):
                while missing.any():
                    _live(plan, store, missing, workers, progress)
                    missing = _missing(plan, store)
        return _concluded(plan, store, Path(out), progress)


def estimate(
    plan: SweepPlan,
    *,
    out: str | Path,
    workers: Workers = _LOCAL,
    progress: bool = True,
) -> Estimate:
    """Live a sample of a plan's cells, and say what the whole will cost.

    The cells are spread evenly over the networks' sizes and controllers; they are kept.

    Parameters
    ----------
    plan, out, workers, progress
        As of `sweep`.

    Returns
    -------
    Estimate
        With optional stopping, of the seeds that are wanted for sure.

    Raises
    ------
    InputError
        As `sweep`, and if no cell of the sample could be timed.
    """
    with _opened(plan, Path(out), progress) as store:
        sample = _sample(plan, _missing(plan, store, again=store.lost()))
        _live(plan, store, sample, workers, progress, timed=False)
        left = int(np.count_nonzero(_missing(plan, store, again=store.lost())))
        seconds = np.full(plan.cells, np.nan)
        times = store.times()
        seconds[times["cell"].to_numpy()] = times["seconds"].to_numpy()
        took = _by_size(plan, seconds)
        count = _team(plan, workers).count(max(left, 1))
        if not left:
            return Estimate(plan.cells, 0, took.size, count, Cost(0.0, 0.0, 0.0))
        if not took.size:
            error = next(filter(None, store.rows()["error"].to_pylist()))
            raise InputError(f"{out}: no cell came to its end, so none was timed: {error}")
        return Estimate(plan.cells, left, took.size, count, cost(took, left))


def kept(plan: SweepPlan, out: Path) -> str:
    """What a sweep that was stopped has kept, in words."""
    with writing(out):
        done = int(np.count_nonzero(Store(out, plan, "").done()))
    return f"{done} of {plan.cells} cells are kept in {out}"


@contextmanager
def _opened(plan: SweepPlan, out: Path, progress: bool) -> Iterator[Store]:
    """The store of a plan, held against other processes; what has arrived is on disk at the end."""
    check_writable(out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with alone(out):
            store = Store(out, plan, command_line(), threadless=_is_measured(plan))
            if progress and (done := int(np.count_nonzero(store.done()))):
                from_earlier = f", {store.adopted} of them from an earlier plan"
                there = f"{done} of {plan.cells} cells are there"
                note(f"{_label(plan)}: {there}{from_earlier if store.adopted else ''}")
            try:
                yield store
            finally:
                store.flush()


def _missing(plan: SweepPlan, store: Store, again: Mask | None = None) -> Mask:
    """Cells that are wanted and not known, and those to be lived again."""
    unknown = ~(store.done() | store.failed())
    return wanted(plan, store.rows()) & (unknown if again is None else unknown | again)


def _concluded(plan: SweepPlan, store: Store, out: Path, progress: bool) -> Swept:
    """Make one file of the rows and write what they say."""
    plan.check_files()
    keep = wanted(plan, store.rows())
    store.compact(keep)
    rows, times = store.rows(), store.times()
    with progress_bar(f"{_label(plan)}: results", None, shown=progress):
        summary = write_results(plan, rows, times, out, command_line())
    errors = rows["error"].to_pylist()
    return Swept(
        plan=plan.name,
        hash=plan.hash,
        cells=rows.num_rows,
        failed=int(np.count_nonzero(store.failed())),
        left=int(np.count_nonzero(keep)) - rows.num_rows,
        error=next((error for error in errors if error), ""),
        seconds=float(np.nansum(np.asarray(times["seconds"], np.float64))),
        summary=summary,
    )


def _live(
    plan: SweepPlan,
    store: Store,
    mask: Mask,
    workers: Workers,
    progress: bool,
    *,
    timed: bool = True,
) -> None:
    """Live some cells, and store each as it arrives; after a fair sample, tell what is to come."""
    numbers = _in_order(plan, mask)
    if not numbers.size:
        return
    tasks = (_task(plan, int(number)) for number in numbers)
    team = _team(plan, workers)
    measured = _is_measured(plan) and team.backend == "local"
    beginning = _BEGINNING * len(plan.controllers)
    sample = beginning if timed and numbers.size > 2 * beginning else 0
    awaited = sample
    took = np.full(plan.cells, np.nan)
    with (
        _prepared(plan, numbers, team, measured),
        pace_shown(_label(plan), numbers.size, shown=progress, threadless=measured) as (pace, step),
    ):
        for index, outcome in spread(live, tasks, team):
            cell = int(numbers[index])
            row, times = lost(cell, outcome.line) if isinstance(outcome, Lost) else outcome
            if plan.folder is not None:  # an error is the same wherever the plan is
                row["error"] = row["error"].replace(f"{plan.folder}{os.sep}", "")
            store.add(row, times)
            step(bool(row["error"]))
            if index >= sample:
                continue
            # Only the first, and all of them: of many workers the quick cells come back first.
            took[cell] = np.nan if times["seconds"] is None else times["seconds"]
            awaited -= 1
            if progress and not awaited:
                _foretell(plan, _by_size(plan, took), numbers.size - pace.done, team)
    store.flush()


def _foretell(plan: SweepPlan, took: Seconds, left: int, workers: Workers) -> None:
    """Tell of what is to come, from what a fair sample took."""
    if took.size and left:
        words = spell(cost(took, left), workers.count(left))
        note(f"{_label(plan)}: {left} more cells, {words}")


@contextmanager
def _prepared(
    plan: SweepPlan, numbers: Numbers, workers: Workers, measured: bool
) -> Iterator[None]:
    """Compile what will be needed, once; and where decisions are measured here, make it quiet.

    What cannot be prepared fails again in its own cell, where it is recorded.
    """
    if workers.backend != "local":
        yield
        return
    scenario = plan.scenario(plan.cell(int(numbers[0])).point)
    for spec in plan.specs:
        with suppress(Exception):
            if measured:
                warm_up(scenario, spec)
            else:
                rehearse(spec, scenario, plan.seeds[0])
    with single_threaded() if measured else nullcontext():
        yield


def _is_measured(plan: SweepPlan) -> bool:
    """Whether decisions are timed in any of the cells."""
    if "timing.mode" not in plan.varied:
        return plan.base.timing.mode == "measured"
    column = plan.varied.index("timing.mode")
    return any(point[column] == "measured" for point in plan.points)


def _team(plan: SweepPlan, workers: Workers) -> Workers:
    """Who lives the cells: one at a time where decisions are measured here."""
    local = workers.backend == "local"
    return Workers("local", 1) if local and _is_measured(plan) else workers


def _task(plan: SweepPlan, number: int) -> Task:
    cell = plan.cell(number)
    spec = plan.specs[plan.controllers.index(cell.controller)]
    return Task(number, plan.scenario(cell.point), spec, cell.seed, plan.length(cell.point))


def _in_order(plan: SweepPlan, mask: Mask) -> Numbers:
    """Cells of a mask as they are visited: networks in fair order, each with its controllers."""
    controllers = len(plan.controllers)
    networks = np.repeat(plan.sizes, len(plan.seeds))
    numbers = in_fair_order(networks)[:, None] * controllers + np.arange(controllers)
    ordered = numbers.ravel()
    return np.asarray(ordered[mask[ordered]], np.int64)


def _by_size(plan: SweepPlan, seconds: Seconds) -> Seconds:
    """Times of cells sorted by the size of their networks, without those that have none."""
    per_network = len(plan.seeds) * len(plan.controllers)
    order = np.argsort(np.repeat(plan.sizes, per_network), kind="stable")
    return seconds[order][np.isfinite(seconds[order])]


def _sample(plan: SweepPlan, missing: Mask) -> Mask:
    """Cells of networks of all sizes, each of another controller than that of the next in size.

    The controllers do not take turns in the order of visiting: there every other network is one of
    the larger half, and one of two controllers would be met in large networks only.
    """
    controllers = len(plan.controllers)
    chosen = np.zeros_like(missing)
    visited = dict.fromkeys((_in_order(plan, missing) // controllers).tolist())
    networks = np.asarray(list(visited)[:_SAMPLE], np.int64)
    by_size = np.argsort(plan.sizes[networks // len(plan.seeds)], kind="stable")
    for turn, network in enumerate(networks[by_size].tolist()):
        cells = network * controllers + (np.arange(controllers) + turn) % controllers
        chosen[cells[missing[cells]][0]] = True
    return chosen


def _label(plan: SweepPlan) -> str:
    return f"sweep {plan.name}"
