"""Coordinate ascent over power levels on the weighted sum rate with a ceiling on the SINR.

One user at a time tries every level and takes the best; then the next. Maximised is

    sum_k a_k log2(1 + min(SINR_k, c))

with the ceiling c that the highest modulation and coding scheme puts on a link, and that WMMSE
knows nothing of: a user above it gives away power that it has no use for. What everyone hears is
kept and changed by what one user changes; it is summed anew before every sweep and, at once, at a
receiver that loses most of what it heard, where the difference has lost its digits. A move is
proposed by what it should bring and made only if the objective with everyone's new interference
rises, so that the objective never falls.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.candidates import (
    Others,
    groups_of_factors,
    multiply_rates,
    others_for,
    sum_rates,
)
from slotwise.controllers.kernels.links import (
    Links,
    hear,
    in_range,
    load,
    padded,
    rate_of,
    room_for,
)
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["State", "ascend", "improve", "state_for"]

Array = NDArray[np.float64]

_RISE = 1.0 + 1e-9  # a smaller relative gain is not worth a move, and might be rounding
_EQUAL = 1.0 + 1e-12  # a smaller relative difference of two levels is rounding
_DIGITS = 2.0**-20  # of what was heard; where less is left, it is summed anew


class State(NamedTuple):
    """Where an ascent stands, for up to K users.

    Attributes
    ----------
    level : [padded(L)], float64
        Powers to choose from, as fractions of the largest, rising; the last repeated as padding.
    fraction, interference : [padded(K)], float64
        Powers as fractions of the largest; noise and interference in units of noise.
    heard : [padded(K)], float64
        Interference after a move that is being considered.
    added : [K + 1, padded(L)], float64
        What each level of the moving user adds to the interference of those that transmit.
    """

    level: Array
    fraction: Array
    interference: Array
    heard: Array
    added: Array


@kernel()
def state_for(users: int, level: Array) -> State:
    """Arrays for up to so many users; only the levels are filled."""
    width = padded(level.size)
    choices = np.full(width, level[-1])
    choices[: level.size] = level
    return State(
        choices,
        np.empty(padded(users)),
        np.empty(padded(users)),
        np.empty(padded(users)),
        np.empty((users + 1, width)),
    )


@kernel()
def ascend(
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    power: Array,
    level: Array,
    ceiling: float,
    sweeps: int,
) -> int:
    """Climb from given powers until a sweep over the users moves none, or the sweeps are used up.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gains; rows are receivers.
    noise_power, p_max, weight : [N, K], float64
        Noise and largest power [W], weights.
    power : [N, K], float64
        Powers to start from, changed into powers of no lower objective [W]. A user without weight
        or direct gain gets none.
    level : [L], float64
        Powers to choose from, rising, as fractions of the largest; a user may also stay where it
        is.
    ceiling : float
        Largest SINR that counts; infinity where all counts.
    sweeps : int
        Most sweeps over the users, who take their turns by falling direct gain.

    Returns
    -------
    int
        The first problem with a value out of its range, which ends the work; -1 if there is none.
    """
    samples, users = weight.shape
    links, state = room_for(users), state_for(users, level)
    others = others_for(users, state.level.size)
    start = np.empty(users)
    for n in range(samples):
        if not in_range(gain[n], noise_power[n], p_max[n], weight[n]):
            return n
        count = load(gain[n], noise_power[n], p_max[n], weight[n], links)
        for k in range(count):
            user = links.user[k]
            start[k] = power[n, user]
            state.fraction[k] = min(power[n, user] / p_max[n, user], 1.0)
        power[n] = 0.0
        for k in range(count):
            power[n, links.user[k]] = start[k]
        turn = np.argsort(-links.direct[:count])
        groups = groups_of_factors(links, count)
        for _ in range(sweeps):
            hear(links, count, state.fraction, state.interference)
            value = rate_of(links, count, state.fraction, state.interference, ceiling)
            moved = False
            for k in turn:
                reached = improve(links, count, k, ceiling, groups, value, state, others)
                if reached > value:
                    user = links.user[k]
                    power[n, user] = state.fraction[k] * p_max[n, user]
                    value, moved = reached, True
            if not moved:
                break
    return -1


@kernel(inline=True)
def improve(
    links: Links,
    count: int,
    k: int,
    ceiling: float,
    groups: int,
    value: float,
    state: State,
    others: Others,
) -> float:
    """Move one user to its best level if that raises the objective.

    Parameters
    ----------
    links : Links
        The problem.
    count, k : int
        Its users, and whose turn it is.
    ceiling : float
        Largest SINR that counts.
    groups : int
        See `groups_of_factors`; zero where logarithms are to be summed.
    value : float
        The objective now [bit/s/Hz].
    state : State
        Changed if the user moves.
    others : Others
        Room for as many users and levels.

    Returns
    -------
    float
        The objective then; `value` itself if the user stays.
    """
    before = state.fraction[k]
    _value_levels(links, count, k, ceiling, groups, state, others)
    best = 0
    for q in range(1, state.level.size):
        # Above the ceiling levels are equal but for rounding: of equals the lowest.
        if others.over[q] > others.over[best] * _EQUAL:
            best = q
    if state.level[best] == before:
        return value
    state.fraction[k] = state.level[best]
    _hear_after(links, count, k, state.level[best] - before, state)
    reached = rate_of(links, count, state.fraction, state.heard, ceiling)
    if not reached > value * _RISE:
        state.fraction[k] = before
        return value
    for j in range(count):
        state.interference[j] = state.heard[j]
    return reached


@kernel(reorder=True, inline=True)
def _value_levels(
    links: Links, count: int, k: int, ceiling: float, groups: int, state: State, others: Others
) -> None:
    """Value of every level of one user, comparable with each other: `others.over`."""
    width = state.level.size
    before, own, heard = state.fraction[k], links.direct[k], state.interference[k]
    size = 0
    for j in range(count):
        if state.fraction[j] > 0.0 and j != k:
            for q in range(width):
                state.added[size, q] = links.heard[k, j] * (state.level[q] - before)
            others.row[size] = size
            others.interference[size] = state.interference[j]
            others.signal[size] = links.direct[j] * state.fraction[j]
            others.weight[size] = links.weight[j]
            size += 1
    if groups > 0:
        for q in range(width):
            others.over[q] = min(heard + own * state.level[q], (1.0 + ceiling) * heard)
            others.under[q] = heard
        multiply_rates(state.added, others, size, ceiling, width, groups)
    else:
        for q in range(width):
            others.over[q] = links.weight[k] * log2_1p(min(own * state.level[q] / heard, ceiling))
        sum_rates(state.added, others, size, ceiling, width)


@kernel(inline=True)
def _hear_after(links: Links, count: int, k: int, change: float, state: State) -> None:
    """Interference at everyone after a change of one power: `state.heard`."""
    for j in range(count):
        changed = state.interference[j] + links.heard[k, j] * change
        if changed < _DIGITS * state.interference[j]:
            changed = 1.0
            for i in range(count):
                changed += links.cross[j, i] * state.fraction[i]
        state.heard[j] = changed
