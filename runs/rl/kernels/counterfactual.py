"""What every user could have done instead, compiled: sum rates of all single changes of a decision.

Under powers p and gains g in units of noise at full power, the sum rate of the slot is

``sum_i log2(1 + min(cap, g_ii p_i / (1 + sum_{j != i} g_ij p_j)))``

and Q[k, a] is what it would have been with p_k at level a and all others as they were. Only a
simulator can tell. A change of one power changes one term of every denominator, so all of Q costs
M M L divisions rather than M L whole sum rates. Where bits per joule count, Q is divided by what
the network would have consumed, in units of what it consumes without radiating.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["counterfactual_rates"]

Array = NDArray[np.float64]
Ids = NDArray[np.int64]

_FACTORS = 8
"""Users after which the product of 1 + SINR becomes a logarithm, long before it overflows."""


@kernel(reorder=True)
def _meet(snr: Array, power: Array, received: Array, disturbed: Array) -> None:
    """Signal, and noise and interference, of every user of one network [M]."""
    rows = power.size
    for i in range(rows):
        total = 1.0
        for j in range(rows):
            if j != i:
                total += snr[i, j] * power[j]
        disturbed[i] = total
        received[i] = snr[i, i] * power[i]


@kernel(reorder=True)
def _change_one(
    k: int,
    snr: Array,
    level: Array,
    power: Array,
    met: tuple[Array, Array],
    sinr_cap: float,
    rate: Array,
) -> None:
    """Sum rates [L] of one network if user k had chosen each level; see `counterfactual_rates`."""
    received, disturbed = met
    levels = level.size
    product = np.empty(levels)
    own = snr[k, k] / disturbed[k]
    for a in range(levels):
        product[a] = 1.0 + min(sinr_cap, own * level[a])
        rate[a] = 0.0
    factors = 1
    for i in range(power.size):
        if i == k or received[i] <= 0.0:
            continue
        cross = snr[i, k]
        # What is left without k is never below the noise, whatever is rounded.
        rest = max(1.0, disturbed[i] - cross * power[k])
        for a in range(levels):
            product[a] *= 1.0 + min(sinr_cap, received[i] / (rest + cross * level[a]))
        factors += 1
        if factors == _FACTORS:
            for a in range(levels):
                rate[a] += math.log2(product[a])
                product[a] = 1.0
            factors = 0
    for a in range(levels):
        rate[a] += math.log2(product[a])


@kernel(reorder=True)
def counterfactual_rates(
    snr: Array,
    level: Array,
    number: Ids,
    mask: NDArray[np.bool_],
    radio: tuple[float, float],
    rate: Array,
) -> None:
    """Sum rates of all single changes, averaged over S joint decisions.

    Parameters
    ----------
    snr : [B, M, M], float64
        Gains in units of noise at full power, rows are receivers.
    level : [L], float64
        Powers to choose from, as fractions of the largest.
    number : [B, S, M], int64
        Numbers of the levels that were chosen, S times.
    mask : [B, M], bool
        Who is there.
    radio : (float, float)
        Largest SINR that counts, infinite for none; and what full power costs, over what a user
        consumes besides: zero where joules do not count.
    rate : [B, M, L], float64
        Sum rates if user m had chosen level l [bit/s/Hz], divided by the consumption, written to;
        zero for nobody.
    """
    sinr_cap, cost = radio
    networks, draws, rows = number.shape
    power, received, disturbed = np.empty(rows), np.empty(rows), np.empty(rows)
    changed = np.empty(level.size)
    for b in range(networks):
        rate[b] = 0.0
        for s in range(draws):
            radiated = 0.0
            users = 0
            for k in range(rows):
                power[k] = level[number[b, s, k]] if mask[b, k] else 0.0
                radiated += power[k]
                users += 1 if mask[b, k] else 0
            _meet(snr[b], power, received, disturbed)
            for k in range(rows):
                if mask[b, k]:
                    met = (received, disturbed)
                    _change_one(k, snr[b], level, power, met, sinr_cap, changed)
                    for a in range(level.size):
                        consumed = 1.0 + cost * (radiated - power[k] + level[a]) / users
                        rate[b, k, a] += changed[a] / (consumed * draws)
