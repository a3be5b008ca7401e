"""Cells: the lives that a comparison is made of, one controller in one network each.

A cell is planned, lived once, and from then on only read. It reaches the disk whole or not at all,
so whatever ends a comparison (Ctrl-C, a kill, a power cut, a full disk) costs the cells that were
being lived and no other. Lives that measure no time fill the machine's cores; lives that do are
lived one after another in a quiet process.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slotwise.emulator.scenario import InputError, Scenario
from slotwise.runs.directory import is_run, read_json, write_run
from slotwise.runs.place import refusal
from slotwise.runs.progress import Board, Stopped, beyond, progress_bar
from slotwise.runs.quiet import quiet
from slotwise.runs.simulation import simulate
from slotwise.runs.workers import Lost, Workers, spread

__all__ = ["Cell", "CellError", "Failure", "live_in_parallel", "live_in_quiet"]


class CellError(RuntimeError):
    """Some cells of a comparison could not be lived; the others are kept."""


@dataclass(frozen=True)
class Cell:
    """One controller in one network.

    Attributes
    ----------
    scenario : Scenario
        The network.
    controller : str
        Canonical spec of who decides.
    seed, slots : int
        Which network, and for how long.
    directory : Path
        Where the life is kept.
    command : str
        The command that asked for it, for the record.
    """

    scenario: Scenario
    controller: str
    seed: int
    slots: int
    directory: Path
    command: str = ""

    def is_complete(self) -> bool:
        """Whether this very life has been lived and kept."""
        if not is_run(self.directory):
            return False
        try:
            run = read_json(self.directory / "run.json")
        except InputError:
            return False
        return (
            run.get("scenario") == self.scenario.model_dump(mode="json")
            and run.get("controller") == self.controller
            and run.get("seed") == self.seed
            and run.get("slots") == self.slots
        )

    def live(self, progress: Callable[[int], None] | None = None) -> None:
        """Live it and keep it, in place of what is left of a damaged one."""
        _clear_remains(self.directory)
        life = simulate(
            self.scenario, self.controller, slots=self.slots, seed=self.seed, progress=progress
        )
        write_run(replace(life, info={**life.info, "command": self.command}), self.directory)


def _clear_remains(directory: Path) -> None:
    """Remove a cell that has lost a file, but never what cells do not consist of."""
    if not directory.is_dir() or is_run(directory):
        return
    if all(path.suffix in (".json", ".parquet") for path in directory.iterdir()):
        shutil.rmtree(directory)


@dataclass(frozen=True)
class Failure:
    """Why a cell could not be lived, as it travels from the process where it happened.

    Attributes
    ----------
    cell : Cell
        Which one.
    line : str
        The error in one line.
    trace : str
        Its traceback.
    hopeless : bool
        Whether every other cell would fail like it: a full disk, a missing file.
    """

    cell: Cell
    line: str
    trace: str
    hopeless: bool


def live_in_quiet(cells: Sequence[Cell], label: str, *, shown: bool) -> None:
    """Live cells one after another in this process, with nothing of ours beside them.

    Where decisions are measured, every controller has been warmed up and libraries run one thread.

    Raises
    ------
    CellError
        After the last cell, if some failed.
    InputError
        At once, if no other cell could fare better.
    """
    failures: list[Failure] = []
    total = sum(cell.slots for cell in cells)
    before = 0
    scenario, specs = cells[0].scenario, list(dict.fromkeys(cell.controller for cell in cells))
    with (
        quiet(scenario, specs),
        progress_bar(label, total, shown=shown, threadless=True) as done,
    ):
        for cell in cells:
            failure = _attempt(cell, beyond(done, before))
            if failure is not None:
                failures.append(failure)
                if failure.hopeless:
                    break
            before += cell.slots
            done(before)
    _raise_for(failures, len(cells))


def live_in_parallel(cells: Sequence[Cell], label: str, *, jobs: int | None, shown: bool) -> None:
    """Live cells in several processes, each with one thread.

    Raises
    ------
    CellError
        After the last cell, if some failed, or killed their processes every time.
    InputError
        At once, if no other cell could fare better.
    """
    workers = Workers(jobs=jobs)
    if workers.count(len(cells)) == 1:
        live_in_quiet(cells, label, shown=shown)
        return
    failures: list[Failure] = []
    total = sum(cell.slots for cell in cells)
    with Board(len(cells)) as board, progress_bar(label, total, shown=shown, poll=board.total):
        tasks = [(cell, board.path, number) for number, cell in enumerate(cells)]
        for number, outcome in spread(_in_worker, tasks, workers):
            if isinstance(outcome, Lost):
                failures.append(Failure(cells[number], outcome.line, "", hopeless=False))
            elif outcome is not None:
                failures.append(outcome)
                if outcome.hopeless:
                    board.stop()
    _raise_for(failures, len(cells))


def _in_worker(task: tuple[Cell, str, int]) -> Failure | None:
    """Live a cell in a process of its own; whoever asked for it is told how far it is."""
    cell, board, number = task
    write = Board.writer(board, number)
    try:
        write(0)
        failure = _attempt(cell, write)
        write(cell.slots)
    except Stopped:
        return None
    return failure


def _attempt(cell: Cell, progress: Callable[[int], None]) -> Failure | None:
    """Live a cell; whatever else goes wrong comes back as a value."""
    try:
        cell.live(progress)
    except Stopped:
        raise
    except InputError as error:
        return Failure(cell, str(error), traceback.format_exc(), hopeless=True)
    except Exception as error:  # noqa: BLE001 - the other cells go on; it is told at the end
        known = refusal(error, cell.directory) if isinstance(error, OSError) else None
        line = _line(error) if known is None else str(known)
        return Failure(cell, line, traceback.format_exc(), hopeless=known is not None)
    return None


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _raise_for(failures: Sequence[Failure], cells: int) -> None:
    """Tell of the first failure; its traceback travels as the cause."""
    for failure in failures:
        if failure.hopeless:
            raise InputError(failure.line)
    if not failures:
        return
    first = failures[0]
    raise CellError(
        f"{len(failures)} of {cells} cells failed, the first being {first.cell.controller} with "
        f"seed {first.cell.seed}: {first.line}; finished cells are kept, and the same command "
        "tries the others again"
    ) from RuntimeError(f"in the cell's own process:\n{first.trace}")
