"""A box of powers, what is maximised over it, and tests that shrink it.

The objective is ``sum_k w_k ln(1 + S_k / I_k) - c.p`` with S_k = h_kk p_k, I_k = 1 + sum_j h_kj p_j
over the others, and powers p between r and s, each within [0, 1]. At a global optimum no small step
helps, which gives three tests of a box: scaling everybody up, the sign of each partial derivative
over the whole box, and its curvature, which sends a power to zero or one where it is positive.

Without prices, most powers of an optimum are zero or one. With prices most are in between, where
slopes are zero, and so is what scaling everybody does: intervals close in on them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.links import Links, padded
from slotwise.controllers.kernels.packs import (
    bits_of,
    choose,
    count_of,
    each,
    put,
    room_for,
    spread,
    take,
)
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["Box", "Priced", "priced_of", "room_for_box", "shrink", "sums", "value_of"]

Array = NDArray[np.float64]

_LANES = 8  # float64 numbers in a pack
_PASSES = 8  # of the tests over a box, each of which may enable another
_PER_BIT = 0.6931471805599453  # ln 2
_WORTH_IT = 0.05  # of a power's spread: taking less from it does not call for another pass
_ROUNDING = 1e-12  # relative: how far the ends of where a slope is zero may be off


class Priced(NamedTuple):
    """What is maximised, in units of noise at full power; see the module's formula.

    Attributes
    ----------
    users : int
        How many there are.
    scalable : bool
        No power has a price, so that at the optimum somebody transmits at full power.
    heard, cross : [users padded(users)], float64
        Row j of `heard` are the gains of transmitter j to all receivers, row k of `cross` those of
        all transmitters to receiver k, zero on the diagonal and in the padding.
    direct, weight, price : [padded(users)], float64
        Direct gain, weight of the rate in nats, and what a unit of power costs.
    """

    users: int
    scalable: bool
    heard: Array
    cross: Array
    direct: Array
    weight: Array
    price: Array


class Box(NamedTuple):
    """A box, a point in it, and room to work in; all [padded(users)], but `logs` is twice as long.

    Attributes
    ----------
    least, most : float64
        The box: r and s above.
    point : float64
        A point in it, where the bound is built and which it leaves near its maximum.
    low, high : float64
        Interference and noise if everyone else is at `least`, at `most`.
    slope : float64
        Partial derivatives of the plane over the box.
    noise, step, shift : float64
        Interference and noise at the point, a direction, and its interference.
    own, other, mix, first, second, logs : float64
        Parts of planes above the rates.
    """

    least: Array
    most: Array
    point: Array
    low: Array
    high: Array
    slope: Array
    noise: Array
    step: Array
    shift: Array
    own: Array
    other: Array
    mix: Array
    first: Array
    second: Array
    logs: Array


@kernel()
def priced_of(links: Links, count: int, price: Array) -> Priced:
    """The objective of loaded links.

    Parameters
    ----------
    links : Links
        The problem, in units of noise at full power.
    count : int
        Its users.
    price : [K], float64
        Cost of each user's full power [bit/s/Hz], by the order of the problem before loading.
    """
    width = padded(count)
    heard, cross = room_for(count * width, 1.0), room_for(count * width, 1.0)
    direct, weight, cost = room_for(width, 1.0), room_for(width, 1.0), room_for(width, 1.0)
    for k in range(count):
        direct[k] = links.direct[k]
        weight[k] = links.weight[k] / _PER_BIT
        cost[k] = price[links.user[k]]
        for j in range(count):
            heard[k * width + j] = links.heard[k, j]
            cross[k * width + j] = links.cross[k, j]
    return Priced(count, not np.any(cost > 0.0), heard, cross, direct, weight, cost)


@kernel(inline=True)
def sums(rows: Array, factor: Array, base: float, count: int, total: Array) -> None:
    """Weighted sum of rows: base + sum_j factor_j row_j.

    Parameters
    ----------
    rows : [count width], float64
        Rows one after another.
    factor : [count], float64
        What each is multiplied by.
    base : float
        What is added.
    count : int
        Rows.
    total : [width], float64
        Where the sum goes; a multiple of a pack.
    """
    for at in range(0, total.size, _LANES):
        a = spread(base, take(total, at))
        for j in range(count):
            a = a + take(rows, j * total.size + at) * each(factor, j)
        put(total, at, a)


@kernel(reorder=True)
def value_of(priced: Priced, point: Array, noise: Array, logs: Array) -> float:
    """Objective at a point.

    Parameters
    ----------
    priced : Priced
        What is maximised.
    point : [padded(count)], float64
        Powers as fractions of the largest, zero in the padding.
    noise, logs : [padded(count)], float64
        Room for interference and for logarithms.
    """
    sums(priced.heard, point, 1.0, priced.users, noise)
    for k in range(point.size):
        logs[k] = priced.direct[k] * point[k] / noise[k]
    for k in range(point.size):
        logs[k] = log2_1p(logs[k])
    value = 0.0
    for k in range(point.size):
        value += _PER_BIT * priced.weight[k] * logs[k] - priced.price[k] * point[k]
    return value


@kernel(inline=True)
def _hear(priced: Priced, box: Box) -> None:
    """Interference and noise at both corners of the box."""
    for at in range(0, priced.direct.size, _LANES):
        low = spread(1.0, take(box.low, at))
        high = low
        for j in range(priced.users):
            row = take(priced.heard, j * priced.direct.size + at)
            low = low + row * each(box.least, j)
            high = high + row * each(box.most, j)
        put(box.low, at, low)
        put(box.high, at, high)


@kernel(inline=True)
def shrink(priced: Priced, box: Box) -> int:
    """Take from a box what cannot hold a global optimum, until nothing more is found.

    Parameters
    ----------
    priced : Priced
        What is maximised.
    box : Box
        `least` and `most` close in on each other; `low` and `high` become those of the result.

    Returns
    -------
    int
        -1: no global optimum lies in the box. Otherwise one plus a user who is known to be at
        zero or at full power, though not at which; 0: there is no such user.
    """
    return _shrink_free(priced, box) if priced.scalable else _shrink_priced(priced, box)


@kernel(reorder=True)
def _shrink_free(priced: Priced, box: Box) -> int:
    """As `shrink`, where no power has a price."""
    both = 0
    for _ in range(_PASSES):
        changed = False
        # Written out: as a function of its own, even inlined, it makes the search a tenth slower.
        full, last = 0, 0
        for k in range(priced.users):
            if box.most[k] >= 1.0:
                full += 1
                last = k
        if full == 0:
            return -1
        if full == 1 and box.least[last] < 1.0:
            box.least[last] = 1.0
        _hear(priced, box)
        _answer(priced, box)
        both = 0
        for at in range(0, priced.direct.size, _LANES):
            moved, found = _test(priced, box, at)
            if moved < 0:
                return -1
            changed |= moved > 0
            if found > 0 and both == 0:
                both = at + found
        if not changed:
            break
    else:
        _hear(priced, box)
    return both


@kernel(reorder=True)
def _shrink_priced(priced: Priced, box: Box) -> int:
    """As `shrink`, where some power has a price: ends close in on where slopes are zero."""
    both = 0
    for _ in range(_PASSES):
        changed = False
        _hear(priced, box)
        _answer(priced, box)
        if not _scale(priced, box):
            return -1
        both = 0
        for at in range(0, priced.direct.size, _LANES):
            moved, found = _test(priced, box, at)
            if moved >= 0:
                moved = _narrow(priced, box, at, moved)
            if moved < 0:
                return -1
            changed |= moved > 0
            if found > 0 and both == 0:
                both = at + found
        if not changed:
            break
    _hear(priced, box)
    return both


@kernel(inline=True)
def _answer(priced: Priced, box: Box) -> None:
    """What interference costs each user at least, at most, and how curved that cost is.

    The cost of I is w (1/I - 1/(I + S)), most where S is largest and I least. Its curvature is
    bounded from below at the other corner.
    """
    for at in range(0, priced.direct.size, _LANES):
        weight, direct = take(priced.weight, at), take(priced.direct, at)
        low, high = take(box.low, at), take(box.high, at)
        signal = direct * take(box.most, at)
        put(box.own, at, weight * signal / (low * (low + signal)))
        signal = direct * take(box.least, at)
        received = high + signal
        cost = weight * signal / (high * received)
        put(box.other, at, cost)
        put(box.shift, at, cost * (high + received) / (high * received))


@kernel(inline=True)
def _scale(priced: Priced, box: Box) -> bool:
    """Move the ends of powers by what scaling everybody up or down does; whether a box is left.

    At the optimum it does nothing, unless somebody is at full power: S / (I (I + S)), which is what
    user k gains by it, adds up to what all powers cost.
    """
    most, least, highest, lowest, top = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(priced.users):
        most += box.own[k]
        least += box.other[k]
        highest += priced.price[k] * box.most[k]
        lowest += priced.price[k] * box.least[k]
        top = max(top, box.most[k])
    spare = most * (1.0 + _ROUNDING) - lowest
    excess = np.inf if top >= 1.0 else highest - least * (1.0 - _ROUNDING)
    if spare < 0.0 or excess < 0.0:
        return False
    for k in range(priced.users):
        if priced.price[k] > 0.0:
            top = box.most[k]
            box.most[k] = min(top, box.least[k] + spare / priced.price[k])
            box.least[k] = max(box.least[k], top - excess / priced.price[k])
    return True


@kernel(inline=True)
def _test(priced: Priced, box: Box, at: int) -> tuple[int, int]:
    """Move the ends of a pack of powers by gradient and curvature.

    Returns how many have moved, -1 if a box is left empty; and one plus the first lane whose power
    is at either end.
    """
    one, zero = spread(1.0, take(box.low, at)), spread(0.0, take(box.low, at))
    dearest, cheapest, bend = zero, zero, zero
    for k in range(priced.users):
        row = take(priced.cross, k * priced.direct.size + at)
        dearest = dearest + row * each(box.own, k)
        cheapest = cheapest + row * each(box.other, k)
        bend = bend + row * row * each(box.shift, k)
    put(box.first, at, dearest)
    put(box.second, at, cheapest)
    direct, weight, price = take(priced.direct, at), take(priced.weight, at), take(priced.price, at)
    bottom, top = take(box.least, at), take(box.most, at)
    steepest = direct / (take(box.low, at) + direct * bottom)
    flattest = direct / (take(box.high, at) + direct * top)
    rising = weight * flattest - dearest - price > zero
    falling = zero > weight * steepest - cheapest - price
    curved = bend > weight * steepest * steepest
    # A power that must rise does so to one, one that must fall to zero, and one that is at either
    # end goes to the end that the box still reaches; a box that does not reach it is left empty.
    raised = choose(rising, one, choose(curved, choose(bottom > zero, one, bottom), bottom))
    lowered = choose(falling, zero, choose(curved, choose(one > top, zero, top), top))
    if count_of(raised > lowered) > 0:
        return -1, 0
    put(box.least, at, raised)
    put(box.most, at, lowered)
    moved = count_of(raised > bottom) + count_of(top > lowered)
    either = bits_of(choose(curved, lowered - raised, zero) >= one)
    lane = 0
    while either > 0:
        lane += 1
        if either & 1:
            break
        either >>= 1
    return moved, lane


@kernel(inline=True)
def _narrow(priced: Priced, box: Box, at: int, moved: int) -> int:
    """Move the ends of a pack of priced powers to where a slope can be zero, after `_test`.

    Between its ends it is at w / (price + cost) - I / h. Returns how many have moved; -1: empty.
    """
    direct, weight, price = take(priced.direct, at), take(priced.weight, at), take(priced.price, at)
    bottom, top = take(box.least, at), take(box.most, at)
    one, zero = spread(1.0, top), spread(0.0, top)
    less, more = spread(1.0 - _ROUNDING, top), spread(1.0 + _ROUNDING, top)
    bare = less * weight / (take(box.first, at) + price) - take(box.high, at) / direct
    full = more * weight / (take(box.second, at) + price) - take(box.low, at) / direct
    raised = choose(bare > bottom, choose(bare > one, one, bare), bottom)
    lowered = choose(top > full, choose(full > zero, full, zero), top)
    if count_of(raised > lowered) > 0:
        return -1
    put(box.least, at, raised)
    put(box.most, at, lowered)
    some = spread(_WORTH_IT, top) * (top - bottom)
    return moved + count_of(raised > bottom + some) + count_of(top > lowered + some)


@kernel()
def room_for_box(width: int) -> Box:
    """A box of zeros."""
    return Box(
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(width, 1.0),
        room_for(2 * width, 1.0),
    )
