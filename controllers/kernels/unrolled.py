"""One pass of the unrolled network over all links of a problem, or of many.

Sixteen users lie side by side in a pack of float32, through all layers. Two sums of a layer run
over links: interference, along a row of the gains, and prices, along a column. Gains are read once
for both, as in `slotwise.controllers.kernels.rows`: sixteen receivers sum what they hear and, while
their rows are at hand, add what they suffer to everybody's price. Messages run over links in both
directions too, and there a transposed copy of the gains saves the sums across lanes.

The layers are those of `slotwise.controllers.kernels.unrolled_layers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import gains_are_valid, row_of
from slotwise.controllers.kernels.packs import each, put, spread, take
from slotwise.controllers.kernels.unrolled_layers import (
    FEATURES,
    HARM,
    INTERFERENCE,
    LOGIT,
    OWN,
    POWER,
    PRICE,
    ROWS,
    START_LOGIT,
    Shape,
    answer,
    begin,
    harm,
    layer_size,
    look,
    move,
    send,
    shape_of,
    write_heard,
)
from slotwise.controllers.kernels.unrolled_loading import (
    Problem,
    Room,
    load,
    load_doubt,
    load_users,
    room_of,
)
from slotwise.controllers.kernels.unrolled_packs import LANES, pairwise, turn
from slotwise.controllers.kernels.unrolled_start import grow, remember, start_size
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["pass_once", "pass_through", "solve"]

Array = NDArray[Any]
Index = NDArray[np.int64]
Doubt = tuple[Array, Array] | None


@kernel(reorder=True, inline=True)
def _sums_of_eight(cross: Array, power: Array, p: int, stride: int, users: int, k: int) -> Array:
    """What eight receivers hear of powers from index p, in two parts that stand side by side."""
    r = k * stride
    s0 = spread(0.0, take(power, p))
    s1, s2, s3, s4, s5, s6, s7 = s0, s0, s0, s0, s0, s0, s0
    for j in range(0, users, LANES):
        sent = take(power, p + j)
        at = r + j
        s0 = s0 + sent * take(cross, at)
        s1 = s1 + sent * take(cross, at + stride)
        s2 = s2 + sent * take(cross, at + 2 * stride)
        s3 = s3 + sent * take(cross, at + 3 * stride)
        s4 = s4 + sent * take(cross, at + 4 * stride)
        s5 = s5 + sent * take(cross, at + 5 * stride)
        s6 = s6 + sent * take(cross, at + 6 * stride)
        s7 = s7 + sent * take(cross, at + 7 * stride)
    low = pairwise(pairwise(s0, s1), pairwise(s2, s3))
    high = pairwise(pairwise(s4, s5), pairwise(s6, s7))
    sums: Array = pairwise(low, high)
    return sums


@kernel(reorder=True, inline=True)
def _hear(cross: Array, state: Array, stride: int, users: int, k: int) -> None:
    """Interference of sixteen receivers, and noise, which is one."""
    p = POWER * stride
    first = _sums_of_eight(cross, state, p, stride, users, k)
    heard = pairwise(first, _sums_of_eight(cross, state, p, stride, users, k + LANES // 2))
    put(state, INTERFERENCE * stride + k, spread(1.0, heard) + heard)


@kernel(reorder=True, inline=True)
def _vary(
    cross: Array, state: Array, stride: int, users: int, k: int, seen: Array, at: int
) -> None:
    """Squared coefficients of variation of what sixteen receivers hear, and of their own gains."""
    own = stride * stride
    square = own + stride
    for j in range(0, users if k == 0 else 0, LANES):
        power = take(state, POWER * stride + j)
        put(cross, square + j, power * power)
    first = _sums_of_eight(cross, cross, square, stride, users, k)
    heard = pairwise(first, _sums_of_eight(cross, cross, square, stride, users, k + LANES // 2))
    i = take(state, INTERFERENCE * stride + k)
    put(seen, at, heard / i / i)
    put(seen, at + LANES, take(cross, own + k))


@kernel(inline=True)
def _charge(cross: Array, state: Array, stride: int, users: int, first: int) -> None:
    """Add to everybody's price what sixteen receivers suffer, eight of them in one pass.

    Not to be reordered: two sums of four take half as long as one of eight.
    """
    for k in range(first, first + LANES, 8):
        c = HARM * stride + k
        c0, c1, c2, c3 = each(state, c), each(state, c + 1), each(state, c + 2), each(state, c + 3)
        c += 4
        c4, c5, c6, c7 = each(state, c), each(state, c + 1), each(state, c + 2), each(state, c + 3)
        for j in range(0, users, LANES):
            at = k * stride + j
            even = take(state, PRICE * stride + j) + take(cross, at) * c0
            odd = take(cross, at + stride) * c1
            even = even + take(cross, at + 2 * stride) * c2
            odd = odd + take(cross, at + 3 * stride) * c3
            even = even + take(cross, at + 4 * stride) * c4
            odd = odd + take(cross, at + 5 * stride) * c5
            even = even + take(cross, at + 6 * stride) * c6
            odd = odd + take(cross, at + 7 * stride) * c7
            put(state, PRICE * stride + j, even + odd)


@kernel(reorder=True, inline=True)
def _listen(  # noqa: PLR0913 - gains both ways, messages, where to
    cross: Array,
    back: Array,
    stride: int,
    users: int,
    k: int,
    messages: Array,
    channels: int,
    seen: Array,
    at: int,
) -> None:
    """Sum messages to sixteen users, along links in both directions."""
    zero = spread(0.0, take(messages, 0))
    for c in range(channels):
        heard, felt, heard2, felt2 = zero, zero, zero, zero
        forth, to = c * stride, (channels + c) * stride
        for j in range(0, users, 2):
            row = j * stride + k
            heard = heard + take(back, row) * each(messages, forth + j)
            felt = felt + take(cross, row) * each(messages, to + j)
            heard2 = heard2 + take(back, row + stride) * each(messages, forth + j + 1)
            felt2 = felt2 + take(cross, row + stride) * each(messages, to + j + 1)
        write_heard(seen, at + c * LANES, heard + heard2, felt + felt2, channels)


@kernel(reorder=True, inline=True)
def _run(net: Array, shape: Shape, room: Room, users: int, doubt: Doubt) -> None:
    """All layers."""
    cross, back, state, seen = room.cross, room.back, room.state, room.seen
    messages = room.messages
    stride = len(state) // ROWS
    out, outputs = room.out, shape.state + 1
    channels = shape.channels
    inputs = FEATURES + shape.late + shape.state + 2 * channels
    sent, rest = layer_size(shape)
    at = LANES + start_size(shape)
    zero = spread(0.0, take(state, 0))
    for _ in range(shape.layers):
        for k in range(0, users, LANES):
            put(state, PRICE * stride + k, zero)
        for k in range(0, users, LANES):
            _hear(cross, state, stride, users, k)
            harm(state, stride, k)
            _charge(cross, state, stride, users, k)
        for k in range(0, users, LANES):
            first = k * inputs
            look(state, stride, k, seen, first)
            if doubt is not None:
                _vary(doubt[1], state, stride, users, k, seen, first + FEATURES * LANES)
            if channels > 0:
                send(net, at, shape, seen, first, messages, stride, k)
                i = take(state, INTERFERENCE * stride + k)
                for c in range(channels, 2 * channels):
                    put(messages, c * stride + k, take(messages, c * stride + k) / i)
        at += sent
        for k in range(0, users, LANES):
            first = k * inputs
            if channels > 0:
                listened = first + (FEATURES + shape.late + shape.state) * LANES
                _listen(cross, back, stride, users, k, messages, channels, seen, listened)
            answer(net, at, shape, seen, first, out, k * outputs)
        for k in range(0, users, LANES):
            move(shape, state, stride, k, seen, k * inputs, out, k * outputs)
        at += rest


@kernel(reorder=True, inline=True)
def _know(net: Array, shape: Shape, by_product: bool, users: int, room: Room) -> None:
    """Work out what users remember at the start."""
    cross, back, state, values = room.cross, room.back, room.state, room.values
    stride, chain = len(state) // ROWS, shape.chain
    inputs = FEATURES + shape.late + shape.state + 2 * shape.channels
    best = 0.0
    if chain > 0:
        for k in range(users):
            cross[k * (stride + 1)] = np.nan
        for k in range(users, stride):
            state[OWN * stride + k] = np.nan
        member = room.user[len(room.user) - chain :]
        grow(state, stride, users, cross, back, chain, by_product, member, room.sets, values)
        for k in range(users):
            cross[k * (stride + 1)] = 0.0
        for k in range(users, stride):
            state[OWN * stride + k] = 0.0
        for k in range(users):
            best = max(best, values[(chain - 1) * stride + k])
    for k in range(0, users, LANES):
        remember(net, shape, state, stride, k, values, True, best, room.seen, k * inputs)
        for s in range(shape.state):
            memory = take(room.seen, k * inputs + (FEATURES + shape.late + s) * LANES)
            put(room.start, k * shape.state + s * LANES, memory)


@kernel(reorder=True, inline=True)
def _set_out(shape: Shape, users: int, s: int, logits: Array, room: Room) -> None:
    """Put users to where they start: the network's own start, or a random one."""
    state, seen = room.state, room.seen
    stride = len(state) // ROWS
    inputs = FEATURES + shape.late + shape.state + 2 * shape.channels
    for k in range(0, users, LANES):
        for a in range(k, min(k + LANES, users)):
            start = START_LOGIT if s == 0 else logits[s - 1, room.user[a]]
            state[LOGIT * stride + a] = start
        for i in range(shape.state):
            memory = take(room.start, k * shape.state + i * LANES)
            put(seen, k * inputs + (FEATURES + shape.late + i) * LANES, memory)
        begin(state, stride, k, take(state, LOGIT * stride + k), seen, k * inputs)


@kernel(reorder=True, inline=True)
def solve(
    problem: Problem,
    doubt: Doubt,
    net: Array,
    shape: Shape,
    logits: Array,
    room: Room,
    power: Array,
) -> bool:
    """Powers of one problem from every start, [S, K]; whether all its values were in range.

    `doubt` are standard deviations of the gains [K, K] and what `doubt_of` gives, for a network
    that is told of them. Without them there is no trace of it in what is compiled.
    """
    _gain, noise_power, p_max, weight, flat = problem
    stride = len(room.state) // ROWS
    direct = flat[:: len(weight) + 1]
    users, greatest, valid = load_users(direct, noise_power, p_max, weight, room.user)
    if not valid:
        return False
    valid, by_product = load(
        problem,
        room.user,
        users,
        greatest,
        shape.chain,
        room.factor,
        room.cross,
        room.state,
    )
    if not (valid and (users == len(weight) or gains_are_valid(flat.reshape(1, flat.size), 0))):
        return False
    power[:, :] = 0.0
    if users == 1:
        power[:, room.user[0]] = p_max[room.user[0]]
    if users <= 1:
        return True
    if doubt is not None:
        deviation, variance = doubt
        served = room.user, users, room.factor, room.state
        if not load_doubt(deviation, noise_power, *served, variance):
            return False
    for k in range(0, users if len(room.back) > 0 else 0, LANES):
        for j in range(0, users, LANES):
            turn(room.cross, k * stride + j, stride, room.back, j * stride + k, stride)
    _know(net, shape, by_product, users, room)
    for s in range(len(power)):
        _set_out(shape, users, s, logits, room)
        _run(net, shape, room, users, doubt)
        for a in range(users):
            k = room.user[a]
            power[s, k] = np.float64(room.state[POWER * stride + a]) * p_max[k]
    return True


@kernel(reorder=True)
def pass_through(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    net: Array,
    logits: Array,
    power: Array,
) -> int:
    """Powers of N problems of K users.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [N, K] or [1, K], float64
        Noise and largest power [W] and weight of every user, or those of every problem.
    net : float32
        Weights as `slotwise.controllers.kernels.unrolled_layers.packed` orders them.
    logits : [S - 1, K], float32
        Logits of the second and further starts.
    power : [S, N, K], float64
        Written: powers from every start [W].

    Returns
    -------
    int
        First problem with a value out of its range, which ends the work; -1 if there is none.
    """
    samples, users = gain.shape[0], gain.shape[1]
    flat = gain.reshape(samples, users * users)
    shape = shape_of(net)
    room = room_of(users, shape)
    for n in range(samples):
        problem = (
            gain[n],
            noise_power[row_of(noise_power, n)],
            p_max[row_of(p_max, n)],
            weight[row_of(weight, n)],
            flat[n],
        )
        if not solve(problem, None, net, shape, logits, room, power[:, n]):
            return n
    return -1


@kernel(reorder=True)
def pass_once(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    net: Array,
    power: Array,
) -> bool:
    """Powers of one problem of K users from the network's own start.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [K], float64
        Noise and largest power [W] and weight of every user.
    net : float32
        As `pass_through` takes it.
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
    problem = gain, noise_power, p_max, weight, gain.reshape(users * users)
    shape = shape_of(net)
    room = room_of(users, shape)
    none = np.empty((0, users), np.float32)
    return solve(problem, None, net, shape, none, room, power.reshape(1, users))
