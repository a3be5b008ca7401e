"""WMMSE, one problem after another: along the rows of the gains.

For one decision, and for batches of many users. In the units of
`slotwise.controllers.base.full_power_snr`, with powers p = v^2 as fractions of the largest, weights
a, S_k = h_kk p_k and cross gains h_kj, j != k, an iteration of Shi, Razaviyayn, Luo and He (IEEE
Trans. Signal Process. 59(9), 2011) is::

    I_k = 1 + sum_j h_kj p_j
    T_k = I_k + S_k
    v_k = min(1, (a_k h_kk v_k / I_k) / (sum_j h_jk c_j + h_kk c_k)),   c_k = a_k S_k / (I_k T_k)

until sum_k a_k log2 w_k, w_k = T_k / I_k, rises by less than the tolerance.

- Gains are read once in an iteration: a block of receivers sums its interference and, while its
  rows are at hand, adds what its users cost to everybody's price.
- Where all weights are equal, the product of all w is compared and not the sum of their logarithms.
- Most users end silent. Once enough are, others take their places, and sums become shorter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import (
    SHARED_USERS,
    amplitude,
    gains_are_valid,
    least_rise,
    receivers_repeat,
    row_of,
    user_is_valid,
)
from slotwise.controllers.kernels.packs import (
    BYTES,
    choose,
    count_of,
    each,
    least,
    product_of,
    put,
    room_for,
    spread,
    sum_of,
    take,
)
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["decide_rows", "iterate_rows"]

Array = NDArray[Any]
Index = NDArray[np.int64]
# Gains [K, K], those of all problems flat [N, K K] and which it is, noise, p_max and weights [K],
# and start [1, K] or [0, K].
_Problem = tuple[Array, Array, int, Array, Array, Array, Array]

# Rows of a problem's state. The first four are what a user keeps from iteration to iteration.
_DIRECT, _WEIGHT, _V, _P, _INTERFERENCE, _PULL, _C, _PRICE = range(8)
_KEPT = 4

_PASS = 8  # users in one pass over the prices; the silent are dropped when one pass fewer is enough


@kernel(reorder=True, inline=True)
def _hear(cross: Array, state: Array, stride: int, users: int, first: int) -> None:
    """Interference of a block of receivers: noise, which is one, and sum_j h_kj p_j.

    Four receivers at a time: while one sum is on its way through the adder, the others enter it.
    Past the last receiver comes the last again.
    """
    lanes = BYTES // state.itemsize
    p, interference = _P * stride, _INTERFERENCE * stride
    zero = spread(0.0, take(state, 0))
    for k in range(first, min(first + lanes, users), 4):
        k1, k2, k3 = min(k + 1, users - 1), min(k + 2, users - 1), min(k + 3, users - 1)
        s0, s1, s2, s3 = zero, zero, zero, zero
        for j in range(0, users, lanes):
            power = take(state, p + j)
            s0 = s0 + take(cross, k * stride + j) * power
            s1 = s1 + take(cross, k1 * stride + j) * power
            s2 = s2 + take(cross, k2 * stride + j) * power
            s3 = s3 + take(cross, k3 * stride + j) * power
        state[interference + k] = 1.0 + sum_of(s0)
        state[interference + k1] = 1.0 + sum_of(s1)
        state[interference + k2] = 1.0 + sum_of(s2)
        state[interference + k3] = 1.0 + sum_of(s3)


@kernel(inline=True)
def _charge(cross: Array, state: Array, stride: int, users: int, first: int) -> None:
    """Add to everybody's price what a block of users costs: c_k h_kj, eight users in one pass.

    Not to be reordered: two sums of four take half as long as one of eight.
    """
    lanes = BYTES // state.itemsize
    price = _PRICE * stride
    for k in range(first, first + lanes, _PASS):
        c = _C * stride + k
        c0, c1, c2, c3 = each(state, c), each(state, c + 1), each(state, c + 2), each(state, c + 3)
        c += 4
        c4, c5, c6, c7 = each(state, c), each(state, c + 1), each(state, c + 2), each(state, c + 3)
        for j in range(0, users, lanes):
            at = k * stride + j
            even = take(state, price + j) + take(cross, at) * c0
            odd = take(cross, at + stride) * c1
            even = even + take(cross, at + 2 * stride) * c2
            odd = odd + take(cross, at + 3 * stride) * c3
            even = even + take(cross, at + 4 * stride) * c4
            odd = odd + take(cross, at + 5 * stride) * c5
            even = even + take(cross, at + 6 * stride) * c6
            odd = odd + take(cross, at + 7 * stride) * c7
            put(state, price + j, even + odd)


@kernel(reorder=True, inline=True)
def _respond(cross: Array, state: Array, stride: int, users: int) -> float:
    """From powers what every user asks for and its price; the product of all w."""
    lanes = BYTES // state.itemsize
    one = spread(1.0, take(state, 0))
    zero = one - one
    product = one
    for k in range(0, users, lanes):
        put(state, _PRICE * stride + k, zero)
    for k in range(0, users, lanes):
        _hear(cross, state, stride, users, k)
        i = take(state, _INTERFERENCE * stride + k)
        h = take(state, _DIRECT * stride + k)
        v = take(state, _V * stride + k)
        t = i + h * take(state, _P * stride + k)
        inverse = one / (i * t)
        product = product * (t * t * inverse)
        asked = take(state, _WEIGHT * stride + k) * h * v * inverse
        put(state, _PULL * stride + k, asked * t)
        put(state, _C * stride + k, asked * v)
        _charge(cross, state, stride, users, k)
    return float(product_of(product))


@kernel(reorder=True, inline=True)
def _update(state: Array, stride: int, users: int) -> int:
    """New amplitudes from what is asked for and its price, and their powers; how many are on."""
    on = 0
    zero = spread(0.0, take(state, 0))
    one = spread(1.0, zero)
    # Below this an amplitude's power is lost in every sum it enters, and soon a denormal number.
    silent = spread(1e-15 if state.itemsize == 4 else 1e-30, zero)
    # So that 0/0 of a silent user is 0.
    priceless = spread(1e-30 if state.itemsize == 4 else 1e-300, zero)
    for k in range(0, users, BYTES // state.itemsize):
        own = take(state, _DIRECT * stride + k) * take(state, _C * stride + k)
        price = take(state, _PRICE * stride + k) + own + priceless
        v = least(take(state, _PULL * stride + k) / price, one)
        v = choose(v < silent, zero, v)
        on += count_of(v > zero)
        put(state, _V * stride + k, v)
        put(state, _P * stride + k, v * v)
    return on


@kernel(reorder=True, inline=True)
def _bits(state: Array, stride: int, users: int) -> float:
    """Weighted sum rate, by logarithms."""
    value = 0.0
    for k in range(users):
        signal = state[_DIRECT * stride + k] * state[_P * stride + k]
        sinr = np.float64(signal / state[_INTERFERENCE * stride + k])
        value += state[_WEIGHT * stride + k] * log2_1p(sinr)
    return value


@kernel(inline=True)
def _drop(
    cross: Array, state: Array, stride: int, user: Index, moved: Index, users: int, on: int
) -> None:
    """Let users that are on take the places of silent ones."""
    p = _P * stride
    last = users
    moves = 0
    for k in range(on):
        if state[p + k] > 0.0:
            continue
        last -= 1
        while not state[p + last] > 0.0:
            last -= 1
        moved[2 * moves], moved[2 * moves + 1] = k, last
        moves += 1
        user[k] = user[last]
        for r in range(_KEPT):
            state[r * stride + k] = state[r * stride + last]
        for j in range(0, users, BYTES // state.itemsize):
            put(cross, k * stride + j, take(cross, last * stride + j))
    for k in range(on):
        for i in range(0, 2 * moves, 2):
            cross[k * stride + moved[i]] = cross[k * stride + moved[i + 1]]
    for r in range(_KEPT):
        for k in range(on, users):
            state[r * stride + k] = 0.0


@kernel(reorder=True, inline=True)
def _load(problem: _Problem, cross: Array, state: Array, user: Index) -> tuple[bool, bool]:
    """Read a problem; whether it was in range, and whether products will do.

    Here matrix and state are [width, width] and [8, width].
    """
    gain, flat, n, noise_power, p_max, weight, start = problem
    users = len(user)
    valid = gains_are_valid(flat, n)
    alike = True
    largest = 1.0
    for k in range(users):
        noise, full, a = noise_power[k], p_max[k], weight[k]
        valid &= user_is_valid(noise, full, a)
        alike &= a == weight[0]
        scale = 1.0 / noise
        for j in range(users):
            cross[k, j] = gain[k, j] * p_max[j] * scale
        direct = gain[k, k] * full * scale
        largest *= 1.0 + direct
        v = amplitude(start, full, 0, k)
        state[_DIRECT, k] = direct
        state[_WEIGHT, k] = a
        state[_V, k] = v
        state[_P, k] = v * v
        cross[k, k] = 0.0
        user[k] = k
        for j in range(users, len(cross)):
            cross[k, j] = 0.0
    for k in range(users, len(cross)):
        for r in range(_KEPT):
            state[r, k] = 0.0
        state[_INTERFERENCE, k] = 1.0
    return valid, alike and largest < (1e38 if cross.itemsize == 4 else 1e308)


@kernel(inline=True)
def _room(users: int, one: float) -> tuple[Array, Array, Index]:
    """Memory for the matrix and the state of a problem, and for lists of users."""
    lanes = BYTES // np.full(1, one).itemsize
    width = (users + lanes - 1) // lanes * lanes
    return room_for(width * width, one), room_for(8 * width, one), np.empty(3 * users, np.int64)


@kernel(reorder=True, inline=True)
def _solve(
    problem: _Problem,
    cross: Array,
    state: Array,
    places: Index,
    tolerance: float,
    most: int,
    power: Array,
) -> int:
    """Solve one problem; the number of updates, or -1 if a value was out of its range.

    Put into its callers, like all above: where the compiler sees that matrix and state were
    allocated apart, the same code is a quarter faster.
    """
    p_max, weight = problem[4:6]
    users, stride = len(weight), len(state) // 8
    user, moved = places[:users], places[users:]
    valid, by_product = _load(
        problem, cross.reshape(stride, stride), state.reshape(8, stride), user
    )
    if not valid:
        return -1
    rise = least_rise(tolerance, weight[0], state.itemsize)
    last = 0.0 if by_product else -np.inf
    count = 0
    while True:
        value = _respond(cross, state, stride, users)
        if not by_product:
            value = _bits(state, stride, users)
        if count >= most or (value < last * rise if by_product else value - last < tolerance):
            break
        last = value
        on = _update(state, stride, users)
        count += 1
        if on + _PASS <= (users + _PASS - 1) // _PASS * _PASS:
            _drop(cross, state, stride, user, moved, users, on)
            users = on
    for k in range(len(weight)):
        power[k] = 0.0
    for k in range(users):
        power[user[k]] = np.float64(state[_P * stride + k]) * p_max[user[k]]
    return count


@kernel(reorder=True)
def iterate_rows(  # noqa: PLR0913 - the arrays of a batch, read once
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    start: Array,
    tolerance: float,
    most: int,
    one: float,
    power: Array,
    iterations: Index,
) -> int:
    """Solve N problems of K users.

    Parameters
    ----------
    gain : [N, K, K], float64 or float32
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [N, K] or [1, K], float64
        Noise and largest power [W] and weight of every user, or those of every problem.
    start : [N, K], [1, K] or [0, K], float64
        Powers to start from [W]; [0, K]: full power.
    tolerance : float
        Stop when the weighted sum rate rises by less than this [bit/s/Hz].
    most : int
        Stop after so many updates.
    one : float64 or float32
        The number one, of the type to compute in.
    power : [N, K], float64
        Written: powers [W].
    iterations : [N], int64
        Written: updates that were made.

    Returns
    -------
    int
        First problem with a value out of its range, which ends the work; -1 if there is none.
    """
    samples, users = gain.shape[0], gain.shape[1]
    flat = gain.reshape(samples, users * users)
    cross, state, places = _room(users, one)
    for n in range(samples):
        problem = (
            gain[n],
            flat,
            n,
            noise_power[row_of(noise_power, n)],
            p_max[row_of(p_max, n)],
            weight[row_of(weight, n)],
            start[row_of(start, n) : row_of(start, n) + 1],
        )
        iterations[n] = _solve(problem, cross, state, places, tolerance, most, power[n])
        if iterations[n] < 0:
            return n
    return -1


@kernel(reorder=True)
def decide_rows(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    tolerance: float,
    most: int,
    power: Array,
) -> int:
    """Solve one problem of K users from full power.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [K], float64
        Noise and largest power [W] and weight of every user.
    tolerance : float
        Stop when the weighted sum rate rises by less than this [bit/s/Hz].
    most : int
        Stop after so many updates.
    power : [K], float64
        Written: powers [W].

    Returns
    -------
    int
        Updates that were made; negative where nothing was computed: if lengths differ, a value is
        out of its range, or users share receivers, of which another kernel makes use.
    """
    users = len(power)
    if not len(gain) == gain.shape[1] == len(noise_power) == len(p_max) == len(weight) == users:
        return -1
    if users == 0:
        return 0
    if users >= SHARED_USERS and receivers_repeat(gain):
        return -1
    flat = gain.reshape(1, users * users)
    cross, state, places = _room(users, 1.0)
    problem = gain, flat, 0, noise_power, p_max, weight, gain[:0]
    return _solve(problem, cross, state, places, tolerance, most, power)
