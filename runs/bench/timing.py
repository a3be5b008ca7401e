"""Times that can be compared, on a machine that others use too.

What is compared is measured in turns: in every round each has its go, so that whatever slows the
machine for a second slows all of them. Only CPU time of this process counts. A ratio is taken
within each round, and of the rounds the median, with its quartiles as spread; a mean would remember
every interruption.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Times", "interleaved"]

_FEWEST_ROUNDS = 5
_MOST_ROUNDS = 41
_SHORTEST_S = 0.002  # of a turn: shorter ones would measure the clock


@dataclass(frozen=True, slots=True)
class Times:
    """CPU times of several doings, measured in turns.

    Attributes
    ----------
    seconds : dict of str to ndarray, shape (rounds,), float64
        Of one call, round by round [s].
    """

    seconds: dict[str, NDArray[np.float64]]

    def median(self, name: str) -> float:
        """Median CPU time of one call [s]."""
        return float(np.median(self.seconds[name]))

    def medians(self) -> dict[str, float]:
        """Median CPU time of one call of each [s]."""
        return {name: self.median(name) for name in self.seconds}

    def ratio(self, slow: str, fast: str, scale: float = 1.0) -> tuple[float, float, float]:
        """How many times longer one takes than another.

        Parameters
        ----------
        slow, fast : str
            Whose time is divided by whose.
        scale : float
            Work of a call of `fast` over work of a call of `slow`.

        Returns
        -------
        median, low, high : float
            Over the rounds; low and high are quartiles.
        """
        low, median, high = np.quantile(
            scale * self.seconds[slow] / self.seconds[fast], (0.25, 0.5, 0.75)
        )
        return float(median), float(low), float(high)


def interleaved(doings: Mapping[str, Callable[[], object]], seconds: float) -> Times:
    """Measure several doings in turns.

    Each is called once beforehand, which compiles and fills caches. In a turn a quick one is called
    several times.

    Parameters
    ----------
    doings : mapping of str to callable
        What to measure, by name.
    seconds : float
        About how long all of it may take [s]; there are five rounds at least.
    """
    calls: dict[str, int] = {}
    turn_s = 0.0
    with _without_collection():
        for name, do in doings.items():
            do()
            once_s = _cpu_seconds(do, 1)
            calls[name] = max(1, round(_SHORTEST_S / max(once_s, 1e-7)))
            turn_s += calls[name] * once_s
        rounds = int(min(max(seconds / turn_s, _FEWEST_ROUNDS), _MOST_ROUNDS))
        taken: dict[str, list[float]] = {name: [] for name in doings}
        for _ in range(rounds):
            for name, do in doings.items():
                taken[name].append(_cpu_seconds(do, calls[name]) / calls[name])
    return Times({name: np.array(times) for name, times in taken.items()})


def _cpu_seconds(do: Callable[[], object], calls: int) -> float:
    begin = time.process_time()
    for _ in range(calls):
        do()
    return time.process_time() - begin


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python's garbage collector out of the times."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
