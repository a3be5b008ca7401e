"""Powers by water-filling against prices, for rates and for what they cost in energy.

Maximised is, over powers x as fractions of the largest, with rates r_k = log2(1 + S_k / I_k),
S_k = h_kk x_k, I_k = 1 + sum_j h_kj x_j over j != k, and h in units of noise at full power,

    F(x) = sum_k A_k r_k / D,   A_k = a_k / (w_k x_k + q),   D = sum_k d_k x_k + c

where w_k = 0, q = 1 and D is what the network consumes for its efficiency, D = 1 for the sum rate,
and D = 1 and A_k what a bit of user k is worth by its own joules for the sum of efficiencies. The
gradient of F at x is, but for the factor 1 / (D ln 2), that of the concave

    sum_k A_k ln(1 + h_kk x_k / I_k) - (b_k + e_k) x_k,
    b_k = sum over j != k of A_j h_jk (1 / I_j - 1 / (I_j + S_j)),
    e_k = ln 2 (A_k r_k w_k / (w_k x_k + q) + F d_k)

with interference, prices and F held. Rates of others are taken as linear, as in the pricing of
J. Huang, R. A. Berry and M. L. Honig (IEEE J. Sel. Areas Commun. 24(5), 2006); F is Dinkelbach's
parameter (Management Science 13(7), 1967), renewed with the prices and not in a loop around them.
The maximum is in closed form, for all users at once,

    x_k <- clip(A_k / (b_k + e_k) - I_k / h_kk, 0, 1).

Going towards it F rises at first, whatever the objective, since a concave function rises all the
way to its maximum and has the direction of F's gradient where one comes from. The way is halved
until F itself has not fallen, so that F never falls.

Both sums over users are sums of rows of a matrix, each a few registers long: of gains by receiver
for the prices, of gains by transmitter for the interference, so that both are kept.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.fractional_starts import begin
from slotwise.controllers.kernels.fractional_state import (
    COST,
    DIRECT,
    EXTRA,
    GRADE,
    HEARD,
    INVERSE,
    KEPT,
    LIMIT,
    OWN_COST,
    PRICE,
    RATIO,
    TARGET,
    WEIGHT,
    C,
    Problem,
    Terms,
    X,
    load,
    room,
)
from slotwise.controllers.kernels.loading import row_of
from slotwise.controllers.kernels.packs import BYTES, choose, each, least, put, spread, take
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["solve_each", "solve_one"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_LN2 = math.log(2.0)
_BETTER = 1.0 + 1e-12  # a smaller relative gain is rounding: of equals the first is kept
_LEAST_STEP = 2.0**-24  # of the way to the maximum; where not even this helps, nothing will


@kernel(reorder=True, inline=True)
def _sum_rows(matrix: Array, state: Array, stride: int, users: int, by: int, into: int) -> None:
    """Sum of the first rows of a matrix, each times a number of one part of the state.

    Two packs and two rows at a time: while one sum is on its way, others enter the adder.
    """
    lanes = BYTES // state.itemsize
    zero = spread(0.0, take(state, 0))
    for j in range(0, stride, 2 * lanes):
        even, odd, next_even, next_odd = zero, zero, zero, zero
        for k in range(0, users, 2):
            at = k * stride + j
            factor, next_factor = each(state, by * stride + k), each(state, by * stride + k + 1)
            even = even + take(matrix, at) * factor
            odd = odd + take(matrix, at + stride) * next_factor
            next_even = next_even + take(matrix, at + lanes) * factor
            next_odd = next_odd + take(matrix, at + stride + lanes) * next_factor
        put(state, into * stride + j, even + odd)
        put(state, into * stride + j + lanes, next_even + next_odd)


@kernel(reorder=True, inline=True)
def _value(heard: Array, state: Array, stride: int, users: int, terms: Terms) -> float:
    """The objective of powers; interference, SINR and, per user, A and e are left in the state."""
    _sum_rows(heard, state, stride, users, X, HEARD)
    one = spread(1.0, take(state, 0))
    for k in range(0, users, BYTES // state.itemsize):
        interference = take(state, HEARD * stride + k) + one
        put(state, HEARD * stride + k, interference)
        signal = take(state, DIRECT * stride + k) * take(state, X * stride + k)
        put(state, RATIO * stride + k, signal / interference)
    if terms.own:
        return _own_value(state, stride, users, terms)
    bits, consumed = 0.0, terms.circuit
    for k in range(users):
        bits += state[WEIGHT * stride + k] * log2_1p(state[RATIO * stride + k])
        consumed += state[COST * stride + k] * state[X * stride + k]
    return bits / consumed if consumed > 0.0 else 0.0


@kernel(reorder=True, inline=True)
def _own_value(state: Array, stride: int, users: int, terms: Terms) -> float:
    """The objective where everyone's rate counts by the joules it consumes itself."""
    value = 0.0
    for k in range(users):
        rate = log2_1p(state[RATIO * stride + k])
        cost = state[OWN_COST * stride + k]
        consumed = cost * state[X * stride + k] + terms.own_circuit
        grade = state[WEIGHT * stride + k] / consumed if consumed > 0.0 else 0.0
        value += grade * rate
        state[GRADE * stride + k] = grade
        state[EXTRA * stride + k] = _LN2 * grade * rate * cost / consumed if grade > 0.0 else 0.0
    return value


@kernel(reorder=True, inline=True)
def _respond(cross: Array, state: Array, stride: int, users: int, value: float) -> None:
    """Best powers against prices as they are: the target. Powers themselves are kept."""
    lanes = BYTES // state.itemsize
    zero = spread(0.0, take(state, 0))
    joint = spread(_LN2 * value, zero)
    for k in range(0, users, lanes):
        x = take(state, X * stride + k)
        put(state, KEPT * stride + k, x)
        received = take(state, HEARD * stride + k) + take(state, DIRECT * stride + k) * x
        ratio = take(state, RATIO * stride + k)
        put(state, C * stride + k, take(state, GRADE * stride + k) * ratio / received)
    _sum_rows(cross, state, stride, users, C, PRICE)
    for k in range(0, users, lanes):
        price = take(state, PRICE * stride + k) + take(state, EXTRA * stride + k)
        price = price + joint * take(state, COST * stride + k)
        noise = take(state, HEARD * stride + k) * take(state, INVERSE * stride + k)
        level = take(state, GRADE * stride + k) / price - noise
        # In this order NaN, from users that nothing can be made of, becomes zero.
        level = choose(level > zero, level, zero)
        put(state, TARGET * stride + k, least(level, take(state, LIMIT * stride + k)))


@kernel(reorder=True, inline=True)
def _go(state: Array, stride: int, users: int, step: float) -> None:
    """Powers at a part of the way from those that are kept to the target."""
    part = spread(step, take(state, 0))
    for k in range(0, users, BYTES // state.itemsize):
        kept, target = take(state, KEPT * stride + k), take(state, TARGET * stride + k)
        put(state, X * stride + k, kept + part * (target - kept) if step < 1.0 else target)


@kernel(reorder=True, inline=True)
def _climb(
    heard: Array,
    cross: Array,
    state: Array,
    stride: int,
    users: int,
    terms: Terms,
    rule: tuple[float, int],
) -> tuple[float, int]:
    """Rise from the powers in the state to a maximum; the objective there, and steps made."""
    tolerance, most = rule
    value = _value(heard, state, stride, users, terms)
    step = 1.0
    for count in range(most):
        _respond(cross, state, stride, users, value)
        while True:
            _go(state, stride, users, step)
            risen = _value(heard, state, stride, users, terms)
            if risen >= value:
                break
            step *= 0.5
            if step < _LEAST_STEP:
                _go(state, stride, users, 0.0)
                return value, count
        if risen - value <= tolerance * risen:
            return risen, count + 1
        value, step = risen, min(1.0, 2.0 * step)
    return value, most


@kernel(reorder=True)
def _solve(
    problem: Problem,
    kinds: tuple[int, int],
    aim: tuple[int, float, float],
    rule: tuple[float, int],
    power: Array,
) -> int:
    """Best of the starts of one problem; steps made, or -1 if a value was out of its range.

    All above is put into this: where the compiler sees that matrices and state were allocated
    apart, it keeps more of them in registers.
    """
    users = len(power)
    heard, cross, state, stride = room(users)
    valid, terms = load(problem, heard, cross, state, stride, aim)
    if not valid:
        return -1
    best, steps = -1.0, 0
    first, end = kinds
    for kind in range(first, end):
        begin(kind, problem, heard, cross, state, stride, terms)
        value, made = _climb(heard, cross, state, stride, users, terms, rule)
        steps += made
        if kind == first or value > best * _BETTER:
            best = value
            for k in range(users):
                power[k] = state[X * stride + k] * problem.p_max[k]
    return steps


@kernel(reorder=True)
def solve_each(  # noqa: PLR0913 - the arrays of a batch, read once
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    start: Array,
    kinds: tuple[int, int],
    aim: tuple[int, float, float],
    rule: tuple[float, int],
    power: Array,
    iterations: Index,
) -> int:
    """Solve N problems of K users.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [N, K] or [1, K], float64
        Noise and largest power [W] and weight of every user, or those of every problem.
    start : [N, K], [1, K] or [0, K], float64
        Powers to start from [W]; [0, K]: none.
    kinds : tuple of int
        First of the starts of `slotwise.controllers.kernels.fractional_starts.begin`, -1 being
        `start`, and the one after the last.
    aim : tuple
        Place of the aim in `slotwise.emulator.objective.Aim`, consumed per radiated power [1] and
        circuit power of a user [W].
    rule : tuple
        Stop when the objective rises by less than this part of itself, or after so many steps.
    power : [N, K], float64
        Written: powers [W].
    iterations : [N], int64
        Written: steps that were made from all starts together.

    Returns
    -------
    int
        First problem with a value out of its range, which ends the work; -1 if there is none.
    """
    samples, users = power.shape
    flat = gain.reshape(samples, users * users)
    for n in range(samples):
        problem = Problem(
            gain[n],
            flat,
            n,
            noise_power[row_of(noise_power, n)],
            p_max[row_of(p_max, n)],
            weight[row_of(weight, n)],
            start[row_of(start, n) : row_of(start, n) + 1],
        )
        iterations[n] = _solve(problem, kinds, aim, rule, power[n])
        if iterations[n] < 0:
            return n
    return -1


@kernel(reorder=True)
def solve_one(  # noqa: PLR0913 - a problem, starts and a rule
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    start: Array,
    kinds: tuple[int, int],
    aim: tuple[int, float, float],
    rule: tuple[float, int],
    power: Array,
) -> int:
    """Solve one problem of K users.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [K], float64
        Noise and largest power [W] and weight of every user.
    start : [1, K] or [0, K], float64
        Powers to start from [W], or none.
    kinds, aim, rule
        As of `solve_each`.
    power : [K], float64
        Written: powers [W].

    Returns
    -------
    int
        Steps that were made; negative where nothing was computed: if lengths differ or a value is
        out of its range.
    """
    users = len(power)
    if not len(gain) == gain.shape[1] == len(noise_power) == len(p_max) == len(weight) == users:
        return -1
    if start.shape[1] != users:
        return -1
    flat = gain.reshape(1, users * users)
    problem = Problem(gain, flat, 0, noise_power, p_max, weight, start)
    return _solve(problem, kinds, aim, rule, power)
