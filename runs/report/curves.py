"""Long series made short enough to draw: moving means, window means, empirical distributions.

A run has tens of thousands of slots and a figure some three hundred points of width. Each function
here says exactly what it keeps, and the captions repeat it.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bin_means", "cumulative", "moving_mean", "nice_window", "pieces"]

Array = NDArray[np.float64]


def nice_window(span: float, slot: float, parts: int = 60) -> float:
    """Averaging window of 1, 2 or 5 times a power of ten, about ``span / parts``.

    Parameters
    ----------
    span : float
        Length of the series [s].
    slot : float
        Spacing of its samples [s], the least that is returned.
    parts : int
        Windows that should fit into the span.

    Returns
    -------
    float
        Window [s]; ``slot`` where the series has fewer samples than parts.
    """
    wanted = span / parts
    if not wanted > slot:
        return slot
    power = 10.0 ** math.floor(math.log10(wanted) + 1e-9)
    return max(slot, max(m for m in (1.0, 2.0, 5.0) if m * power <= wanted * (1 + 1e-9)) * power)


def pieces(length: int, starts: ArrayLike) -> list[tuple[int, int]]:
    """Half-open index ranges into which interior ``starts`` cut ``range(length)``."""
    inside = {int(start) for start in np.asarray(starts).ravel() if 0 < start < length}
    edges = [0, *sorted(inside), length]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def moving_mean(
    values: ArrayLike, width: int, points: int = 400
) -> tuple[NDArray[np.int64], Array]:
    """Centred moving mean, evaluated at a few evenly spaced indices.

    Parameters
    ----------
    values : (N,) array_like of float
        Series.
    width : int
        Samples in the window; near an end it is what lies inside the series.
    points : int
        Most points to return, both ends among them.

    Returns
    -------
    index : (n,) ndarray of int64
        Where the means were taken.
    mean : (n,) ndarray of float64
    """
    series = np.asarray(values, dtype=np.float64)
    count = len(series)
    sums = np.concatenate(([0.0], np.cumsum(series)))
    centre = np.linspace(0, count - 1, min(points, count)).round().astype(np.int64)
    low = np.maximum(0, centre - (width - 1) // 2)
    high = np.minimum(count, centre + width // 2 + 1)
    return centre, (sums[high] - sums[low]) / (high - low)


def bin_means(values: ArrayLike, bins: int) -> tuple[NDArray[np.int64], Array]:
    """Means over consecutive stretches of equal length.

    Parameters
    ----------
    values : (N,) array_like of float
        Series.
    bins : int
        Most stretches; a series shorter than that comes back as it is.

    Returns
    -------
    edges : (n + 1,) ndarray of int64
        Index where each stretch starts, and N.
    mean : (n,) ndarray of float64
    """
    series = np.asarray(values, dtype=np.float64)
    edges = np.unique(np.linspace(0, len(series), min(bins, len(series)) + 1).astype(np.int64))
    if len(series) == 0:
        return edges, np.empty(0)
    return edges, np.add.reduceat(series, edges[:-1]) / np.diff(edges)


def cumulative(values: ArrayLike, points: int = 500) -> tuple[Array, Array]:
    """Empirical distribution function, thinned to a few points.

    Parameters
    ----------
    values : array_like of float
        Sample; what is not finite is left out.
    points : int
        Most points to return. A longer sample is read at evenly spaced ranks, with its smallest and
        its largest value among them.

    Returns
    -------
    value : (n,) ndarray of float64
        Ascending.
    share : (n,) ndarray of float64
        Share of the sample that is at most ``value``, exactly, in (0, 1].
    """
    sample = np.asarray(values, dtype=np.float64).ravel()
    sample = np.sort(sample[np.isfinite(sample)])
    if len(sample) == 0:
        return np.empty(0), np.empty(0)
    rank = np.unique(np.linspace(0, len(sample) - 1, min(points, len(sample))).round().astype(int))
    value = sample[rank]
    return value, np.searchsorted(sample, value, side="right") / len(sample)
