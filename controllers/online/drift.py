"""Whether the network has changed: a sequential test on what is observed of it.

What is watched are three levels of each report: direct gains, cross gains, and how much the latter
spread, in dB. Their means over blocks of reports go into cumulative sums that alarm when a level
has moved up or down (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954). Nothing
needs to be known beforehand. The sums standardise themselves by what they have seen so far (D. M.
Hawkins, "Self-starting cusum charts for location and scale", The Statistician 36, 1987): as long as
blocks are independent and normal, so are the scores that are summed. Slow fading makes short blocks
alike, so blocks are made longer at the beginning until neighbours hardly are (A. M. Law and J. S.
Carson, "A sequential procedure for determining the length of a steady-state simulation", Oper. Res.
27(5), 1979).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["ALLOWANCE", "BLOCK", "THRESHOLD", "DriftTest", "levels"]

Array = NDArray[np.float64]

BLOCK = 20
"""Reports of a block, at least."""

ALLOWANCE = 0.5
"""Move of a block's level that is put up with, in standard deviations: half of what is sought."""

THRESHOLD = 8.0
"""Where a sum alarms. Of independent blocks one in about 3,200 is a false alarm."""

_LEVELS = 3
_FLOOR = 1e-4  # gains below this, in units of noise, are none
_FIRST = 3  # blocks before anything can be standardised
_TRIED = 20  # blocks whose length is tried
_ALIKE = 0.3  # largest correlation of neighbouring blocks that are long enough


def levels(snr: NDArray[np.float32]) -> Array:
    """Levels of one report.

    Parameters
    ----------
    snr : ndarray, shape (K, K), float32
        Gains in units of noise at full power; rows are receivers. Users without a direct gain do
        not count.

    Returns
    -------
    ndarray, shape (3,), float64
        Mean direct gain, mean cross gain and its standard deviation over links [dB]; zero where
        there are none.
    """
    there = np.flatnonzero(np.diagonal(snr) > 0.0)
    if there.size == 0:
        return np.zeros(_LEVELS)
    gain_db = 10.0 * np.log10(np.maximum(snr[np.ix_(there, there)], _FLOOR))
    own = np.eye(there.size, dtype=bool)
    cross_db = gain_db[~own]
    if cross_db.size == 0:
        return np.array([gain_db[own].mean(), 0.0, 0.0], np.float64)
    return np.array([gain_db[own].mean(), cross_db.mean(), cross_db.std()], np.float64)


class DriftTest:
    """Alarms when reports are no longer what they were.

    Nothing is found in the first 20 blocks of its life, nor in the first three after an alarm.

    Parameters
    ----------
    block : int
        Reports of a block, at least; doubled at the beginning as long as 20 of them have a
        correlation above 0.3 between neighbours.
    threshold : float
        Where a sum alarms.

    Attributes
    ----------
    alarms : int
        How often it has.
    """

    def __init__(self, block: int = BLOCK, threshold: float = THRESHOLD) -> None:
        self._length, self._threshold = block, threshold
        self._trial: list[Array] | None = []  # blocks whose length is being tried
        self.alarms = 0
        self._begin()

    def _begin(self) -> None:
        self._sum: Array = np.zeros(_LEVELS)
        self._mean: Array = np.zeros(_LEVELS)
        self._square: Array = np.zeros(_LEVELS)
        self._up: Array = np.zeros(_LEVELS)
        self._down: Array = np.zeros(_LEVELS)
        self._reports = self._blocks = 0

    @property
    def block(self) -> int:
        """Reports of a block now."""
        return self._length

    def watch(self, level: Array) -> bool:
        """Take the levels of one report.

        Returns
        -------
        bool
            Whether this report makes it alarm; then it begins anew, from the next one.
        """
        self._sum = self._sum + level
        self._reports += 1
        if self._reports < self._length:
            return False
        mean = self._sum / self._length
        self._sum, self._reports = np.zeros(_LEVELS), 0
        if self._trial is not None:
            self._try(mean)
            return False
        score = self._score(mean)
        self._up = np.maximum(0.0, self._up + score - ALLOWANCE)
        self._down = np.maximum(0.0, self._down - score - ALLOWANCE)
        if max(self._up.max(), self._down.max()) <= self._threshold:
            return False
        self.alarms += 1
        self._begin()
        return True

    def state(self) -> dict[str, Any]:
        """Everything that there is to save, for JSON."""
        trial = None if self._trial is None else [block.tolist() for block in self._trial]
        numbers = {name: getattr(self, f"_{name}").tolist() for name in _NUMBERS}
        counts = {name: getattr(self, f"_{name}") for name in _COUNTS}
        return {**numbers, **counts, "trial": trial, "alarms": self.alarms}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` told of.

        Raises
        ------
        KeyError, TypeError, ValueError
            If that is nothing of the kind.
        """
        for name in _NUMBERS:
            setattr(self, f"_{name}", np.array(state[name], np.float64).reshape(_LEVELS))
        for name in _COUNTS:
            setattr(self, f"_{name}", int(state[name]))
        trial = state["trial"]
        self._trial = None if trial is None else [np.array(each, np.float64) for each in trial]
        self.alarms = int(state["alarms"])

    def _try(self, mean: Array) -> None:
        """Take a block of the beginning; begin when blocks are long enough."""
        assert self._trial is not None
        self._trial.append(mean)
        if len(self._trial) < _TRIED:
            return
        blocks = np.array(self._trial)
        away = blocks - blocks.mean(0)
        power = np.sum(away * away, axis=0)
        shared = np.sum(away[1:] * away[:-1], axis=0)
        if (shared > _ALIKE * power).any():
            self._length *= 2
            self._trial = list(0.5 * (blocks[::2] + blocks[1::2]))
            return
        self._trial = None
        for block in blocks:
            self._score(block)

    def _score(self, mean: Array) -> Array:
        """A block's levels as standard normal numbers, given all blocks before."""
        n = self._blocks = self._blocks + 1
        away = mean - self._mean
        score: Array = np.zeros(_LEVELS)
        if n >= _FIRST:
            deviation = np.sqrt(self._square / (n - 2))
            spreads = deviation > 0.0
            moved: Array = np.zeros(_LEVELS)
            moved[spreads] = math.sqrt((n - 1) / n) * away[spreads] / deviation[spreads]
            tail = special.stdtr(n - 2, -np.abs(moved))  # one minus it would end at eight
            score = np.copysign(special.ndtri(np.maximum(tail, 1e-300)), moved)
        self._mean = self._mean + away / n
        self._square = self._square + away * (mean - self._mean)
        return score


_NUMBERS = ("sum", "mean", "square", "up", "down")
_COUNTS = ("reports", "blocks", "length")
