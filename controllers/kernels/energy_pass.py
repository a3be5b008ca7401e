"""One pass of the learned optimiser of energy efficiency over all links of a problem, or of many.

Users that no power can serve (no direct gain, no weight, no power) are left out while loading, but
consume what everyone consumes. The layers are those of
`slotwise.controllers.kernels.energy_layers`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.energy_growth import grow
from slotwise.controllers.kernels.energy_layers import (
    COST,
    FEATURES,
    FLOOR,
    HARM,
    LEAST_AT,
    LEAST_POWER,
    LOG_COST,
    LOG_OWN,
    LOG_WEIGHT,
    OWN,
    POWER,
    RATE,
    ROWS,
    SILENT,
    SPENT,
    START_FEATURES,
    START_SPENT,
    WEIGHT,
    earn,
    listen,
    look,
    lower,
    move,
    place_of,
    radiate,
    size_of,
    suffer,
)
from slotwise.controllers.kernels.loading import gains_are_valid, row_of, user_is_valid
from slotwise.controllers.kernels.packs import each, put, room_for, spread, take
from slotwise.controllers.kernels.unrolled_layers import Shape, answer, send, shape_of
from slotwise.controllers.kernels.unrolled_packs import LANES
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["LEAST_SNR", "MOST_COST", "MOST_SNR", "pass_energy", "pass_energy_once"]

Array = NDArray[Any]
Index = NDArray[np.int64]
# Gains [K, K], the same flat [1, K K], noise, p_max and weights [K], all float64.
Problem = tuple[Array, Array, Array, Array, Array]
# Whether everyone's bits count per joule of its own, what a radiated watt and what a circuit takes.
Aim = tuple[bool, float, float]

LEAST_SNR, MOST_SNR = 1e-9, 1e14
"""Gains in units of noise are cut to these, as in training."""

MOST_COST = 1e9
"""No full power costs more of a user's circuit power: less counts as so much, zero too."""

_LEAST_WORTH, _LEAST_WEIGHT = 1e-30, 1e-6
_GAP_RANGE, _NEAR, _LEAD_SCALE, _LEAD_RANGE = 4.0, 8.0, 5.0, 0.4
_STEPS_ALONE = 60  # of Dinkelbach's method, which needs less than ten


class _Room(NamedTuple):
    """Memory for a problem of so many users; rows are `stride` long."""

    cross: Array
    back: Array
    state: Array
    seen: Array
    messages: Array
    out: Array
    known: Array


@kernel()
def _served(problem: Problem, user: Index) -> int:
    """Who can be served at all; -1 if a value is out of its range."""
    _, flat, noise_power, p_max, weight = problem
    everyone = len(weight)
    direct = flat[0, :: everyone + 1]
    valid = gains_are_valid(flat, 0)
    users = 0
    for k in range(everyone):
        valid &= user_is_valid(noise_power[k], p_max[k], weight[k])
        user[users] = k
        users += weight[k] * p_max[k] * direct[k] > 0.0
    return users if valid else -1


@kernel(reorder=True)
def _load(problem: Problem, aim: Aim, user: Index, snr: Array, cost: Array, weight: Array) -> None:
    """Read the problem of those who can be served, free of units."""
    gain, _, noise_power, p_max, given = problem
    apart, inefficiency, circuit_w = aim
    users = len(cost)
    greatest, dearest, total = 0.0, 0.0, 0.0
    for a in range(users):
        greatest = max(greatest, given[user[a]])
        dearest = max(dearest, inefficiency * p_max[user[a]])
    for a in range(users):
        total += given[user[a]] / greatest
    circuit_w = max(circuit_w if apart else circuit_w * len(given) / users, dearest / MOST_COST)
    for a in range(users):
        k = user[a]
        weight[a] = given[k] / greatest * (users / total)
        cost[a] = max(inefficiency * p_max[k] / circuit_w, 1.0 / MOST_COST)
        for b in range(users):
            j = user[b]
            ratio = gain[k, j] * p_max[j] / noise_power[k]
            snr[a, b] = min(max(ratio, LEAST_SNR), MOST_SNR)


@kernel(inline=True)
def _alone(snr: float, cost: float) -> float:
    """Power of who alone can be served: Dinkelbach's method."""
    power = min(1.0, 10.0 / snr)
    for _ in range(_STEPS_ALONE):
        worth = math.log1p(snr * power) / (1.0 + cost * power)
        better = min(max(1.0 / (worth * cost) - 1.0 / snr, 0.0), 1.0)
        if abs(better - power) <= 1e-12 * power:
            break
        power = better
    return power


@kernel()
def _room_of(users: int, shape: Shape) -> _Room:
    """Memory for a problem of so many users."""
    stride = (users + LANES - 1) // LANES * LANES
    one: Any = np.float32(1.0)
    inputs, outputs = size_of(shape)
    return _Room(
        room_for(stride * stride, one),
        room_for(stride * stride, one),
        room_for(ROWS * stride, one),
        room_for(inputs * stride, one),
        room_for((2 * shape.channels + 3) // 4 * 4 * stride, one),
        room_for(outputs * stride, one),
        room_for((START_FEATURES + 2 * shape.chain) * stride, one),
    )


@kernel(reorder=True)
def _fill(snr: Array, cost: Array, weight: Array, room: _Room) -> None:
    """Write what stays the same in all layers; places of nobody hear and say nothing."""
    cross, back, state = room.cross, room.back, room.state
    users, stride = len(cost), len(state) // ROWS
    loudest = np.zeros(users)
    for a in range(users):
        for b in range(users):
            loudest[b] = max(loudest[b], snr[a, b])
            if a != b:
                cross[a * stride + b] = snr[a, b]
                back[b * stride + a] = snr[a, b]
    for a in range(stride):
        state[OWN * stride + a] = state[COST * stride + a] = state[LEAST_POWER * stride + a] = 1.0
    for a in range(users):
        own = snr[a, a]
        floor = FLOOR * min(1.0 / loudest[a], 1.0 / cost[a], 1.0)
        state[OWN * stride + a], state[LOG_OWN * stride + a] = own, math.log(own)
        state[COST * stride + a], state[LOG_COST * stride + a] = cost[a], math.log(cost[a])
        state[WEIGHT * stride + a] = weight[a]
        state[LOG_WEIGHT * stride + a] = math.log(weight[a] + _LEAST_WEIGHT)
        state[LEAST_POWER * stride + a], state[LEAST_AT * stride + a] = floor, math.log(floor)


@kernel(reorder=True)
def _know(users: int, apart: bool, told: bool, shape: Shape, room: _Room) -> None:
    """Write what users know at the start; whether they are told of sets is the question."""
    known, state, chain = room.known, room.state, shape.chain
    stride = len(state) // ROWS
    size, broad = np.zeros(users, np.float32), np.zeros(users, np.float32)
    worth = np.zeros((users, chain), np.float32)
    most, lead = 0.0, 0.0
    if told:
        lead = grow((room.cross, room.back), state, stride, users, apart, worth, size, broad)
        most = math.log(worth.max() + _LEAST_WORTH)
    whole = size.max() >= chain if told else False
    for k in range(users):
        at = k // LANES * LANES * (START_FEATURES + 2 * chain) + k % LANES
        member, wide = size[k] > 0.0, broad[k] > 0.0
        known[at] = state[LOG_OWN * stride + k] / 4.0
        known[at + LANES] = state[LOG_COST * stride + k] / 4.0
        known[at + 2 * LANES] = state[LOG_WEIGHT * stride + k]
        known[at + 3 * LANES] = 1.0 if apart else -1.0
        known[at + 4 * LANES] = member
        known[at + 5 * LANES] = whole
        known[at + 6 * LANES] = wide
        known[at + 7 * LANES] = _LEAD_SCALE * min(max(lead, -_LEAD_RANGE), _LEAD_RANGE)
        known[at + 8 * LANES] = wide if lead > 0.0 else member
        for i in range(chain):
            gap = -_GAP_RANGE
            if told:
                gap = max(math.log(worth[k, i] + _LEAST_WORTH) - most, gap)
            known[at + (START_FEATURES + i) * LANES] = gap
            known[at + (START_FEATURES + chain + i) * LANES] = math.exp(_NEAR * gap)


@kernel(reorder=True)
def _set_out(net: Array, shape: Shape, users: int, below: Array, room: _Room) -> None:
    """Put users to what they remember and to where they start: the network's own start, or below.

    `below` are logarithms by which powers are less than `START_SPENT` of circuit power, or none.
    """
    known, state, seen = room.known, room.state, room.seen
    stride = len(state) // ROWS
    features = START_FEATURES + 2 * shape.chain
    inputs, _ = size_of(shape)
    at = room.out
    for k in range(0, users, LANES):
        shift = spread(0.0, take(known, 0))
        for s in range(shape.state):
            row = LANES + s * (features + 1)
            shift = each(net, row)
            for i in range(features):
                shift = shift + take(known, k * features + i * LANES) * each(net, row + 1 + i)
            if s < shape.state - 1:
                put(seen, k * inputs + (FEATURES + s) * LANES, shift)
        put(at, 0, shift * spread(4.0, shift))
        for a in range(k, min(k + LANES, users)):
            if len(below) > 0:
                at[a - k] = -below[a]
            at[a - k] += min(math.log(START_SPENT) - state[LOG_COST * stride + a], 0.0)
        lower(state, stride, k, take(at, 0))


@kernel(reorder=True)
def _run(net: Array, shape: Shape, apart: bool, users: int, room: _Room) -> None:
    """All layers."""
    cross, back, state, seen, messages, out, _ = room
    stride, channels = len(state) // ROWS, shape.channels
    inputs, outputs = size_of(shape)
    for layer in range(shape.layers):
        sent, rest = place_of(shape, layer)
        rate, spent = 0.0, 0.0
        for k in range(0, users, LANES):
            radiate(back, state, stride, users, k)
        for a in range(users):
            rate += state[WEIGHT * stride + a] * state[RATE * stride + a]
            spent += state[SPENT * stride + a]
        for k in range(0, users, LANES):
            earn(state, stride, k, apart, rate / spent)
        for k in range(0, users, LANES):
            suffer(cross, state, stride, users, k)
            look(state, stride, k, apart, seen, k * inputs)
            if channels > 0:
                send(net, sent, shape, seen, k * inputs, messages, stride, k)
                power, harm = take(state, POWER * stride + k), take(state, HARM * stride + k)
                for c in range(channels):
                    there, back_again = c * stride + k, (channels + c) * stride + k
                    put(messages, there, take(messages, there) * power)
                    put(messages, back_again, take(messages, back_again) * harm)
        for k in range(0, users, LANES):
            first, to = k * inputs, k * outputs
            heard = first + (inputs - 2 * channels) * LANES
            if channels > 0:
                listen((cross, back), state, stride, users, k, messages, channels, seen, heard)
            answer(net, rest, shape, seen, first, out, to)
        for k in range(0, users, LANES):
            move(shape, state, stride, k, seen, k * inputs, out, k * outputs)


@kernel(reorder=True)
def _solve(problem: Problem, aim: Aim, net: Array, below: Array, power: Array) -> bool:
    """Powers of one problem from every start, [S, K]; whether all its values were in range."""
    p_max = problem[3]
    user = np.empty(len(p_max) + 1, np.int64)
    users = _served(problem, user)
    if users < 0:
        return False
    power[:, :] = 0.0
    if users == 0:
        return True
    user = user[:users]
    snr, cost = np.empty((users, users), np.float32), np.empty(users, np.float32)
    weight = np.empty(users, np.float32)
    _load(problem, aim, user, snr, cost, weight)
    if users == 1:
        power[:, user[0]] = _alone(np.float64(snr[0, 0]), np.float64(cost[0])) * p_max[user[0]]
        return True
    apart, shape = aim[0], shape_of(net)
    room = _room_of(users, shape)
    stride = len(room.state) // ROWS
    _fill(snr, cost, weight, room)
    for s in range(len(power)):
        if s < 2:  # the first start is told of sets, the others are not
            _know(users, apart, s == 0, shape, room)
        _set_out(net, shape, users, below[max(s - 1, 0), user] if s > 0 else below[0, :0], room)
        _run(net, shape, apart, users, room)
        for a in range(users):
            x = min(np.float64(room.state[POWER * stride + a]), 1.0)
            audible = x >= SILENT / FLOOR * room.state[LEAST_POWER * stride + a]
            power[s, user[a]] = x * p_max[user[a]] if audible else 0.0
    return True


@kernel(reorder=True)
def pass_energy(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    aim: Aim,
    net: Array,
    below: Array,
    power: Array,
) -> int:
    """Powers of N problems of K users.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [N, K] or [1, K], float64
        Noise and largest power [W] and weight of every user, or those of every problem.
    aim : (bool, float, float)
        Whether everyone's bits count per joule of its own, and not all per joule of all; amplifier
        inefficiency; circuit power of a user [W].
    net : float32
        Weights as `slotwise.controllers.kernels.energy_layers.packed` orders them.
    below : [max(S - 1, 1), K], float32
        For the second and further starts: logarithms by which powers are less than `START_SPENT`
        of circuit power.
    power : [S, N, K], float64
        Written: powers from every start [W].

    Returns
    -------
    int
        First problem with a value out of its range, which ends the work; -1 if there is none.
    """
    samples, users = gain.shape[0], gain.shape[1]
    flat = gain.reshape(samples, 1, users * users)
    for n in range(samples):
        problem = (
            gain[n],
            flat[n],
            noise_power[row_of(noise_power, n)],
            p_max[row_of(p_max, n)],
            weight[row_of(weight, n)],
        )
        if not _solve(problem, aim, net, below, power[:, n]):
            return n
    return -1


@kernel(reorder=True)
def pass_energy_once(
    gain: Array, noise_power: Array, p_max: Array, weight: Array, aim: Aim, net: Array, power: Array
) -> bool:
    """Powers of one problem of K users from the network's own start.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [K], float64
        Noise and largest power [W] and weight of every user.
    aim, net
        As `pass_energy` takes them.
    power : [K], float64
        Written: powers [W].

    Returns
    -------
    bool
        False where nothing was computed: if lengths differ or a value is out of its range.
    """
    users = len(power)
    if not len(gain) == gain.shape[1] == len(noise_power) == len(p_max) == len(weight) == users:
        return False
    if users == 0:
        return True
    problem = gain, gain.reshape(1, users * users), noise_power, p_max, weight
    none = np.empty((1, 0), np.float32)
    return _solve(problem, aim, net, none, power.reshape(1, users))
