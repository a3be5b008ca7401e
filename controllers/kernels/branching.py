"""Branch and bound: the best powers, with a proof that nothing better exists.

A box of powers is split in two again and again until every part is known to hold nothing better
than the best powers found so far, by more than an allowed gap. What a part cannot hold say the
tests of `slotwise.controllers.kernels.box_bound`, what it can hold at most the bound of
`slotwise.controllers.kernels.envelope_bound`.

Parts are taken depth-first from a stack, which stays short. The start is nearly always the optimum
already, and then every order visits the same parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.box_bound import (
    Box,
    Priced,
    priced_of,
    room_for_box,
    shrink,
    value_of,
)
from slotwise.controllers.kernels.envelope_bound import bound_of
from slotwise.controllers.kernels.links import load, padded
from slotwise.controllers.kernels.links import room_for as room_for_links
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["branch", "surpass"]

Array = NDArray[np.float64]

_BOXES = 64  # that the stack has room for at first; it grows as needed
_LEAST_SHARE = 0.1  # of a priced power's spread that its lower part has
_RISE = 1e-9  # of the objective [bit/s/Hz], below which other powers are not better


@kernel()
def branch(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    price: Array,
    gap: float,
    nodes: int,
    power: Array,
) -> tuple[float, float, int]:
    """Maximise weighted sum rate minus the price of powers, to a gap.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gains; rows are receivers.
    noise_power, p_max, weight : [K], float64
        Noise and largest power [W], weights.
    price : [K], float64
        Cost of each user's full power [bit/s/Hz].
    gap : float
        Parts of the box that cannot hold more than this above the best known are left [bit/s/Hz].
    nodes : int
        Most boxes to look at.
    power : [K], float64
        Powers to start from [W]; where better ones are found they take their place.

    Returns
    -------
    value, bound : float
        Objective of the powers, and what no powers exceed, up to rounding [bit/s/Hz].
    nodes : int
        Boxes looked at.
    """
    users = weight.size
    links = room_for_links(users)
    count = load(gain, noise_power, p_max, weight, links)
    priced = priced_of(links, count, price)
    best = np.zeros(padded(count))
    for k in range(count):
        user = links.user[k]
        best[k] = min(power[user] / p_max[user], 1.0)
    before = best.copy()
    value, bound, seen = _search(priced, gap, -np.inf, nodes, best)
    for k in range(count):
        user = links.user[k]
        if best[k] != before[k]:
            power[user] = best[k] * p_max[user]
    return value, bound, seen


@kernel()
def surpass(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    price: Array,
    target: float,
    nodes: int,
    power: Array,
) -> tuple[float, float, int]:
    """Find powers of which weighted sum rate minus price exceeds a target, or prove there are none.

    That is one step of Dinkelbach's method: where a ratio of rate to cost is to exceed L, the
    target is L times the cost that nobody can avoid, and the price L times the rest. The best
    ratio exceeds L by no more than what the difference exceeds the target by, per unavoidable cost:
    the powers of either need not be the same, but nobody's cost is less.

    Parameters
    ----------
    gain, noise_power, p_max, weight, price, nodes
        As of `branch`.
    target : float
        Positive [bit/s/Hz].
    power : [K], float64
        Where powers go [W] if some exceed the target.

    Returns
    -------
    value : float
        Objective of the powers where they exceed the target; no more than that otherwise.
    bound : float
        Nowhere is the ratio of rate to cost larger than bound / target times L. At the target if
        nothing exceeds it; infinite if something was found that does.
    nodes : int
        Boxes looked at.
    """
    users = weight.size
    links = room_for_links(users)
    count = load(gain, noise_power, p_max, weight, links)
    priced = priced_of(links, count, price)
    best = np.zeros(padded(count))
    value, bound, seen = _search(priced, 0.0, target, nodes, best)
    if value > target:
        power[:] = 0.0
        for k in range(count):
            power[links.user[k]] = best[k] * p_max[links.user[k]]
    return value, bound, seen


@kernel()
def _search(
    priced: Priced, gap: float, target: float, nodes: int, best: Array
) -> tuple[float, float, int]:
    """Value of the best powers, which are put into `best`, bound, and boxes looked at.

    With a target, nothing below it is of interest, and the first to exceed it ends the search.
    """
    box = room_for_box(best.size)
    value = value_of(priced, best, box.noise, box.own)
    stack = np.zeros((_BOXES, 3, best.size))
    above = np.full(_BOXES, np.inf)
    stack[0, 1:, : priced.users] = 1.0
    stack[0, 2] *= 0.5
    waiting, seen, bound = 1, 0, max(value, target)
    while waiting > 0 and seen < nodes:
        waiting -= 1
        seen += 1
        floor = max(value + gap, target)
        if above[waiting] <= floor:
            bound = max(bound, above[waiting])
            continue
        _take_off(stack, waiting, box)
        either = shrink(priced, box)
        if either < 0:
            continue
        limit = min(above[waiting], bound_of(priced, box, floor))
        if limit <= floor:
            bound = max(bound, limit)
            continue
        value = _try(priced, box, value, best)
        if value > target > -np.inf:
            return value, np.inf, seen
        user, middle = _split(priced, box, either)
        bound = max(bound, floor if user >= 0 else limit)
        if user < 0:
            continue
        if waiting + 2 > above.size:
            stack = np.concatenate((stack, np.zeros_like(stack)))
            above = np.concatenate((above, above))
        above[waiting : waiting + 2] = limit
        _put_halves(stack, waiting, box, user, middle, either > 0)
        waiting += 2
    for i in range(waiting):
        bound = max(bound, above[i])
    return value, max(bound, value), seen


@kernel(inline=True)
def _take_off(stack: Array, at: int, box: Box) -> None:
    box.least[:] = stack[at, 0]
    box.most[:] = stack[at, 1]
    box.point[:] = stack[at, 2]


@kernel(inline=True)
def _put_halves(stack: Array, at: int, box: Box, user: int, middle: float, either: bool) -> None:
    """Split a user's power at the middle, or leave either end of it alone."""
    for half in range(at, at + 2):
        stack[half, 0] = box.least
        stack[half, 1] = box.most
        stack[half, 2] = box.point
    # The half that holds the point comes first, and so lies on top.
    upper = 1 if box.point[user] > middle else 0
    stack[at + upper, 0, user] = 1.0 if either else middle
    stack[at + 1 - upper, 1, user] = 0.0 if either else middle


@kernel(inline=True)
def _try(priced: Priced, box: Box, value: float, best: Array) -> float:
    """Value of the best powers after the box's point and its rounding have been tried."""
    trial = box.step
    for attempt in range(2):
        for k in range(priced.users):
            trial[k] = box.point[k]
            if attempt == 1:
                high = box.point[k] - box.least[k] > box.most[k] - box.point[k]
                trial[k] = box.most[k] if high else box.least[k]
        reached = value_of(priced, trial, box.noise, box.own)
        if reached > value + _RISE:
            value = reached
            best[:] = trial
    return value


@kernel(reorder=True)
def _split(priced: Priced, box: Box, either: int) -> tuple[int, float]:
    """User whose power is split, and where; -1 if no power can be.

    It is the user whose spread of powers the bound owes most to: what the user could gain by its
    own spread, and all others by its interference being least.
    """
    width = priced.direct.size
    chosen, most = -1, -1.0
    slack = box.slope
    if either > 0:
        return either - 1, 0.5
    slack[:] = 0.0
    for k in range(priced.users):
        signal = priced.direct[k] * box.most[k]
        full = log2_1p(signal / box.low[k])
        slack[k] += priced.weight[k] * (
            full - log2_1p(priced.direct[k] * box.least[k] / box.low[k])
        )
        if signal > 0.0:
            row = priced.cross[k * width : (k + 1) * width]
            for m in range(width):
                box.logs[m] = signal / (box.low[k] + row[m] * (box.most[m] - box.least[m]))
            for m in range(width):
                box.logs[m] = log2_1p(box.logs[m])
            for m in range(width):
                slack[m] += priced.weight[k] * (full - box.logs[m])
    middle = 0.0
    for m in range(priced.users):
        half = 0.5 * (box.least[m] + box.most[m])
        if not priced.scalable:
            half = _between(box.least[m], box.most[m], box.low[m] / priced.direct[m])
        if slack[m] > most and box.least[m] < half < box.most[m]:
            chosen, most, middle = m, slack[m], half
    return chosen, middle


@kernel(inline=True)
def _between(bottom: float, top: float, scale: float) -> float:
    """Where to split powers that may differ by decades: amid their logarithms above a scale."""
    middle: float = np.sqrt((bottom + scale) * (top + scale)) - scale
    return max(middle, bottom + _LEAST_SHARE * (top - bottom))
