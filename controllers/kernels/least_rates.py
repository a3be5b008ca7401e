"""Promised rates: whether all can be kept, which of them where not, and powers that keep them.

In fractions x of the largest powers, user k reaches the SINR gamma_k if and only if

    x_k >= base_k + sum_{j != k} need_kj x_j,   need_kj = gamma_k g_kj P_j / (g_kk P_k),
                                                base_k  = gamma_k noise_k / (g_kk P_k)

and the powers that do so for all are those with (I - need) x >= base. I - need has no positive
number off its diagonal, so its spectral condition, rho(need) < 1, holds if and only if Gaussian
elimination without exchanges meets positive pivots alone (A. Berman and R. J. Plemmons,
"Nonnegative matrices in the mathematical sciences", SIAM, 1994, Theorem 6.2.3). Besides the pivots
nothing is ever subtracted: all numbers are right in nearly all digits, and where a pivot is not,
because rho is next to one, powers exceed every limit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import gains_are_valid, row_of, user_is_valid
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["SLACK", "Demand", "demand_of", "held", "hold", "keep", "least", "settled", "solved"]

Array = NDArray[Any]
Flags = NDArray[np.bool_]

SLACK = 1e-9
"""Excess over the largest power, relative, that still counts as feasible and is cut off again."""

_MARGIN = 1e-9  # by which promised SINRs are exceeded, relative, so that rounding breaks none


class Demand(NamedTuple):
    """What users ask of the powers, who counts among them, and memory to compute in.

    Row k of `need` and `base[k]` are those above; `member[k]` says whether k has a promise, else it
    asks for nothing. `factors` is left by `settled` for `solved`, and `x` its least powers.
    """

    need: Array
    base: Array
    member: Flags
    factors: Array
    x: Array


@kernel()
def demand_of(gain: Array, noise_power: Array, p_max: Array, gamma: Array, n: int) -> Demand:
    """What users of problem n ask for; a user that nothing can serve asks for infinity.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gain, rows are receivers.
    noise_power, p_max, gamma : [N, K] or [1, K], float64
        Noise and largest power [W], promised SINR, zero: none.
    n : int
        Problem.
    """
    users = gain.shape[1]
    need, base = np.zeros((users, users)), np.zeros(users)
    member = np.zeros(users, dtype=np.bool_)
    limit, noise = p_max[row_of(p_max, n)], noise_power[row_of(noise_power, n)]
    asked = gamma[row_of(gamma, n)]
    for k in range(users):
        if asked[k] > 0.0:
            own = gain[n, k, k] * limit[k]
            member[k] = True
            base[k] = np.inf
            if own > 0.0:
                base[k] = asked[k] * noise[k] / own
                for j in range(users):
                    need[k, j] = asked[k] * (gain[n, k, j] * limit[j]) / own
            need[k, k] = 0.0
    return Demand(need, base, member, np.empty((users, users)), np.empty(users))


@kernel()
def settled(demand: Demand, factor: float) -> bool:
    """Find the least powers for SINRs of `factor` times the promised; whether these can be reached.

    Leaves triangular factors of I - factor need, and the powers in `x`: infinite where no powers
    serve everyone, or beyond one where there is not enough of it.
    """
    a, x = demand.factors, demand.x
    users = x.size
    for k in range(users):
        asks = factor if demand.member[k] else 0.0
        x[k] = asks * demand.base[k] if demand.member[k] else 0.0
        for j in range(users):
            a[k, j] = -asks * demand.need[k, j]
        a[k, k] = 1.0
    for i in range(users):
        pivot = a[i, i]
        if not pivot > 0.0 or x[i] == np.inf:
            for k in range(users):
                x[k] = np.inf if demand.member[k] else 0.0
            return False
        for k in range(i + 1, users):
            if a[k, i] != 0.0:
                share = a[k, i] / pivot
                a[k, i] = share
                for j in range(i + 1, users):
                    a[k, j] -= share * a[i, j]
    solved(demand.factors, x)
    enough = True
    for k in range(users):
        enough &= x[k] <= 1.0 + SLACK
    return enough


@kernel()
def solved(factors: Array, x: Array) -> None:
    """Solve (I - need) x = x in place, with the factors that `settled` left."""
    users = x.size
    for i in range(users):
        for k in range(i + 1, users):
            x[k] -= factors[k, i] * x[i]
    for i in range(users - 1, -1, -1):
        for j in range(i + 1, users):
            x[i] -= factors[i, j] * x[j]
        x[i] /= factors[i, i]


@kernel()
def keep(demand: Demand) -> bool:
    """Take promises back until the others can be kept; whether none was taken back.

    Those who cannot be served even alone lose theirs. Then one at a time does whose sum of row and
    column of min(need, 1), with its base, is largest: what it has to hear and what it makes others
    hear, each as far as it hurts. In the end whoever has lost a promise gets it back, the last
    first, if it can be kept beside all others.
    """
    member, users = demand.member, demand.x.size
    if settled(demand, 1.0):
        return True
    for k in range(users):
        if demand.base[k] > 1.0 + SLACK:
            member[k] = False
    lost, count = np.empty(users, dtype=np.int64), 0
    while not settled(demand, 1.0):
        worst, most = -1, -1.0
        for k in range(users):
            if member[k]:
                harm = demand.base[k]
                for j in range(users):
                    if member[j]:
                        harm += min(demand.need[k, j], 1.0) + min(demand.need[j, k], 1.0)
                if harm > most:
                    worst, most = k, harm
        member[worst] = False
        lost[count] = worst
        count += 1
    for i in range(count - 2, -1, -1):  # beside the last, the others were still too many
        member[lost[i]] = True
        if not settled(demand, 1.0):
            member[lost[i]] = False
    return False


@kernel()
def held(demand: Demand, x: Array) -> None:
    """Change powers in place so that members reach their SINRs, which they can."""
    users, member = x.size, demand.member
    excess, short = np.empty(users), False
    for k in range(users):
        if member[k]:
            asked = demand.base[k]
            for j in range(users):
                asked += demand.need[k, j] * x[j]
            short |= not x[k] >= asked
    if not short:
        return
    factor = 1.0 + _MARGIN
    if not settled(demand, factor):
        factor = 1.0
        settled(demand, factor)
    for k in range(users):
        excess[k] = x[k]
        if member[k]:
            asked = demand.base[k]
            for j in range(users):
                asked += demand.need[k, j] * x[j]
            excess[k] = max(x[k] - factor * asked, 0.0)
    solved(demand.factors, excess)
    share = 1.0
    for k in range(users):
        if demand.x[k] + excess[k] > 1.0:
            share = min(share, max(1.0 - demand.x[k], 0.0) / excess[k])
    for k in range(users):
        x[k] = min(demand.x[k] + share * excess[k], 1.0)


@kernel()
def _is_valid(gain: Array, noise_power: Array, p_max: Array, gamma: Array, n: int) -> bool:
    limit, noise = p_max[row_of(p_max, n)], noise_power[row_of(noise_power, n)]
    asked = gamma[row_of(gamma, n)]
    valid = gains_are_valid(gain.reshape(len(gain), -1), n)
    for k in range(noise.size):
        valid &= user_is_valid(noise[k], limit[k], asked[k])
    return valid


@kernel()
def least(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    gamma: Array,
    power: Array,
    feasible: Flags,
) -> int:
    """Least powers of N problems, and whether they are within their limits.

    Parameters
    ----------
    gain, noise_power, p_max, gamma
        As of `demand_of`.
    power : [N, K], float64
        Written: least powers [W], infinite where none suffice.
    feasible : [N], bool
        Written.

    Returns
    -------
    int
        The first problem that has a value out of its range; -1: none.
    """
    for n in range(len(gain)):
        if not _is_valid(gain, noise_power, p_max, gamma, n):
            return n
        demand = demand_of(gain, noise_power, p_max, gamma, n)
        feasible[n] = settled(demand, 1.0)
        limit = p_max[row_of(p_max, n)]
        for k in range(limit.size):
            x = demand.x[k]
            power[n, k] = x * limit[k] if x < np.inf else np.inf
            if feasible[n]:
                power[n, k] = min(power[n, k], limit[k])
    return -1


@kernel()
def hold(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    gamma: Array,
    start: Array,
    power: Array,
    member: Flags,
    kept: Flags,
) -> int:
    """Decide whose promises are kept in N problems, and change powers so that they are.

    Parameters
    ----------
    gain, noise_power, p_max, gamma
        As of `demand_of`.
    start : [N, K], [1, K] or [0, K], float64
        Powers to change [W], cut to [0, `p_max`]; [0, K]: only decide.
    power : [N, K], float64
        Written, unless there is no `start`: powers [W].
    member : [N, K], bool
        Written: whose promises are kept, of those who have one.
    kept : [N], bool
        Written: whether all are.

    Returns
    -------
    int
        The first problem that has a value out of its range; -1: none.
    """
    for n in range(len(gain)):
        if not _is_valid(gain, noise_power, p_max, gamma, n):
            return n
        demand = demand_of(gain, noise_power, p_max, gamma, n)
        kept[n] = keep(demand)
        member[n] = demand.member
        if len(start):
            limit, first = p_max[row_of(p_max, n)], start[row_of(start, n)]
            x = np.zeros(limit.size)
            for k in range(limit.size):
                power[n, k] = min(max(first[k], 0.0), limit[k])
                x[k] = power[n, k] / limit[k] if limit[k] > 0.0 else 0.0
            changed = x.copy()
            held(demand, changed)
            for k in range(limit.size):
                if changed[k] != x[k]:
                    power[n, k] = min(changed[k] * limit[k], limit[k])
    return -1
