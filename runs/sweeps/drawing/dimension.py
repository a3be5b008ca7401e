"""A varied field as people read it: a word, a unit, and its values in order.

Units are those of the scenario's models; a few fields that maps are drawn over have a shorter word
than their name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.scenario import Scenario
from slotwise.runs.merits import MERIT
from slotwise.runs.report.quantities import count, number
from slotwise.runs.report.scenario_fields import scenario_sections

if TYPE_CHECKING:
    from slotwise.runs.sweeps.planning.plan import SweepPlan, Value

__all__ = ["Dimension", "dimension", "merit_word", "spread"]

T = TypeVar("T")

_WORDS = {
    "population.initial_users": "users",
    "timing.slowdown": "processor slowdown",
    "channel.doppler_hz": "Doppler",
    "scenario": "scenario",
    "slots": "slots",
}
_MERITS = {
    "mean_sum_rate": "mean sum rate",
    "energy_efficiency_bit_per_joule": "energy efficiency",
    "own_efficiency_bit_per_joule": "sum of users' efficiencies",
}
_SHORT = {"timing.slowdown": "slowdown"}
_UNITS = {"population.initial_users": "", "timing.slowdown": "×"}
_SUFFIXES = ("_hz", "_dbm", "_dbw", "_dbi", "_db", "_mps", "_s", "_m", "_w", "_bits", "_kmh")
_MANY_TIMES = 30.0  # from here on a logarithm shows more, however values are spread
_DIGITS = 3
_ALL_DIGITS = 17  # tell any two floats apart


@dataclass(frozen=True, slots=True)
class Dimension:
    """A varied field.

    Attributes
    ----------
    field : str
        Dotted name.
    word, unit : str
        As an axis has them; the unit may be empty.
    values : tuple
        Those that points have, ascending, or in the plan's order where they are no numbers.
    digits : int
        Significant ones that it takes to tell the values apart, at least 3.
    """

    field: str
    word: str
    unit: str
    values: tuple[Value, ...]
    digits: int = _DIGITS

    def order(self) -> dict[Value, int]:
        """Where each value stands among them."""
        return {value: place for place, value in enumerate(self.values)}

    @property
    def label(self) -> str:
        """For an axis: ``processor slowdown [×]``."""
        return f"{self.word} [{self.unit}]" if self.unit else self.word

    @property
    def is_numeric(self) -> bool:
        """Whether values are numbers, so that distances between them mean something."""
        return _is_number(self.values[0])  # a field's values are of one type

    @property
    def is_log(self) -> bool:
        """Whether ratios of values matter: they span much, or are spread evenly as logarithms."""
        if not self.is_numeric or len(self.values) < 2 or float(self.values[0]) <= 0.0:
            return False
        values = np.asarray(self.values, np.float64)
        if values[-1] >= _MANY_TIMES * values[0]:
            return True
        return _unevenness(np.log(values)) < _unevenness(values) - 1e-9

    def text(self, value: Value) -> str:
        """A value for a tick: ``1,000``, ``0.5``, ``rayleigh``."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str):
            return value
        if float(value) == round(value) and abs(value) < 1e9:
            return count(value)
        text = number(float(value), self.digits)
        return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text

    def told(self, value: Value) -> str:
        """A value in a sentence or a heading: ``Doppler 10 Hz``, ``100 users``, ``slowdown 5×``."""
        text = self.text(value)
        if not _is_number(value):
            return f"{self.word} {text}"
        if self.word in ("users", "slots"):
            return f"{text} {self.word}"
        unit = self.unit if self.unit in ("×", "%") else f" {self.unit}".rstrip()
        return f"{_SHORT.get(self.field, self.word)} {text}{unit}"


def dimension(plan: SweepPlan, field: str) -> Dimension:
    """A varied field of a plan.

    Parameters
    ----------
    plan : SweepPlan
        Whose.
    field : str
        One of ``plan.varied``.
    """
    column = plan.varied.index(field)
    values = tuple(dict.fromkeys(point[column] for point in plan.points))
    if all(_is_number(value) for value in values):
        values = tuple(sorted(values, key=float))
    word = _WORDS.get(field) or _word(field)
    unit = _UNITS[field] if field in _UNITS else _unit(plan.base, field)
    found = Dimension(field, word, unit, values)
    while len({found.text(value) for value in values}) < len(values) and found.digits < _ALL_DIGITS:
        found = replace(found, digits=found.digits + 1)
    return found


def merit_word(plan: SweepPlan) -> str:
    """What controllers of a plan are judged by: ``mean sum rate``."""
    return _MERITS[MERIT[plan.base.objective]]


def spread(values: Sequence[T], most: int) -> list[T]:
    """Some of many, evenly spread, both ends among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(n * (len(values) - 1) / (most - 1))] for n in range(most)]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unevenness(ascending: NDArray[np.float64]) -> float:
    """How far places are from equal distances, as a share of the whole."""
    share = (ascending - ascending[0]) / (ascending[-1] - ascending[0])
    return float(np.abs(share - np.linspace(0.0, 1.0, share.size)).max())


def _word(field: str) -> str:
    """Name of a field without its section and without what says the unit."""
    name = field.rsplit(".", 1)[-1]
    suffix = next((end for end in _SUFFIXES if name.endswith(end) and name != end[1:]), "")
    return name.removesuffix(suffix).replace("_", " ")


def _unit(base: Scenario, field: str) -> str:
    """Unit of a field, from its description; a bare number and a count need none."""
    for section, fields in scenario_sections(base.model_dump(mode="json")):
        for one in fields:
            if f"{section}.{one.name}".rstrip(".") == field:
                found = re.search(r"\[([^\]]+)\]", one.meaning)
                unit = found.group(1) if found else ""
                return "" if unit in ("1", "count") else unit
    return ""
