"""What decides the result of a sweep: a plan that has been read and checked.

A point is one choice of the varied fields' values, a cell one controller in one network of a
point. Under one seed everybody meets the same networks, at every point.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.scenario import InputError, Scenario, anchored, changed
from slotwise.runs.comparison import own_slots
from slotwise.runs.sweeps.planning.fields import WORDS, Value, in_order
from slotwise.runs.sweeps.planning.files import (
    PATHS,
    data_of,
    digest,
    names_files,
    spelled_paths,
    weights_of,
    with_folder,
)
from slotwise.runs.sweeps.planning.plan_file import Drawing, Stopping
from slotwise.runs.sweeps.planning.points import spelled

__all__ = ["Cell", "SweepPlan"]

_RECENT: Final = 32
_OVERHEAD: Final = 10.0  # users whose gains cost as much as whatever else a slot does


class Cell(NamedTuple):
    """One controller in one network of one point.

    Attributes
    ----------
    number, point : int
        Of the cell and of its point in the plan.
    seed : int
        Which network.
    controller : str
        Spec of who decides, as the plan has it; `SweepPlan.specs` has what a worker needs.
    """

    number: int
    point: int
    seed: int
    controller: str


@dataclass(frozen=True)
class SweepPlan:
    """What decides the result of a sweep.

    Attributes
    ----------
    name, title : str
        What to call it, and one line that may be empty.
    base : Scenario
        With what the plan sets, and nothing varied; of a plan that varies the scenario, the first.
        Its objective says by which figure controllers are judged.
    controllers : tuple of str
        Canonical specs, with files as the user named them; the first is the reference.
    seeds : tuple of int
        All that may be used.
    slots : int or None
        How long each network lives; None: as long as each point's scenario says, see
        `slotwise.runs.comparison.own_slots`.
    varied : tuple of str
        Dotted names, or the words ``scenario`` and ``slots``.
    points : tuple of tuple
        A value for each varied field; values of a field are of one type, and files are as the
        user named them.
    stopping : Stopping or None
        When a point needs no more seeds; None: it has all.
    drawing : Drawing or None
        Which fields a map is drawn over.
    scenarios : tuple of (str, Scenario)
        Where the scenario varies: what each value stands for, with what the plan sets.
    folder : Path or None
        Where relative paths start; None: they stay as they are.
    """

    name: str
    title: str
    base: Scenario
    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    slots: int | None
    varied: tuple[str, ...]
    points: tuple[tuple[Value, ...], ...]
    stopping: Stopping | None = None
    drawing: Drawing | None = None
    scenarios: tuple[tuple[str, Scenario], ...] = ()
    folder: Path | None = field(default=None, compare=False)
    _recent: dict[int, Scenario] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def hash(self) -> str:
        """16 hex digits of all that decides results; neither name nor title nor drawing does."""
        facts = self.resolved()
        for name in ("name", "title", "drawing"):
            del facts[name]
        facts["version"] = metadata.version("slotwise")
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def files(self) -> dict[str, str]:
        """SHA-256 of all files that cells depend on, by what the plan calls them; as first seen.

        Raises
        ------
        InputError
            If one cannot be read; never of a plan that was read.
        """
        return self._digests()

    def check_files(self) -> None:
        """See that no file has changed since the plan was read.

        Raises
        ------
        InputError
            If one has: cells may have met either.
        """
        now = self._digests()
        for name, before in self.files.items():
            if now.get(name) != before:
                raise InputError(
                    f"{name} has changed while cells were lived, and nobody knows which of them "
                    "have met it; begin again in another directory"
                )

    def _digests(self) -> dict[str, str]:
        places: dict[str, Path] = {}
        for spec in self.controllers:
            places |= weights_of(spec, self.folder)
        for point in self._points_that_differ_in_files():
            places |= data_of(self.scenario(point), self.folder)
        digests = {file: digest(file) for file in set(places.values())}
        return {name: digests[places[name]] for name in sorted(places)}

    @cached_property
    def specs(self) -> tuple[str, ...]:
        """Specs of the controllers with whole paths, for workers in whatever directory."""
        if self.folder is None:
            return self.controllers
        return tuple(with_folder(spec, self.folder, self.files) for spec in self.controllers)

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """What a network of each point will cost, roughly: gains of all pairs in all slots.

        Of shape [points], in a unit of its own; read only.
        """
        facts = [
            (self.scenario(point).population.initial_users, self.length(point))
            for point in range(len(self.points))
        ]
        users, slots = np.asarray(facts, np.float64).T
        sizes: NDArray[np.float64] = slots * (users + _OVERHEAD) ** 2
        sizes.flags.writeable = False
        return sizes

    @property
    def cells(self) -> int:
        """How many there are: points x seeds x controllers."""
        return len(self.points) * len(self.seeds) * len(self.controllers)

    def cell(self, number: int) -> Cell:
        """A cell by its number; points are slowest, then seeds, then controllers.

        Raises
        ------
        IndexError
            If the plan has no such cell.
        """
        if not 0 <= number < self.cells:
            raise IndexError(f"cell {number}: the plan has {self.cells}")
        network, controller = divmod(number, len(self.controllers))
        point, seed = divmod(network, len(self.seeds))
        return Cell(number, point, self.seeds[seed], self.controllers[controller])

    def scenario(self, point: int) -> Scenario:
        """Scenario of a point; those asked for last are kept.

        Raises
        ------
        InputError
            If the values do not make a scenario; never of a plan that was read.
        IndexError
            If the plan has no such point.
        """
        if not 0 <= point < len(self.points):
            raise IndexError(f"point {point}: the plan has {len(self.points)}")
        found = self._recent.get(point)
        if found is None:
            found = self._made(point)
            for old in list(self._recent)[: 1 - _RECENT]:
                self._recent.pop(old, None)  # another thread may have been quicker
            self._recent[point] = found
        return found

    def length(self, point: int) -> int:
        """Slots that networks of a point live."""
        if "slots" in self.varied:
            return int(self.points[point][self.varied.index("slots")])
        return own_slots(self.scenario(point)) if self.slots is None else self.slots

    def resolved(self) -> dict[str, Any]:
        """The plan as JSON has it; ``files`` only where it names some."""

        def told(scenario: Scenario) -> Any:
            return spelled_paths(scenario.model_dump(mode="json"), self.folder)

        facts = {
            "name": self.name,
            "title": self.title,
            "base": told(self.base),
            "controllers": list(self.controllers),
            "seeds": list(self.seeds),
            "slots": self.slots,
            "varied": list(self.varied),
            "points": [list(point) for point in self.points],
            "stopping": None if self.stopping is None else self.stopping._asdict(),
            "drawing": None if self.drawing is None else self.drawing._asdict(),
            "scenarios": {value: told(scenario) for value, scenario in self.scenarios},
        }
        return facts | ({"files": self.files} if self.files else {})

    def _points_that_differ_in_files(self) -> list[int]:
        """One point for each choice of what says which files a scenario has."""
        last = [name.rpartition(".")[2] for name in self.varied]
        bases = dict(self.scenarios).values() or [self.base]
        if not any(name in PATHS for name in last) and not any(map(names_files, bases)):
            return []
        columns = [
            at for at, name in enumerate(last) if name in (*PATHS, "scenario", "kind", "fading")
        ]
        found: dict[tuple[Value, ...], int] = {}
        for point, values in enumerate(self.points):
            found.setdefault(tuple(values[at] for at in columns), point)
        return list(found.values())

    def _made(self, point: int) -> Scenario:
        values = dict(zip(self.varied, self.points[point], strict=True))
        base = dict(self.scenarios)[str(values["scenario"])] if self.scenarios else self.base
        fields = in_order([name for name in values if name not in WORDS])
        if not fields:
            return base
        where = f"point {point} ({spelled(self.varied, self.points[point])})"
        placed = {
            name: anchored(values[name], self.folder, name.rpartition(".")[2]) for name in fields
        }
        return changed(base, placed, where)
