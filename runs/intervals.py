"""Intervals of a paired comparison.

Two controllers that met the same draws or lived the same lives differ by less than either varies,
so the ratio is taken where they met, and its interval from how the ratios, or their residuals,
spread. Small samples get Student's t.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["Interval", "mean_of_ratios", "ratio_of_means"]

Array = NDArray[np.float64]

_CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate and the bounds of its 95 % interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


def mean_of_ratios(values: Array, reference: Array) -> Interval:
    """Mean of the pairwise ratios with its 95 % t interval: runs that share a seed.

    Parameters
    ----------
    values, reference : (n,) float64
        One number for each seed, in the same order.

    Returns
    -------
    Interval
        Without bounds if n = 1, empty if a reference is zero or a number is not finite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.asarray(values, dtype=np.float64) / np.asarray(reference, dtype=np.float64)
    if ratios.size == 0 or not np.isfinite(ratios).all():
        return Interval(None, None, None)
    return _around(float(ratios.mean()), ratios)


def ratio_of_means(values: Array, reference: Array) -> Interval:
    """Ratio of two means over the same draws with its 95 % interval, as papers' tables have it.

    The interval is that of the classical ratio estimator: with R = mean(y) / mean(x), the
    residuals (y - R x) / mean(x) have mean zero and carry its standard error (Cochran, Sampling
    Techniques, 3rd ed., eq. 6.9).

    Parameters
    ----------
    values, reference : (n,) float64
        One number for each draw, in the same order.

    Returns
    -------
    Interval
        Without bounds if n = 1, empty if the reference's mean is zero or a number is not finite.
    """
    values, reference = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    if values.size == 0 or not (np.isfinite(values).all() and np.isfinite(reference).all()):
        return Interval(None, None, None)
    mean = float(reference.mean())
    if mean == 0.0:
        return Interval(None, None, None)
    ratio = float(values.mean()) / mean
    return _around(ratio, (values - ratio * reference) / mean)


def _around(value: float, spread: Array) -> Interval:
    """The t interval of a mean whose terms spread like these."""
    if spread.size < 2:
        return Interval(value, None, None)
    error = float(spread.std(ddof=1)) / math.sqrt(spread.size)
    # The quantile that scipy.stats.t.ppf gives, without the second that scipy.stats takes to load.
    half = float(special.stdtrit(spread.size - 1, 0.5 + _CONFIDENCE / 2)) * error
    return Interval(value, value - half, value + half)
