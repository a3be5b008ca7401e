"""Files that a plan names: data of its scenarios, and weights or agents of its controllers.

What a cell comes to depends on what is in them, so a plan knows each by its digest. Its name is
what the user wrote, or leads from the plan's folder, so that a plan that is moved together with its
files is the same plan; whoever lives a cell is given the whole path.

Specs do not say which of their options name files. Taken for one is what looks like a path and is
there: a name with an extension, or with a slash. Names of shipped weights have neither.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from slotwise.emulator.scenario import InputError, Scenario
from slotwise.emulator.sites import resolve

__all__ = [
    "PATHS",
    "data_of",
    "digest",
    "names_files",
    "spelled_paths",
    "weights_of",
    "with_folder",
    "written",
]

PATHS: Final = ("path", "replay_path")
"""What fields of a scenario that hold paths are called, in whatever section."""

_SUFFIXES = (".safetensors", ".zip")
_LIKE_A_PATH = re.compile(r"/|\.[A-Za-z]\w*$")
_KEY = re.compile(r"[A-Za-z_]\w*=")
_SPEC = re.compile(r"[A-Za-z][\w.-]*:")

Place = Callable[[str], str | None]


def digest(file: Path) -> str:
    """SHA-256 of what is in a file, as 64 hexadecimal digits.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None


def data_of(scenario: Scenario, folder: Path | None) -> dict[str, Path]:
    """Files that networks of a scenario are made of, by name.

    Parameters
    ----------
    scenario : Scenario
        Its paths are absolute, or of data inside a package.
    folder : Path or None
        Of the plan.

    Raises
    ------
    InputError
        If one is not there; with its field.
    """
    found = {}
    for field, path, is_read in _paths(scenario.model_dump(), ""):
        if not is_read:
            continue
        try:
            found[_name(path, folder)] = resolve(path, None)
        except InputError as error:
            raise InputError(f"{field}: {error}") from None
    return found


def names_files(scenario: Scenario) -> bool:
    """Whether a scenario names any file, be it read or not."""
    return any(True for _ in _paths(scenario.model_dump(), ""))


def spelled_paths(value: Any, folder: Path | None, key: str = "") -> Any:
    """A nested table of a scenario with the names of its files instead of their paths.

    Parameters
    ----------
    value : Any
        As of ``model_dump``.
    folder : Path or None
        Of the plan.
    key : str
        Of the value, inside another.
    """
    if isinstance(value, Mapping):
        return {name: spelled_paths(inner, folder, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [spelled_paths(inner, folder, key) for inner in value]
    return _name(value, folder) if key in PATHS and isinstance(value, str) else value


def weights_of(spec: str, folder: Path | None) -> dict[str, Path]:
    """Files that a controller is made of, by name.

    Parameters
    ----------
    spec : str
        As `written` has it.
    folder : Path or None
        Where relative paths start; None: the current directory.
    """
    found: dict[str, Path] = {}

    def note(text: str) -> str | None:
        file = (folder or Path()) / text
        if not _is_there(file, text):
            return None
        found[text] = file
        return text

    _in_spec(spec, note)
    return found


def written(spec: str, folder: Path) -> str:
    """A spec with each file's path spelled without what says nothing, such as ``./``.

    Parameters
    ----------
    spec : str
        Canonical.
    folder : Path
        Of the plan, where relative paths start.

    Raises
    ------
    InputError
        If a file is not there, but one of that name is in the current directory: so it would be
        found by ``slotwise run``, and not by a plan, which must mean the same from anywhere.
    """

    def shorten(text: str) -> str | None:
        if _is_there(folder / text, text):
            return str(Path(text))
        if _is_there(Path(text), text):
            raise InputError(
                f"controller {spec}: {folder / text}: no such file; paths in a plan start from its "
                "own folder, not from the current directory"
            )
        return None

    return _in_spec(spec, shorten)


def with_folder(spec: str, folder: Path, known: Container[str]) -> str:
    """A spec with whole paths.

    Parameters
    ----------
    spec : str
        As `written` has it.
    folder : Path
        Of the plan.
    known : container of str
        Names of files that are there. Weights that are not get their path too, for whoever says
        that they are missing.

    Raises
    ------
    InputError
        If a path cannot stand in a spec, because it has a comma in it.
    """

    def anchor(text: str) -> str | None:
        is_weights = text.endswith(_SUFFIXES) and "=" not in text
        return str(folder / text) if text in known or is_weights else None

    return _in_spec(spec, anchor)


def _in_spec(spec: str, place: Place, between: str = ",") -> str:
    """A spec in which each value is replaced that `place` has something for."""
    name, colon, text = spec.partition(":")
    items = text.split(between) if colon else []
    return name + colon + between.join(_in_option(item, place, between) for item in items)


def _in_option(item: str, place: Place, between: str) -> str:
    key = found.group() if (found := _KEY.match(item)) else ""
    value = item.removeprefix(key)
    if _SPEC.match(value):
        return key + _in_spec(value, place, "+")
    for text in (item, value):  # a folder may be called rate=0.1
        new = place(text)
        if new is None:
            continue
        for mark in {",", between}:
            if mark in new:
                raise InputError(f"{new}: no path with {mark!r} in it can stand in a spec")
        return item.removesuffix(text) + new
    return item


def _is_there(file: Path, text: str) -> bool:
    return _LIKE_A_PATH.search(text) is not None and file.is_file()


def _paths(table: Any, above: str) -> Iterator[tuple[str, str, bool]]:
    """Dotted names of fields that hold paths, these, and whether anybody reads what is there."""
    if isinstance(table, list | tuple):
        for inner in table:
            yield from _paths(inner, above)
    if not isinstance(table, Mapping):
        return
    for key, value in table.items():
        field = f"{above}.{key}" if above else key
        if key not in PATHS:
            yield from _paths(value, field)
        elif isinstance(value, str):
            yield field, value, table.get("fading", "replay") == "replay"


def _name(path: str, folder: Path | None) -> str:
    """What a plan calls a file that its scenarios name: as it says, or relative to it if near."""
    whole = Path(path)
    if folder is None or not whole.is_absolute():
        return path
    if whole.is_relative_to(folder):  # in letters: what leads up again stays as it was written
        return str(whole.relative_to(folder))
    near = Path(os.path.relpath(whole, folder))
    is_near = near.parts[:2] != ("..", "..") and (folder / near).exists() and whole.exists()
    return str(near) if is_near and (folder / near).samefile(whole) else path
