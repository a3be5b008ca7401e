"""Lessons: what a controller learns takes time too, on a core of its own or between decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from slotwise.emulator.sections import Timing
from slotwise.emulator.trace import Journal

__all__ = ["OUTCOMES", "Lesson", "Lessons"]

OUTCOMES = ("deployed", "rejected", "rolled back")
"""What can come of an attempt to learn; one that the end finds at work is ``unfinished``."""

Schedule = Callable[[float, Callable[[Any], None], Any], None]


class Lesson(NamedTuple):
    """What came of an attempt to learn.

    Attributes
    ----------
    outcome : str
        ``deployed``: what was learned decides from now on. ``rejected``: it was no better.
        ``rolled back``: what was deployed before turned out worse, and was taken back.
    samples : int
        Observations that it was learned from.
    gain, low, high : float
        By how much what decides from now on is better than what decided before, and for a
        rejected attempt, by how much this would have been: difference of the sum rates over the
        latter's on observations that were not learned from, and its paired 95 % interval [1].
    judged : int
        How many observations those were.
    cause : str
        Why something was to be learned.
    """

    outcome: str
    samples: int
    gain: float
    low: float
    high: float
    judged: int
    cause: str


@dataclass(slots=True, eq=False)
class _UnderWay:
    lesson: Lesson
    slot: int
    start_s: float
    elapsed_s: float
    latency_s: float
    deploy: Callable[[], object]


class Lessons:
    """Computes lessons, one at a time.

    Parameters
    ----------
    timing : Timing
        Where, and how long that takes.
    journal : Journal
        Where to record.
    now : callable
        Network time [s].
    schedule : callable
        ``schedule(delay_s, callback, value)`` calls ``callback(value)`` later.

    Attributes
    ----------
    free_s : float
        Since when no lesson has kept the processor from deciding [s].
    """

    def __init__(
        self, timing: Timing, journal: Journal, now: Callable[[], float], schedule: Schedule
    ) -> None:
        self._timing, self._journal = timing, journal
        self._now, self._schedule = now, schedule
        self._inline = timing.learning == "inline"
        self._under_way: _UnderWay | None = None
        self.free_s = 0.0

    @property
    def learning(self) -> bool:
        """Whether a lesson is being computed."""
        return self._under_way is not None

    @property
    def blocking(self) -> bool:
        """Whether one is computed by the processor that decides."""
        return self._inline and self._under_way is not None

    def begin(
        self,
        lesson: Lesson,
        elapsed_s: float,
        deploy: Callable[[], object],
        slot: int,
        free_s: float,
    ) -> None:
        """Begin to compute a lesson.

        Parameters
        ----------
        lesson : Lesson
            What will have come of it.
        elapsed_s : float
            How long it took on this machine [s].
        deploy : callable
            Called when it has been computed; False if nothing decides by it after all.
        slot : int
            In which the newest channel was measured that was decided on.
        free_s : float
            When the processor that decides is free [s].

        Raises
        ------
        RuntimeError
            If another is being computed.
        """
        if self._under_way is not None:
            raise RuntimeError("a lesson is being computed: one at a time")
        start_s = free_s if self._inline else self._now()
        latency_s = self._latency_s(elapsed_s)
        self._under_way = _UnderWay(lesson, slot, start_s, elapsed_s, latency_s, deploy)
        if latency_s > 0.0:
            self._schedule(start_s + latency_s - self._now(), self._complete, self._under_way)
        else:
            self._complete(self._under_way)

    def finish(self) -> None:
        """The last slot has ended: account for what is unfinished."""
        if self._under_way is not None:
            self._record(self._under_way, "unfinished")

    def _latency_s(self, elapsed_s: float) -> float:
        timing = self._timing
        if timing.mode == "ideal":
            return 0.0
        alone_s = timing.learning_s if timing.mode == "fixed" else elapsed_s * timing.slowdown
        return alone_s if self._inline else alone_s / timing.learning_share

    def _complete(self, done: _UnderWay) -> None:
        self._under_way = None
        if self._inline:
            self.free_s = done.start_s + done.latency_s
        stands = done.deploy() is not False
        self._record(done, done.lesson.outcome if stands else "rejected")

    def _record(self, done: _UnderWay, outcome: str) -> None:
        lesson = done.lesson._replace(outcome=outcome)
        for trace in self._journal.traces:
            trace.add("lessons", done.slot, done.start_s, done.elapsed_s, done.latency_s, *lesson)
