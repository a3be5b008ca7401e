"""WMMSE on many problems of few users: as many side by side as a register holds.

The iteration is that of `slotwise.controllers.kernels.rows`, with one problem in each lane of a
pack: sums run over users, and no number of one problem ever meets one of another. A lane takes the
next problem as soon as its own has stopped, so that few iterations are idle however different their
numbers. Nothing is struck out, for what is silent in one lane is not in the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import (
    amplitude,
    gains_are_valid,
    least_rise,
    row_of,
    user_is_valid,
)
from slotwise.controllers.kernels.packs import (
    BYTES,
    choose,
    count_of,
    least,
    put,
    room_for,
    spread,
    take,
)
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p, log2_of

__all__ = ["iterate_lanes"]

Array = NDArray[Any]
Index = NDArray[np.int64]

# Parts of the state, each with a pack for every user.
_DIRECT, _WEIGHT, _V, _P, _INTERFERENCE, _PULL, _C, _PRICE = range(8)

# Packs of the ledger: product of all w after the last iteration, factor by which it must rise,
# updates made, and one where a lane's problem has stopped.
_LAST, _RISE, _COUNT, _STOPS = range(4)

# What stands for the sample of a lane that may take the next, and of one that will have none.
_FREE, _IDLE = -1, -2


@kernel(reorder=True, inline=True)
def _sums(
    cross: Array, across: int, along: int, state: Array, factor: int, total: int, users: int
) -> None:
    """total_k = sum_j cross[k across + j along] factor_j, four sums at a time."""
    lanes = BYTES // cross.itemsize
    zero = spread(0.0, take(cross, 0))
    last = users - 1
    for k in range(0, users, 4):
        # Past the last user comes the last again.
        k1, k2, k3 = min(k + 1, last), min(k + 2, last), min(k + 3, last)
        s0, s1, s2, s3 = zero, zero, zero, zero
        at0, at1, at2, at3 = k * across, k1 * across, k2 * across, k3 * across
        for j in range(users):
            f = take(state, (factor * users + j) * lanes)
            s0 = s0 + take(cross, (at0 + j * along) * lanes) * f
            s1 = s1 + take(cross, (at1 + j * along) * lanes) * f
            s2 = s2 + take(cross, (at2 + j * along) * lanes) * f
            s3 = s3 + take(cross, (at3 + j * along) * lanes) * f
        put(state, (total * users + k) * lanes, s0)
        put(state, (total * users + k1) * lanes, s1)
        put(state, (total * users + k2) * lanes, s2)
        put(state, (total * users + k3) * lanes, s3)


@kernel(reorder=True, inline=True)
def _respond(cross: Array, state: Array, users: int) -> Array:
    """From powers what every user asks for and costs; the product of all w."""
    lanes = BYTES // cross.itemsize
    _sums(cross, users, 1, state, _P, _INTERFERENCE, users)
    one = spread(1.0, take(cross, 0))
    product = one
    for k in range(users):
        i = take(state, (_INTERFERENCE * users + k) * lanes) + one
        h = take(state, (_DIRECT * users + k) * lanes)
        v = take(state, (_V * users + k) * lanes)
        t = i + h * take(state, (_P * users + k) * lanes)
        inverse = one / (i * t)
        product = product * (t * t * inverse)
        asked = take(state, (_WEIGHT * users + k) * lanes) * h * v * inverse
        put(state, (_PULL * users + k) * lanes, asked * t)
        put(state, (_C * users + k) * lanes, asked * v)
    return product


@kernel(reorder=True, inline=True)
def _update(cross: Array, state: Array, ledger: Array, users: int) -> None:
    """New amplitudes from what is asked for and its price, and their powers."""
    lanes = BYTES // cross.itemsize
    _sums(cross, 1, users, state, _C, _PRICE, users)
    zero = spread(0.0, take(cross, 0))
    one = spread(1.0, zero)
    silent = spread(1e-15 if cross.itemsize == 4 else 1e-30, zero)
    priceless = spread(1e-30 if cross.itemsize == 4 else 1e-300, zero)
    for k in range(users):
        own = take(state, (_DIRECT * users + k) * lanes) * take(state, (_C * users + k) * lanes)
        price = take(state, (_PRICE * users + k) * lanes) + own + priceless
        v = least(take(state, (_PULL * users + k) * lanes) / price, one)
        v = choose(v < silent, zero, v)
        put(state, (_V * users + k) * lanes, v)
        put(state, (_P * users + k) * lanes, v * v)
    put(ledger, _COUNT * lanes, take(ledger, _COUNT * lanes) + one)


@kernel(reorder=True)
def _load(  # noqa: PLR0913 - a problem and where it goes
    gain: Array,
    flat: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    start: Array,
    n: int,
    cross: Array,
    state: Array,
    lane: int,
) -> tuple[bool, bool]:
    """Put a problem into a lane; whether it was in range, and whether products will do.

    Here matrix and state are [K, K, lanes] and [8, K, lanes].
    """
    users = gain.shape[1]
    noises, limits, weights = row_of(noise_power, n), row_of(p_max, n), row_of(weight, n)
    valid = gains_are_valid(flat, n)
    alike = True
    largest = 1.0
    for k in range(users):
        noise, full, a = noise_power[noises, k], p_max[limits, k], weight[weights, k]
        valid &= user_is_valid(noise, full, a)
        alike &= a == weight[weights, 0]
        scale = 1.0 / noise
        for j in range(users):
            cross[k, j, lane] = gain[n, k, j] * p_max[limits, j] * scale
        direct = gain[n, k, k] * full * scale
        largest *= 1.0 + direct
        v = amplitude(start, full, n, k)
        state[_DIRECT, k, lane] = direct
        state[_WEIGHT, k, lane] = a
        state[_V, k, lane] = v
        state[_P, k, lane] = v * v
        cross[k, k, lane] = 0.0
    return valid, alike and largest < (1e38 if cross.itemsize == 4 else 1e308)


@kernel(inline=True)
def _store(state: Array, lane: int, p_max: Array, power: Array, n: int) -> None:
    """Write down the powers of a lane; here the state is [8, K, lanes]."""
    limits = row_of(p_max, n)
    for k in range(power.shape[1]):
        power[n, k] = np.float64(state[_P, k, lane]) * p_max[limits, k]


@kernel(reorder=True, inline=True)
def _stop_by_product(product: Array, ledger: Array, most: int) -> int:
    """Mark lanes whose objective rose too little, or that were updated enough; how many."""
    lanes = len(ledger) // 4
    bound = take(ledger, _LAST * lanes) * take(ledger, _RISE * lanes)
    stops = (product < bound) | (take(ledger, _COUNT * lanes) >= spread(most, product))
    put(ledger, _LAST * lanes, product)
    stopping = count_of(stops)
    if stopping > 0:
        one = spread(1.0, product)
        put(ledger, _STOPS * lanes, choose(stops, one, one - one))
    return stopping


@kernel(reorder=True)
def _stop_by_logarithm(
    state: Array, ledger: Array, last: Array, tolerance: float, most: int, users: int
) -> int:
    """As `_stop_by_product`, where weights differ or products of w may be too large."""
    lanes = len(last)
    value = np.zeros(lanes)
    for k in range(users):
        h, p = (_DIRECT * users + k) * lanes, (_P * users + k) * lanes
        i, a = (_INTERFERENCE * users + k) * lanes, (_WEIGHT * users + k) * lanes
        for lane in range(lanes):
            sinr = state[h + lane] * state[p + lane] / (np.float64(state[i + lane]) + 1.0)
            value[lane] += state[a + lane] * log2_1p(np.float64(sinr))
    stopping = 0
    for lane in range(lanes):
        stops = value[lane] - last[lane] < tolerance or ledger[_COUNT * lanes + lane] >= most
        ledger[_STOPS * lanes + lane] = stops
        stopping += stops
        last[lane] = value[lane]
    return stopping


@kernel(reorder=True)
def iterate_lanes(  # noqa: PLR0912, PLR0913, PLR0915, C901 - a batch, and lanes that come and go
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
    """Solve N problems of K users: as `slotwise.controllers.kernels.rows.iterate_rows`."""
    samples, users = gain.shape[0], gain.shape[1]
    lanes = BYTES // np.full(1, one).itemsize
    cross = room_for(users * users * lanes, one)
    state = room_for(8 * users * lanes, one)
    ledger = room_for(4 * lanes, one)
    flat = gain.reshape(samples, users * users)
    matrix = cross.reshape(users, users, lanes)
    parts = state.reshape(8, users, lanes)
    last = np.empty(lanes)
    sample = np.full(lanes, _FREE)
    by_product = True
    before, rise = -1.0, 0.0
    upcoming, busy, stopping = 0, 0, lanes
    while True:
        for lane in range(lanes if stopping > 0 else 0):
            if sample[lane] != _FREE:
                continue
            if upcoming == samples:
                sample[lane] = _IDLE
                ledger[_RISE * lanes + lane] = 0.0
                ledger[_COUNT * lanes + lane] = -np.inf
                continue
            n = sample[lane] = upcoming
            valid, plain = _load(
                gain, flat, noise_power, p_max, weight, start, n, matrix, parts, lane
            )
            if not valid:
                return n
            if by_product and not plain:
                by_product = False
                for i in range(lanes):
                    of_all = np.float64(state[_WEIGHT * users * lanes + i])
                    last[i] = of_all * log2_of(np.float64(ledger[_LAST * lanes + i]))
            of_all = np.float64(state[_WEIGHT * users * lanes + lane])
            if of_all != before:
                before, rise = of_all, least_rise(tolerance, of_all, cross.itemsize)
            ledger[_RISE * lanes + lane] = rise
            ledger[_LAST * lanes + lane] = 0.0
            ledger[_COUNT * lanes + lane] = 0.0
            last[lane] = -np.inf
            upcoming += 1
            busy += 1
        if busy == 0:
            return -1
        product = _respond(cross, state, users)
        if by_product:
            stopping = _stop_by_product(product, ledger, most)
        else:
            stopping = _stop_by_logarithm(state, ledger, last, tolerance, most, users)
        for lane in range(lanes if stopping > 0 else 0):
            n = sample[lane]
            if ledger[_STOPS * lanes + lane] > 0.0 and n >= 0:
                _store(parts, lane, p_max, power, n)
                iterations[n] = np.int64(ledger[_COUNT * lanes + lane])
                sample[lane] = _FREE
                busy -= 1
        _update(cross, state, ledger, users)
