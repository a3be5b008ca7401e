"""What a perceptron sees of a problem: who has which of its places, and gains as numbers near one.

A network was made for so many users, in so many cells. Users of a problem take its places in their
order, in that of their own gains, or, where cells share receivers, those of their cell; what
belongs to places that stay empty is zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import gains_are_valid, user_is_valid
from slotwise.controllers.kernels.stations import stations_of
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_of

__all__ = [
    "CROWDED_CELL",
    "DECIDED",
    "OUT_OF_RANGE",
    "TOO_MANY_STATIONS",
    "TOO_MANY_USERS",
    "Problem",
    "can_be_served",
    "read_inputs",
]

Array = NDArray[Any]
Floats = NDArray[np.float32]
Index = NDArray[np.int64]

Problem = tuple[Array, Array, int, Array, Array, Array]
"""Gains [k, k]; gains of all problems [n, k k] and the number of this; noise, p_max, weight [k]."""

DECIDED, OUT_OF_RANGE, TOO_MANY_USERS, TOO_MANY_STATIONS, CROWDED_CELL = range(5)
"""What becomes of a problem: powers, or why there are none."""

_USERS, _STATIONS, _LOG, _STRONGEST = range(4)  # columns of the first row of a layout
_MOST = 1e30  # larger gains are taken for it: single precision ends at 3e38


@kernel(inline=True)
def _seat(gain: Array, head: Index, seat: Index, who: Index, first: Index) -> int:
    """Say which user of the problem is which of the network's, and which rows are its stations'.

    Parameters
    ----------
    gain : [k, k], float64
        Gains of k users, at least one.
    head : [6], int64
        First row of a layout.
    seat : [k], int64
        Written: place of each user among the network's.
    who : [K], int64
        Written: user in each place, -1 where nobody is.
    first : [N], int64
        Written: row of `gain` of each station, -1 where there is none.
    """
    users, places, stations = len(gain), head[_USERS], head[_STATIONS]
    if users > places:
        return TOO_MANY_USERS
    who[:] = -1
    first[:] = -1
    if stations == places:
        for k in range(users):
            seat[k] = who[k] = first[k] = k
        return DECIDED
    station, leader = stations_of(gain)
    if len(leader) > stations:
        return TOO_MANY_STATIONS
    first[: len(leader)] = leader
    for k in range(users):
        # Place u is of station floor(u N / K): those of one station follow each other.
        u = (station[k] * places + stations - 1) // stations
        while u < places and who[u] >= 0:
            u += 1
        if u >= places or u * stations // places != station[k]:
            return CROWDED_CELL
        seat[k] = u
        who[u] = k
    return DECIDED


@kernel(inline=True)
def can_be_served(gain: Array, p_max: Array, weight: Array, k: int) -> bool:
    """Whether any power gives a user a rate that counts.

    Parameters
    ----------
    gain : [k, k], float64
        Gains.
    p_max, weight : [k], float64
        Largest powers and weights.
    k : int
        The user.
    """
    return bool((gain[k, k] > 0.0) & (p_max[k] > 0.0) & (weight[k] > 0.0))


@kernel(inline=True)
def _rank(problem: Problem, seat: Index, who: Index, first: Index) -> None:
    """Seat users by their own gains in units of noise at full power, the largest first.

    Parameters
    ----------
    problem : tuple
        See `Problem`.
    seat, who, first
        As of `_seat`; overwritten. Equal users keep their order, who cannot be served comes last.
    """
    gain, _, _, noise_power, p_max, weight = problem
    users = len(gain)
    own = np.zeros(users)
    for k in range(users):
        if can_be_served(gain, p_max, weight, k):
            own[k] = gain[k, k] * p_max[k] / noise_power[k]
    for k in range(users):
        rank = 0
        for j in range(users):
            rank += (own[j] > own[k]) | ((own[j] == own[k]) & (j < k))
        seat[k] = rank
        who[rank] = first[rank] = k


@kernel(inline=True)
def _features(snr: Array, log: int, floor: float, x: Floats, at: int) -> None:
    """What the first layer sees of gains in units of noise at full power."""
    if log:
        least = np.float64(floor)
        for u in range(len(snr)):
            x[at + u] = log2_of(min(max(snr[u], least), _MOST))
    else:
        for u in range(len(snr)):
            x[at + u] = math.sqrt(np.float32(min(snr[u], _MOST)))


@kernel(inline=True)
def read_inputs(
    problem: Problem, layout: Index, floor: float, seat: Index, x: Floats, at: int
) -> int:
    """Check one problem and write what the first layer sees of it.

    Who cannot be served counts as absent, and gains of who is absent count as zero.

    Parameters
    ----------
    problem : tuple
        See `Problem`.
    layout : [layers + 1, 6], int64
        Its first row begins with users K, stations N, whether logarithms are seen, and whether
        the strongest come first.
    floor : float32
        Least gain whose logarithm is taken.
    seat : [k], int64
        Written: place of each user among the network's.
    x : [...], float32
        Written from `at` on: N K inputs.
    at : int
        See there.

    Returns
    -------
    int
        `DECIDED` if all is well, or why nothing can be decided.
    """
    gain, flat_gain, n, noise_power, p_max, weight = problem
    head = layout[0]
    places, stations = head[_USERS], head[_STATIONS]
    who, first = np.empty(places, np.int64), np.empty(stations, np.int64)
    full, snr = np.zeros(places), np.zeros(places)
    valid = gains_are_valid(flat_gain, n)
    for k in range(len(gain)):
        valid &= user_is_valid(noise_power[k], p_max[k], weight[k])
    if not valid:
        return OUT_OF_RANGE
    status = _seat(gain, head, seat, who, first)
    if status != DECIDED:
        return status
    if head[_STRONGEST]:
        _rank(problem, seat, who, first)
    for u in range(places):
        k = who[u]
        if k >= 0 and can_be_served(gain, p_max, weight, k):
            full[u] = p_max[k]
        who[u] = max(k, 0)
    for s in range(stations):
        k = first[s]
        # A receiver of many users is there whoever of them cannot be served.
        there = k >= 0 and (stations < places or full[s] > 0.0)
        over_noise = 1.0 / noise_power[k] if there else 0.0
        row = gain[max(k, 0)]
        if stations == places and not head[_STRONGEST]:
            for j in range(len(gain)):
                snr[j] = row[j] * full[j] * over_noise
        else:
            for u in range(places):
                snr[u] = row[who[u]] * full[u] * over_noise
        _features(snr, head[_LOG], floor, x, at)
        at += places
    return DECIDED
