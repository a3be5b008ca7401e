"""Points of a sweep: what the varied fields are set to, as a grid, one by one, or at random.

Each of the three makes a block of rows that are all different; a plan with several has every
combination of their rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from slotwise.emulator.scenario import InputError, nearest
from slotwise.runs.sweeps.planning.fields import (
    WORDS,
    Value,
    check_field,
    flatten,
    holds,
    of_one_type,
)

__all__ = ["MOST_POINTS", "Block", "combined", "drawn", "grid", "listed", "spelled"]

MOST_POINTS: Final = 1_000_000
_ATTEMPTS = 30  # times the points: all of a million different ones take 15 or so
_DIGITS = 12


class Block(NamedTuple):
    """Fields that vary together, and the rows of values that they take.

    Attributes
    ----------
    fields : tuple of str
        Dotted names, or words of `slotwise.runs.sweeps.planning.fields.WORDS`.
    rows : tuple of tuple
        As long as `fields`, all different.
    """

    fields: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class _Range:
    low: float
    high: float
    log: bool
    count: int

    def at(self, share: float) -> float:
        """Value at a share of the way; the ends are met exactly."""
        if share in (0.0, 1.0):
            return self.high if share else self.low
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + share * (self.high - self.low)
        # Powers differ in the last digit from machine to machine; a plan must not.
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


def grid(table: Mapping[str, Any]) -> Block:
    """Every combination of some fields' values, the first field slowest.

    Parameters
    ----------
    table : mapping
        A list of values for each field, or ``{ from, to, count, scale }``; the scale is
        ``"linear"``, which it is if left out, or ``"log"``.

    Raises
    ------
    InputError
        If a field is unknown, or a list or range is wrong.
    """
    fields = _varied(table)
    columns = [_column(field, values) for field, values in fields.items()]
    _check_number(math.prod(len(column) for column in columns))
    return Block(tuple(fields), tuple(itertools.product(*columns)))


def listed(entries: Sequence[Mapping[str, Any]]) -> Block:
    """Points one by one.

    Parameters
    ----------
    entries : sequence of mapping
        One value for each field; all have the same fields.

    Raises
    ------
    InputError
        If a field is unknown or missing, or two entries are equal.
    """
    _check_number(len(entries))
    points = [_varied(entry) for entry in entries]
    fields = tuple(points[0])
    if not fields:
        raise InputError("entry 1 is empty: name the fields that vary")
    for number, point in enumerate(points, 1):
        for field in {**points[0], **point}:
            if field not in point or field not in fields:
                short = number if field not in point else 1
                raise InputError(f"entry {short}: {field} is missing; every entry has all fields")
    columns = [of_one_type(field, [point[field] for point in points]) for field in fields]
    rows = tuple(zip(*columns, strict=True))
    seen: set[tuple[Value, ...]] = set()
    for row in rows:
        if row in seen:
            raise InputError(f"two points are equal: {spelled(fields, row)}")
        seen.add(row)
    return Block(fields, rows)


def drawn(table: Mapping[str, Any]) -> Block:
    """Points at random, independent and all different.

    More points of the same seed and fields begin with those of fewer.

    Parameters
    ----------
    table : mapping
        ``points`` and ``seed``, and for each field ``{ from, to, scale }``, uniform on that scale,
        or a list, of which one is chosen. Fields of whole numbers are rounded.

    Raises
    ------
    InputError
        If a field is unknown, a list or range is wrong, or there are not so many different points.
    """
    points = _whole("points", table.get("points"), 1, MOST_POINTS)
    seed = _whole("seed", table.get("seed", 0), 0, 2**63 - 1)
    left = {key: value for key, value in table.items() if key not in ("points", "seed")}
    fields = _varied(left, ("points", "seed"))
    if not fields:
        raise InputError("no fields: name at least one to draw")
    sources = [_source(field, value) for field, value in fields.items()]
    generator = np.random.default_rng(seed)
    rows: dict[tuple[Value, ...], None] = {}
    for _ in range(_ATTEMPTS):
        for shares in generator.random((points, len(fields))).tolist():
            row = zip(fields, sources, shares, strict=True)
            rows[tuple(_pick(field, source, share) for field, source, share in row)] = None
            if len(rows) == points:
                return Block(tuple(fields), tuple(rows))
    raise InputError(
        f"points = {points}: only {len(rows)} different ones were found; ask for fewer, or for all "
        "in a grid"
    )


def combined(blocks: Sequence[Block]) -> Block:
    """Every combination of the blocks' rows, the first block slowest; one empty row of none.

    Raises
    ------
    InputError
        If two blocks have a field in common, or there are too many points.
    """
    fields = tuple(field for block in blocks for field in block.fields)
    for field in fields:
        if fields.count(field) > 1:
            raise InputError(f"{field} is varied twice: by one of grid, list and random at most")
    _check_number(math.prod(len(block.rows) for block in blocks))
    rows = itertools.product(*(block.rows for block in blocks))
    return Block(fields, tuple(tuple(itertools.chain(*row)) for row in rows))


def spelled(fields: Sequence[str], row: Sequence[Value]) -> str:
    """A point in an error: ``population.initial_users = 10, timing.slowdown = 1.0``."""
    return ", ".join(f"{field} = {value}" for field, value in zip(fields, row, strict=True))


def _varied(table: Mapping[str, Any], also: Sequence[str] = ()) -> dict[str, Any]:
    """Fields of a table, each of a kind that can be varied."""
    fields = flatten(table)
    for field in fields:
        if field not in WORDS:
            check_field(field, (*WORDS, *also))
        if field == "objective":
            raise InputError("objective is varied, but a plan is judged by one: make two plans")
        if holds(field) in ("a section", "an array"):
            raise InputError(f"{field} is {holds(field)}: vary single values")
    return fields


def _column(field: str, values: Any) -> tuple[Value, ...]:
    """Values of a field of a grid."""
    if isinstance(values, list | tuple):
        return _different(field, values)
    if not isinstance(values, Mapping):
        raise InputError(f"{field} = {values}: must be an array of values or a range")
    span = _read_range(field, values, counted=True)
    steps = [span.at(step / (span.count - 1)) for step in range(span.count)]
    if holds(field) != "whole numbers":
        return of_one_type(field, steps)
    whole = [round(step) for step in steps]
    for value, following in itertools.pairwise(whole):
        if value == following:
            raise InputError(
                f"{field}: count = {span.count} gives {value} more than once, as it is a whole "
                "number; ask for fewer"
            )
    return tuple(whole)


def _different(field: str, values: Sequence[Any]) -> tuple[Value, ...]:
    if not values:
        raise InputError(f"{field}: no values")
    found = of_one_type(field, values)
    seen: set[Value] = set()
    for value in found:
        if value in seen:
            raise InputError(f"{field} = {value} is named twice")
        seen.add(value)
    return found


def _source(field: str, values: Any) -> _Range | tuple[Value, ...]:
    """What a field is drawn from."""
    if isinstance(values, list | tuple):
        return _different(field, values)
    if not isinstance(values, Mapping):
        raise InputError(f"{field} = {values}: must be an array to choose from or a range")
    return _read_range(field, values, counted=False)


def _pick(field: str, source: _Range | tuple[Value, ...], share: float) -> Value:
    if not isinstance(source, _Range):
        return source[int(share * len(source))]
    value = source.at(share)
    return round(value) if holds(field) == "whole numbers" else value


def _read_range(field: str, table: Mapping[str, Any], *, counted: bool) -> _Range:
    """Check a range, with a count or without."""
    allowed = ["from", "to", *(["count"] if counted else []), "scale"]
    for key in table:
        if key not in allowed:
            raise InputError(
                f"{field}: unknown key {key}{nearest(key, allowed)}; allowed: {', '.join(allowed)}"
            )
    if holds(field) not in ("numbers", "whole numbers"):
        raise InputError(f"{field} holds {holds(field)}: give an array of values, not a range")
    low, high = (_number(field, key, table.get(key)) for key in ("from", "to"))
    scale = table.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise InputError(f"{field}: scale = {scale}: must be linear or log")
    if low >= high:
        raise InputError(f"{field}: from = {low:g} must be below to = {high:g}")
    if scale == "log" and low <= 0:
        raise InputError(f"{field}: from = {low:g} must be above 0 where scale = log")
    count = _whole(f"{field}: count", table.get("count"), 2, MOST_POINTS) if counted else 0
    return _Range(low, high, scale == "log", count)


def _number(field: str, key: str, value: Any) -> float:
    if value is None:
        raise InputError(f"{field}: {key} is missing")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise InputError(f"{field}: {key} = {value}: must be a finite number")
    return float(value)


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if value is None:
        raise InputError(f"{name} is missing")
    if type(value) is not int or not low <= value <= high:
        raise InputError(f"{name} = {value}: must be a whole number from {low} to {high}")
    return value


def _check_number(points: int) -> None:
    if points > MOST_POINTS:
        raise InputError(f"{points} points: at most {MOST_POINTS} can be planned")
