"""Comparisons: several controllers in the same networks.

A comparison is a table of cells, controllers by seeds. Everybody meets the same users and the same
channels under one seed, so results are paired. A comparison is planned on disk first, then its
missing cells are lived, and when none is missing the results are pooled and reported. Asked for
again it goes on where it stopped; asked for with more seeds or controllers it grows; asked for with
anything else it refuses, and says what differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slotwise.controllers.aimed import Aimed
from slotwise.controllers.registry import make
from slotwise.emulator.objective import Objective
from slotwise.emulator.scenario import InputError, Scenario, load
from slotwise.runs.cells import live_in_parallel, live_in_quiet
from slotwise.runs.directory import write_json
from slotwise.runs.place import alone, writing
from slotwise.runs.plan import Plan, Table, check_place
from slotwise.runs.pooled import Comparison, fault_words, pool, was_abandoned
from slotwise.runs.progress import note, progress_bar
from slotwise.runs.room import check_room, trained_elsewhere
from slotwise.runs.simulation import rehearse

__all__ = ["Comparison", "compare", "kept", "own_slots"]

_DEFAULT_SLOTS = 1000


def compare(
    scenario: Scenario | str | Path,
    controllers: Sequence[str],
    *,
    out: str | Path,
    slots: int | None = None,
    seeds: int | Sequence[int] = 5,
    jobs: int | None = None,
    report: bool = True,
    progress: bool = True,
) -> Comparison:
    """Compare controllers in the same networks, or go on with a comparison that was stopped.

    Parameters
    ----------
    scenario : Scenario, str or Path
        The network; a built-in name or a path is loaded.
    controllers : sequence of str
        Specs; the first is the reference of ``relative``.
    out : str or Path
        Directory of the comparison: new, empty, or one of the same comparison.
    slots : int, optional
        How long each network lives; left out: `own_slots`.
    seeds : int or sequence of int
        Networks: so many seeds from 0 upwards, or these.
    jobs : int, optional
        Processes; left out: one for each core. Cells with ``timing.mode = measured`` are lived
        one at a time whatever it says, each controller warmed up first. Wherever decisions take
        time, every cell has a twin in which they do not, unless one had to be abandoned.
    report : bool
        Make ``report.html`` and the figures at the end.
    progress : bool
        Show a bar and notices on standard error.

    Returns
    -------
    Comparison
        As in ``summary.json``, keyed by canonical specs (options sorted, defaults dropped).

    Raises
    ------
    InputError
        If something is wrong with what was asked, or ``out`` is another comparison, something
        else, or in use by another process: then nothing has been written. Or if the disk is full
        or cannot be written: then finished cells are kept.
    CellError
        If cells failed for another reason; the others are kept, and asking again tries once more.
    """
    network = scenario if isinstance(scenario, Scenario) else load(scenario)
    plan = Plan.checked(
        network,
        controllers,
        range(seeds) if isinstance(seeds, int) else seeds,
        own_slots(network) if slots is None else slots,
    )
    _check_served(plan, progress)
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs = {jobs}: must be at least 1")
    directory = Path(out)
    check_place(directory, plan.facts())
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with alone(directory):
            result = _carry_out(plan, directory, jobs, progress)
            if report:
                from slotwise.runs.report import write_report

                with progress_bar("report", None, shown=progress):
                    write_report(directory)
    return result


def _check_served(plan: Plan, progress: bool) -> None:
    """Refuse before anything is lived who does not serve what the network is for, or so many.

    Who was trained in another layout is told of.

    Raises
    ------
    InputError
        Naming the controller, the objective or the number of users, and what it serves.
    """
    objective = Objective.of(plan.scenario)
    for spec in plan.controllers:
        controller = make(spec)
        if isinstance(controller, Aimed):
            controller.serve(objective)
        check_room(spec, controller, plan.scenario)
        if progress and (words := trained_elsewhere(controller, plan.scenario)):
            note(f"{spec}: {words}")


def _carry_out(plan: Plan, directory: Path, jobs: int | None, progress: bool) -> Comparison:
    """Live what is missing and pool it; the directory says at any moment how far that is."""
    facts = check_place(directory, plan.facts())
    if not facts["complete"]:
        write_json(directory / "compare.json", facts)
    cells = plan.cells(directory / "cells")
    if plan.scenario.timing.mode != "measured":
        # What is compiled on first use is compiled here, and not by all workers at the same time.
        for spec in plan.controllers:
            rehearse(spec, plan.scenario, plan.seeds[0])
    _live(cells, plan.label, jobs, progress)
    ideal = None
    if plan.scenario.timing.mode != "ideal":
        # Without a clock nothing ends a decision that does not end by itself.
        ideal = {
            spec: twins
            for spec, twins in plan.ideal().cells(directory / "cells-ideal").items()
            if not any(was_abandoned(cell) for cell in cells[spec])
        }
        _live(ideal, f"{plan.label}, never late", jobs, progress)
    result = pool(cells, ideal)
    write_json(directory / "summary.json", result)
    write_json(directory / "compare.json", facts | {"complete": True})
    for spec, figures in result["controllers"].items() if progress else ():
        if figures["faults"]:
            for line in fault_words(cells[spec], figures["decisions"]):
                note(f"{spec}: {line}")
    return result


def own_slots(scenario: Scenario) -> int:
    """Slots of a scenario that says how long it lasts (hours, episodes, visits); 1000 otherwise."""
    profile = scenario.population.profile
    leaves = [visit.leave_s for visit in scenario.population.trace]
    if profile is not None:
        length_s = profile.sample_s * len(profile.hours)
    elif scenario.episodes:
        length_s = sum(episode.duration_s for episode in scenario.episodes)
    elif leaves and all(leave_s is not None for leave_s in leaves):
        length_s = max(leave_s for leave_s in leaves if leave_s is not None)
    else:
        return _DEFAULT_SLOTS
    return max(1, round(length_s / scenario.timing.slot_s))


def kept(directory: Path) -> str:
    """What a comparison that was stopped has kept, in words."""
    done = len(list(directory.glob("cells*/*/seed-*/run.json")))
    return f"{done} finished {'cell is' if done == 1 else 'cells are'} kept in {directory}"


def _live(table: Table, label: str, jobs: int | None, progress: bool) -> None:
    """Live the cells that are missing, network by network, so that pairs are near in time."""
    every = [cell for pair in zip(*table.values(), strict=True) for cell in pair]
    missing = [cell for cell in every if not cell.is_complete()]
    if not missing:
        return
    if progress and len(missing) < len(every):
        note(f"{label}: {len(every) - len(missing)} of {len(every)} cells are there already")
    if missing[0].scenario.timing.mode == "measured":
        live_in_quiet(missing, label, shown=progress)
    else:
        live_in_parallel(missing, label, jobs=jobs, shown=progress)
