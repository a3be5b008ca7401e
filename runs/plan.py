"""The plan of a comparison, and its place on disk.

A plan says everything that decides a comparison's result: the network, who decides, in which
networks, how long. It is written down before the first life, so that whoever comes back, or comes
along, is held to it: the same plan goes on, a larger one grows, any other is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from slotwise.controllers.registry import canonical, make
from slotwise.emulator.scenario import InputError, Scenario
from slotwise.runs.cells import Cell
from slotwise.runs.directory import is_run, read_json, slug
from slotwise.runs.place import check_writable
from slotwise.runs.simulation import command_line, versions

__all__ = ["Plan", "Table", "check_controllers", "check_place", "check_seeds", "first_difference"]

Table = dict[str, list[Cell]]
"""Cells by controller, in the order of the seeds."""


@dataclass(frozen=True)
class Plan:
    """What decides the result of a comparison.

    Attributes
    ----------
    scenario : Scenario
        The network.
    controllers : tuple of str
        Canonical specs; the first is the reference.
    seeds : tuple of int
        Which networks.
    slots : int
        How long each lives.
    """

    scenario: Scenario
    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    slots: int

    @classmethod
    def checked(
        cls, scenario: Scenario, controllers: Sequence[str], seeds: Sequence[int], slots: int
    ) -> Self:
        """Plan what was asked for.

        Raises
        ------
        InputError
            If a controller is unknown or named twice, a seed negative or named twice, or nothing
            is left to do.
        """
        if slots < 1:
            raise InputError(f"slots = {slots}: must be at least 1")
        return cls(scenario, check_controllers(controllers), check_seeds(seeds), slots)

    @property
    def label(self) -> str:
        """What to call it while it is lived."""
        return f"compare {self.scenario.name}"

    def facts(self) -> dict[str, Any]:
        """What ``compare.json`` says of a comparison that begins now."""
        return {
            "scenario": self.scenario.model_dump(mode="json"),
            "controllers": list(self.controllers),
            "seeds": list(self.seeds),
            "slots": self.slots,
            "versions": versions(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command_line(),
            "attribution": list(self.scenario.attribution),
            "complete": False,
        }

    def cells(self, folder: Path) -> Table:
        """The cells of the plan in a folder, lived or not."""
        command = command_line()
        return {
            spec: [
                Cell(
                    self.scenario,
                    spec,
                    seed,
                    self.slots,
                    folder / slug(spec) / f"seed-{seed}",
                    command,
                )
                for seed in self.seeds
            ]
            for spec in self.controllers
        }

    def ideal(self) -> Self:
        """The same plan with decisions that take no time."""
        timing = self.scenario.timing.model_copy(update={"mode": "ideal"})
        scenario = self.scenario.model_copy(update={"timing": timing})
        return type(self)(scenario, self.controllers, self.seeds, self.slots)


def check_controllers(controllers: Sequence[str]) -> tuple[str, ...]:
    """Canonical specs of controllers that can be built, each once.

    Raises
    ------
    InputError
        If one is unknown, named twice, or goes on from an earlier life, or there is none.
    """
    specs: list[str] = []
    for spec in controllers:
        if make(spec).lasting:
            raise InputError(f"controller {spec}: resume: every life of a comparison begins anew")
        name = canonical(spec)
        if name in specs:
            raise InputError(f"controller {spec!r} is named twice (it is {name})")
        specs.append(name)
    if not specs:
        raise InputError("no controllers: name at least one, such as wmmse")
    return tuple(specs)


def check_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Seeds that are different and zero or more.

    Raises
    ------
    InputError
        If they are not, or there is none.
    """
    numbers = [int(seed) for seed in seeds]
    if not numbers:
        raise InputError("no seeds: at least one network is needed")
    wrong = [seed for seed in numbers if seed < 0 or numbers.count(seed) > 1]
    if wrong:
        raise InputError(f"seed {wrong[0]}: seeds must be different and zero or more")
    return tuple(numbers)


def check_place(directory: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the comparison that is there, if it is this one or part of it; else those given.

    Raises
    ------
    InputError
        If something else is there.
    """
    if (directory / "compare.json").is_file():
        recorded = read_json(directory / "compare.json")
        difference = _difference(recorded, facts)
        if difference:
            raise InputError(
                f"{directory} holds another comparison: {difference}; choose another --out"
            )
        same = all(recorded[name] == facts[name] for name in ("controllers", "seeds"))
        return {
            **facts,
            "created": recorded.get("created", facts["created"]),
            "complete": same and recorded.get("complete") is True,
        }
    if is_run(directory):
        raise InputError(f"{directory} holds a single run; choose another --out")
    check_writable(directory)
    if directory.is_dir() and any(not path.name.startswith(".") for path in directory.iterdir()):
        raise InputError(f"{directory} is not empty and holds no comparison; choose another --out")
    return dict(facts)


def _difference(recorded: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """In what a recorded comparison is not part of the one asked for; empty if it is."""
    for name in ("controllers", "seeds"):
        gone = [item for item in recorded.get(name, []) if item not in facts[name]]
        if gone:
            return f"it has {name[:-1]} {gone[0]}, which was not asked for"
    if recorded.get("slots") != facts["slots"]:
        return f"slots = {recorded.get('slots')} there, {facts['slots']} here"
    there = (recorded.get("versions") or {}).get("slotwise")
    if there != facts["versions"]["slotwise"]:
        return f"it was made by slotwise {there}, this is {facts['versions']['slotwise']}"
    return first_difference(recorded.get("scenario"), facts["scenario"], "")


def first_difference(there: Any, here: Any, name: str) -> str:
    """First field in which two nested mappings differ, with both values; empty if none.

    Parameters
    ----------
    there, here : Any
        What was recorded and what is asked for, as JSON has them.
    name : str
        Of what is compared; empty at the root.
    """
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys([*here, *there]):
            inner = f"{name}.{key}" if name else str(key)
            found = first_difference(there.get(key), here.get(key), inner)
            if found:
                return found
        return ""
    return "" if there == here else f"{name} = {_shown(there)} there, {_shown(here)} here"


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
