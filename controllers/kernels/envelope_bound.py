"""What a box of powers can hold at most, by the concave envelope of every user's rate.

With S = h_kk p_k, p_k in [r_k, s_k], and interference and noise I in [low_k, high_k], the rate
ln(1 + S / I) is concave in p and convex in I. Its envelope, the least concave function above it,
therefore mixes the two ends of I: where I = (1 - m) low + m high, it is the ::

    maximum of (1 - m) ln(1 + x_1 / low) + m ln(1 + x_2 / high)   with (1 - m) x_1 + m x_2 = S

for x between h_kk r_k and h_kk s_k: water-filling over two channels with noise `low` and `high`.
It lies below the mixed monotonic bound everywhere (Matthiesen, Hellings, Jorswieck and Utschick,
IEEE Trans. Signal Process. 68, 2020), which is its value at one corner, and below the difference of
ln(I + S) and a chord of ln I, which is the same mixture with x unlimited.

The sum of envelopes is maximised by a few Frank-Wolfe steps. Every water level, not only the right
one, gives a plane above an envelope, and the best corner for a sum of planes bounds the box: no
step needs to have converged, and a plane tells how far each power may move before nothing of
interest is left there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.box_bound import Box, Priced, sums
from slotwise.controllers.kernels.packs import (
    choose,
    count_of,
    each,
    least,
    put,
    spread,
    sum_of,
    take,
)
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["bound_of"]

Array = NDArray[np.float64]

_LANES = 8  # float64 numbers in a pack
_STEPS = 3  # of Frank and Wolfe: more save fewer boxes than they cost
_HALVINGS = 3  # of the interval in which the length of a step is sought
_TINY = 1e-300  # so that 0/0 is 0
_PER_BIT = 0.6931471805599453  # ln 2


@kernel()
def _planes(priced: Priced, box: Box, length: float) -> tuple[float, float]:
    """Plane above each user's rate, which touches its envelope at point + length step.

    Derivatives by the user's power go into `own`, by its interference into `other`, both with the
    weight. Returns the objective's bound there, and its derivative by the length.
    """
    width = priced.direct.size
    for at in range(0, width, _LANES):
        _fill(priced, box, length, at)
    for i in range(2 * width):
        box.logs[i] = log2_1p(box.logs[i])
    height, rise = spread(0.0, take(box.low, 0)), spread(0.0, take(box.low, 0))
    for at in range(0, width, _LANES):
        weight, direct = take(priced.weight, at), take(priced.direct, at)
        price, inverse, step = take(priced.price, at), take(box.own, at), take(box.step, at)
        p = take(box.point, at) + spread(length, step) * step
        nat = spread(_PER_BIT, step)
        first = take(box.logs, at) * nat - take(box.first, at)
        second = take(box.logs, width + at) * nat - take(box.second, at)
        span = take(box.high, at) - take(box.low, at) + spread(_TINY, step)
        own, other = weight * direct * inverse - price, weight * (second - first) / span
        height = height + weight * (first + take(box.mix, at) * (second - first)) + own * p
        rise = rise + own * step + other * take(box.shift, at)
        put(box.own, at, own)
        put(box.other, at, other)
    return sum_of(height), sum_of(rise)


@kernel(inline=True)
def _fill(priced: Priced, box: Box, length: float, at: int) -> None:
    """Water level of a pack of users, what it puts into either channel, and their shares."""
    low, high, direct = take(box.low, at), take(box.high, at), take(priced.direct, at)
    one, tiny, stride = spread(1.0, low), spread(_TINY, low), spread(length, low)
    noise = take(box.noise, at) + stride * take(box.shift, at)
    mix = (noise - low) / (high - low + tiny)
    mix = least(choose(mix > tiny, mix, tiny), one)
    rest = one - mix
    rest = choose(rest > tiny, rest, tiny)
    signal = direct * (take(box.point, at) + stride * take(box.step, at))
    bottom, top = direct * take(box.least, at), direct * take(box.most, at)
    # The level at which both channels are filled between their limits; or else one of them is at
    # its limit and the other takes what is left.
    level = noise + signal
    first_full = high + (signal - rest * top) / mix
    second_bare = low + (signal - mix * bottom) / rest
    limited = choose(signal >= rest * top + mix * bottom, first_full, second_bare)
    level = choose(level > low + top, limited, choose(high + bottom > level, limited, level))
    level = least(choose(level > low + bottom, level, low + bottom), high + top)
    x_1, x_2 = level - low, level - high
    x_1 = least(choose(x_1 > bottom, x_1, bottom), top)
    x_2 = least(choose(x_2 > bottom, x_2, bottom), top)
    inverse = one / level
    put(box.mix, at, mix)
    put(box.own, at, inverse)
    put(box.first, at, x_1 * inverse)
    put(box.second, at, x_2 * inverse)
    put(box.logs, at, x_1 / low)
    put(box.logs, priced.direct.size + at, x_2 / high)


@kernel(inline=True)
def _aim_at_corner(priced: Priced, box: Box) -> float:
    """Slope of the planes' sum, and the step to its best corner; how much higher it is there."""
    gain = spread(0.0, take(box.low, 0))
    for at in range(0, priced.direct.size, _LANES):
        slope = take(box.own, at)
        for k in range(priced.users):
            slope = slope + take(priced.cross, k * priced.direct.size + at) * each(box.other, k)
        p = take(box.point, at)
        step = choose(slope > slope - slope, take(box.most, at), take(box.least, at)) - p
        gain = gain + slope * step
        put(box.slope, at, slope)
        put(box.step, at, step)
    return sum_of(gain)


@kernel(inline=True)
def _cut(priced: Priced, box: Box, slack: float) -> bool:
    """Take from the box what a plane holds down by the slack; whether that is anything."""
    cut = 0
    for at in range(0, priced.direct.size, _LANES):
        slope, bottom, top = take(box.slope, at), take(box.least, at), take(box.most, at)
        zero = slope - slope
        way = spread(slack, slope) / slope
        raised = choose(slope > zero, top - way, bottom)
        lowered = choose(zero > slope, bottom - way, top)
        cut += count_of(raised > bottom) + count_of(top > lowered)
        put(box.least, at, choose(raised > bottom, raised, bottom))
        put(box.most, at, least(lowered, top))
    return cut > 0


@kernel(inline=True)
def _walk(priced: Priced, box: Box) -> None:
    """Go to the highest point of the envelopes towards the corner, by halving."""
    sums(priced.heard, box.step, 0.0, priced.users, box.shift)
    near, far, length = 0.0, 1.0, 1.0
    for halving in range(_HALVINGS):
        rise = _planes(priced, box, length)[1]
        if halving == 0 and rise >= 0.0:
            break
        if rise > 0.0:
            near = length
        else:
            far = length
        length = 0.5 * (near + far)
    for k in range(priced.users):
        p = box.point[k] + length * box.step[k]
        box.point[k] = min(max(p, box.least[k]), box.most[k])
        box.step[k] = 0.0
        box.shift[k] = 0.0


@kernel(reorder=True)
def bound_of(priced: Priced, box: Box, floor: float) -> float:
    """Bound the objective over a box that `shrink` has left.

    Parameters
    ----------
    priced : Priced
        What is maximised.
    box : Box
        `point` is moved to where the bound's envelopes are nearly highest. `least` and `most` lose
        what cannot exceed the floor.
    floor : float
        Nothing below this is of interest.

    Returns
    -------
    float
        The objective is nowhere in the box larger, up to rounding. Not below the floor if something
        was cut off.
    """
    width = priced.direct.size
    for k in range(width):
        box.logs[k] = log2_1p(priced.direct[k] * box.most[k] / box.low[k])
    bound = 0.0
    for k in range(width):
        bound += _PER_BIT * priced.weight[k] * box.logs[k] - priced.price[k] * box.least[k]
        box.point[k] = min(max(box.point[k], box.least[k]), box.most[k])
        box.step[k] = 0.0
        box.shift[k] = 0.0
    cut = False
    for step in range(_STEPS):
        if bound <= floor:
            break
        sums(priced.heard, box.point, 1.0, priced.users, box.noise)
        height = _planes(priced, box, 0.0)[0]
        above = height + _aim_at_corner(priced, box)
        bound = min(bound, above)
        if bound <= floor:
            break
        cut |= _cut(priced, box, above - floor)
        if height > floor or step == _STEPS - 1:
            break
        _walk(priced, box)
    return max(bound, floor) if cut else bound
