"""Figures over seeds: a mean of ratios, its paired interval, and the ratios themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from slotwise.runs.intervals import mean_of_ratios

__all__ = ["Found", "found", "percent"]


class Found(NamedTuple):
    """A figure over seeds, in per cent.

    Attributes
    ----------
    value : float
        Mean over seeds.
    low, high : float or None
        Its 95 % interval; None of a single seed.
    each : tuple of float
        Each seed's.
    """

    value: float
    low: float | None
    high: float | None
    each: tuple[float, ...]

    def row(self) -> dict[str, Any]:
        """For a CSV."""
        return {**self._asdict(), "each": " ".join(f"{one:.3f}" for one in self.each)}


def found(values: Sequence[float], reference: Sequence[float]) -> Found:
    """Ratios of pairs, one for each seed, in per cent.

    Raises
    ------
    ValueError
        If a reference is zero or a number is not finite.
    """
    one, other = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    interval = mean_of_ratios(one, other)
    if interval.value is None:
        raise ValueError("rates of zero, or not finite: nothing to be relative to")
    low, high = (None if bound is None else 100.0 * bound for bound in interval[1:])
    return Found(100.0 * interval.value, low, high, tuple((100.0 * one / other).tolist()))


def percent(one: Found) -> str:
    """As a table shows it: ``98.31 ± 0.40``."""
    if one.low is None or one.high is None:
        return f"{one.value:.2f}"
    return f"{one.value:.2f} ± {(one.high - one.low) / 2:.2f}"
