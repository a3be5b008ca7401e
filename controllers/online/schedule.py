"""When to learn: after so many observations, or when something has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

__all__ = ["Schedule", "When"]

When = Literal["period", "drift"]

_AFTER_CHANGE = 50  # observations of a changed network before it is learned
_LESSONS_AFTER_CHANGE = 5


@dataclass(slots=True)
class _Counts:
    observed: int = 0
    lessons: int = 0
    last: int = 0  # observations that had been made at the last lesson or change
    planned: int = _LESSONS_AFTER_CHANGE  # lessons to come before the next change
    changed: bool = False


class Schedule:
    """Counts observations and lessons.

    Parameters
    ----------
    every : int
        Observations between lessons, at least one.
    when : str
        ``period``: lessons all the time; ``drift``: five at the beginning and after each change.

    Raises
    ------
    ValueError
        If these are out of range.
    """

    def __init__(self, every: int, when: str) -> None:
        if every < 1:
            raise ValueError(f"every = {every}: must be at least 1")
        if when not in get_args(When):
            raise ValueError(f"when = {when}: must be one of {', '.join(get_args(When))}")
        self._every, self._when = every, when
        self.begin()

    @property
    def lessons(self) -> int:
        """Lessons so far."""
        return self._counts.lessons

    def begin(self) -> None:
        """Begin anew."""
        self._counts = _Counts()

    def observe(self) -> int:
        """Count an observation; how many there have been."""
        self._counts.observed += 1
        return self._counts.observed

    def change(self) -> None:
        """The network has changed: the next lesson comes soon."""
        counts = self._counts
        counts.changed, counts.last = True, counts.observed
        counts.planned = _LESSONS_AFTER_CHANGE

    def cause(self) -> str:
        """Why it is time to learn; empty where it is not."""
        counts = self._counts
        waited = counts.observed - counts.last
        if counts.changed and waited >= min(self._every, _AFTER_CHANGE):
            return "a change"
        if waited < self._every or (self._when == "drift" and not counts.planned):
            return ""
        return f"{self._every} observations"

    def learn(self) -> int:
        """Count a lesson; its number, from one."""
        counts = self._counts
        counts.lessons, counts.last, counts.changed = counts.lessons + 1, counts.observed, False
        counts.planned = max(counts.planned - 1, 0)
        return counts.lessons

    def state(self) -> dict[str, Any]:
        """Everything that there is to save, for JSON."""
        return asdict(self._counts)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` told of.

        Raises
        ------
        TypeError
            If that is nothing of the kind.
        """
        self._counts = _Counts(**state)
