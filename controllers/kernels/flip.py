"""One-flip search: single users to silence or full power, the best switch first, until none helps.

The change of everyone's interference is known without summing it anew, a difference that loses
digits where a strong interferer goes. It only proposes: the true objective of the powers with the
switch made, summed anew, decides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.candidates import (
    Others,
    groups_of_factors,
    multiply_rates,
    others_for,
    sum_rates,
)
from slotwise.controllers.kernels.links import Links, hear, load, padded, rate_of, room_for
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["flip"]

Array = NDArray[np.float64]

_RISE = 1.0 + 1e-12  # a smaller relative gain is rounding, and could be taken back for ever


@kernel()
def flip(
    gain: Array, noise_power: Array, p_max: Array, weight: Array, power: Array, starts: int
) -> Array:
    """Search from given powers and, by choice, from their rounding at half; keep the best.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gains; rows are receivers.
    noise_power, p_max, weight, power : [N, K], float64
        Noise and largest power [W], weights, and powers to start from [W].
    starts : int
        One: only from the powers as they are. Two: from the rounded powers too.

    Returns
    -------
    [N, K], float64
        Powers [W] of no lower weighted sum rate than the start's, which stay where nothing helps;
        users without weight or direct gain get none.
    """
    samples, users = weight.shape
    width = padded(users)
    links, others = room_for(users), others_for(users, width)
    added = np.empty((users + 1, width))
    start, fraction = np.empty(width), np.empty(width)
    end, interference = np.empty(width), np.empty(width)
    found = np.zeros((samples, users))
    for n in range(samples):
        count = load(gain[n], noise_power[n], p_max[n], weight[n], links)
        for k in range(count):
            user = links.user[k]
            found[n, user] = power[n, user]
            start[k] = min(power[n, user] / p_max[n, user], 1.0)
        hear(links, count, start, interference)
        most = rate_of(links, count, start, interference, None)
        for attempt in range(starts):
            for k in range(count):
                fraction[k] = start[k] if attempt == 0 else np.rint(start[k])
            reached = _climb(links, count, fraction, end, interference, added, others)
            if reached > most:
                most = reached
                for k in range(count):
                    found[n, links.user[k]] = fraction[k] * p_max[n, links.user[k]]
    return found


@kernel()
def _climb(
    links: Links,
    count: int,
    fraction: Array,
    end: Array,
    interference: Array,
    added: Array,
    others: Others,
) -> float:
    """Switch users until no single switch helps; returns the objective [bit/s/Hz]."""
    groups = groups_of_factors(links, count)
    hear(links, count, fraction, interference)
    value = rate_of(links, count, fraction, interference, None)
    while True:
        most, best, best_end, between = 0.0, -1, 0.0, False
        for k in range(count):
            end[k] = 1.0 if fraction[k] == 0.0 else 0.0
            between |= 0.0 < fraction[k] < 1.0
        # A user that is neither silent nor at full power has two ends to go to.
        for attempt in range(2 if between else 1):
            if attempt == 1:
                for k in range(count):
                    end[k] = 1.0 if fraction[k] > 0.0 else 0.0
            _value_switches(links, count, fraction, end, interference, added, others, groups)
            for k in range(count):
                if end[k] != fraction[k] and others.over[k] > most:
                    most, best, best_end = others.over[k], k, end[k]
        if best < 0:
            return value
        before, fraction[best] = fraction[best], best_end
        hear(links, count, fraction, interference)
        reached = rate_of(links, count, fraction, interference, None)
        if not reached > value * _RISE:
            fraction[best] = before
            return value
        value = reached


@kernel(reorder=True, inline=True)
def _value_switches(
    links: Links,
    count: int,
    fraction: Array,
    end: Array,
    interference: Array,
    added: Array,
    others: Others,
    groups: int,
) -> None:
    """Value of the powers with each user switched to its end: `others.over`."""
    width = padded(count)
    size = 0
    for j in range(count):
        if fraction[j] > 0.0:
            for k in range(count):
                added[size, k] = links.cross[j, k] * (end[k] - fraction[k])
            for k in range(count, width):
                added[size, k] = 0.0
            others.row[size] = size
            others.interference[size] = interference[j]
            others.signal[size] = links.direct[j] * fraction[j]
            others.weight[size] = links.weight[j]
            size += 1
    if groups > 0:
        for k in range(count):
            others.over[k] = interference[k] + links.direct[k] * end[k]
            others.under[k] = interference[k] + links.direct[k] * fraction[k]
        multiply_rates(added, others, size, None, width, groups)
    else:
        for k in range(count):
            others.over[k] = links.weight[k] * (
                log2_1p(links.direct[k] * end[k] / interference[k])
                - log2_1p(links.direct[k] * fraction[k] / interference[k])
            )
        sum_rates(added, others, size, None, width)
