"""One problem at a time in the units that every search works in, and its true objective.

In units of noise at full power every noise and every largest power is one: h_kj = gain_kj p_max_j /
noise_k, and powers are fractions. Users that no power can serve (no direct gain, no weight, no
power) are left out while loading, for they can only disturb.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["STEP", "Links", "best_of", "hear", "in_range", "load", "padded", "rate_of", "room_for"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

STEP = 8
"""Numbers side by side in a register: rows are padded to a multiple, with zeros."""


class Links(NamedTuple):
    """Room for one problem of up to K users, in units of noise at full power.

    Attributes
    ----------
    user : [K], int64
        Which user of the problem each of the `count` users that can be served is.
    cross : [K, padded(K)], float64
        Row k: gains of all transmitters to the receiver of user k, zero for its own.
    heard : [K, padded(K)], float64
        Row j: gains of transmitter j to all receivers, zero for its own: `cross` transposed.
    direct, weight : [padded(K)], float64
        Gain of each user to its own receiver, and its weight.
    """

    user: Index
    cross: Array
    heard: Array
    direct: Array
    weight: Array


@kernel(inline=True)
def padded(count: int) -> int:
    """The next multiple of `STEP`."""
    return (count + STEP - 1) // STEP * STEP


@kernel()
def room_for(users: int) -> Links:
    """Unfilled arrays for problems of up to so many users."""
    width = padded(users)
    return Links(
        np.empty(width, dtype=np.int64),
        np.empty((users, width)),
        np.empty((users, width)),
        np.empty(width),
        np.empty(width),
    )


@kernel(reorder=True, inline=True)
def in_range(gain: Array, noise_power: Array, p_max: Array, weight: Array) -> bool:
    """Whether a problem's noise is positive, nothing else negative, and everything finite.

    Checked where the problem is about to be read anyhow; what is wrong, and where,
    `slotwise.controllers.base.broadcast` says afterwards.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gains.
    noise_power, p_max, weight : [K], float64
        Noise and largest power [W], weights.
    """
    wrong = 0
    zero = 0.0  # becomes NaN by anything that is not finite
    for k in range(weight.size):
        wrong += (noise_power[k] <= 0.0) | (p_max[k] < 0.0) | (weight[k] < 0.0)
        zero += 0.0 * noise_power[k] + 0.0 * p_max[k] + 0.0 * weight[k]
        for j in range(weight.size):
            wrong += gain[k, j] < 0.0
            zero += 0.0 * gain[k, j]
    return wrong == 0 and zero == 0.0


@kernel()
def load(gain: Array, noise_power: Array, p_max: Array, weight: Array, links: Links) -> int:
    """Scale one problem into `links`, without the users that no power can serve.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gains; rows are receivers.
    noise_power, p_max, weight : [K], float64
        Noise and largest power [W], weights.
    links : Links
        Filled up to the number of users and their padding.

    Returns
    -------
    int
        How many users can be served.
    """
    count = 0
    for k in range(weight.size):
        direct = gain[k, k] * p_max[k] / noise_power[k]
        if weight[k] * direct > 0.0:
            links.user[count] = k
            links.direct[count] = direct
            links.weight[count] = weight[k]
            count += 1
    width = padded(count)
    links.direct[count:width] = 0.0
    links.weight[count:width] = 0.0
    for a in range(count):
        k = links.user[a]
        per_noise = 1.0 / noise_power[k]
        if count == weight.size:
            for j in range(count):
                links.cross[a, j] = gain[k, j] * p_max[j] * per_noise
        else:
            for b in range(count):
                j = links.user[b]
                links.cross[a, b] = gain[k, j] * p_max[j] * per_noise
        links.cross[a, a] = 0.0
        for b in range(count, width):
            links.cross[a, b] = 0.0
    for b in range(count):
        for a in range(count):
            links.heard[b, a] = links.cross[a, b]
        for a in range(count, width):
            links.heard[b, a] = 0.0
    return count


@kernel(reorder=True, inline=True)
def hear(links: Links, count: int, fraction: Array, interference: Array) -> None:
    """Noise plus interference at everyone, summed anew: I_k = 1 + sum_{j != k} h_kj p_j.

    Parameters
    ----------
    links : Links
        The problem.
    count : int
        Its users.
    fraction : [count], float64
        Powers as fractions of the largest; silent users are skipped.
    interference : [padded(count)], float64
        Where the sums go.
    """
    width = padded(count)
    for k in range(width):
        interference[k] = 1.0
    for j in range(count):
        if fraction[j] > 0.0:
            power = fraction[j]
            for k in range(width):
                interference[k] += power * links.heard[j, k]


@kernel(reorder=True, inline=True)
def rate_of(
    links: Links, count: int, fraction: Array, interference: Array, ceiling: float | None
) -> float:
    """Weighted sum rate: sum_k a_k log2(1 + min(h_kk p_k / I_k, ceiling)) [bit/s/Hz].

    Parameters
    ----------
    links : Links
        The problem.
    count : int
        Its users.
    fraction, interference : [count], float64
        Powers as fractions of the largest, and what `hear` makes of them.
    ceiling : float
        Largest SINR that counts; None where all counts.
    """
    total = 0.0
    for k in range(count):
        if fraction[k] > 0.0:
            sinr = links.direct[k] * fraction[k] / interference[k]
            total += links.weight[k] * log2_1p(sinr if ceiling is None else min(sinr, ceiling))
    return total


@kernel()
def best_of(gain: Array, noise_power: Array, weight: Array, power: Array) -> Array:
    """Of several power vectors of each problem, the one with the highest weighted sum rate.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gains; rows are receivers.
    noise_power, weight : [N, K], float64
        Noise [W] and weights.
    power : [S, N, K], float64
        Powers [W] to choose from.

    Returns
    -------
    [N, K], float64
        Powers [W]; among equals the first.
    """
    choices, samples, users = power.shape
    chosen = np.empty((samples, users))
    for n in range(samples):
        most, best = -np.inf, 0
        for choice in range(choices):
            value = _sum_rate(gain[n], noise_power[n], weight[n], power[choice, n])
            if value > most:
                most, best = value, choice
        chosen[n] = power[best, n]
    return chosen


@kernel(reorder=True)
def _sum_rate(gain: Array, noise_power: Array, weight: Array, power: Array) -> float:
    """Weighted sum rate in the units of the input."""
    total = 0.0
    for k in range(power.size):
        if power[k] > 0.0:
            received = noise_power[k]
            for j in range(k):
                received += gain[k, j] * power[j]
            for j in range(k + 1, power.size):
                received += gain[k, j] * power[j]
            total += weight[k] * log2_1p(gain[k, k] * power[k] / received)
    return total
