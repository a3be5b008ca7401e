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
    least_rise,
    row_of,
    user_is_valid,
)
from slotwise.controllers.kernels.packs import (
    BYTES,
    bits_of,
    choose,
    count_of,
    first_of,
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

# Parts of the state, each with a pack for every user; worth is weight times direct gain.
_WEIGHT, _V, _P, _DIRECT, _WORTH, _INTERFERENCE, _PULL, _C = range(8)
_PARTS = 8

# What is known of users before their gains: the first three, and what makes a direct gain of one.
_OWN, _KNOWN = 3, 4

# Packs of the ledger: product of all w after the last iteration, factor by which it must rise, and
# updates made.
_LAST, _RISE, _COUNT = range(3)

# Sums that are made at a time: while one is on its way through the adder, the others enter it.
_AT_ONCE = 5

_Sums = tuple[Array, Array, Array, Array, Array]


@kernel(reorder=True, inline=True)
def _sum(cross: Array, at: int, along: int, state: Array, factor: int, users: int) -> Array:
    """sum_j cross[at + j along] factor_j."""
    lanes = BYTES // cross.itemsize
    total = spread(0.0, take(cross, 0))
    for j in range(users):
        f = take(state, (j * _PARTS + factor) * lanes)
        total = total + take(cross, (at + j * along) * lanes) * f
    return total


@kernel(reorder=True, inline=True)
def _sums(
    cross: Array, at: int, across: int, along: int, state: Array, factor: int, users: int
) -> _Sums:
    """The same from `at`, from `at` + `across`, and so on: every factor is read once for five."""
    lanes = BYTES // cross.itemsize
    s0 = spread(0.0, take(cross, 0))
    s1, s2, s3, s4 = s0, s0, s0, s0
    step = across * lanes
    for j in range(users):
        f = take(state, (j * _PARTS + factor) * lanes)
        place = (at + j * along) * lanes
        s0 = s0 + take(cross, place) * f
        s1 = s1 + take(cross, place + step) * f
        s2 = s2 + take(cross, place + 2 * step) * f
        s3 = s3 + take(cross, place + 3 * step) * f
        s4 = s4 + take(cross, place + 4 * step) * f
    return s0, s1, s2, s3, s4


@kernel(reorder=True, inline=True)
def _answer(state: Array, k: int, heard: Array) -> Array:
    """What a user asks for and costs, at the interference it hears; its w."""
    lanes = BYTES // state.itemsize
    own = k * _PARTS * lanes
    one = spread(1.0, heard)
    p = take(state, own + _P * lanes)
    worth = take(state, own + _WORTH * lanes)
    i = one + heard
    t = i + take(state, own + _DIRECT * lanes) * p
    inverse = one / (i * t)
    per_interference = t * inverse
    asked = worth * take(state, own + _V * lanes)
    put(state, own + _INTERFERENCE * lanes, i)
    put(state, own + _PULL * lanes, asked * per_interference)
    put(state, own + _C * lanes, worth * p * inverse)
    w: Array = t * per_interference
    return w


@kernel(reorder=True, inline=True)
def _respond(cross: Array, state: Array, users: int) -> Array:
    """From powers what every user asks for and costs; the product of all w."""
    product = spread(1.0, take(cross, 0))
    whole = users // _AT_ONCE * _AT_ONCE
    for k in range(0, whole, _AT_ONCE):
        s0, s1, s2, s3, s4 = _sums(cross, k * users, users, 1, state, _P, users)
        w = _answer(state, k, s0) * _answer(state, k + 1, s1)
        w = w * (_answer(state, k + 2, s2) * _answer(state, k + 3, s3))
        product = product * (w * _answer(state, k + 4, s4))
    for k in range(whole, users):
        heard = _sum(cross, k * users, 1, state, _P, users)
        product = product * _answer(state, k, heard)
    return product


@kernel(reorder=True, inline=True)
def _pay(state: Array, k: int, price: Array) -> None:
    """New amplitude of a user, from what it asks for and what the others pay, and its power."""
    lanes = BYTES // state.itemsize
    own = k * _PARTS * lanes
    zero = spread(0.0, price)
    single = state.itemsize == 4
    c = take(state, own + _C * lanes)
    # So that 0/0 of a silent user is 0.
    price = (
        price + take(state, own + _DIRECT * lanes) * c + spread(1e-30 if single else 1e-300, zero)
    )
    v = least(take(state, own + _PULL * lanes) / price, spread(1.0, zero))
    # Below this an amplitude's power is lost in every sum it enters, and soon a denormal number.
    v = choose(v < spread(1e-15 if single else 1e-30, zero), zero, v)
    put(state, own + _V * lanes, v)
    put(state, own + _P * lanes, v * v)


@kernel(reorder=True, inline=True)
def _update(cross: Array, state: Array, users: int) -> None:
    """New amplitudes and powers of all."""
    whole = users // _AT_ONCE * _AT_ONCE
    for k in range(0, whole, _AT_ONCE):
        s0, s1, s2, s3, s4 = _sums(cross, k, 1, users, state, _C, users)
        _pay(state, k, s0)
        _pay(state, k + 1, s1)
        _pay(state, k + 2, s2)
        _pay(state, k + 3, s3)
        _pay(state, k + 4, s4)
    for k in range(whole, users):
        _pay(state, k, _sum(cross, k, users, state, _C, users))


@kernel(reorder=True)
def _know(
    noise_power: Array,
    p_max: Array,
    weight: Array,
    start: Array,
    n: int,
    scale: Array,
    known: Array,
) -> tuple[bool, bool]:
    """Read all of a problem but its gains; whether it was in range, and all weights are equal.

    Written are factors of the gains, [K K], and what is known of users, [4, K].
    """
    noises, limits, weights = row_of(noise_power, n), row_of(p_max, n), row_of(weight, n)
    users = known.shape[1]
    valid, alike = True, True
    for k in range(users):
        noise, full, a = noise_power[noises, k], p_max[limits, k], weight[weights, k]
        valid &= user_is_valid(noise, full, a)
        alike &= a == weight[weights, 0]
        v = amplitude(start, full, n, k)
        known[_OWN, k], known[_WEIGHT, k] = full / noise, a
        known[_V, k], known[_P, k] = v, v * v
        for j in range(users):
            scale[k * users + j] = p_max[limits, j] / noise
        scale[k * (users + 1)] = 0.0
    return valid, alike


@kernel(reorder=True, inline=True)
def _scaled(gain: Array, first: int, scale: Array, scaled: Array) -> bool:
    """Multiply the gains of a problem by their factors; whether they were in range."""
    size, lanes = len(scale), BYTES // scale.itemsize
    wrong = False
    for i in range(size if size < lanes else 0):
        x = gain[first + i]
        wrong |= (x < 0.0) | (0.0 * x != 0.0)  # NaN where it is not finite
        scaled[i] = x * scale[i]
    if size < lanes:
        return not wrong
    zero = spread(0.0, take(scale, 0))
    lowest, nothing = zero, zero
    for start in range(0, size, lanes):
        # The last pack ends with the problem, though it begins among what was seen.
        i = min(start, size - lanes)
        x = take(gain, first + i)
        lowest = least(x, lowest)
        nothing = nothing + zero * x  # NaN where one is not finite
        put(scaled, i, x * take(scale, i))
    return count_of(lowest + nothing >= zero) == lanes


@kernel(reorder=True, inline=True)
def _load(
    gain: Array, first: int, scaled: Array, known: Array, cross: Array, state: Array, lane: int
) -> float:
    """Put a problem into a lane; the largest product of w that there may be.

    Here the matrix is [K K, lanes] and the state [K, 8, lanes].
    """
    users = known.shape[1]
    for i in range(users * users):
        cross[i, lane] = scaled[i]
    largest = known[_OWN, 0] * 0.0 + 1.0
    for k in range(users):
        direct = gain[first + k * (users + 1)] * known[_OWN, k]
        largest += largest * direct
        state[k, _DIRECT, lane] = direct
        state[k, _WORTH, lane] = known[_WEIGHT, k] * direct
        state[k, _WEIGHT, lane] = known[_WEIGHT, k]
        state[k, _V, lane] = known[_V, k]
        state[k, _P, lane] = known[_P, k]
    return np.float64(largest)


@kernel(inline=True)
def _retire(
    stopping: int,
    state: Array,
    ledger: Array,
    sample: Index,
    p_max: Array,
    power: Array,
    iterations: Index,
) -> int:
    """Write down what the lanes have found that stop, given as bits; how many they are.

    Here the state is [K, 8, lanes].
    """
    lanes = len(sample)
    retired = 0
    while stopping != 0:
        lane = first_of(stopping)
        stopping &= stopping - 1
        n = sample[lane]
        limits = row_of(p_max, n)
        for k in range(power.shape[1]):
            power[n, k] = np.float64(state[k, _P, lane]) * p_max[limits, k]
        iterations[n] = np.int64(ledger[_COUNT * lanes + lane]) - 1
        retired += 1
    return retired


@kernel(reorder=True, inline=True)
def _stop_by_product(product: Array, ledger: Array, most: int) -> int:
    """Lanes whose objective rose too little, or that were updated enough, as bits."""
    lanes = len(ledger) // 3
    bound = take(ledger, _LAST * lanes) * take(ledger, _RISE * lanes)
    count = take(ledger, _COUNT * lanes)
    stops = (product < bound) | (count >= spread(most, product))
    put(ledger, _LAST * lanes, product)
    put(ledger, _COUNT * lanes, count + spread(1.0, product))
    return bits_of(stops)


@kernel(reorder=True)
def _stop_by_logarithm(
    state: Array, ledger: Array, last: Array, tolerance: float, most: int
) -> int:
    """As `_stop_by_product`, where weights differ or products of w may be too large.

    Here the state is [K, 8, lanes].
    """
    lanes = len(last)
    value = np.zeros(lanes)
    for k in range(len(state)):
        for lane in range(lanes):
            signal = state[k, _DIRECT, lane] * state[k, _P, lane]
            sinr = np.float64(signal) / state[k, _INTERFERENCE, lane]
            value[lane] += state[k, _WEIGHT, lane] * log2_1p(sinr)
    stopping = 0
    for lane in range(lanes):
        count = ledger[_COUNT * lanes + lane]
        if count >= 0.0 and (value[lane] - last[lane] < tolerance or count >= most):
            stopping |= 1 << lane
        ledger[_COUNT * lanes + lane] = count + 1.0
        last[lane] = value[lane]
    return stopping


@kernel(reorder=True)
def iterate_lanes(  # noqa: PLR0913, PLR0915 - a batch, and lanes that come and go
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
    ledger = room_for(3 * lanes, one)
    flat = gain.reshape(gain.size)
    matrix = cross.reshape(users * users, lanes)
    parts = state.reshape(users, _PARTS, lanes)
    scale = np.empty(users * users, flat.dtype)
    scaled = np.empty_like(scale)
    known = np.empty((_KNOWN, users), flat.dtype)
    differ = max(len(noise_power), len(p_max), len(weight), len(start)) > 1
    last = np.empty(lanes)
    sample = np.empty(lanes, np.int64)
    by_product, alike = True, True
    most_w = 1e38 if cross.itemsize == 4 else 1e308
    rise = 0.0
    upcoming, done = 0, 0
    free = (1 << lanes) - 1  # lanes that may take the next problem, as bits
    while done < samples:
        while free != 0:
            lane = first_of(free)
            free &= free - 1
            n = sample[lane] = upcoming
            if n == samples:
                ledger[_RISE * lanes + lane] = 0.0
                ledger[_COUNT * lanes + lane] = -np.inf
                continue
            if n == 0 or differ:
                valid, alike = _know(noise_power, p_max, weight, start, n, scale, known)
                if not valid:
                    return n
                rise = least_rise(tolerance, weight[row_of(weight, n), 0], cross.itemsize)
            first = n * users * users
            if not _scaled(flat, first, scale, scaled):
                return n
            largest = _load(flat, first, scaled, known, matrix, parts, lane)
            if by_product and not (alike and largest < most_w):
                by_product = False
                for i in range(lanes):
                    of_all = np.float64(state[_WEIGHT * lanes + i])
                    last[i] = of_all * log2_of(np.float64(ledger[_LAST * lanes + i]))
            ledger[_RISE * lanes + lane] = rise
            ledger[_LAST * lanes + lane] = 0.0
            ledger[_COUNT * lanes + lane] = 0.0
            last[lane] = -np.inf
            upcoming += 1
        product = _respond(cross, state, users)
        if by_product:
            free = _stop_by_product(product, ledger, most)
        else:
            free = _stop_by_logarithm(parts, ledger, last, tolerance, most)
        done += _retire(free, parts, ledger, sample, p_max, power, iterations)
        _update(cross, state, users)
    return -1
