"""Who may decide: two networks on the same observations, and whether one is better."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from slotwise.controllers.base import Controller
from slotwise.controllers.online.memory import Seen
from slotwise.emulator.radio import sum_rate

__all__ = ["Verdict", "compare", "rates"]

Array = NDArray[np.float64]

_FEWEST = 4.0  # independent observations


class Verdict(NamedTuple):
    """By how much one is better than another.

    Attributes
    ----------
    gain, low, high : float
        Difference of the mean sum rates over that of the other, and its interval [1]; NaN where
        there is nothing to compare, infinite bounds from a single observation.
    judged : int
        Observations.
    """

    gain: float
    low: float
    high: float
    judged: int


def rates(controller: Controller, seen: Seen) -> Array:
    """Weighted sum rates that a controller's powers have in what was seen, (n,) [bit/s/Hz]."""
    snr, weight = seen.snr.astype(np.float64), seen.weight.astype(np.float64)
    fraction = controller.allocate(snr, 1.0, 1.0, weight)
    return sum_rate(snr, fraction, 1.0, weight)


def compare(one: Array, other: Array, confidence: float = 0.95) -> Verdict:
    """Compare sum rates on the same observations, in the order in which they were made.

    The interval of the mean difference is Student's, over as many independent observations as the
    correlation r between neighbours leaves of n: n (1 - r) / (1 + r), as for a first-order
    autoregressive process (e.g. H. von Storch and F. W. Zwiers, "Statistical Analysis in Climate
    Research", 1999, equation 6.26). Slow fading makes neighbours alike. Estimates of r fall short
    by (1 + 4 r) / n (M. G. Kendall, "Note on bias in the estimation of autocorrelation", Biometrika
    41, 1954), which is put back; fewer than four independent observations say nothing.

    Parameters
    ----------
    one, other : ndarray, shape (n,), float64
        Sum rates [bit/s/Hz].
    confidence : float
        Of the interval.
    """
    judged = len(one)
    level = float(other.mean()) if judged else 0.0
    if level <= 0.0:
        return Verdict(math.nan, math.nan, math.nan, judged)
    difference = one - other
    gain = float(difference.mean()) / level
    if judged < 2:
        return Verdict(gain, -math.inf, math.inf, judged)
    spread = float(difference.std(ddof=1))
    alike = _neighbours_alike(difference)
    independent = judged * (1.0 - alike) / (1.0 + alike)
    if independent < _FEWEST:
        return Verdict(gain, -math.inf, math.inf, judged)
    quantile = float(special.stdtrit(independent - 1.0, 0.5 + 0.5 * confidence))
    half = quantile * spread / math.sqrt(independent) / level
    return Verdict(gain, gain - half, gain + half, judged)


def _neighbours_alike(values: Array) -> float:
    """Correlation of each value with the next, from 0 to 1; 0 where nothing varies."""
    away = values - values.mean()
    power = float(away @ away)
    if power == 0.0:
        return 0.0
    found = float(away[1:] @ away[:-1]) / power
    return min(max(0.0, found + (1.0 + 4.0 * found) / len(values)), 1.0)
