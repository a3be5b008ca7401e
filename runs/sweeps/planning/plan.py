"""Plans of sweeps: which fields of a scenario vary, who decides, and in which networks.

A plan is read from a TOML file, and checked as a whole before anything is lived: every point of it,
and every file that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from slotwise.controllers.registry import canonical
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
from slotwise.runs.plan import check_controllers, check_seeds
from slotwise.runs.sweeps.planning.fields import Value, check_field, flatten, in_order
from slotwise.runs.sweeps.planning.files import written
from slotwise.runs.sweeps.planning.plan_file import (
    Drawing,
    PlanFile,
    Source,
    Stopping,
    builtin_plans,
    find_plan,
    saying,
)
from slotwise.runs.sweeps.planning.planned import Cell, SweepPlan
from slotwise.runs.sweeps.planning.points import Block, combined, drawn, grid, listed

__all__ = ["Cell", "Drawing", "Stopping", "SweepPlan", "Value", "builtin_plans", "read_plan"]

_BLOCKS: Final[Mapping[str, Callable[[Any], Block]]] = {
    "grid": grid,
    "list": listed,
    "random": drawn,
}


def read_plan(
    plan: Mapping[str, Any] | str | Path, overrides: Sequence[str] = (), first_seed: int = 0
) -> SweepPlan:
    """Read a plan by built-in name or from a TOML file, and check every point of it.

    Parameters
    ----------
    plan : mapping, str or Path
        What a file says, as `tomllib` has it; or a built-in name; or a path that ends in ``.toml``
        or exists. Paths in a plan are relative to its file, those of controllers too; in a mapping
        to the current directory.
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
        folder = source.folder or Path.cwd()
        file = PlanFile.checked(source.table)
        block = _block(file, source)
        fixed = _fixed(file, overrides, block.fields, folder)
        scenarios = _scenarios(file, block, fixed, source)
        made = SweepPlan(
            name=file.name or source.stem,
            title=file.title,
            base=next(iter(scenarios.values())),
            controllers=tuple(written(canonical(spec), folder) for spec in file.controllers),
            seeds=_seeds(file, first_seed),
            slots=file.slots,
            varied=block.fields,
            points=block.rows,
            stopping=_stopping(file),
            drawing=_drawing(file, block.fields),
            scenarios=tuple(scenarios.items()) if "scenario" in block.fields else (),
            folder=folder,
        )
        _check(made)
    return made


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
    return block


def _fixed(
    file: PlanFile, overrides: Sequence[str], varied: Sequence[str], folder: Path
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
        fixed[name] = anchored(value, folder, name.rpartition(".")[2])
    return fixed


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
    if len(file.controllers) < 2:
        raise InputError("stop: intervals are relative to the first controller; name another one")
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


def _check(plan: SweepPlan) -> None:
    """Build every controller, make every point's scenario once, and read every file."""
    check_controllers(plan.specs)
    if "slots" in plan.varied:
        column = plan.varied.index("slots")
        for slots in {values[column]: None for values in plan.points}:
            if type(slots) is not int or slots < 1:
                raise InputError(f"slots = {slots}: must be a whole number of at least 1")
    _ = plan.sizes, plan.files
