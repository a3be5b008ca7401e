"""Measured gains: channels that somebody recorded instead of channels drawn from a law.

Two kinds of recordings are read. A file of gains of links (``read_gains``) is ready to be replayed
slot by slot or to be evaluated as a set of draws. A Wi-Fi survey (``read_wifi_survey``) lists
which access points were heard how strongly at points of a building; it becomes a network of links
once each of some points has been given a serving radio (``wifi_links``).

A level is a received power in dBm; divided by the power it was sent with, it is a gain. What was
not heard lies below the receiver's sensitivity and counts as a gain of zero, which is optimistic:
the true gain lies anywhere below the weakest level heard.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.radio import from_db
from slotwise.emulator.scenario import InputError

__all__ = ["WifiSurvey", "read_gains", "read_wifi_survey", "wifi_links"]

Array = NDArray[np.float64]

_COLUMNS = ("time", "rx", "tx", "dbm")
_LARGEST_DBM = 200.0  # far above any received level: a larger number is in other units


# --- gains of links --------------------------------------------------------------------------


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
        level_dbm = -math.inf if level == "" else _number(level, path, line, "dbm")
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


def _number(text: str, path: Path, line: int, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}, line {line}: {what} = {text!r} must be a finite number")
    return value


# --- Wi-Fi surveys ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class WifiSurvey:
    """Levels of Wi-Fi radios at the points of a building.

    Attributes
    ----------
    level_dbm : [samples, radios], float
        Received level, NaN where a radio was not heard [dBm].
    radio : tuple of str
        Name of each radio: the first of its access points' ids.
    channel : [radios], int
        Wi-Fi channel on which a radio was heard most often.
    position_m : [samples, 2 or 3], float
        Where each sample was taken [m].
    """

    level_dbm: Array
    radio: tuple[str, ...]
    channel: NDArray[np.int64]
    position_m: Array


# When two ids count as one radio. On the survey of 2019-02-19 in that dataset the rule merges 50
# pairs, 3.1 dB apart at most in the mean. Its fixed monitors, which the rule has not seen, heard 34
# of them together 20 times or more: all are within 2 dB in the median there too.
_TOGETHER_SAMPLES = 20
_TOGETHER_SHARE = 0.4
_MEDIAN_DB = 2.0
_MEAN_DB = 4.0


def read_wifi_survey(folder: str | Path) -> WifiSurvey:
    """Read a Wi-Fi survey and merge the virtual access points of one radio.

    The folder holds one line a sample in each of ``rssis.csv`` (``id:dBm,id:dBm,...``, of any
    length), ``channels.csv`` (``id:channel,...``) and ``coordinates.csv`` (``x,y`` or ``x,y,z`` in
    metres), as in Silva, Pendão and Moreira, "Continuous Long-term Wi-Fi Fingerprinting Dataset",
    Zenodo, 2022, doi 10.5281/zenodo.6646008.

    One radio sends the beacons of several networks under several ids, which would count as
    interferers that do not exist. Two ids are merged if, of the samples in which they are heard
    on the same channel,

    - there are at least 20, and at least 40% of those in which either id is heard at all;
    - the levels differ by at most 2 dB in the median and 4 dB in the mean.

    Merging is transitive. A radio's level is the mean, in dB, of its ids heard in the sample.

    Parameters
    ----------
    folder : str or Path
        Folder with the three files.

    Returns
    -------
    WifiSurvey
        Levels of the radios in order of their first ids.

    Raises
    ------
    InputError
        A file is missing, malformed, or of another number of lines.
    """
    folder = Path(folder)
    levels = _read_ragged(folder / "rssis.csv")
    channels = _read_ragged(folder / "channels.csv")
    position = _read_positions(folder / "coordinates.csv")
    for name, count in (("channels.csv", len(channels)), ("coordinates.csv", len(position))):
        if count != len(levels):
            raise InputError(f"{folder / name}: {count} lines, but rssis.csv has {len(levels)}")
    ids = sorted(set().union(*levels))
    if not ids:
        raise InputError(f"{folder / 'rssis.csv'}: no access point was heard")
    level = _aligned(levels, ids)
    channel = np.where(np.isnan(level), np.nan, _aligned(channels, ids))
    radios = _merge(level, channel)
    return WifiSurvey(
        level_dbm=np.stack([_mean_heard(level[:, members]) for members in radios], axis=1),
        radio=tuple(ids[members[0]] for members in radios),
        channel=np.array([_commonest(channel[:, members]) for members in radios], dtype=np.int64),
        position_m=position,
    )


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; a survey has it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as text") from error


def _read_ragged(path: Path) -> list[dict[str, float]]:
    """One dictionary a line, from ``id:value,id:value``; an empty line heard nothing."""
    samples: list[dict[str, float]] = []
    for line, text in enumerate(_read_lines(path), start=1):
        samples.append(sample := {})
        for entry in text.split(",") if text.strip() else ():
            name, colon, value = entry.strip().partition(":")
            if not (name and colon):
                raise InputError(f"{path}, line {line}: {entry!r} is not id:number")
            sample[name] = _number(value, path, line, f"id {name}")
    return samples


def _read_positions(path: Path) -> Array:
    rows = [
        [_number(cell, path, line, "coordinate") for cell in text.split(",")]
        for line, text in enumerate(_read_lines(path), start=1)
    ]
    if {len(row) for row in rows} not in ({2}, {3}):
        raise InputError(f"{path}: every line must be x,y or every line x,y,z")
    return np.array(rows)


def _aligned(samples: Sequence[dict[str, float]], ids: Sequence[str]) -> Array:
    """Samples as rows, ids as columns, NaN where a sample lacks an id."""
    return np.array([[sample.get(name, np.nan) for name in ids] for sample in samples])


def _merge(level: Array, channel: Array) -> list[list[int]]:
    """Groups of columns that are one radio, in order of their first columns."""
    heard = ~np.isnan(level)
    root = list(range(level.shape[1]))

    def find(column: int) -> int:
        while root[column] != column:
            root[column] = root[root[column]]
            column = root[column]
        return column

    for a in range(level.shape[1]):
        for b in range(a + 1, level.shape[1]):
            together = heard[:, a] & heard[:, b] & (channel[:, a] == channel[:, b])
            either = heard[:, a] | heard[:, b]
            if together.sum() < max(_TOGETHER_SAMPLES, _TOGETHER_SHARE * either.sum()):
                continue
            difference = np.abs(level[together, a] - level[together, b])
            if np.median(difference) <= _MEDIAN_DB and difference.mean() <= _MEAN_DB:
                first, second = sorted((find(a), find(b)))
                root[second] = first
    groups: dict[int, list[int]] = {}
    for column in range(level.shape[1]):
        groups.setdefault(find(column), []).append(column)
    return list(groups.values())


def _mean_heard(level: Array) -> Array:
    """Mean over the columns that are not NaN; NaN where all are."""
    heard = ~np.isnan(level)
    count = heard.sum(axis=1)
    total = np.where(heard, level, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _commonest(channel: Array) -> int:
    values, counts = np.unique(channel[~np.isnan(channel)], return_counts=True)
    return int(values[counts.argmax()])


def wifi_links(
    survey: WifiSurvey,
    links: int,
    transmit_dbm: float,
    rng: np.random.Generator | int,
    band: Literal["2.4 GHz", "5 GHz"] = "2.4 GHz",
) -> Array:
    """Gains of K interfering downlinks in a surveyed building.

    K users stand at K distinct points of the survey, chosen at random. In random order each takes,
    of the radios of the band that no other has taken, the one that is strongest in the mean over
    its samples. All radios are supposed to share one channel: the survey tells what everybody
    would hear of everybody if the building were run with full frequency reuse, and within one band
    the gain hardly depends on the channel it was measured on. The successive samples at a point
    are the slots. Entry ``[t, k, j]`` is what user k hears, in its t-th sample, of the radio that
    serves user j.

    Rows of one slot were measured one after the other, as the surveyor walked: across users only
    the mean gains belong together, which suits receivers at different places, whose fading is
    independent anyway.

    Parameters
    ----------
    survey : WifiSurvey
        Levels of the radios.
    links : int
        Number of links K, at least 1 and at most the number of points [count].
    transmit_dbm : float
        Power at which the radios are supposed to have sent [dBm].
    rng : Generator or int
        Source of the choice of points, or its seed.
    band : {"2.4 GHz", "5 GHz"}
        Which radios take part: those on channels up to 14, or above.

    Returns
    -------
    [T, K, K], float64
        Linear power gain, 0 where not heard; T is the least number of samples at a point [1].

    Raises
    ------
    ValueError
        The survey has no K points with a radio each.
    """
    rng = np.random.default_rng(rng)
    in_band = np.flatnonzero((survey.channel <= 14) == (band == "2.4 GHz"))
    level = survey.level_dbm[:, in_band]
    gain = np.where(np.isnan(level), 0.0, from_db(level - transmit_dbm))
    places, point = np.unique(survey.position_m, axis=0, return_inverse=True)
    samples = [gain[point.ravel() == place] for place in range(len(places))]
    users: list[int] = []
    serving: list[int] = []
    for place in rng.permutation(len(places)):
        strength = samples[place].mean(axis=0)
        strength[serving] = 0.0
        if strength.max(initial=0.0) > 0.0:
            users.append(int(place))
            serving.append(int(strength.argmax()))
    if not 1 <= links <= len(users):
        raise ValueError(
            f"links = {links} must be between 1 and {len(users)}, the points of the survey with "
            f"a {band} radio each"
        )
    users, serving = users[:links], serving[:links]
    slots = min(len(samples[place]) for place in users)
    return np.stack([samples[place][:slots, serving] for place in users], axis=1)
