"""What the directory of a sweep says of itself, and who may go on in it.

Each plan has its partition, and a manifest in it. Plans of one name may share a directory where a
point, a seed and a controller are the same cell to both: a plan that has grown goes on there. Any
other is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slotwise.emulator.scenario import InputError
from slotwise.runs.directory import finite, read_json, write_json
from slotwise.runs.plan import first_difference
from slotwise.runs.simulation import versions

if TYPE_CHECKING:
    from slotwise.runs.sweeps.planning.plan import SweepPlan

__all__ = ["check_sweep_place", "earlier_partitions", "write_manifest"]

_MANIFEST = "_manifest.json"  # readers of partitions pass over names that begin so


def check_sweep_place(out: Path, plan: SweepPlan) -> None:
    """Refuse a directory that holds anything but sweeps that this plan can go on with.

    Raises
    ------
    InputError
        With what is there.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, not a directory; choose another --out")
    manifests = list(_manifests(out))
    facts = finite(plan.resolved()) if manifests else {}
    for _, manifest in manifests:
        difference = _difference(manifest, facts)
        if difference:
            raise InputError(f"{out} holds another sweep: {difference}; choose another --out")
    if manifests or (out / "cells" / f"plan={plan.hash}").is_dir():
        return
    if out.is_dir() and any(_is_there(path) for path in out.iterdir()):
        raise InputError(f"{out} is not empty and holds no sweep; choose another --out")


def write_manifest(folder: Path, plan: SweepPlan, command: str) -> None:
    """Say in a partition what it holds, unless that is said already.

    Parameters
    ----------
    folder : Path
        The partition.
    plan : SweepPlan
        What it holds.
    command : str
        By which the plan was first begun.
    """
    path = folder / _MANIFEST
    if path.is_file():
        try:
            if read_json(path).get("hash") == plan.hash:
                return
        except InputError:
            pass  # it is damaged, and can be written anew
    write_json(
        path,
        {
            "name": plan.name,
            "hash": plan.hash,
            "cells": plan.cells,
            "plan": plan.resolved(),
            "versions": versions(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
        },
    )


def earlier_partitions(out: Path, plan: SweepPlan) -> list[str]:
    """Names of partitions from which this plan may take rows over, the oldest plan first."""
    others = [(name, one) for name, one in _manifests(out) if one.get("hash") != plan.hash]
    facts = finite(plan.resolved()) if others else {}
    found = [
        (manifest.get("created", ""), name)
        for name, manifest in others
        if not _difference(manifest, facts)
    ]
    return [name for _, name in sorted(found)]


def _manifests(out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names of partitions with what they say; who says nothing that can be read is left out."""
    for path in sorted((out / "cells").glob(f"plan=*/{_MANIFEST}")):
        try:
            yield path.parent.name, read_json(path)
        except InputError:
            continue


def _is_there(path: Path) -> bool:
    """Whether this is more than what a sweep leaves that was killed before it had begun."""
    if path.name.startswith("."):
        return False
    if path.name not in {"cells", "times"} or not path.is_dir():
        return True
    return any(not inner.is_dir() and inner.name[0] != "." for inner in path.rglob("*"))


def _difference(manifest: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """In what a recorded plan is another than the one asked for; empty if they may be together.

    They may where nothing differs that decides what comes of a point, a seed and a controller, in
    whatever order fields vary. Files and scenarios that only one of them names decide no cell of
    the other.
    """
    there = manifest.get("plan") or {}
    if there.get("name") != here["name"]:
        before = there.get("name")
        return (
            f"it is of the plan {before}, this is {here['name']} (a plan that says name = "
            f'"{before}" goes on with it)'
        )
    version = (manifest.get("versions") or {}).get("slotwise")
    if version != versions()["slotwise"]:
        return f"it was made by slotwise {version}, this is {versions()['slotwise']}"
    varied = there.get("varied") or []
    if sorted(varied) != sorted(here["varied"]):
        return f"it varies {_listed(varied)}, this {_listed(here['varied'])}"
    now = here.get("files", {})
    for name, recorded in (there.get("files") or {}).items():
        if name in now and now[name] != recorded:
            return f"it was begun with another {name}, whose SHA-256 was {recorded[:16]}..."
    return first_difference(_deciding(there, here), _deciding(here, there), "")


def _deciding(plan: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the cells that a recorded plan has in common with another."""
    facts = {"slots": plan.get("slots")}
    if "scenario" not in plan["varied"]:
        return facts | {"base": plan.get("base")}
    every, others = (one.get("scenarios") or {} for one in (plan, other))
    return facts | {"scenarios": {name: every[name] for name in every if name in others}}


def _listed(names: Any) -> str:
    return ", ".join(names) or "nothing"
