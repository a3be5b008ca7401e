"""Plans of sweeps: which fields of a scenario vary, who decides, and in which networks.

A point is one choice of the varied fields' values, a cell one controller in one network of a
point. Under one seed everybody meets the same networks, at every point. A plan is checked as a
whole before anything is lived, every point of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

from slotwise.emulator.scenario import (
    InputError,
    Scenario,
    anchored,
    assignment,
    builtin,
    changed,
    load,
    nearest,
)
from slotwise.runs.comparison import own_slots
from slotwise.runs.plan import check_controllers, check_seeds
from slotwise.runs.sweep.fields import WORDS, Value, check_field, flatten, in_order
from slotwise.runs.sweep.plan_file import (
    Drawing,
    PlanFile,
    Source,
    Stopping,
    builtin_plans,
    find_plan,
    saying,
)
from slotwise.runs.sweep.points import Block, combined, drawn, grid, listed, spelled

__all__ = ["Cell", "Drawing", "Stopping", "SweepPlan", "Value", "builtin_plans", "read_plan"]

_RECENT: Final = 32
_BLOCKS: Final[Mapping[str, Callable[[Any], Block]]] = {
    "grid": grid,
    "list": listed,
    "random": drawn,
}


class Cell(NamedTuple):
    """One controller in one network of one point.

    Attributes
    ----------
    number, point : int
        Of the cell and of its point in the plan.
    seed : int
        Which network.
    controller : str
        Canonical spec of who decides.
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
        Its objective says by which figure controllers are judged, whatever varies.
    controllers : tuple of str
        Canonical specs; the first is the reference.
    seeds : tuple of int
        All that may be used.
    slots : int or None
        How long each network lives; None: as long as each point's scenario says, see
        `slotwise.runs.comparison.own_slots`.
    varied : tuple of str
        Dotted names, or the words ``scenario`` and ``slots``.
    points : tuple of tuple
        A value for each varied field; values of a field are of one type.
    stopping : Stopping or None
        When a point needs no more seeds; None: it has all.
    drawing : Drawing or None
        Which fields a map is drawn over.
    scenarios : tuple of (str, Scenario)
        Where the scenario varies: what each value stands for, with what the plan sets.
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
    _recent: dict[int, Scenario] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def hash(self) -> str:
        """16 hex digits of all that decides results; neither name nor title nor drawing does."""
        facts = self.resolved()
        for name in ("name", "title", "drawing"):
            del facts[name]
        return _digest(facts)

    @cached_property
    def base_hash(self) -> str:
        """The same of what cells of a point, seed and controller depend on besides these.

        Plans that agree in it, such as one and a larger one, share the rows of equal cells.
        """
        facts = self.resolved()
        return _digest({name: facts[name] for name in ("base", "slots", "varied", "scenarios")})

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
            while len(self._recent) >= _RECENT:
                self._recent.pop(next(iter(self._recent)), None)
            self._recent[point] = found
        return found

    def length(self, point: int) -> int:
        """Slots that networks of a point live."""
        if "slots" in self.varied:
            return int(self.points[point][self.varied.index("slots")])
        return own_slots(self.scenario(point)) if self.slots is None else self.slots

    def resolved(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {
            "name": self.name,
            "title": self.title,
            "base": self.base.model_dump(mode="json"),
            "controllers": list(self.controllers),
            "seeds": list(self.seeds),
            "slots": self.slots,
            "varied": list(self.varied),
            "points": [list(point) for point in self.points],
            "stopping": None if self.stopping is None else self.stopping._asdict(),
            "drawing": None if self.drawing is None else self.drawing._asdict(),
            "scenarios": {
                value: scenario.model_dump(mode="json") for value, scenario in self.scenarios
            },
        }

    def _made(self, point: int) -> Scenario:
        values = dict(zip(self.varied, self.points[point], strict=True))
        base = dict(self.scenarios)[str(values["scenario"])] if self.scenarios else self.base
        fields = in_order([name for name in values if name not in WORDS])
        if not fields:
            return base
        where = f"point {point} ({spelled(self.varied, self.points[point])})"
        return changed(base, {name: values[name] for name in fields}, where)


def read_plan(plan: str | Path, overrides: Sequence[str] = (), first_seed: int = 0) -> SweepPlan:
    """Read a plan by built-in name or from a TOML file, and check every point of it.

    Parameters
    ----------
    plan : str or Path
        A built-in name, or a path that ends in ``.toml`` or exists. Paths in the file are relative
        to it.
    overrides : sequence of str
        ``"section.field=value"``, after what the plan sets.
    first_seed : int
        Where the seeds begin in a plan that says how many.

    Returns
    -------
    SweepPlan

    Raises
    ------
    InputError
        One line with the file, the field, the value and what is allowed.
    """
    source = find_plan(plan)
    with saying(source.where):
        file = PlanFile.checked(source.table)
        block = _block(file, source)
        fixed = _fixed(file, overrides, block.fields, source)
        scenarios = _scenarios(file, block, fixed, source)
        made = SweepPlan(
            name=file.name or source.stem,
            title=file.title,
            base=next(iter(scenarios.values())),
            controllers=check_controllers(file.controllers),
            seeds=_seeds(file, first_seed),
            slots=file.slots,
            varied=block.fields,
            points=block.rows,
            stopping=_stopping(file),
            drawing=_drawing(file, block.fields),
            scenarios=tuple(scenarios.items()) if "scenario" in block.fields else (),
        )
        _check_points(made)
    return made


def _digest(facts: Mapping[str, Any]) -> str:
    """16 hex digits of facts, and of the version that makes results of them."""
    whole = {**facts, "version": metadata.version("slotwise")}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _block(file: PlanFile, source: Source) -> Block:
    """All points; the tables of the file in its order, the first slowest."""
    blocks = []
    for name in source.table:
        if name in _BLOCKS:
            with saying(name):
                blocks.append(_BLOCKS[name](getattr(file, name)))
    block = combined(blocks)
    if "slots" in block.fields and file.slots is not None:
        raise InputError(f"slots = {file.slots}: slots are varied too; leave one of them out")
    rows = tuple(
        tuple(_anchored(name, value, source) for name, value in zip(block.fields, row, strict=True))
        for row in block.rows
    )
    return Block(block.fields, rows)


def _fixed(
    file: PlanFile, overrides: Sequence[str], varied: Sequence[str], source: Source
) -> dict[str, Any]:
    """Fields that are the same at all points, in the order in which they are set."""
    with saying("set"):
        stated = flatten(file.set)
        changes = [(name, stated[name]) for name in in_order(list(stated))]
        changes += [assignment(override) for override in overrides]
        for name, value in changes:
            check_field(name)
            if name in varied:
                raise InputError(f"{name} = {value}: it is varied; leave one of them out")
            for kind in varied:
                if kind.endswith(".kind") and name.startswith(kind.removesuffix("kind")):
                    raise InputError(
                        f"{name} = {value}: {kind} is varied, and each kind begins with its own "
                        f"defaults; vary {name} too, if only with one value"
                    )
    fixed: dict[str, Any] = {}
    for name, value in changes:
        fixed.pop(name, None)
        fixed[name] = _anchored(name, value, source)
    return fixed


def _anchored(name: str, value: Any, source: Source) -> Any:
    """A value with its paths absolute."""
    return anchored(value, source.folder, name.rpartition(".")[2])


def _scenarios(
    file: PlanFile, block: Block, fixed: Mapping[str, Any], source: Source
) -> dict[str, Scenario]:
    """Base scenarios by the name that the plan has for them, with what it sets."""
    if "scenario" not in block.fields:
        if file.scenario is None:
            raise InputError("scenario is missing: a built-in name or the path of a TOML file")
        names = [file.scenario]
    elif file.scenario is not None:
        raise InputError(f"scenario = {file.scenario}: it is varied too; leave one of them out")
    else:
        column = block.fields.index("scenario")
        names = [str(name) for name in dict.fromkeys(row[column] for row in block.rows)]
    found: dict[str, Scenario] = {}
    for name in names:
        where = "set" if len(names) == 1 else f"set, scenario = {name}"
        found[name] = changed(_loaded(name, source.folder), fixed, where)
    aims = {scenario.objective: name for name, scenario in reversed(found.items())}
    if len(aims) > 1:
        (one, first), (other, second) = sorted(aims.items())[:2]
        raise InputError(
            f"scenario = {first} has objective = {one}, and {second} has {other}: a plan is judged "
            "by one; say under set which"
        )
    return found


def _loaded(name: str, folder: Path | None) -> Scenario:
    """A scenario by built-in name, or by a path that is relative to the plan's folder."""
    path = Path(name)
    is_path = path.suffix == ".toml" or (folder is not None and (folder / path).is_file())
    if folder is not None and is_path and name not in builtin():
        return load(folder / path)
    return load(name)


def _seeds(file: PlanFile, first_seed: int) -> tuple[int, ...]:
    if isinstance(file.seeds, int):
        return check_seeds(range(first_seed, first_seed + file.seeds))
    if first_seed:
        raise InputError(
            f"seeds are named one by one; the first cannot be {first_seed} unless seeds says how "
            "many"
        )
    return check_seeds(file.seeds)


def _stopping(file: PlanFile) -> Stopping | None:
    if file.stop is None:
        return None
    count = file.seeds if isinstance(file.seeds, int) else len(file.seeds)
    if file.stop.first > count:
        raise InputError(f"stop.first = {file.stop.first}: must be at most the {count} of seeds")
    return Stopping(file.stop.width_percent, file.stop.first, file.stop.step)


def _drawing(file: PlanFile, varied: Sequence[str]) -> Drawing | None:
    if file.map is None:
        return None
    drawing = Drawing(file.map.x, file.map.y, file.map.panel)
    used: list[str] = []
    for key, name in drawing._asdict().items():
        if name is None:
            continue
        if name not in varied:
            among = ", ".join(varied) or "none"
            raise InputError(
                f"map.{key} = {name}: not varied{nearest(name, varied)}; allowed: {among}"
            )
        if name in used:
            raise InputError(f"map.{key} = {name}: the map has it already; name another field")
        used.append(name)
    return drawing


def _check_points(plan: SweepPlan) -> None:
    """Make every point's scenario once."""
    column = plan.varied.index("slots") if "slots" in plan.varied else None
    for point, values in enumerate(plan.points):
        plan.scenario(point)
        if column is not None:
            slots = values[column]
            if type(slots) is not int or slots < 1:
                raise InputError(f"slots = {slots}: must be a whole number of at least 1")
