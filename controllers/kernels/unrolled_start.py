"""What users of the unrolled network know at the start: how well small sets with them do.

Every user grows a set: itself, the user that adds most to it, and the one that adds most to these
(`slotwise.controllers.networks.unrolled.chains`). Where all weights are equal, products of
1 + SINR are compared and not sums of their logarithms.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from slotwise.controllers.kernels.packs import (
    bits_of,
    choose,
    each,
    first_of,
    put,
    spread,
    take,
)
from slotwise.controllers.kernels.unrolled_layers import (
    FEATURES,
    OWN,
    WEIGHT,
    Shape,
)
from slotwise.controllers.kernels.unrolled_packs import LANES, exp_of, log2_of, most, top_of
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["grow", "remember", "start_size"]

Array = NDArray[Any]

_LN2 = math.log(2.0)
_LEAST, _GAP_RANGE = 1e-6, 8.0


@kernel(reorder=True, inline=True)
def _best(best: Array, place: Array, buffer: Array) -> tuple[float, int]:
    """Greatest of the lanes and its place."""
    top = top_of(best)
    put(buffer, 0, place)
    lane = first_of(bits_of(best >= spread(top, best)))
    return top, int(buffer[lane])


@kernel(reorder=True, inline=True)
def _add_by_product(
    state: Array,
    stride: int,
    cross: Array,
    received: Array,
    member: Array,
    heard: Array,
    size: int,
    buffer: Array,
) -> tuple[float, int]:
    """Product of 1 + SINR of a set with the best further user, and who that is."""
    best = spread(0.0, take(received, 0))
    one = spread(1.0, best)
    place, upcoming = best, take(buffer, LANES)
    for j in range(0, stride, LANES):
        below = one + take(received, j)
        above = below + take(state, OWN * stride + j)
        for m in range(size):
            i = each(heard, m) + take(cross, member[m] * stride + j)
            above = above * (i + each(state, OWN * stride + member[m]))
            below = below * i
        value = above / below
        better = value > best
        best = choose(better, value, best)
        place = choose(better, upcoming, place)
        upcoming = upcoming + spread(LANES, one)
    return _best(best, place, buffer)


@kernel(reorder=True, inline=True)
def _add_by_logarithm(
    state: Array,
    stride: int,
    cross: Array,
    received: Array,
    member: Array,
    heard: Array,
    size: int,
    buffer: Array,
) -> tuple[float, int]:
    """The same in weighted logarithms."""
    best = spread(0.0, take(received, 0))
    one = spread(1.0, best)
    place, upcoming = best, take(buffer, LANES)
    for j in range(0, stride, LANES):
        below = one + take(received, j)
        sinr = take(state, OWN * stride + j) / below
        nothing = spread(0.0, best) * sinr
        value = take(state, WEIGHT * stride + j) * log2_of(one + sinr)
        for m in range(size):
            i = each(heard, m) + take(cross, member[m] * stride + j)
            sinr = each(state, OWN * stride + member[m]) / i
            nothing = nothing + spread(0.0, best) * sinr
            value = value + each(state, WEIGHT * stride + member[m]) * log2_of(one + sinr)
        better = value + nothing > best  # who may not be added has NaN somewhere
        best = choose(better, value, best)
        place = choose(better, upcoming, place)
        upcoming = upcoming + spread(LANES, one)
    return _best(best, place, buffer)


@kernel(reorder=True, inline=True)
def grow(  # noqa: PLR0913 - users, gains both ways, and how sets are compared
    state: Array,
    stride: int,
    users: int,
    cross: Array,
    back: Array,
    chain: int,
    by_product: bool,
    member: Array,
    room: Array,
    values: Array,
) -> None:
    """Grow a set from every user.

    Parameters
    ----------
    state : [ROWS stride], float32
        Rows of users: own gains and weights, NaN in the place of gains past the last user.
    stride, users : int
        Length of a row; users in it.
    cross, back : [stride stride], float32
        Gains between users, rows are receivers, and the same transposed. On the diagonal of the
        first is NaN.
    chain : int
        Users of the largest set.
    by_product : bool
        Whether weights are equal and no product too large.
    member : [chain], int64
        Room.
    room : [stride + 48], float32
        Room.
    values : [chain stride], float32
        Written: logarithms to base two of the best sets of up to one, two, ... users.
    """
    received, buffer = room[: stride + LANES], room[stride : stride + 3 * LANES]
    heard = room[stride + 2 * LANES :]
    for lane in range(LANES):
        buffer[LANES + lane] = lane
    for k in range(users):
        for j in range(0, stride, LANES):
            put(received, j, take(back, k * stride + j))
        own = state[OWN * stride + k]
        value = 1.0 + own
        if not by_product:
            value = state[WEIGHT * stride + k] * math.log2(value)
        values[k] = value
        member[0], heard[0] = k, 1.0
        for size in range(1, chain):
            users_of_set = state, stride, cross, received, member, heard, size, buffer
            if by_product:
                top, who = _add_by_product(*users_of_set)
            else:
                top, who = _add_by_logarithm(*users_of_set)
            value = max(value, top)
            values[size * stride + k] = value
            for m in range(size):
                heard[m] += cross[member[m] * stride + who]
            member[size], heard[size] = who, 1.0 + received[who]
            for j in range(0, stride if size < chain - 1 else 0, LANES):
                put(received, j, take(received, j) + take(back, who * stride + j))
    for i in range(chain if by_product else 0):
        for k in range(0, users, LANES):
            put(values, i * stride + k, log2_of(take(values, i * stride + k)))


@kernel(reorder=True, inline=True)
def remember(  # noqa: PLR0913 - weights, users, what they know, where to
    net: Array,
    shape: Shape,
    state: Array,
    stride: int,
    k: int,
    values: Array,
    told: bool,
    best: float,
    seen: Array,
    first: int,
) -> None:
    """What sixteen users remember at the start, a linear map of what they know.

    Parameters
    ----------
    net : float32
        Weights.
    shape : Shape
        Sizes.
    state : [ROWS stride], float32
        Rows of users.
    values : [chain stride], float32
        As `grow` writes them.
    told : bool
        Whether it did; if not, sets are taken to be hopeless.
    best : float
        The greatest of these.
    seen : float32
        Written: what is seen of these users, from index `first`.
    """
    own = take(state, OWN * stride + k)
    tiny, top = spread(_LEAST, own), spread(best, own)
    log_own, log_weight = log2_of(own + tiny), log2_of(take(state, WEIGHT * stride + k) + tiny)
    low = spread(-_GAP_RANGE / _LN2, own)
    row = start_size(shape) // max(shape.state, 1)
    memory = first + (FEATURES + shape.late) * LANES
    for s in range(shape.state):
        at = LANES + s * row
        total = each(net, at) + log_own * each(net, at + 1)
        put(seen, memory + s * LANES, total + log_weight * each(net, at + 2))
    for i in range(shape.chain):
        gap = low
        if told:
            gap = most(take(values, i * stride + k) - top, low)
        near = exp_of(spread(5.0 * _LN2, own) * gap)
        for s in range(shape.state):
            at = LANES + s * row + 3 + i
            total = take(seen, memory + s * LANES) + gap * each(net, at)
            if i > 0:
                total = total + near * each(net, at + shape.chain - 1)
            put(seen, memory + s * LANES, total)


@kernel(inline=True)
def start_size(shape: Shape) -> int:
    """Weights of the first state."""
    return shape.state * (3 + max(0, 2 * shape.chain - 1))
