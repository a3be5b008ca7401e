"""The learning state as a file: whatever ends a life, what it has learned goes on.

A file is in the safetensors format: arrays, and in its header one JSON object. It is written beside
its place and renamed into it, so a kill at any moment leaves the one before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from slotwise.controllers.atomic import write_whole
from slotwise.emulator.scenario import InputError

__all__ = ["State", "read", "write"]

_KEY = "slotwise-learning"
_FORMAT = 1


class State(NamedTuple):
    """What has been learned so far.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Weights, moments of the optimiser, observations.
    values : dict
        Values for JSON: counts, tests under way, random states.
    """

    arrays: dict[str, NDArray[Any]]
    values: dict[str, Any]

    def part(self, name: str) -> dict[str, NDArray[Any]]:
        """Arrays whose names begin with a word and a stroke, without these."""
        begins = f"{name}/"
        found = self.arrays.items()
        return {key.removeprefix(begins): array for key, array in found if key.startswith(begins)}


def write(path: Path, state: State, identity: Mapping[str, Any]) -> None:
    """Write a state, replacing the one before, whole or not at all.

    Parameters
    ----------
    path : Path
        Where; its folder is created.
    state : State
        What to write.
    identity : mapping
        JSON values that say what learns, and how.

    Raises
    ------
    OSError
        If it cannot be written; the state before is still there.
    """
    header = {"format": _FORMAT, "identity": dict(identity), "values": state.values}
    arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays.items()}
    content = save(arrays, metadata={_KEY: json.dumps(header)})
    write_whole(path, content)


def read(path: Path, identity: Mapping[str, Any]) -> State:
    """Read the state of a learner.

    Parameters
    ----------
    path : Path
        The file.
    identity : mapping
        What it must have been written with.

    Raises
    ------
    InputError
        If the file is damaged, no learning state, or that of another learner.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(
            f"resume: {path}: cannot be read: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise InputError(f"resume: {path}: not a learning state of this version of slotwise")
    for name, value in identity.items():
        found = header["identity"].get(name)
        if found != value:
            raise InputError(
                f"resume: {path}: learned with {name} = {found} and not {value}: say another place"
            )
    return State(arrays, header["values"])
