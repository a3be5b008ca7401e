"""What a run directory recorded, read back for the report.

A comparison holds one cell for each controller and seed; a single run is one cell and is read as
a comparison of one controller over one seed. Small facts are read at once and checked; the tables
of a cell are read when a figure first asks for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.scenario import InputError
from slotwise.runs.report.merit import MERITS, Merit

__all__ = ["Cell", "Event", "Lessons", "Recording", "finite", "read_recording"]

Array = NDArray[np.float64]
Table = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run: when [s], what kind, whose (-1: nobody's), and why."""

    time_s: float
    kind: str
    user_id: int
    cause: str


@dataclass(frozen=True, slots=True)
class Lessons:
    """Lessons of one cell.

    Attributes
    ----------
    start_s, latency_s : (N,) ndarray
        When each began, and how long it took on the network's clock [s].
    gain, low, high : (N,) ndarray
        What each was worth on observations held back [1], with its 95 % interval.
    outcome : list of str
        What came of it.
    """

    start_s: Array
    latency_s: Array
    gain: Array
    low: Array
    high: Array
    outcome: list[str]

    @property
    def end_s(self) -> Array:
        """When each had been computed [s]."""
        return np.asarray(self.start_s + self.latency_s)


_LESSON = ("start_s", "latency_s", "gain", "low", "high")


@dataclass(frozen=True)
class Cell:
    """One controller over one seed.

    Attributes
    ----------
    directory : Path
        Where its files are.
    run, summary : mapping
        ``run.json`` and ``summary.json``.
    """

    directory: Path
    run: Mapping[str, Any]
    summary: Mapping[str, Any]

    @property
    def controller(self) -> str:
        """Spec of the controller."""
        return str(self.run["controller"])

    @property
    def seed(self) -> int:
        """Seed of every random stream."""
        return int(self.run["seed"])

    @cached_property
    def slots(self) -> Table:
        """Columns of every slot, (N,).

        ``time_s`` [s], ``sum_rate`` [bit/s/Hz], ``active`` [users], consumed ``energy_j`` [J], and
        what users made of their own joules, added up, ``own_efficiency`` [bit/J/Hz].
        """
        names = ("time_s", "sum_rate", "active", "energy_j", "own_efficiency")
        return _numbers(self.directory / "slots.parquet", names)

    @cached_property
    def decisions(self) -> Table:
        """``slot``, ``start_s``, ``elapsed_s`` (wall clock), ``latency_s`` (charged) [s], (N,)."""
        names = ("slot", "start_s", "elapsed_s", "latency_s")
        return _numbers(self.directory / "decisions.parquet", names)

    @cached_property
    def lessons(self) -> Lessons:
        """All lessons in the order of their times; none where the run kept no table of them."""
        path = self.directory / "lessons.parquet"
        if not path.is_file():
            return Lessons(outcome=[], **{name: np.empty(0) for name in _LESSON})
        outcome = [str(word) for word in _columns(path, ("outcome",))["outcome"].to_pylist()]
        return Lessons(outcome=outcome, **_numbers(path, _LESSON))

    @cached_property
    def users(self) -> Table:
        """``x_m``, ``y_m`` where each user joined [m] and its mean ``rate`` [bit/s/Hz], (N,).

        Without those who left at the instant they joined, as in the summary.
        """
        names = ("join_s", "leave_s", "x_m", "y_m", "rate")
        table = _numbers(self.directory / "users.parquet", names)
        stayed = (table["leave_s"] > table["join_s"]) & np.isfinite(table["rate"])
        return {name: column[stayed] for name, column in table.items()}

    @cached_property
    def events(self) -> list[Event]:
        """All events in the order of their times."""
        names = ("time_s", "kind", "user_id", "cause")
        columns = _columns(self.directory / "events.parquet", names)
        rows = zip(*(columns[name].to_pylist() for name in names), strict=True)
        found = [Event(float(t), str(k), int(u), str(c or "")) for t, k, u, c in rows]
        return sorted(found, key=lambda event: event.time_s)

    @property
    def stations(self) -> list[tuple[float, float, str]]:
        """Places of the stations: x [m], y [m] and name, ``""`` where it has none."""
        return [(float(x), float(y), str(name or "")) for x, y, name in self.run["stations"]]


@dataclass(frozen=True)
class Recording:
    """Everything that a report is made of.

    Attributes
    ----------
    directory : Path
        The comparison or the run.
    single : bool
        Whether it is a single run.
    facts : mapping
        ``compare.json`` or ``run.json``.
    controllers : tuple of str
        Specs in the order of the comparison; the first is the reference.
    seeds : tuple of int
        Seeds that should have run.
    summary : mapping of str to mapping
        Results by controller, as ``compare --json`` prints them.
    network : mapping
        Joins, leaves, blocked arrivals and handovers over all seeds.
    cells, ideal : dict of (str, int) to Cell
        Finished cells by controller and seed, as lived and with ideal timing.
    """

    directory: Path
    single: bool
    facts: Mapping[str, Any]
    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    summary: Mapping[str, Mapping[str, Any]]
    network: Mapping[str, Any]
    cells: Mapping[tuple[str, int], Cell]
    ideal: Mapping[tuple[str, int], Cell]

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The resolved scenario."""
        return dict(self.facts["scenario"])

    @property
    def timing(self) -> Mapping[str, Any]:
        """The scenario's timing; defaults where a field was left out."""
        given = {k: v for k, v in dict(self.scenario.get("timing") or {}).items() if v is not None}
        base = {"slot_s": 1e-3, "mode": "ideal", "slowdown": 1.0, "fallback": "hold"}
        base |= {"learning": "background", "learning_share": 1.0}
        timing = base | given
        return timing | {"deadline_s": timing.get("deadline_s", timing["slot_s"])}

    @property
    def merit(self) -> Merit:
        """What controllers are compared by: the network's objective."""
        return MERITS[self.scenario.get("objective", "sum-rate")]

    @property
    def slowdown(self) -> float:
        """What a measured decision's time was multiplied by before it was charged; else 1."""
        return float(self.timing["slowdown"]) if self.timing["mode"] == "measured" else 1.0

    def of(self, controller: str) -> list[Cell]:
        """Finished cells of a controller in the order of the seeds."""
        return [self.cells[controller, s] for s in self.seeds if (controller, s) in self.cells]

    def each_seed(self) -> list[Cell]:
        """One finished cell of each seed; users and events of a seed are every controller's."""
        firsts = [
            next((self.cells[c, s] for c in self.controllers if (c, s) in self.cells), None)
            for s in self.seeds
        ]
        return [cell for cell in firsts if cell is not None]

    def pooled(self, controller: str, table: str, column: str) -> Array:
        """A column of a controller's ``slots``, ``users`` or ``decisions``, all seeds together.

        Returns
        -------
        (N,) ndarray of float64
            Finite values only, in the order of the seeds.
        """
        parts = [getattr(cell, table)[column] for cell in self.of(controller)]
        values: Array = np.concatenate([np.empty(0), *parts])
        return np.asarray(values[np.isfinite(values)])

    def missed(self, controller: str) -> tuple[float, float] | None:
        """How many reports had no decision in force by the deadline, and of how many.

        None where that was not recorded or there was nothing to decide.
        """
        missed, reports = (self.value(controller, n) for n in ("missed_deadlines", "reports"))
        return (missed, reports) if missed is not None and reports else None

    @property
    def learners(self) -> list[str]:
        """Controllers that tried a lesson, in the order of the comparison."""
        return [spec for spec in self.controllers if self.learning(spec)]

    def learning(self, controller: str) -> Mapping[str, Any]:
        """What learning came to, a `slotwise.runs.learning.Learning`; empty for who did not."""
        return self.summary.get(controller, {}).get("learning") or {}

    def promise(self, controller: str) -> Mapping[str, Any]:
        """What became of a promised rate, a `slotwise.runs.merits.Kept`; empty where none was."""
        return self.summary.get(controller, {}).get("promise") or {}

    def value(self, controller: str, name: str) -> float | None:
        """A finite number of a controller's summary, or None."""
        return finite(self.summary.get(controller, {}).get(name))


def finite(value: Any) -> float | None:
    """The number that a JSON value is, or None for null, text, truth values, NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def read_recording(directory: Path) -> Recording:
    """Read a comparison directory or a single run's.

    Parameters
    ----------
    directory : Path
        Holds ``compare.json`` or ``run.json``.

    Raises
    ------
    InputError
        In one line, if the directory is neither, or if a file in it is missing or damaged.
    """
    if not directory.is_dir():
        raise InputError(f"{directory} is not a directory")
    if (directory / "compare.json").is_file():
        return _comparison(directory)
    if (directory / "run.json").is_file():
        return _single(directory)
    raise InputError(f"{directory} is not a run: it holds neither compare.json nor run.json")


def _comparison(directory: Path) -> Recording:
    path = directory / "compare.json"
    facts = _mapping(path, ("scenario", "controllers", "seeds"))
    if not (directory / "summary.json").is_file():
        raise InputError(
            f"{directory} has no summary.json: the comparison is not finished; run it again to "
            "resume it"
        )
    summary = _mapping(directory / "summary.json", ("controllers",))
    cells = _cells(directory / "cells")
    if not cells:
        raise InputError(f"{directory} holds no finished cell (cells/<controller>/seed-<n>)")
    return Recording(
        directory=directory,
        single=False,
        facts=facts,
        controllers=tuple(str(spec) for spec in facts["controllers"]),
        seeds=tuple(int(seed) for seed in facts["seeds"]),
        summary=summary["controllers"],
        network=summary.get("network") or {},
        cells=cells,
        ideal=_cells(directory / "cells-ideal"),
    )


def _single(directory: Path) -> Recording:
    cell = _cell(directory)
    return Recording(
        directory=directory,
        single=True,
        facts=cell.run,
        controllers=(cell.controller,),
        seeds=(cell.seed,),
        summary={cell.controller: cell.summary},
        network=cell.summary,
        cells={(cell.controller, cell.seed): cell},
        ideal={},
    )


def _cells(directory: Path) -> dict[tuple[str, int], Cell]:
    """Cells below a folder; the folders' names are not relied on, nor is one without a summary."""
    found = (_cell(path.parent) for path in sorted(directory.glob("*/seed-*/summary.json")))
    return {(cell.controller, cell.seed): cell for cell in found}


def _cell(directory: Path) -> Cell:
    run = _mapping(directory / "run.json", ("scenario", "controller", "seed", "stations"))
    return Cell(directory, run, _mapping(directory / "summary.json", ("mean_sum_rate",)))


def _mapping(path: Path, fields: Sequence[str]) -> dict[str, Any]:
    """A JSON object that has all the fields."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path} is not valid JSON") from None
    missing = [name for name in fields if not isinstance(value, dict) or name not in value]
    if missing:
        raise InputError(f"{path} has no field {missing[0]}")
    return dict(value)


def _numbers(path: Path, names: tuple[str, ...]) -> Table:
    return {
        name: np.asarray(column.to_numpy(), dtype=np.float64)
        for name, column in _columns(path, names).items()
    }


def _columns(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        missing = [name for name in names if name not in pq.read_schema(path).names]
        table = None if missing else pq.read_table(path, columns=list(names))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or 'damaged'}") from None
    except pa.ArrowException:
        raise InputError(f"{path} is damaged: not a Parquet file") from None
    if table is None:
        raise InputError(f"{path} has no column {missing[0]}")
    return {name: table.column(name) for name in names}
