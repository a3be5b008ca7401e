"""A row of the benchmark: what was measured, and what it should come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Row", "Skipped"]

Sense = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Row:
    """One measured quantity.

    Attributes
    ----------
    group : str
        What it belongs to, such as ``decision``.
    what : str
        What was measured, against what, and for how many users.
    measured : float
        The figure; of a ratio the median over the rounds.
    unit : str
        ``×`` for a ratio of times.
    low, high : float or None
        Quartiles over the rounds of a time; the 95% interval of a mean over draws.
    goal, aim : float or None
        What it has to reach, and what it would ideally be.
    sense : {"at least", "at most"}
        On which side of the goal it should be.
    times_s : mapping of str to float
        Medians of the CPU time behind it [s], by what took them.
    digits : int
        Significant digits to show.
    """

    group: str
    what: str
    measured: float
    unit: str = "×"
    low: float | None = None
    high: float | None = None
    goal: float | None = None
    aim: float | None = None
    sense: Sense = "at least"
    times_s: Mapping[str, float] = field(default_factory=dict)
    digits: int = 3

    @property
    def reached(self) -> bool | None:
        """Whether the goal is; None where there is none."""
        if self.goal is None or math.isnan(self.measured):
            return None
        more = self.measured >= self.goal
        return more if self.sense == "at least" else self.measured <= self.goal

    def to_dict(self) -> dict[str, Any]:
        """The row as a program reads it."""
        return {
            "group": self.group,
            "what": self.what,
            "measured": self.measured,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "goal": self.goal,
            "aim": self.aim,
            "sense": self.sense if self.goal is not None else None,
            "reached": self.reached,
            "times_s": dict(self.times_s),
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """What could not be measured here.

    Attributes
    ----------
    group, what : str
        As of a row.
    why : str
        What is missing.
    """

    group: str
    what: str
    why: str
