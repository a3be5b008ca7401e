"""Wi-Fi surveys: which radios were heard how strongly at the points of a building.

A survey (``read_wifi_survey``) becomes a network of links once each of some points has been given
a serving radio (``wifi_links``). What was not heard lies below the receiver's sensitivity and
counts as a gain of zero, as in `slotwise.emulator.measured`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.measured import parse_number
from slotwise.emulator.radio import from_db
from slotwise.emulator.scenario import InputError

__all__ = ["WifiSurvey", "read_wifi_survey", "wifi_links"]

Array = NDArray[np.float64]


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
            sample[name] = parse_number(value, path, line, f"id {name}")
    return samples


def _read_positions(path: Path) -> Array:
    rows = [
        [parse_number(cell, path, line, "coordinate") for cell in text.split(",")]
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
