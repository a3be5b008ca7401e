"""What the directory of a sweep says of itself, and who may go on in it.

Each plan has its partition, and a manifest in it. Plans of one name that live the same cells may
share a directory: a plan that has grown goes on there. Any other is refused.
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
    from slotwise.runs.sweep.plan import SweepPlan

__all__ = ["check_sweep_place", "earlier_partitions", "write_manifest"]

_MANIFEST = "_manifest.json"  # readers of partitions pass over names that begin so
_GROWING = {"title", "controllers", "seeds", "points", "stopping", "drawing", "hash"}


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
    for _, manifest in manifests:
        difference = _difference(manifest, plan)
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
            "base_hash": plan.base_hash,
            "cells": plan.cells,
            "varied": list(plan.varied),
            "plan": plan.resolved(),
            "versions": versions(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
        },
    )


def earlier_partitions(out: Path, plan: SweepPlan) -> list[str]:
    """Names of partitions from which this plan may take rows over, the oldest plan first."""
    found = [
        (manifest.get("created", ""), name)
        for name, manifest in _manifests(out)
        if manifest.get("hash") != plan.hash
        and manifest.get("base_hash") == plan.base_hash
        and set(manifest.get("varied", ())) == set(plan.varied)
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


def _difference(there: Mapping[str, Any], plan: SweepPlan) -> str:
    """In what a recorded plan is another than the one asked for; empty if they may be together."""
    if there.get("name") != plan.name:
        return f"it is {there.get('name')}, this is {plan.name}"
    if there.get("base_hash") == plan.base_hash:
        return ""
    version = (there.get("versions") or {}).get("slotwise")
    if version != versions()["slotwise"]:
        return f"it was made by slotwise {version}, this is {versions()['slotwise']}"
    if there.get("varied") != list(plan.varied):
        return f"it varies {_listed(there.get('varied', ()))}, this {_listed(plan.varied)}"
    here = {key: value for key, value in finite(plan.resolved()).items() if key not in _GROWING}
    recorded = there.get("plan") or {}
    same = {key: recorded.get(key) for key in here}
    return first_difference(same, here, "") or "its scenario is another"


def _listed(names: Any) -> str:
    return ", ".join(names) or "nothing"
