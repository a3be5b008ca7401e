"""Paired intervals of many points at once.

The arithmetic is that of `slotwise.runs.intervals`, over an axis of seeds in which some may be
absent, so that a hundred thousand cells take no longer than a blink.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["Bounds", "mean_and_half", "ratio_of_means"]

Array = NDArray[np.float64]

_QUANTILE = 0.975


class Bounds(NamedTuple):
    """Estimates and the bounds of their 95% intervals; NaN where there is none."""

    value: Array
    low: Array
    high: Array


def ratio_of_means(values: Array, reference: Array) -> Bounds:
    """Ratios of means, as `slotwise.runs.intervals.ratio_of_means` has them.

    Parameters
    ----------
    values, reference : [points, seeds, controllers] and [points, seeds, 1], float64
        NaN where there is nothing; a pair in which one is missing is left out.

    Returns
    -------
    Bounds
        Of [points, controllers]; NaN where the reference's mean is not positive.
    """
    reference = np.where(np.isfinite(values), reference, np.nan)
    values = np.where(np.isfinite(reference), values, np.nan)
    (upper, _), (lower, _) = mean_and_half(values), mean_and_half(reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = np.where(lower > 0.0, lower, np.nan)
        ratio = upper / lower
        residual = (values - ratio[:, None] * reference) / lower[:, None]
    _, half = mean_and_half(residual)
    return Bounds(ratio, ratio - half, ratio + half)


def mean_and_half(values: Array) -> tuple[Array, Array]:
    """Mean over the seeds that are there, and half its 95% t interval.

    Parameters
    ----------
    values : [points, seeds, ...], float64
        NaN where there is nothing.

    Returns
    -------
    mean, half : [points, ...], float64
        NaN without seeds; ``half`` also with one.
    """
    there = np.isfinite(values)
    count = there.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(there, values, 0.0).sum(axis=1) / count
        square = np.where(there, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)
        error = np.sqrt(square / (count - 1) / count)
        quantile = special.stdtrit(np.maximum(count - 1, 1), _QUANTILE)
    return mean, np.where(count > 1, quantile * error, np.nan)
