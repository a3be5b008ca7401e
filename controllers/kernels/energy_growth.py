"""How well sets of users do in bits per joule, for sixteen candidates at a time.

What is grown, and by which powers, is `slotwise.controllers.kernels.energy_sets`'; here the same
sets are found on gains as the layers of `slotwise.controllers.kernels.energy_layers` have them, and
all candidates of a step are judged side by side. Sets may differ where candidates are as good as
each other to rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.energy_layers import COST, OWN, WEIGHT, log_1p_of
from slotwise.controllers.kernels.energy_sets import BROAD_SNR, BROAD_SPENT, SPENT, SPENT_APART
from slotwise.controllers.kernels.packs import each, put, room_for, spread, take
from slotwise.controllers.kernels.unrolled_packs import LANES
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["grow"]

Array = NDArray[Any]
Index = NDArray[np.int64]
Links = tuple[Array, Array]  # gains between users by receiver, and by transmitter

_LEAST = 1e-300


@kernel(reorder=True, inline=True)
def _levels(state: Array, stride: int, users: int, spent: float, room: Array, at: int) -> None:
    """Powers that cost so much, or all that there is, from index `at`."""
    for j in range(users):
        room[at + j] = min(1.0, spent / state[COST * stride + j])


@kernel(reorder=True, inline=True)
def _judge(  # noqa: PLR0913 - a problem, a set, and room
    links: Links,
    state: Array,
    stride: int,
    users: int,
    apart: bool,
    member: Index,
    room: Array,
    level: int,
    received: int,
    value: int,
) -> None:
    """Worth of a set with each of all users, at powers that begin at index `level`.

    Written from index `received` is what all receivers hear of the set, from `value` the worth.
    """
    cross, back = links
    consumed: Any = np.float32(users)
    for m in member:
        consumed += state[COST * stride + m] * room[level + m]
    for j in range(0, users, LANES):
        heard = spread(1.0, take(cross, j))
        for m in member:
            heard = heard + take(back, m * stride + j) * each(room, level + m)
        put(room, received + j, heard)
    for j in range(0, users, LANES):
        power, cost = take(room, level + j), take(state, COST * stride + j)
        one = spread(1.0, power)
        signal = take(state, OWN * stride + j) * power
        total = take(state, WEIGHT * stride + j) * log_1p_of(signal / take(room, received + j))
        if apart:
            total = total / (one + cost * power)
        for m in member:
            heard = each(room, received + m) + take(cross, m * stride + j) * power
            loud = each(room, level + m)
            bits = log_1p_of(each(state, OWN * stride + m) * loud / heard)
            bits = bits * each(state, WEIGHT * stride + m)
            if apart:
                bits = bits / (one + each(state, COST * stride + m) * loud)
            total = total + bits
        if not apart:
            total = total / (spread(consumed, cost) + cost * power)
        put(room, value + j, total)


@kernel(inline=True)
def _highest(room: Array, value: int, users: int, member: Index) -> int:
    """Who is no member yet and has the highest value; the first of equals."""
    for m in member:
        room[value + m] = -1.0
    who = 0
    for j in range(1, users):
        if room[value + j] > room[value + who]:
            who = j
    return who


@kernel(reorder=True)
def grow(
    links: Links,
    state: Array,
    stride: int,
    users: int,
    apart: bool,
    worth: Array,
    size: Array,
    broad: Array,
) -> float:
    """Grow a set from every user, and one to all.

    Parameters
    ----------
    links : (array, array)
        Gains between users [stride stride], float32, rows are receivers, and the same transposed.
    state : [ROWS stride], float32
        Rows of users; `OWN`, `COST` and `WEIGHT` are read.
    stride, users : int
        Length of a row; users in it.
    apart : bool
        Whether everyone's bits count per joule of its own.
    worth : [K, chain], float32
        Written: efficiency of the sets of one, two, … users that were grown from each user
        [nat per circuit joule]; where there are fewer users, of all of them.
    size, broad : [K], float32
        Written: number of users of the best of these sets, and of the broad set, for their
        members, else zero.

    Returns
    -------
    float
        Logarithm of the broad set's efficiency over that of the best of the others.
    """
    chain = min(worth.shape[1], users)
    one: Any = np.float32(1.0)
    room = room_for((chain + 3) * stride, one)
    received, value = (chain + 1) * stride, (chain + 2) * stride
    member, best = np.empty(users, np.int64), np.empty(chain, np.int64)
    for count in range(chain):
        spent = SPENT_APART if apart else SPENT * users / (count + 1)
        _levels(state, stride, users, spent, room, count * stride)
    _judge(links, state, stride, users, apart, member[:0], room, 0, received, value)
    for k in range(users):
        worth[k, 0] = room[value + k]
    most, largest = -1.0, 0
    for k in range(users):
        member[0] = k
        for count in range(chain):
            if count > 0:
                there, level = member[:count], count * stride
                _judge(links, state, stride, users, apart, there, room, level, received, value)
                member[count] = _highest(room, value, users, there)
                worth[k, count] = room[value + member[count]]
            if worth[k, count] > most:
                most, largest = worth[k, count], count + 1
                best[:largest] = member[:largest]
        worth[k, chain:] = worth[k, chain - 1]
    size[:] = 0.0
    for m in best[:largest]:
        size[m] = largest
    wide = _grow_broad(links, state, stride, users, apart, member, room, chain * stride, broad)
    return math.log(max(wide, _LEAST)) - math.log(max(most, _LEAST))


@kernel(reorder=True)
def _grow_broad(  # noqa: PLR0913 - a problem, room, and what is found
    links: Links,
    state: Array,
    stride: int,
    users: int,
    apart: bool,
    member: Index,
    room: Array,
    level: int,
    broad: Array,
) -> float:
    """Efficiency of the broad set, whose members get its size."""
    received, value = level + stride, level + 2 * stride
    most, largest = -1.0, 0
    for count in range(users):
        spent = SPENT_APART if apart else BROAD_SPENT * users / (count + 1)
        _levels(state, stride, users, spent, room, level)
        for j in range(users):
            room[level + j] = min(room[level + j], BROAD_SNR / state[OWN * stride + j])
        there = member[:count]
        _judge(links, state, stride, users, apart, there, room, level, received, value)
        member[count] = _highest(room, value, users, there)
        worth = room[value + member[count]]
        if worth > most:
            most, largest = worth, count + 1
    broad[:] = 0.0
    for m in member[:largest]:
        broad[m] = largest
    return most
