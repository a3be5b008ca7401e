"""Reading power-control problems: ranges are checked and units changed where numbers are read.

A check of its own would read a batch of gains once more, which for few users costs as much as
solving it. What is wrong, and where, `slotwise.controllers.base.broadcast` says afterwards.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = [
    "SHARED_USERS",
    "amplitude",
    "gains_are_valid",
    "least_rise",
    "receivers_repeat",
    "row_of",
    "user_is_valid",
]

SHARED_USERS = 64
"""Fewest users for whom it pays to look for shared receivers."""

Array = NDArray[Any]

_LOOKED_AT = 8  # receivers that are looked for among the others


@kernel(inline=True)
def row_of(array: Array, n: int) -> int:
    """Row of problem n in an array of one row for each problem, or one for all."""
    return n if len(array) > 1 else 0


@kernel(reorder=True, inline=True)
def gains_are_valid(gain: Array, n: int) -> bool:
    """Whether all gains of a problem are non-negative and finite.

    Parameters
    ----------
    gain : [N, K K], float64 or float32
        Linear power gains.
    n : int
        Problem.
    """
    negative = 0
    zero = 0.0
    for i in range(gain.shape[1]):
        negative += gain[n, i] < 0.0
        zero += 0.0 * gain[n, i]  # NaN where one is not finite
    return negative == 0 and zero == 0.0


@kernel(inline=True)
def user_is_valid(noise_power: float, p_max: float, weight: float) -> bool:
    """Whether noise is positive, power limit and weight are not negative, and all are finite."""
    finite = 0.0 * noise_power + 0.0 * p_max + 0.0 * weight == 0.0
    return finite & (noise_power > 0.0) & (p_max >= 0.0) & (weight >= 0.0)


@kernel(inline=True)
def amplitude(start: Array, p_max: float, n: int, k: int) -> float:
    """Amplitude that a user starts from, as a fraction of the largest.

    Parameters
    ----------
    start : [N, K], [1, K] or [0, K], float64
        Powers [W], cut to [0, `p_max`]; [0, K]: full power.
    p_max : float
        Largest power of the user [W].
    n, k : int
        Problem and user.
    """
    if len(start) == 0 or p_max == 0.0:
        return 1.0
    return math.sqrt(min(max(start[row_of(start, n), k] / p_max, 0.0), 1.0))


@kernel(inline=True)
def least_rise(tolerance: float, weight: float, itemsize: int) -> float:
    """Factor by which the product of all w must rise for the weighted sum rate to rise enough.

    Parameters
    ----------
    tolerance : float
        Least rise of the weighted sum rate [bit/s/Hz].
    weight : float
        Weight of every user.
    itemsize : int
        Bytes of the numbers that are computed with. The factor differs from one in them if there is
        a tolerance, so that what does not rise at all has not risen enough.
    """
    rise: float = 2.0 ** (tolerance / weight)
    if tolerance > 0.0:
        rise = max(rise, 1.0 + (1.2e-7 if itemsize == 4 else 2.3e-16))
    return rise


@kernel()
def receivers_repeat(gain: Array) -> bool:
    """Whether half the rows of gains are likely to be others' again: users who share receivers.

    Only the first and last gains of the first rows are looked at: cells have users in every corner
    of a list, and rows that differ do so there, unless two users are heard by nobody else.

    Parameters
    ----------
    gain : [K, K], float64 or float32
        Gains of one network; rows are receivers.
    """
    seen = min(len(gain), _LOOKED_AT)
    last = len(gain) - 1
    again = 0
    for r in range(seen):
        same = 0
        for k in range(len(gain)):
            same += gain[k, 0] == gain[r, 0] and gain[k, last] == gain[r, last]
        again += same > 1
    return 2 * again > seen
