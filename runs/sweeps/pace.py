"""How a sweep is getting on: cells done, how fast, how long still, and how many failed.

On a terminal it is a bar; in a log, where bars are noise, a line every half minute.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slotwise.runs.progress import note, progress_bar
from slotwise.runs.sweeps.visiting import Cost

__all__ = ["Pace", "duration", "pace_shown", "spell"]

_SAID_EVERY_S = 30.0


class Pace:
    """Counts cells as they arrive.

    Parameters
    ----------
    total : int
        Cells in all.

    Attributes
    ----------
    done, failed : int
        Cells that have arrived; those of them that failed.
    """

    def __init__(self, total: int) -> None:
        self.done = self.failed = 0
        self._total = total
        self._began = time.monotonic()

    def arrived(self, failed: bool) -> None:
        """Count one cell."""
        self.done += 1
        self.failed += failed

    def words(self) -> str:
        """Such as ``120/1440 cells, 3.1/s, 2 failed``."""
        rate = self.done / max(time.monotonic() - self._began, 1e-9)
        speed = f"{rate:.1f}/s" if rate >= 0.1 else f"{60 * rate:.1f}/min"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done}/{self._total} cells, {speed}{failed}"

    def left_s(self) -> float:
        """Seconds that the others will take at this pace."""
        elapsed = time.monotonic() - self._began
        return elapsed * (self._total - self.done) / max(self.done, 1)


@contextmanager
def pace_shown(
    label: str, total: int, *, shown: bool, threadless: bool = False
) -> Iterator[tuple[Pace, Callable[[bool], None]]]:
    """Show how cells arrive on standard error.

    Parameters
    ----------
    label : str
        What is being done.
    total : int
        Cells.
    shown : bool
        False shows nothing.
    threadless : bool
        As of `progress_bar`.

    Yields
    ------
    Pace
        The counts.
    callable
        Called for each cell that arrives, with whether it failed.
    """
    pace = Pace(total)
    terminal = sys.stderr.isatty()
    said = time.monotonic()

    with progress_bar(label, total, shown=shown, words=pace.words, threadless=threadless) as draw:

        def arrived(failed: bool) -> None:
            nonlocal said
            pace.arrived(failed)
            draw(pace.done)
            if shown and not terminal and time.monotonic() - said > _SAID_EVERY_S:
                said = time.monotonic()
                note(f"{label}: {pace.words()}, {duration(pace.left_s())} left")

        yield pace, arrived


def duration(seconds: float) -> str:
    """A duration for people: ``40 s``, ``12 min``, ``3.5 h``, ``12 days``."""
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s" if seconds >= 9.5 else f"{max(seconds, 0):.1f} s"
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size or unit == "min":
            return f"{seconds / size:.3g} {unit}"
    raise AssertionError


def spell(cost: Cost, workers: int) -> str:
    """What work will take, such as ``12 min (10 min to 15 min) on 2 workers``."""
    likely, low, high = (duration(seconds / workers) for seconds in cost)
    return f"{likely} ({low} to {high}) on {workers} {'worker' if workers == 1 else 'workers'}"
