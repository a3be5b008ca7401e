"""WMMSE where users share receivers: cells whose users are heard by one station.

In the uplink of a cell every user is heard through the gains to the station that serves it: rows
of the gain matrix repeat. With N stations and K users there are then N sums over transmitters and
not K, and as few prices of a watt of interference. With station r(k) of user k, p = v^2, S_k =
h_kk p_k, the users U_r of station r, and the noise n_k of user k in the unit of its station's row,
an iteration of Shi, Razaviyayn, Luo and He (IEEE Trans. Signal Process. 59(9), 2011) is::

    O_r = sum over j not in U_r of h_rj p_j
    I_k = n_k + O_r(k) + sum over j in U_r(k), j != k, of S_j,   T_k = I_k + S_k
    c_k = a_k S_k / (I_k T_k),   C_r = sum over j in U_r of c_j
    v_k = min(1, (a_k h_kk v_k / I_k) / (h_kk C_r(k) + sum over r != r(k) of h_rk C_r))

Users stand in layers: in the first one user of every station, in the next a second one of every
station that has two, and so on, stations with most users first. So stations lie side by side in a
register, in every layer at the same place, and sums within cells are sums of layers. Nobody is
struck out, but once most users have become silent, the others are a small problem like any other,
and `slotwise.controllers.kernels.rows` finishes it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import amplitude, gains_are_valid, row_of, user_is_valid
from slotwise.controllers.kernels.packs import (
    BYTES,
    choose,
    count_of,
    each,
    least,
    product_of,
    put,
    spread,
    sum_of,
    take,
)
from slotwise.controllers.kernels.rows import iterate_rows
from slotwise.controllers.kernels.stations import busiest, stations_of
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["iterate_shared"]

Array = NDArray[Any]
Index = NDArray[np.int64]

_DEARER = 3  # cost of a gain in the problem of the users that are left, in that of one in `cross`

# Parts of a problem's state, each with a number for every place.
_DIRECT, _WEIGHT, _NOISE, _V, _P, _INTERFERENCE, _PULL, _PRICE = range(8)
_PARTS = 8


class _Problem(NamedTuple):
    """One problem, in units of the noise at each station.

    ``rows[r, j]`` is the gain of user j at full power at station r, and of nobody, who comes last,
    zero; `noise` that of each user in the unit of its station's row, `v` amplitudes as fractions.
    """

    rows: Array
    station: Index
    noise: Array
    weight: Array
    v: Array


class _Cells(NamedTuple):
    """Users that are not silent, in layers.

    Layer l begins at place `start[l]`, a multiple of a pack's length; `user[i]` stands in place i,
    or K for nobody. ``cross[r, i]``, flat, is the gain of place i at a station other than its own.
    """

    start: Index
    user: Index
    cross: Array
    state: Array
    outer: Array
    cost: Array


@kernel(reorder=True)
def iterate_shared(  # noqa: PLR0913 - the arrays of a batch, read once
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
    """Solve N problems of K users: as `slotwise.controllers.kernels.rows.iterate_rows`.

    Stations are found anew in every problem: right for any gains, fast where rows repeat.
    """
    samples, users = gain.shape[0], gain.shape[1]
    flat = gain.reshape(samples, users * users)
    problem = _Problem(
        np.full((users, users + 1), one - one),
        np.empty(users, dtype=np.int64),
        np.empty(users),
        np.empty(users),
        np.empty(users),
    )
    for n in range(samples):
        if not gains_are_valid(flat, n):
            return n
        limits = row_of(p_max, n)
        valid, by_product = _load(gain[n], noise_power, p_max, weight, start, n, problem)
        if not valid:
            return n
        iterations[n], few = _iterate(problem, by_product, one, tolerance, most)
        if few:
            user, small, noise, limit, a, begin = _left_over(problem)
            rest, more = np.empty((1, user.size)), np.empty(1, dtype=np.int64)
            iterate_rows(
                small, noise, limit, a, begin, tolerance, most - iterations[n], one, rest, more
            )
            iterations[n] += more[0]
            for i in range(user.size):
                problem.v[user[i]] = np.sqrt(rest[0, i])
        for k in range(users):
            power[n, k] = problem.v[k] * problem.v[k] * p_max[limits, k]
    return -1


@kernel(reorder=True)
def _load(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    start: Array,
    n: int,
    problem: _Problem,
) -> tuple[bool, bool]:
    """Read a problem; whether it was in range, and whether products will do for logarithms."""
    users = len(gain)
    noises, limits, weights = row_of(noise_power, n), row_of(p_max, n), row_of(weight, n)
    station, first = stations_of(gain)
    for r in range(first.size):
        row, copy = gain[first[r]], problem.rows[r]
        scale = 1.0 / noise_power[noises, first[r]]
        for j in range(users):
            copy[j] = row[j] * p_max[limits, j] * scale
    valid, alike, largest = True, True, 1.0
    for k in range(users):
        noise, full, a = noise_power[noises, k], p_max[limits, k], weight[weights, k]
        valid &= user_is_valid(noise, full, a)
        alike &= a == weight[weights, 0]
        largest *= 1.0 + gain[k, k] * full / noise
        problem.station[k] = station[k]
        problem.noise[k] = noise / noise_power[noises, first[station[k]]]
        problem.weight[k] = a
        problem.v[k] = amplitude(start, full, n, k)
    return valid, alike and largest < (1e38 if problem.rows.itemsize == 4 else 1e308)


@kernel(reorder=True)
def _iterate(
    problem: _Problem, by_product: bool, one: float, tolerance: float, most: int
) -> tuple[int, bool]:
    """Iterate one problem; updates made, and whether it goes on as one of few users."""
    rise = 2.0 ** (tolerance / problem.weight[0]) if by_product else 0.0
    last = 0.0 if by_product else -np.inf
    users = int(np.count_nonzero(problem.v))
    if users == 0:
        return min(most, 1), False
    cells = _lay_out(problem, one)
    few = False
    count = 0
    while True:
        value = _respond(cells)
        if not by_product:
            value = _bits(cells)
        if count >= most or (value < last * rise if by_product else value - last < tolerance):
            _take_out(cells, problem.v)
            return count, False
        if few:
            return count, True
        last = value
        on = _update(cells)
        count += 1
        if 0 < _DEARER * on * on <= cells.cross.size:
            few = True
            _take_out(cells, problem.v)


@kernel()
def _left_over(problem: _Problem) -> tuple[Index, Array, Array, Array, Array, Array]:
    """The users that are not silent, and their problem: gain, noise, limit, weight and start."""
    user = np.flatnonzero(problem.v)
    users = user.size
    gain = np.empty((1, users, users), dtype=problem.rows.dtype)
    noise, weight, start = np.empty((1, users)), np.empty((1, users)), np.empty((1, users))
    for i in range(users):
        k = user[i]
        row = problem.rows[problem.station[k]]
        for j in range(users):
            gain[0, i, j] = row[user[j]]
        noise[0, i], weight[0, i] = problem.noise[k], problem.weight[k]
        start[0, i] = problem.v[k] * problem.v[k]
    return user, gain, noise, np.ones((1, users)), weight, start


@kernel()
def _take_out(cells: _Cells, v: Array) -> None:
    """Amplitudes of those who have a place; the others are silent already."""
    at = _V * cells.user.size
    for i in range(cells.user.size):
        if cells.user[i] < v.size:
            v[cells.user[i]] = cells.state[at + i]


@kernel()
def _lay_out(problem: _Problem, one: float) -> _Cells:
    """Places for all that are not silent."""
    users = problem.v.size
    order, left = busiest(problem.station, problem.v)
    stations, layers = order.size, left.max() if left.size else 0
    lanes = BYTES // np.full(1, one).itemsize
    start = np.zeros(layers + 1, dtype=np.int64)
    for layer in range(layers):
        wide = np.count_nonzero(left > layer)
        start[layer + 1] = start[layer] + (wide + lanes - 1) // lanes * lanes
    places = start[layers]
    width = (stations + lanes - 1) // lanes * lanes
    cells = _Cells(
        start,
        np.full(places, users),
        np.empty(stations * places, dtype=problem.rows.dtype),
        np.full(_PARTS * places, one - one),
        np.full(width, one - one),
        np.full(width, one - one),
    )
    cells.state[_NOISE * places : (_NOISE + 1) * places] = one
    rank = np.empty(users, dtype=np.int64)
    rank[order] = np.arange(stations)
    layer_of = np.zeros(stations, dtype=np.int64)
    for k in range(users):
        if problem.v[k] > 0.0:
            s = rank[problem.station[k]]
            i = start[layer_of[s]] + s
            layer_of[s] += 1
            cells.user[i] = k
            cells.state[_DIRECT * places + i] = problem.rows[problem.station[k], k]
            cells.state[_WEIGHT * places + i] = problem.weight[k]
            cells.state[_NOISE * places + i] = problem.noise[k]
            cells.state[_V * places + i] = problem.v[k]
            cells.state[_P * places + i] = problem.v[k] * problem.v[k]
    for s in range(stations):
        row, copy = problem.rows[order[s]], cells.cross[s * places : (s + 1) * places]
        for i in range(places):
            copy[i] = row[cells.user[i]]
        for layer in range(left[s]):
            copy[start[layer] + s] = 0.0
    return cells


@kernel(reorder=True, inline=True)
def _hear(cells: _Cells) -> None:
    """O_r, four stations at a time: while one sum is on its way, the others enter the adder.

    Past the last station comes the last again.
    """
    state, cross, places = cells.state, cells.cross, cells.user.size
    lanes = BYTES // state.itemsize
    stations = cross.size // max(places, 1)
    for r in range(0, stations, 4):
        r1, r2, r3 = min(r + 1, stations - 1), min(r + 2, stations - 1), min(r + 3, stations - 1)
        zero = spread(0.0, take(state, 0))
        s0, s1, s2, s3 = zero, zero, zero, zero
        for i in range(0, places, lanes):
            p = take(state, _P * places + i)
            s0 = s0 + take(cross, r * places + i) * p
            s1 = s1 + take(cross, r1 * places + i) * p
            s2 = s2 + take(cross, r2 * places + i) * p
            s3 = s3 + take(cross, r3 * places + i) * p
        cells.outer[r] = sum_of(s0)
        cells.outer[r1] = sum_of(s1)
        cells.outer[r2] = sum_of(s2)
        cells.outer[r3] = sum_of(s3)


@kernel(reorder=True, inline=True)
def _respond(cells: _Cells) -> float:
    """From amplitudes what every user asks for and what it costs its station; the product of w.

    A pack of stations after another, up the layers and down again: of a total that an own signal
    dominates, a subtraction would leave nothing, so what is heard of others is added up.
    """
    start, state, places = cells.start, cells.state, cells.user.size
    lanes = BYTES // state.itemsize
    _hear(cells)
    one = spread(1.0, take(cells.cost, 0))
    product = one
    for s in range(0, cells.cost.size, lanes):
        layers = start.size - 1
        while start[layers - 1] + s >= start[layers]:
            layers -= 1
        after = one - one
        for layer in range(layers - 1, -1, -1):
            i = start[layer] + s
            put(state, _INTERFERENCE * places + i, after)
            after = after + take(state, _DIRECT * places + i) * take(state, _P * places + i)
        before, cost = take(cells.outer, s), one - one
        for layer in range(layers):
            i = start[layer] + s
            direct, v = take(state, _DIRECT * places + i), take(state, _V * places + i)
            interference = take(state, _INTERFERENCE * places + i) + before
            interference = interference + take(state, _NOISE * places + i)
            own = direct * take(state, _P * places + i)
            before = before + own
            received = interference + own
            inverse = one / (interference * received)
            product = product * (received * received * inverse)
            asked = take(state, _WEIGHT * places + i) * direct * v * inverse
            cost = cost + asked * v
            put(state, _INTERFERENCE * places + i, interference)
            put(state, _PULL * places + i, asked * received)
        put(cells.cost, s, cost)
    return float(product_of(product))


@kernel(reorder=True, inline=True)
def _bits(cells: _Cells) -> float:
    """Weighted sum rate, by logarithms."""
    state, places = cells.state, cells.user.size
    value = 0.0
    for i in range(places):
        own = state[_DIRECT * places + i] * state[_P * places + i]
        sinr = np.float64(own / state[_INTERFERENCE * places + i])
        value += state[_WEIGHT * places + i] * log2_1p(sinr)
    return value


@kernel(reorder=True, inline=True)
def _charge(cells: _Cells) -> None:
    """What each place costs other stations: sum over r of h_rk C_r, four packs at a time."""
    state, cross, cost, places = cells.state, cells.cross, cells.cost, cells.user.size
    lanes = BYTES // state.itemsize
    stations = cross.size // max(places, 1)
    for i in range(0, places, 4 * lanes):
        last = places - lanes
        i1, i2, i3 = min(i + lanes, last), min(i + 2 * lanes, last), min(i + 3 * lanes, last)
        zero = spread(0.0, take(state, 0))
        s0, s1, s2, s3 = zero, zero, zero, zero
        for r in range(stations):
            c = each(cost, r)
            s0 = s0 + take(cross, r * places + i) * c
            s1 = s1 + take(cross, r * places + i1) * c
            s2 = s2 + take(cross, r * places + i2) * c
            s3 = s3 + take(cross, r * places + i3) * c
        put(state, _PRICE * places + i, s0)
        put(state, _PRICE * places + i1, s1)
        put(state, _PRICE * places + i2, s2)
        put(state, _PRICE * places + i3, s3)


@kernel(reorder=True, inline=True)
def _update(cells: _Cells) -> int:
    """New amplitudes from what is asked for and its price; how many users are on."""
    state, places = cells.state, cells.user.size
    lanes = BYTES // state.itemsize
    _charge(cells)
    on = 0
    for layer in range(cells.start.size - 1):
        for i in range(cells.start[layer], cells.start[layer + 1], lanes):
            cost = take(cells.cost, i - cells.start[layer])
            price = take(state, _PRICE * places + i) + take(state, _DIRECT * places + i) * cost
            one, zero = spread(1.0, cost), spread(0.0, cost)
            # So that 0/0 of a silent user is 0.
            price = price + spread(1e-30 if state.itemsize == 4 else 1e-300, cost)
            v = least(take(state, _PULL * places + i) / price, one)
            # Below this an amplitude's power is lost in every sum it enters.
            v = choose(v < spread(1e-15 if state.itemsize == 4 else 1e-30, cost), zero, v)
            on += count_of(v > zero)
            put(state, _V * places + i, v)
            put(state, _P * places + i, v * v)
    return on
