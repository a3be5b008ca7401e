"""Run directories: a life on disk, complete or absent.

A run directory is written beside its place and renamed into it, so nobody ever sees half of one.
It holds ``run.json`` (what was run), ``summary.json`` (figures of merit) and one Parquet file for
each table of the trace.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from slotwise.controllers.atomic import write_whole
from slotwise.emulator.scenario import InputError
from slotwise.emulator.trace import COLUMNS, Column
from slotwise.runs.life import Life

__all__ = ["is_run", "read_json", "read_run", "slug", "write_json", "write_run"]


def slug(spec: str) -> str:
    """Folder name of a controller spec, unique among specs."""
    plain = re.sub(r"[^A-Za-z0-9.=+-]", "_", spec.replace(":", "_").replace(",", "_"))
    if re.fullmatch(r"[A-Za-z0-9.=+,:-]+", spec):
        return plain
    return f"{plain}-{zlib.crc32(spec.encode()):08x}"


def is_run(directory: Path) -> bool:
    """Whether a directory holds one complete life."""
    return (directory / "run.json").is_file() and (directory / "summary.json").is_file()


def write_run(life: Life, directory: Path) -> None:
    """Write a life, replacing an earlier one in the same place.

    Parameters
    ----------
    life : Life
        What to write.
    directory : Path
        Where; created with its parents.

    Raises
    ------
    InputError
        If something that is not a run is in that place.
    OSError
        If it cannot be written; then nothing is left behind and nothing was lost.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if directory.exists() and not is_run(directory) and _occupied(directory):
        raise InputError(f"{directory}: exists and is not a run of slotwise; choose another place")
    with _arriving(directory) as partial:
        write_json(partial / "run.json", life.info)
        write_json(partial / "summary.json", life.summary)
        for name, columns in life.tables.items():
            pq.write_table(pa.table(dict(columns)), partial / f"{name}.parquet")


def read_run(directory: Path) -> Life:
    """Read a life back.

    Raises
    ------
    InputError
        If the directory does not hold a complete run, or a file of it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not is_run(directory):
        raise InputError(f"{directory}: not a run of slotwise (run.json and summary.json expected)")
    tables: dict[str, dict[str, Column]] = {}
    for name, kinds in COLUMNS.items():
        path = directory / f"{name}.parquet"
        try:
            table = pq.read_table(path, columns=list(kinds))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path}: damaged or missing: {str(error).splitlines()[0]}") from None
        tables[name] = {
            column: table[column].to_pylist() if kind is str else np.asarray(table[column])
            for column, kind in kinds.items()
        }
    return Life(read_json(directory / "run.json"), read_json(directory / "summary.json"), tables)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object whole or not at all; numbers that are not finite become null."""
    content = json.dumps(finite(value), indent=2, ensure_ascii=False) + "\n"
    write_whole(path, content.encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: must hold a JSON object")
    return found


def finite(value: Any) -> Any:
    """The same nested value with None for numbers that are not finite, as JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


def _occupied(directory: Path) -> bool:
    return not directory.is_dir() or any(directory.iterdir())


@contextmanager
def _arriving(directory: Path) -> Iterator[Path]:
    """A folder to fill, renamed to `directory` when it is complete."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    for stale in directory.parent.glob(f".{directory.name}.partial-*"):
        shutil.rmtree(stale, ignore_errors=True)
    partial = directory.with_name(f".{directory.name}.partial-{os.getpid()}")
    partial.mkdir()
    try:
        yield partial
        if directory.exists():
            old = directory.with_name(f".{directory.name}.partial-{os.getpid()}-old")
            directory.rename(old)
            partial.rename(directory)
            shutil.rmtree(old)
        else:
            partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
