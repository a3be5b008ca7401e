"""Units computed ahead by several processes, each kept where the study looks for it.

Times are not measured ahead: they are no times where other processes of ours run beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from slotwise.emulator.scenario import InputError
from slotwise.runs.directory import finite, read_json, write_json
from slotwise.runs.progress import Board, progress_bar
from slotwise.runs.studies.part import Result, Unit
from slotwise.runs.studies.study import Study, choose, run
from slotwise.runs.workers import Lost, Workers, spread

__all__ = ["UnitError", "compute_ahead"]


class UnitError(RuntimeError):
    """Some units of a study could not be computed; the others are kept."""


def compute_ahead(study: Study, names: Sequence[str], out: Path, workers: Workers) -> None:
    """Compute what a study's directory does not hold yet; the study then finds it there.

    Each worker has one thread, so that results do not depend on how many there are.

    Parameters
    ----------
    study : Study
        What will be run.
    names : sequence of str
        Of its parts; none: all.
    out : Path
        The directory. Workers on other machines need it under the same path if units of the study
        share trained networks.
    workers : Workers
        Who computes.

    Raises
    ------
    InputError
        If the directory holds something else.
    UnitError
        After the last unit, if some killed their processes.
    """
    parts = choose(study.parts, names)
    every = {unit.file_name: unit for part in parts for unit in part.units if not unit.timed}
    for _ in run(replace(study, parts=()), out):  # makes the directory, or refuses it
        pass
    identities = {name: finite(dict(unit.identity())) for name, unit in every.items()}
    places = {name: out / "units" / name for name in every}
    missing = [name for name in every if not _is_kept(places[name], identities[name])]
    if not missing:
        return
    units = [every[name] for name in missing]
    lost: list[str] = []
    with _followed(units, workers) as (board, told):
        tasks = ((unit, board, number) for number, unit in enumerate(units))
        for number, result in spread(_compute, tasks, workers):
            name = missing[number]
            if isinstance(result, Lost):
                lost.append(f"{name}: {result.line}")
                continue
            places[name].parent.mkdir(parents=True, exist_ok=True)
            write_json(places[name], {"identity": identities[name], "result": result})
            told(number)
    if lost:
        raise UnitError(f"{len(lost)} of {len(units)} units failed, the first being {lost[0]}")


@contextmanager
def _followed(
    units: Sequence[Unit], workers: Workers
) -> Iterator[tuple[str | None, Callable[[int], None]]]:
    """A bar that follows the work step by step on this machine, unit by unit on a cluster."""
    total, done = sum(unit.steps for unit in units), 0
    if workers.backend == "local":
        with Board(len(units)) as board, progress_bar("ahead", total, poll=board.total):
            yield board.path, lambda _: None
        return
    with progress_bar("ahead", total) as bar:

        def told(number: int) -> None:
            nonlocal done
            done += units[number].steps
            bar(done)

        yield None, told


def _is_kept(place: Path, identity: object) -> bool:
    if not place.exists():
        return False
    try:
        return bool(read_json(place).get("identity") == identity)
    except InputError:
        return False


def _compute(task: tuple[Unit, str | None, int]) -> Result:
    unit, board, number = task
    told = (lambda _: None) if board is None else Board.writer(board, number)
    result: Result = finite(dict(unit.compute(told)))
    return result
