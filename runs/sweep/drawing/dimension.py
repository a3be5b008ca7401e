"""A varied field as people read it: a word, a unit, and its values in order.

Units are those of the scenario's models; a few fields that maps are drawn over have a shorter word
than their name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from slotwise.emulator.scenario import Scenario
from slotwise.runs.report.quantities import count, number
from slotwise.runs.report.scenario_fields import scenario_sections

if TYPE_CHECKING:
    from slotwise.runs.sweep.plan import SweepPlan, Value

__all__ = ["Dimension", "dimension", "spread"]

T = TypeVar("T")

_WORDS = {
    "population.initial_users": "users",
    "timing.slowdown": "processor slowdown",
    "channel.doppler_hz": "Doppler",
    "scenario": "scenario",
    "slots": "slots",
}
_SHORT = {"timing.slowdown": "slowdown"}
_UNITS = {"population.initial_users": "", "timing.slowdown": "×"}
_SUFFIXES = ("_hz", "_dbm", "_dbw", "_dbi", "_db", "_mps", "_s", "_m", "_w", "_bits", "_kmh")
_MANY_TIMES = 8.0  # from here on a logarithm shows more


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
    """

    field: str
    word: str
    unit: str
    values: tuple[Value, ...]

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
        """Whether values span so much that their ratios matter."""
        if not self.is_numeric:
            return False
        low, high = float(self.values[0]), float(self.values[-1])
        return low > 0.0 and high >= _MANY_TIMES * low

    def text(self, value: Value) -> str:
        """A value for a tick: ``1,000``, ``0.5``, ``rayleigh``."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str):
            return value
        if float(value) == round(value) and abs(value) < 1e9:
            return count(value)
        text = number(float(value))
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
    return Dimension(field, word, unit, values)


def spread(values: Sequence[T], most: int) -> list[T]:
    """Some of many, evenly spread, both ends among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(n * (len(values) - 1) / (most - 1))] for n in range(most)]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
