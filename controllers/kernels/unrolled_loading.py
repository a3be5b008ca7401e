"""Problems as the unrolled network reads them: gains in units of noise, in float32, and room.

Users that no power can serve (no direct gain, no weight, no power) are left out while loading, for
they can only disturb. Ranges are checked where numbers are read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import user_is_valid
from slotwise.controllers.kernels.packs import (
    BYTES,
    count_of,
    least,
    put,
    room_for,
    spread,
    sum_of,
    take,
)
from slotwise.controllers.kernels.unrolled_layers import (
    FEATURES,
    MOST_SNR,
    OWN,
    ROWS,
    WEIGHT,
    Shape,
)
from slotwise.controllers.kernels.unrolled_packs import LANES, most, narrow
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["Problem", "Room", "doubt_of", "load", "load_doubt", "load_users", "room_of"]

Array = NDArray[Any]
Index = NDArray[np.int64]
# Gains [K, K], noise, p_max and weights [K], all float64, and the gains flat [K K].
Problem = tuple[Array, Array, Array, Array, Array]

_LEAST = 1e-6
_MOST_DOUBT = 1e17  # its square, and a sum of some, are still numbers in float32
_MOST_PRODUCT = 1e36  # of numbers a little above it


@kernel(reorder=True)
def load_users(
    direct: Array, noise_power: Array, p_max: Array, weight: Array, user: Index
) -> tuple[int, float, bool]:
    """Who can be served at all, the greatest weight, and whether values but gains are in range.

    Parameters
    ----------
    direct : [K], float64
        Gains of users to their own receivers.
    """
    valid = True
    served = 0
    for k in range(len(weight)):
        valid &= user_is_valid(noise_power[k], p_max[k], weight[k])
        served += weight[k] * p_max[k] * direct[k] > 0.0
    if served == len(weight):
        for k in range(served):
            user[k] = k
    else:
        served = 0
        for k in range(len(weight)):
            if weight[k] * p_max[k] * direct[k] > 0.0:
                user[served] = k
                served += 1
    greatest = 0.0
    for a in range(served):
        greatest = max(greatest, weight[user[a]])
    return served, greatest, valid


@kernel(reorder=True, inline=True)
def _load_row(
    flat: Array, first: int, factor: Array, scale: float, users: int, cross: Array, at: int
) -> tuple[Array, Array]:
    """Read a row of gains whole, with as much of the next as fits a pack; its least and its sum.

    What is not of this row is multiplied by zero.
    """
    half = LANES // 2
    lowest = spread(0.0, take(cross, at))
    total = lowest
    for j in range(0, users, LANES):
        low = take(flat, first + j) * take(factor, j)
        high = take(flat, first + j + half) * take(factor, j + half)
        x = narrow(low, high)
        x = x * spread(scale, x)
        lowest = least(x, lowest)
        total = total + x
        put(cross, at + j, least(x, spread(MOST_SNR, x)))
    return lowest, total


@kernel(reorder=True, inline=True)
def _load_slowly(
    row: Array, factor: Array, scale: float, user: Index, users: int, cross: Array, at: int
) -> tuple[Array, Array]:
    """The same for some users, and for the last row of all."""
    lanes = np.zeros(2 * LANES, np.float32)
    for b in range(users):
        j = user[b]
        x = row[j] * factor[j] * scale
        lanes[0] = min(lanes[0], x)
        lanes[LANES] += x
        cross[at + b] = min(x, MOST_SNR)
    for b in range(users, (users + LANES - 1) // LANES * LANES):
        cross[at + b] = 0.0
    return take(lanes, 0), take(lanes, LANES)


@kernel(reorder=True, inline=True)
def load(
    problem: Problem,
    user: Index,
    users: int,
    greatest: float,
    chain: int,
    factor: Array,
    cross: Array,
    state: Array,
) -> tuple[bool, bool]:
    """Read a problem of those who can be served; whether it was in range, and products will do.

    `factor` is room for a row of float64.
    """
    gain, noise_power, p_max, weight, flat = problem
    stride = len(state) // ROWS
    everyone = len(weight)
    # Of one user's noise in double precision, so that in single precision only ratios are left.
    noise = noise_power[0]
    for k in range(stride):
        factor[k] = p_max[k] / noise if k < everyone else 0.0
    lowest = spread(0.0, take(state, 0))
    nothing, top = lowest, lowest
    alike = True
    for a in range(users):
        k = user[a]
        scale, at = noise / noise_power[k], a * stride
        if users == everyone and k * everyone + stride <= len(flat):
            least_here, heard = _load_row(flat, k * everyone, factor, scale, users, cross, at)
        else:
            least_here, heard = _load_slowly(gain[k], factor, scale, user, users, cross, at)
        lowest = least(least_here, lowest)
        nothing = nothing + spread(0.0, heard) * heard  # NaN where a gain is not finite
        top = most(heard, top)
        state[OWN * stride + a] = cross[at + a]
        state[WEIGHT * stride + a] = weight[k] / greatest
        alike &= weight[k] == greatest
        cross[at + a] = 0.0
    for a in range(users, (users + LANES - 1) // LANES * LANES):
        state[OWN * stride + a] = state[WEIGHT * stride + a] = 0.0
        for b in range(0, users, LANES):
            put(cross, a * stride + b, spread(0.0, nothing))
    by_product = alike and (1.0 + sum_of(top)) ** chain < _MOST_PRODUCT
    return count_of(lowest + nothing >= spread(0.0, lowest)) == LANES, by_product


@kernel()
def load_doubt(
    doubt: Array,
    noise_power: Array,
    user: Index,
    users: int,
    factor: Array,
    state: Array,
    cross: Array,
) -> bool:
    """Read standard deviations of gains as `load` has read the gains; whether all is in range.

    Parameters
    ----------
    doubt : [K, K], float64
        Standard deviation of every gain.
    noise_power : [K], float64
        Noise [W].
    user : [K], int64
        Who can be served; `users` of them.
    factor : float64
        As `load` has left it.
    state : [ROWS stride], float32
        Rows of users; `OWN` is read.
    cross : [(stride + 2) stride], float32
        Written: variances of gains between users in units of noise, and then in a row the squared
        coefficients of variation of users' own gains. The last row is room.
    """
    stride = len(state) // ROWS
    width = (users + LANES - 1) // LANES * LANES
    valid = True
    for a in range(width):
        k, at = user[min(a, users - 1)], a * stride
        scale = noise_power[0] / noise_power[k]
        for b in range(width):
            x = 0.0
            if a < users and b < users:
                x = doubt[k, user[b]] * factor[user[b]] * scale
                valid &= 0.0 <= x < np.inf
            x = min(x, _MOST_DOUBT)
            cross[at + b] = x * x
        whole = np.float64(state[OWN * stride + a]) + _LEAST
        cross[stride * stride + a] = cross[at + a] / (whole * whole)
        cross[at + a] = 0.0
    return valid


@kernel(inline=True)
def _padded(users: int) -> int:
    """Numbers in a row: a multiple of a pack, and rows that do not all begin in one cache set."""
    width = (users + LANES - 1) // LANES * LANES
    return width + LANES if width % 256 == 0 else width


class Room(NamedTuple):
    """Memory for a problem of so many users."""

    user: Index
    factor: NDArray[np.float64]
    cross: Array
    back: Array
    state: Array
    seen: Array
    start: Array
    messages: Array
    values: Array
    sets: Array
    out: Array


@kernel(inline=True)
def _unfilled(count: int) -> Array:
    """As `room_for`, with anything in it."""
    spare = np.empty(count + LANES, np.float32)
    skipped = -spare.ctypes.data % BYTES // 4
    return spare[skipped : skipped + count]


@kernel()
def doubt_of(users: int) -> Array:
    """Memory for the variances of problems of up to so many users."""
    width = _padded(users)
    return _unfilled((width + 2) * width)


@kernel(inline=True)
def room_of(users: int, shape: Shape) -> Room:
    """Memory for problems of up to so many users."""
    width = _padded(users)
    one: Any = np.float32(1.0)
    inputs = FEATURES + shape.late + shape.state + 2 * shape.channels
    channels = (2 * shape.channels + 3) // 4 * 4
    both = shape.chain + shape.channels > 0
    return Room(
        np.empty(users + shape.chain, np.int64),
        np.empty(width),
        _unfilled(width * width),
        _unfilled(width * width if both else 0),
        room_for(ROWS * width, one),
        _unfilled(inputs * width),
        _unfilled(shape.state * width),
        _unfilled(channels * width),
        room_for(shape.chain * width, one),
        _unfilled(width + 3 * LANES),
        _unfilled((shape.state + 1) * width),
    )
