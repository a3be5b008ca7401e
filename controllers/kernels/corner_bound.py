"""The best on/off powers by trying them all: what the optimum is at least.

Sets are counted in binary. Each is made of the set without its lowest member, whose interference is
kept, so that every sum is of positive numbers alone and loses no digits. The sets of the first few
users are tried side by side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.links import Links, load, room_for
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["best_corners"]

Array = NDArray[np.float64]

_BESIDE = 4  # users whose sets are tried side by side: sixteen of them


@kernel()
def best_corners(gain: Array, noise_power: Array, p_max: Array, weight: Array) -> Array:
    """Powers of the best set of users, each at full power, of all 2^K.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gains; rows are receivers.
    noise_power, p_max, weight : [N, K], float64
        Noise and largest power [W], weights.

    Returns
    -------
    [N, K], float64
        Powers [W], zero or `p_max`; a user without weight or direct gain gets none.
    """
    samples, users = weight.shape
    links = room_for(users)
    power = np.zeros((samples, users))
    for n in range(samples):
        count = load(gain[n], noise_power[n], p_max[n], weight[n], links)
        best = _best_set(links, count)
        for k in range(count):
            if best >> k & 1:
                power[n, links.user[k]] = p_max[n, links.user[k]]
    return power


@kernel()
def _best_set(links: Links, count: int) -> int:
    """Number of the best set, whose bits are its members; among equals the first."""
    beside = min(count, _BESIDE)
    sets = 1 << beside
    # Interference of the set without members below each bit, and of none, at every user in every
    # set of the first users.
    heard = np.ones((count - beside + 1, count, sets))
    signal = np.zeros((beside, sets))
    for s in range(sets):
        for k in range(count):
            for j in range(beside):
                if s >> j & 1:
                    heard[count - beside, k, s] += links.heard[j, k]
        for k in range(beside):
            signal[k, s] = (s >> k & 1) * links.direct[k]
    value = np.empty(sets)
    chosen, most = 0, 0.0
    for high in range(1 << (count - beside)):
        at = count - beside
        if high > 0:
            at = _lowest(high)
            rest = high & (high - 1)
            before = heard[_lowest(rest) if rest > 0 else count - beside]
            added = links.heard[beside + at]
            for k in range(count):
                for s in range(sets):
                    heard[at, k, s] = before[k, s] + added[k]
        _rates(links, count, beside, high, heard[at], signal, value)
        for s in range(sets):
            if value[s] > most:
                chosen, most = high << beside | s, value[s]
    return chosen


@kernel(inline=True)
def _lowest(number: int) -> int:
    """Place of the lowest bit that is one; there must be one."""
    place = 0
    while not number >> place & 1:
        place += 1
    return place


@kernel(reorder=True, inline=True)
def _rates(
    links: Links, count: int, beside: int, high: int, heard: Array, signal: Array, value: Array
) -> None:
    """Weighted sum rate [bit/s/Hz] of the higher users' set with every set of the first ones."""
    value[:] = 0.0
    for k in range(beside):
        for s in range(value.size):
            value[s] += links.weight[k] * log2_1p(signal[k, s] / heard[k, s])
    for k in range(beside, count):
        if high >> (k - beside) & 1:
            for s in range(value.size):
                value[s] += links.weight[k] * log2_1p(links.direct[k] / heard[k, s])
