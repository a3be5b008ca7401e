"""Maximise an objective while promised rates are kept: sequential convex approximation, inside.

In fractions x of the largest powers, T_k what receiver k hears and I_k the part that is not its
own, in units of its noise, and natural logarithms, the rates are r_k = log T_k - log I_k. In every
step log I_k is replaced by its tangent, which leaves a concave bound from below, and a ratio of
rates and consumption by rates less consumption at its present price (W. Dinkelbach, Manage. Sci.
13(7), 1967; A. Zappone et al., IEEE Trans. Signal Process. 65(9), 2017). Promises and limits are
linear, A x >= b and x <= 1. Of the bound one Newton step of a primal-dual interior-point method is
made (S. Wright, "Primal-dual interior-point methods", SIAM, 1997), and the point, the price and the
barrier are new in the next. A step that would not raise the objective itself is shortened or, with
a lower barrier, turned: powers are always feasible, and the objective never falls.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.least_rates import Demand, demand_of, held, keep, settled, solved
from slotwise.controllers.kernels.loading import row_of
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["EFFICIENCY", "OWN_EFFICIENCY", "RATE", "Worth", "climb", "maximise"]

Array = NDArray[Any]

RATE, EFFICIENCY, OWN_EFFICIENCY = 0, 1, 2
"""What is maximised, as numbers that a kernel compares."""

_INWARD = 0.05  # of the way to a point inside, on which a start is moved off its walls
_SHORTEST = 1.0 / 64.0
_NEAREST = 0.995  # of the way to a wall
_FIRST_BARRIER, _LAST_BARRIER = 1e-2, 1e-10  # in all, relative to the rates
_COOLING = 0.2
_STILL = 1e-9  # relative rise of the value that counts as none
_LONG = 0.3  # share of a Newton step after which the barrier is lowered
_LOW, _VERY_LOW = 0.4, 0.004  # power that starts are cut to, relative to what circuits consume
_SILENT = 1e-7


class Worth(NamedTuple):
    """What powers are worth: snr[k, j] at full power in units of noise, weights, costs of power.

    `cost` is what full power consumes [W], and `circuit` what everyone does besides [W]: all
    together for `EFFICIENCY`, each for `OWN_EFFICIENCY`.
    """

    snr: Array
    weight: Array
    cost: Array
    circuit: float
    aim: int


class _State(NamedTuple):
    """Where an ascent is: powers, what is heard, rates, consumption, and distances to the walls."""

    x: Array
    heard: Array
    others: Array
    rate: Array
    spent: Array
    spare: Array


class _Walk(NamedTuple):
    """A step: slope and bend of the bound, the step, forces of the walls, and their changes."""

    h: Array
    slope: Array
    d: Array
    spare_change: Array
    low: Array
    high: Array
    low_change: Array
    high_change: Array


@kernel()
def _value(what: Worth, state: _State) -> float:
    """Value of the powers of a state [nat], or nats for each joule; fills in the rest of it."""
    users, x = state.x.size, state.x
    total, consumed, own = 0.0, what.circuit, 0.0
    for k in range(users):
        others = 1.0
        for j in range(users):
            if j != k:
                others += what.snr[k, j] * x[j]
        state.others[k] = others
        signal = what.snr[k, k] * x[k]
        state.heard[k] = others + signal
        state.rate[k] = math.log1p(signal / others)
        consumed += what.cost[k] * x[k]
        state.spent[k] = what.circuit + what.cost[k] * x[k]
        total += what.weight[k] * state.rate[k]
        if state.spent[k] > 0.0:
            own += what.weight[k] * state.rate[k] / state.spent[k]
    if what.aim == OWN_EFFICIENCY:
        return own
    if what.aim == RATE:
        return total
    return total / consumed if consumed > 0.0 else 0.0


@kernel()
def _model(what: Worth, state: _State, value: float, slope: Array, bend: Array) -> None:
    """Gradient of the concave bound, and minus its second derivatives."""
    users = state.x.size
    for j in range(users):
        slope[j] = -value * what.cost[j] if what.aim == EFFICIENCY else 0.0
        for i in range(users):
            bend[i, j] = 0.0
    for k in range(users):
        weight, spent = what.weight[k], 1.0
        if what.aim == OWN_EFFICIENCY:
            spent = max(state.spent[k], 1e-300)
            weight /= spent
        within, without = 1.0 / state.heard[k], 1.0 / state.others[k]
        for j in range(users):
            pull = weight * what.snr[k, j]
            slope[j] += pull * (within if j == k else within - without)
            pull *= within * within
            for i in range(j + 1):
                bend[j, i] += pull * what.snr[k, i]
        if what.aim == OWN_EFFICIENCY:
            price = what.cost[k] / spent
            slope[k] -= weight * state.rate[k] * price
            own = what.snr[k, k] * within - state.rate[k] * price
            bend[k, k] += max(2.0 * weight * price * own, 0.0)


@kernel()
def _step(h: Array, d: Array) -> bool:
    """Solve h d = d in place by Cholesky's factors, of which the lower triangle is given."""
    users = d.size
    for j in range(users):
        pivot = h[j, j]
        for i in range(j):
            pivot -= h[j, i] * h[j, i]
        if not 0.0 < pivot < np.inf:
            return False
        root = math.sqrt(pivot)
        h[j, j] = root
        for k in range(j + 1, users):
            left = h[k, j]
            for i in range(j):
                left -= h[k, i] * h[j, i]
            h[k, j] = left / root
    for k in range(users):
        for i in range(k):
            d[k] -= h[k, i] * d[i]
        d[k] /= h[k, k]
    for k in range(users - 1, -1, -1):
        for i in range(k + 1, users):
            d[k] -= h[i, k] * d[i]
        d[k] /= h[k, k]
    return True


@kernel()
def _spare(demand: Demand, x: Array, asked: float, spare: Array) -> None:
    """A x, less b if it is asked for: what each has beyond its promise."""
    users = x.size
    for k in range(users):
        left = x[k]
        if demand.member[k]:
            for j in range(users):
                left -= demand.need[k, j] * x[j]
            left -= asked * demand.base[k]
        spare[k] = left


@kernel()
def _inside(what: Worth, demand: Demand, start: Array) -> bool:
    """Move feasible powers a little way inside of all walls; whether there is an inside."""
    users = start.size
    if not settled(demand, 1.0):
        return False
    away = np.empty(users)
    for k in range(users):
        if demand.member[k]:
            away[k] = demand.base[k]
        else:
            away[k] = max(start[k], min(1e-3, 1e-3 / (what.snr[k, k] + 1e-3)))
    solved(demand.factors, away)
    share = 1.0
    for k in range(users):
        room = 1.0 - demand.x[k]
        if room < 2.0 * share * away[k]:
            share = 0.5 * max(room, 0.0) / away[k]
    for k in range(users):
        inner = demand.x[k] + share * away[k]
        start[k] += _INWARD * (inner - start[k])
    return share > 1e-9


@kernel()
def climb(what: Worth, demand: Demand, x: Array, most: int) -> float:
    """Raise the value of feasible powers in place.

    Parameters
    ----------
    what, demand
        The objective, and whose promises are kept: of them all, it must be possible.
    x : [K], float64
        Feasible powers as fractions of the largest.
    most : int
        Most steps.

    Returns
    -------
    float
        Value of the powers [nat] or [nat/J], never less than before.
    """
    zeros = np.zeros((5, x.size))
    state = _State(x.copy(), zeros[0], zeros[1], zeros[2], zeros[3], zeros[4])
    value = _value(what, state)
    if x.size == 0 or not _inside(what, demand, state.x):
        return value
    _ascend(what, demand, state, most)
    for silence in (0.0, _SILENT):  # nobody is quite silent inside
        for k in range(x.size):
            useless = not what.weight[k] * what.snr[k, k] > 0.0
            if not demand.member[k] and (useless or state.x[k] < silence):
                state.x[k] = 0.0
        held(demand, state.x)
        new = _value(what, state)
        if new >= value:
            value = new
            x[:] = state.x
    return value


@kernel()
def _ascend(what: Worth, demand: Demand, state: _State, most: int) -> None:
    """The ascent itself, from a point inside."""
    users, value = state.x.size, _value(what, state)
    rows = np.empty((7, users))
    lines = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6]
    walk = _Walk(np.empty((users, users)), *lines)
    _spare(demand, state.x, 1.0, state.spare)
    scale = value
    if what.aim == EFFICIENCY:
        scale = value * (what.circuit + (what.cost * state.x).sum())
    barrier = _FIRST_BARRIER * scale / (2 * users)
    last = _LAST_BARRIER * scale / (2 * users)
    walk.low[:] = barrier / state.spare
    walk.high[:] = barrier / (1.0 - state.x)
    stale = 0
    for _ in range(most):
        _model(what, state, value, walk.slope, walk.h)
        _walls(demand, state, barrier, walk)
        if not _step(walk.h, walk.d):
            return
        reach, dual = _reach(demand, state, barrier, walk)
        share, new = _tried(what, state, walk, reach, value)
        if not new >= value:
            if barrier <= last:
                return
            barrier = max(last, _COOLING * _COOLING * barrier)
            continue
        _spare(demand, state.x, 1.0, state.spare)
        for k in range(users):
            walk.low[k] += dual * walk.low_change[k]
            walk.high[k] += dual * walk.high_change[k]
        stale = stale + 1 if new - value <= _STILL * value else 0
        value = new
        if barrier <= last and stale >= 2:
            return
        if share > _LONG or stale:
            barrier = max(last, _COOLING * barrier)


@kernel()
def _walls(demand: Demand, state: _State, barrier: float, walk: _Walk) -> None:
    """Add what the walls do to the second derivatives, and make the right-hand side in d."""
    h, d, users = walk.h, walk.d, state.x.size
    for k in range(users):
        d[k] = walk.slope[k] - barrier / (1.0 - state.x[k])
        h[k, k] += walk.high[k] / (1.0 - state.x[k])
    for k in range(users):
        push, stiff = barrier / state.spare[k], walk.low[k] / state.spare[k]
        d[k] += push
        h[k, k] += stiff
        if demand.member[k]:
            for j in range(users):
                if j != k:
                    row = demand.need[k, j]
                    d[j] -= push * row
                    h[max(j, k), min(j, k)] -= stiff * row
                    for i in range(j + 1):
                        h[j, i] += stiff * row * demand.need[k, i]


@kernel()
def _reach(demand: Demand, state: _State, barrier: float, walk: _Walk) -> tuple[float, float]:
    """How far powers and forces can go, at most one, until a wall or zero; the forces' change."""
    _spare(demand, walk.d, 0.0, walk.spare_change)
    reach, dual = 1.0, 1.0
    for k in range(state.x.size):
        spare, room = state.spare[k], 1.0 - state.x[k]
        change, step = walk.spare_change[k], walk.d[k]
        if change < 0.0:
            reach = min(reach, -_NEAREST * spare / change)
        if step > 0.0:
            reach = min(reach, _NEAREST * room / step)
        low = barrier / spare - walk.low[k] - walk.low[k] / spare * change
        high = barrier / room - walk.high[k] + walk.high[k] / room * step
        if low < 0.0:
            dual = min(dual, -_NEAREST * walk.low[k] / low)
        if high < 0.0:
            dual = min(dual, -_NEAREST * walk.high[k] / high)
        walk.low_change[k], walk.high_change[k] = low, high
    return reach, dual


@kernel()
def _tried(
    what: Worth, state: _State, walk: _Walk, reach: float, value: float
) -> tuple[float, float]:
    """Go as far as the value does not fall; how far that is, and the value: -1 if nowhere."""
    share, users = reach, state.x.size
    walk.slope[:] = state.x
    while share > _SHORTEST * reach:
        for k in range(users):
            state.x[k] = walk.slope[k] + share * walk.d[k]
        new = _value(what, state)
        if new >= value:
            return share, new
        share *= 0.5
    state.x[:] = walk.slope
    _value(what, state)
    return 0.0, -1.0


@kernel()
def maximise(  # noqa: PLR0913 - the arrays of a batch, read once
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    gamma: Array,
    start: Array,
    terms: tuple[int, float, float],
    most: int,
    power: Array,
) -> None:
    """Maximise an objective in N problems while promises are kept, from several starts each.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight, gamma : [N, K] or [1, K], float64
        Noise and largest power [W], weights of the rates, promised SINRs.
    start : [N, K], [1, K] or [0, K], float64
        Powers to start from besides the least ones, the largest, and those at which amplifiers
        consume two fifths and a two hundred and fiftieth of what circuits do [W]; [0, K]: none.
    terms : tuple
        What is maximised; amplifier inefficiency, and circuit power of a user [W].
    most : int
        Most steps from each start.
    power : [N, K], float64
        Written: powers [W].
    """
    aim, inefficiency, circuit_w = terms
    users = gain.shape[1]
    snr, x, best = np.empty((users, users)), np.empty(users), np.empty(users)
    for n in range(len(gain)):
        limit, noise = p_max[row_of(p_max, n)], noise_power[row_of(noise_power, n)]
        for k in range(users):
            for j in range(users):
                snr[k, j] = gain[n, k, j] * limit[j] / noise[k]
        shared = circuit_w * users if aim == EFFICIENCY else circuit_w
        what = Worth(snr, weight[row_of(weight, n)], inefficiency * limit, shared, aim)
        demand = demand_of(gain, noise_power, p_max, gamma, n)
        keep(demand)
        most_worth = -1.0
        for kind in range(4 + (len(start) > 0)):
            for k in range(users):
                level = 0.0 if kind == 0 else limit[k]
                if kind == 4:
                    level = start[row_of(start, n), k]
                elif kind >= 2:
                    level = (_LOW if kind == 2 else _VERY_LOW) * circuit_w / inefficiency
                x[k] = min(max(level / limit[k], 0.0), 1.0) if limit[k] > 0.0 else 0.0
            held(demand, x)
            value = climb(what, demand, x, most)
            if value > most_worth:
                most_worth = value
                best[:] = x
        for k in range(users):
            power[n, k] = min(best[k] * limit[k], limit[k])
