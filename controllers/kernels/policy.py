"""A graph policy, compiled: every user hears all others and chooses one of a few levels of power.

Only users whom some power can serve take part, and they stand in rows one below the other, of one
problem after another. What is done to every user alone is a product of rows and a matrix, four rows
at a time, whose sums stay in registers; what users tell each other needs no product of matrices,
for a message is a sum of what the listener, the sender and their two links give. The lanes of a
pack are numbers of a user, so that few users are as well served as many.

A row's sums run over the same numbers in the same order wherever it stands, and so a network is
decided alike alone and in a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import gains_are_valid, row_of, user_is_valid
from slotwise.controllers.kernels.packs import choose, each, put, room_for, spread, take
from slotwise.controllers.kernels.policy_weights import OWN, PANEL
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.encoding import code_line, code_of

__all__ = ["choose_powers"]

Array = NDArray[Any]
Floats = NDArray[np.float32]
Index = NDArray[np.int64]

_LANES = 16
_TILE = 4  # rows in registers together
_ROWS = 256  # rows whose numbers are in the cache together
_LAYERS, _WIDTH, _HIDDEN, _PADDED_LEVELS, _LEVELS = range(5)
_NO_FLOOR = -3e38


@kernel(inline=True)
def _leave(y: Floats, at: int, low: Any, high: Any, floor: Any, added: bool) -> None:
    """Write 32 sums, none below the floor, or add them to what is there."""
    if added:
        put(y, at, take(y, at) + low)
        put(y, at + _LANES, take(y, at + _LANES) + high)
    else:
        put(y, at, choose(low > floor, low, floor))
        put(y, at + _LANES, choose(high > floor, high, floor))


@kernel()
def _apply(
    x: Floats,
    come: tuple[int, int, int],
    y: Floats,
    go: tuple[int, int],
    flat: Floats,
    at: int,
    rows: int,
    how: tuple[float, bool],
) -> int:
    """One matrix for a multiple of four rows; where in the weights the next one begins.

    `come` is where the first row begins, how far the next is, and how many numbers go in; `go` is
    how far rows are apart, and how many numbers come out; `how` is the floor, and whether to add.
    """
    first, stride, inputs = come
    apart, outputs = go
    floor = spread(how[0], take(flat, 0))
    for panel in range(0, outputs, PANEL):
        for r in range(0, rows, _TILE):
            pa = first + r * stride
            pb, pc, pd = pa + stride, pa + 2 * stride, pa + 3 * stride
            q = at
            a0, a1 = take(flat, q), take(flat, q + _LANES)
            b0, b1, c0, c1, d0, d1 = a0, a1, a0, a1, a0, a1
            for i in range(inputs):
                q += PANEL
                w0, w1 = take(flat, q), take(flat, q + _LANES)
                a, b, c, d = each(x, pa + i), each(x, pb + i), each(x, pc + i), each(x, pd + i)
                a0, a1 = a0 + a * w0, a1 + a * w1
                b0, b1 = b0 + b * w0, b1 + b * w1
                c0, c1 = c0 + c * w0, c1 + c * w1
                d0, d1 = d0 + d * w0, d1 + d * w1
            g = r * apart + panel
            _leave(y, g, a0, a1, floor, how[1])
            _leave(y, g + apart, b0, b1, floor, how[1])
            _leave(y, g + 2 * apart, c0, c1, floor, how[1])
            _leave(y, g + 3 * apart, d0, d1, floor, how[1])
        at += (inputs + 1) * PANEL
    return at


@kernel()
def _listen(  # noqa: PLR0913 - what is told, and where it stands
    told: Floats,
    apart: int,
    links: Floats,
    first: int,
    users: int,
    flat: Floats,
    at: int,
    state: Floats,
    width: int,
) -> None:
    """Sum up what each user of a problem hears of all others.

    `told` has for each user what it adds as a listener, then as a sender; `links` the codes of what
    the one hears of the other, [users, users], and the same turned; `at` is where in `flat` the
    weights of both are.
    """
    turned = users * users
    zero = spread(0.0, take(flat, at))
    for k in range(users):
        own = (first + k) * apart
        for o in range(0, width, PANEL):
            h0, h1 = take(flat, at + o), take(flat, at + o + _LANES)
            f0, f1 = take(flat, at + width + o), take(flat, at + width + o + _LANES)
            a0, a1 = take(told, own + o), take(told, own + o + _LANES)
            m0 = m1 = zero
            for step in range(users - 1):
                j = step + (step >= k)
                b = (first + j) * apart + width + o
                heard, felt = each(links, k * users + j), each(links, turned + k * users + j)
                t0 = a0 + take(told, b) + heard * h0 + felt * f0
                t1 = a1 + take(told, b + _LANES) + heard * h1 + felt * f1
                m0 = m0 + choose(t0 > zero, t0, zero)
                m1 = m1 + choose(t1 > zero, t1, zero)
            put(state, 2 * (first + k) * width + width + o, m0)
            put(state, 2 * (first + k) * width + width + o + _LANES, m1)


@kernel(reorder=True)
def _encode(snr: Array, scale: Array, count: int, links: Floats) -> None:
    """Codes of gains in units of noise at full power, as `slotwise.emulator.encoding.GainScale`."""
    floor, slope, offset = code_line(scale[0], scale[1])
    for i in range(count):
        links[i] = code_of(np.float32(snr[i]) + floor, slope, offset)


@kernel()
def _meet(
    problems: tuple[Array, Array, Array, Array],
    n: int,
    scale: Array,
    snr: Array,
    who: Index,
    links: Floats,
    own: Floats,
) -> int:
    """Read a problem: how many users take part, -1 if something is out of its range.

    Written are their places, the codes of their links, and what each has of its own.
    """
    gain, noise_power, p_max, weight = problems
    noises, limits, weights = row_of(noise_power, n), row_of(p_max, n), row_of(weight, n)
    valid = gains_are_valid(gain.reshape(len(gain), who.size * who.size), n)
    largest, users = 0.0, 0
    for k in range(who.size):
        full, a = p_max[limits, k], weight[weights, k]
        valid &= user_is_valid(noise_power[noises, k], full, a)
        if gain[n, k, k] * full > 0.0 and a > 0.0:
            largest = max(largest, a)
            who[users] = k
            users += 1
    if not valid:
        return -1
    for k in range(users):
        noise = noise_power[noises, who[k]]
        for j in range(users):
            snr[k * users + j] = gain[n, who[k], who[j]] * p_max[limits, who[j]] / noise
    _encode(snr, scale, users * users, links)
    for k in range(users):
        for j in range(users):
            links[(users + k) * users + j] = links[j * users + k]
        own[OWN * k] = links[k * users + k]
        own[OWN * k + 1] = weight[weights, who[k]] / largest
    return users


@kernel()
def _introduce(own: Floats, rows: int, state: Floats, width: int) -> None:
    """Put what users have of their own where messages stand."""
    for r in range(rows):
        for i in range(OWN):
            state[(2 * r + 1) * width + i] = own[OWN * r + i]


@kernel()
def _turn(  # noqa: PLR0913 - a network, and room for its numbers
    layout: Index,
    flat: Floats,
    own: Floats,
    links: Floats,
    places: Index,
    rows: int,
    state: Floats,
    room: Floats,
    logit: Floats,
) -> None:
    """From what users have of their own and their links to the logits of their levels.

    `places` says of each problem where its rows and its links begin, and how many users it has.
    """
    width, hidden, levels = layout[_WIDTH], layout[_HIDDEN], layout[_PADDED_LEVELS]
    double, apart = 2 * width, max(2 * width, hidden)
    rectify, take_all, add = (0.0, False), (_NO_FLOOR, False), (_NO_FLOOR, True)
    _introduce(own, rows, state, width)
    at = _apply(state, (width, double, OWN), state, (double, width), flat, 0, rows, rectify)
    for _ in range(layout[_LAYERS]):
        at = _apply(state, (0, double, width), room, (apart, double), flat, at, rows, take_all)
        for b in range(len(places)):
            first, begin, users = places[b]
            _listen(room, apart, links[begin:], first, users, flat, at, state, width)
        at += double
        at = _apply(state, (0, double, double), room, (apart, hidden), flat, at, rows, rectify)
        at = _apply(room, (0, apart, hidden), state, (double, width), flat, at, rows, add)
    _introduce(own, rows, state, width)
    at = _apply(state, (0, double, width + OWN), room, (apart, width), flat, at, rows, rectify)
    _apply(room, (0, apart, width), logit, (levels, levels), flat, at, rows, take_all)


@kernel()
def _decide(
    logit: Floats,
    layout: Index,
    fraction: Array,
    first: int,
    who: Index,
    limits: Array,
    power: Array,
) -> None:
    """Write down the powers of a problem [W]: its users' levels with the highest logits."""
    for k in range(len(power)):
        power[k] = 0.0
    for i in range(len(who)):
        begin = (first + i) * layout[_PADDED_LEVELS]
        best = 0
        for a in range(1, layout[_LEVELS]):
            best = a if logit[begin + a] > logit[begin + best] else best
        share = fraction[best] if len(who) > 1 else 1.0
        power[who[i]] = share * limits[who[i]]


@kernel()
def choose_powers(  # noqa: PLR0913 - a batch and a network
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    layout: Index,
    flat: Floats,
    scale: Array,
    fraction: Array,
    power: Array,
) -> int:
    """Decide N problems of K users.

    Whom no power can serve, for want of weight, power or direct gain, is silent and heard by
    nobody; who is alone is at full power.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [N, K] or [1, K], float64
        Noise [W], largest power [W], weight.
    layout, flat, scale, fraction
        See `slotwise.controllers.kernels.policy_weights.packed`.
    power : [N, K], float64
        Written: powers [W].

    Returns
    -------
    int
        -1, or a problem in which something is out of its range.
    """
    samples, most = power.shape
    together = max(1, min(_ROWS // most, samples))
    capacity = (together * most + _TILE - 1) // _TILE * _TILE
    width, one = layout[_WIDTH], flat[0]
    state = room_for(2 * width * capacity, one)
    room = room_for(max(2 * width, layout[_HIDDEN]) * capacity, one)
    logit = room_for(layout[_PADDED_LEVELS] * capacity, one)
    own = np.zeros(OWN * capacity, np.float32)
    links = np.empty(2 * together * most * most, np.float32)
    snr, who = np.empty(most * most), np.empty((together, most), np.int64)
    places = np.empty((together, 3), np.int64)
    problems = gain, noise_power, p_max, weight
    for begin in range(0, samples, together):
        count = min(samples - begin, together)
        rows = linked = 0
        for b in range(count):
            heard, known = links[linked:], own[OWN * rows :]
            users = _meet(problems, begin + b, scale, snr, who[b], heard, known)
            if users < 0:
                return begin + b
            places[b] = rows, linked, users
            rows += users
            linked += 2 * users * users
        padded = (rows + _TILE - 1) // _TILE * _TILE
        _turn(layout, flat, own, links, places[:count], padded, state, room, logit)
        for b in range(count):
            n = begin + b
            first, _, users = places[b]
            limits = p_max[row_of(p_max, n)]
            _decide(logit, layout, fraction, first, who[b, :users], limits, power[n])
    return -1
