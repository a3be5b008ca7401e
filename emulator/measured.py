"""Measured gains: channels that somebody recorded instead of channels drawn from a law.

A file of gains of links is ready to be replayed slot by slot or to be evaluated as a set of draws.
A level is a received power in dBm; divided by the power it was sent with, it is a gain. What was
not heard lies below the receiver's sensitivity and counts as a gain of zero, which is optimistic:
the true gain lies anywhere below the weakest level heard.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.radio import from_db
from slotwise.emulator.scenario import InputError

__all__ = ["parse_number", "read_gains"]

Array = NDArray[np.float64]

_COLUMNS = ("time", "rx", "tx", "dbm")
_LARGEST_DBM = 200.0  # far above any received level: a larger number is in other units


def read_gains(path: str | Path, transmit_dbm: float = 0.0) -> Array:
    """Gains of K links in T slots, from an array or from a table.

    ``.npy`` holds linear power gains of shape (T, K, K), or (K, K) for one slot; rows are
    receivers. ``.csv`` is a table with the columns time, rx, tx and dbm (in any case and order):
    the level in dBm at which the receiver of link ``rx`` heard the transmitter of link ``tx``. Its
    times, in order, are the slots. Ids and times are sorted as numbers if all are numbers,
    otherwise as text. A combination that is missing, or whose level is empty, was below
    sensitivity: gain 0.

    Parameters
    ----------
    path : str or Path
        File to read; its ending says which kind it is.
    transmit_dbm : float
        Power at which the levels of a table were sent; not used for ``.npy`` [dBm].

    Returns
    -------
    [T, K, K], float64
        Linear power gain [1].

    Raises
    ------
    InputError
        The file is missing, of another kind, pickled, of a wrong shape or type, or holds a value
        that is no gain; the message names the file and the place in it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of measured gains")
    if path.suffix.lower() == ".npy":
        return _read_array(path)
    if path.suffix.lower() == ".csv":
        return _read_table(path, transmit_dbm)
    raise InputError(f"{path}: measured gains are read from .npy or .csv, not {path.suffix!r}")


def _read_array(path: Path) -> Array:
    try:
        stored = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not an array of numbers saved by numpy.save") from error
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "fiu":
        kind = getattr(stored, "dtype", "an archive")
        raise InputError(f"{path}: holds {kind}; gains are one array of real numbers, e.g. float64")
    gains = np.asarray(stored, dtype=np.float64)
    if gains.ndim == 2:
        gains = gains[None]
    if gains.ndim != 3 or gains.shape[1] != gains.shape[2] or gains.size == 0:
        raise InputError(f"{path}: shape {stored.shape}; (slots, K, K) or (K, K) is needed")
    bad = ~np.isfinite(gains) | (gains < 0.0)
    if bad.any():
        slot, receiver, transmitter = (int(index) for index in np.argwhere(bad)[0])
        raise InputError(
            f"{path}: gain[{slot}, {receiver}, {transmitter}] = "
            f"{gains[slot, receiver, transmitter]}; gains are finite and not negative"
        )
    return gains


def _read_table(path: Path, transmit_dbm: float) -> Array:
    rows = list(_table_rows(path))
    if not rows:
        raise InputError(f"{path}: the table has no rows")
    times, receivers, transmitters, levels = zip(*(cells for _, cells in rows), strict=True)
    if set(receivers).isdisjoint(transmitters):
        raise InputError(
            f"{path}: no id occurs both as rx and as tx; the two ends of a link have the same id"
        )
    slots = _ranks(times)
    links = _ranks(receivers + transmitters)
    size = max(links.values()) + 1
    gains = np.full((max(slots.values()) + 1, size, size), np.nan)
    for (line, cells), level in zip(rows, levels, strict=True):
        place = slots[cells[0]], links[cells[1]], links[cells[2]]
        if not math.isnan(gains[place]):
            raise InputError(
                f"{path}, line {line}: time {cells[0]}, rx {cells[1]}, tx {cells[2]} occurs twice"
            )
        level_dbm = -math.inf if level == "" else parse_number(level, path, line, "dbm")
        if level_dbm > _LARGEST_DBM:
            raise InputError(f"{path}, line {line}: dbm = {level} must be at most {_LARGEST_DBM}")
        gains[place] = from_db(level_dbm - transmit_dbm)
    return np.where(np.isnan(gains), 0.0, gains)


def _table_rows(path: Path) -> Iterable[tuple[int, list[str]]]:
    """Line number and the four cells of each row that is not blank."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a table of comma-separated text") from error
    header = [name.lower() for name in rows[0]] if rows else []
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; the columns are time, rx, tx and dbm"
        )
    places = [header.index(name) for name in _COLUMNS]
    for line, row in enumerate(rows[1:], start=2):
        if any(row):
            if len(row) <= max(places):
                raise InputError(f"{path}, line {line}: {len(row)} cells, too few")
            cells = [row[place] for place in places]
            if "" in cells[:3]:
                raise InputError(f"{path}, line {line}: time, rx and tx must not be empty")
            yield line, cells


def _ranks(names: Iterable[str]) -> dict[str, int]:
    """Rank of each name: among numbers if all are numbers, where 1 and 1.0 are the same."""
    distinct = set(names)
    try:
        value: dict[str, float | str] = {name: float(name) for name in distinct}
    except ValueError:
        value = {name: name for name in distinct}
    order = {key: rank for rank, key in enumerate(sorted(set(value.values())))}
    return {name: order[key] for name, key in value.items()}


def parse_number(text: str, path: Path, line: int, what: str) -> float:
    """A finite number from a cell of a file.

    Raises
    ------
    InputError
        If it is not one; the line says where and what it was to be.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}, line {line}: {what} = {text!r} must be a finite number")
    return value
