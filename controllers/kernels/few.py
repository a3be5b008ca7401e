"""WMMSE for one network of few users, who fit into two packs.

The iteration is that of `slotwise.controllers.kernels.rows`. A decision of so few users takes as
long as each step waits for the one before, so the steps are short: the matrix is kept along rows
and along columns, and both sums are of whole packs, one for each user that is heard, in which no
number is folded. Everything else of a user stays in registers. Nobody is struck out, for a pack is
no faster with fewer users in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import least_rise
from slotwise.controllers.kernels.packs import (
    BYTES,
    count_of,
    each,
    least,
    product_of,
    put,
    room_for,
    spread,
    take,
    take_some,
)
from slotwise.controllers.kernels.rows import amplitudes, answers
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["FEW", "decide_few"]

Array = NDArray[Any]
_Pair = tuple[Array, Array]

_LANES = BYTES // 8

FEW = 2 * _LANES
"""Most users of a network that two packs hold."""


@kernel(inline=True)
def _take_pair(room: Array, row: int) -> _Pair:
    """Both packs of a row."""
    return take(room, row * FEW), take(room, row * FEW + _LANES)


@kernel(inline=True)
def _put_pair(room: Array, row: int, pack0: Array, pack1: Array) -> None:
    """Write both packs of a row."""
    put(room, row * FEW, pack0)
    put(room, row * FEW + _LANES, pack1)


@kernel(inline=True)
def _take_users(values: Array, first: int, users: int, rest: float) -> _Pair:
    """A number of every user, and another past the last."""
    return (
        take_some(values, first, users, rest),
        take_some(values, first + _LANES, users - _LANES, rest),
    )


@kernel(inline=True)
def _sums(room: Array, first: int, factor: int, users: int) -> _Pair:
    """sum_j room[first + j, i] room[factor, j] for all i, of even j and of odd j apart.

    Not to be reordered: two sums of five take half as long as one of ten. Past an odd number of
    users comes a row of zeros.
    """
    even0 = spread(0.0, take(room, 0))
    even1, odd0, odd1 = even0, even0, even0
    for j in range(0, users, 2):
        f, g = each(room, factor * FEW + j), each(room, factor * FEW + j + 1)
        x0, x1 = _take_pair(room, first + j)
        y0, y1 = _take_pair(room, first + j + 1)
        even0 = even0 + x0 * f
        even1 = even1 + x1 * f
        odd0 = odd0 + y0 * g
        odd1 = odd1 + y1 * g
    return even0 + odd0, even1 + odd1


@kernel(reorder=True, inline=True)
def _load(
    gain: Array, noise_power: Array, p_max: Array, weight: Array, room: Array, columns: int
) -> bool:
    """Read a problem; whether it was in range.

    Written are cross gains, along rows from row 0 and along columns from row `columns`, and direct
    gains, in the last row.
    """
    users = len(weight)
    direct = len(room) // FEW - 1
    n0, n1 = _take_users(noise_power, 0, users, 1.0)
    full0, full1 = _take_users(p_max, 0, users, 0.0)
    a0, a1 = _take_users(weight, 0, users, 0.0)
    one = spread(1.0, n0)
    zero = spread(0.0, n0)
    _put_pair(room, direct, one / n0, one / n1)
    lowest = least(least(full0, full1), least(a0, a1))
    nothing = zero * (n0 + n1) + zero * (full0 + full1) + zero * (a0 + a1)
    for k in range(users):
        x0, x1 = _take_users(gain, k * users, users, 0.0)
        lowest = least(least(x0, x1), lowest)
        nothing = nothing + zero * x0 + zero * x1  # NaN where one is not finite
        scale = each(room, direct * FEW + k)
        _put_pair(room, k, x0 * full0 * scale, x1 * full1 * scale)
    for k in range(users):
        room[direct * FEW + k] = room[k * FEW + k]
        room[k * FEW + k] = 0.0
        for j in range(users):
            room[(columns + j) * FEW + k] = room[k * FEW + j]
    in_range = count_of(lowest + nothing >= zero) + count_of(least(n0, n1) > zero)
    return in_range == 2 * _LANES


@kernel(reorder=True, inline=True)
def _bits(room: Array, row: int, weight: Array) -> float:
    """Weighted sum rate, by logarithms, of SINRs in a row."""
    value = 0.0
    for k in range(len(weight)):
        value += weight[k] * log2_1p(room[row * FEW + k])
    return value
