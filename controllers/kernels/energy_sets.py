"""How well small sets of users do in bits per joule, each grown from one user.

At high signal-to-noise ratios the most efficient powers are a set of a few users who hardly hear
each other, and which one no ascent can tell from where it started. So every user grows a set: with
itself alone, with whoever adds most to it, and so on, at powers that cost what they cost at the
optimum of as many users who do not hear each other at all, of circuit power 1 / (n (ln SINR - 1)).

Where many antennas keep users apart, the best set is nearly everybody, each no louder than a signal
far above the noise needs. So one set more is grown, from whoever is best alone to all, at powers
that are held to that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["SPENT", "SPENT_APART", "grow_sets"]

Array = NDArray[Any]

SPENT, SPENT_APART = 0.125, 0.15
"""What a set spends of the circuit power of all, and, apart, a user of its own."""

BROAD_SPENT, BROAD_SNR = 0.03125, 100.0
"""What the broad set spends of the circuit power of all, and the signal-to-noise ratio of a member
without interference, at most."""


@kernel(reorder=True, inline=True)
def _levels(cost: Array, apart: bool, size: int, level: Array) -> None:
    """Powers of users in a set of this size."""
    spent = SPENT_APART if apart else SPENT * cost.size / size
    for j in range(cost.size):
        level[j] = min(1.0, spent / cost[j])


@kernel(reorder=True, inline=True)
def _part(own: float, level: float, cost: float, weight: float, heard: float, apart: bool) -> float:
    """What one member adds to the sum."""
    bits = weight * math.log1p(own * level / heard)
    return bits / (1.0 + cost * level) if apart else bits


@kernel(reorder=True)
def grow_sets(
    snr: Array,
    cost: Array,
    weight: Array,
    apart: bool,
    worth: Array,
    size: Array,
    broad: Array,
    lead: Array,
) -> None:
    """Grow a set from every user of every problem.

    Parameters
    ----------
    snr : [N, K, K], float
        Gains in units of noise at full power; rows are receivers.
    cost : [N, K], float
        What full power costs in units of a user's circuit power, positive.
    weight : [N, K], float
        Weights of the rates.
    apart : bool
        Whether everyone's bits count per joule of its own.
    worth : [N, K, chain], float
        Written: efficiency of the sets of one, two, … users that were grown from each user
        [nat per circuit joule]; where there are fewer users, of all of them.
    size : [N, K], float
        Written: number of users of the best of all sets for its members, else zero.
    broad : [N, K], float
        Written: number of users of the broad set for its members, else zero.
    lead : [N], float
        Written: logarithm of the broad set's efficiency over that of the best of the others.
    """
    samples, users = cost.shape
    chain = worth.shape[2]
    level, received = np.empty(users), np.empty(users)
    free = np.empty(users, dtype=np.bool_)
    member, best = np.empty(chain, dtype=np.int64), np.empty(chain, dtype=np.int64)
    heard = np.empty(chain)
    for n in range(samples):
        most, largest = -1.0, 0
        h, c, a = snr[n], cost[n], weight[n]
        for k in range(users):
            free[:] = True
            member[0] = k
            for count in range(min(chain, users)):
                _levels(c, apart, count + 1, level)
                if count == 0:
                    value, who = _part(h[k, k], level[k], c[k], a[k], 1.0, apart), k
                    if not apart:
                        value /= users + c[k] * level[k]
                else:
                    value, who = _best(h, c, a, apart, level, free, member, count, heard, received)
                member[count] = who
                free[who] = False
                worth[n, k, count] = value
                if value > most:
                    most, largest = value, count + 1
                    best[:largest] = member[:largest]
            for count in range(users, chain):
                worth[n, k, count] = worth[n, k, users - 1]
        size[n] = 0.0
        for i in range(largest):
            size[n, best[i]] = largest
        wide = _grow_broad(h, c, a, apart, broad[n])
        lead[n] = math.log(max(wide, 1e-300) / max(most, 1e-300))


@kernel(reorder=True)
def _grow_broad(h: Array, c: Array, a: Array, apart: bool, broad: Array) -> float:
    """Efficiency of the broad set, whose members get its size."""
    users = c.size
    level, heard, received = np.empty(users), np.empty(users), np.empty(users)
    free = np.ones(users, dtype=np.bool_)
    member = np.empty(users, dtype=np.int64)
    most, largest = -1.0, 0
    for count in range(users):
        for j in range(users):
            spent = SPENT_APART if apart else BROAD_SPENT * users / (count + 1)
            level[j] = min(1.0, spent / c[j], BROAD_SNR / h[j, j])
        value, who = _best(h, c, a, apart, level, free, member, count, heard, received)
        member[count] = who
        free[who] = False
        if value > most:
            most, largest = value, count + 1
    broad[:] = 0.0
    for i in range(largest):
        broad[member[i]] = largest
    return most


@kernel(reorder=True, inline=True)
def _best(  # noqa: PLR0913 - a problem, a set, and room
    h: Array,
    c: Array,
    a: Array,
    apart: bool,
    level: Array,
    free: Array,
    member: Array,
    count: int,
    heard: Array,
    received: Array,
) -> tuple[float, int]:
    """Worth of a set with whoever adds most to it, and who that is."""
    users = c.size
    spent = 0.0
    received[:] = 1.0
    for i in range(count):
        u = member[i]
        spent += c[u] * level[u]
        heard[i] = 1.0
        for m in range(count):
            if m != i:
                heard[i] += h[u, member[m]] * level[member[m]]
        for j in range(users):
            received[j] += h[j, u] * level[u]
    top, who = -1.0, 0
    for j in range(users):
        if free[j]:
            value = _part(h[j, j], level[j], c[j], a[j], received[j], apart)
            for i in range(count):
                u = member[i]
                value += _part(h[u, u], level[u], c[u], a[u], heard[i] + h[u, j] * level[j], apart)
            if not apart:
                value /= users + spent + c[j] * level[j]
            if value > top:
                top, who = value, j
    return top, who
