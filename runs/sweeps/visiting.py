"""In which order the cells of a sweep are lived: any beginning is a fair sample of the whole.

Networks, each with all its controllers, are sorted by what they will probably cost and then visited
in van der Corput's order (J. G. van der Corput, Verteilungsfunktionen, 1935): every so many of
them are spread evenly from the smallest to the largest. So the pace of the first minute is that of
the last, and what the first cells took says what the whole will take.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Cost", "cost", "in_fair_order"]

_SIGMAS = 2.0


class Cost(NamedTuple):
    """What work will probably take [s]: on one worker, and about two standard errors around it."""

    seconds: float
    low: float
    high: float


def in_fair_order(sizes: ArrayLike) -> NDArray[np.int64]:
    """Order of networks in which any beginning is spread evenly over their sizes.

    Parameters
    ----------
    sizes : array_like, shape (n,)
        What each will probably cost, in any unit.

    Returns
    -------
    ndarray, shape (n,), int64
        Indices, each once.
    """
    by_size = np.argsort(np.asarray(sizes, np.float64), kind="stable").astype(np.int64)
    bits = (max(by_size.size, 1) - 1).bit_length()
    turn = np.arange(1 << bits, dtype=np.int64)
    mirrored = np.zeros_like(turn)
    for bit in range(bits):
        mirrored |= ((turn >> bit) & 1) << (bits - 1 - bit)
    # There are at least as many turns as networks; a network is visited in the first of its turns.
    place = mirrored * by_size.size >> bits
    _, first = np.unique(place, return_index=True)
    return np.asarray(by_size[place[np.sort(first)][: by_size.size]], np.int64)


def cost(seconds: ArrayLike, left: int) -> Cost:
    """What the rest costs, from what a fair sample took.

    The standard error is that of systematic samples, from differences of neighbours (K. M. Wolter,
    Introduction to Variance Estimation, ch. 8), without the correction for finite populations.

    Parameters
    ----------
    seconds : array_like, shape (n,)
        Of the sampled cells, sorted as they were drawn from: by size.
    left : int
        Cells that are still to be lived.

    Returns
    -------
    Cost
        Of one worker.

    Raises
    ------
    ValueError
        If nothing was sampled.
    """
    took = np.asarray(seconds, np.float64)
    if not took.size:
        raise ValueError("seconds: at least one cell must have been timed")
    mean = float(took.mean())
    steps = np.diff(took)
    error = math.sqrt(float(steps @ steps) / (2 * steps.size * took.size)) if steps.size else mean
    half = _SIGMAS * error
    return Cost(left * mean, left * max(0.0, mean - half), left * (mean + half))
