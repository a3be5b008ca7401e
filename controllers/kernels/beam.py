"""Beam search over who is on: the best few sets of every size, each grown by one user.

At the optimum almost every user is silent or at full power, so the powers are nearly a set. A state
is a set of users at full power and the interference that everyone hears from it. A step extends
every state by every user, throws out what is the same set, and keeps the best `width`, even where
they are worse than what they grew from: one strong user may have to make way for two that suit each
other. With width one and no patience the search is the greedy one. (B. T. Lowerre, "The Harpy
speech recognition system", Carnegie Mellon University, 1976, searched in a beam first.)
"""

from __future__ import annotations

import math
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
from slotwise.controllers.kernels.links import Links, in_range, load, padded, room_for
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["best_sets"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Keys = NDArray[np.uint64]

_RISE = 1.0 + 1e-12  # a smaller relative gain is rounding


class _States(NamedTuple):
    """Sets: members in order of joining, interference and noise at everyone, value, fingerprint."""

    member: Index
    interference: Array
    value: Array
    fingerprint: Keys
    parent: Index


class _Chosen(NamedTuple):
    """The best extensions so far: values, best first, and the place of each in what follows."""

    value: Array
    place: Index
    parent: Index
    user: Index
    fingerprint: Keys


@kernel()
def best_sets(  # noqa: PLR0913 - a problem, three options and the result
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    key: Keys,
    width: int,
    depth: int,
    patience: int,
    power: Array,
) -> int:
    """Powers of the best set that a beam search meets.

    Parameters
    ----------
    gain : [N, K, K], float64
        Linear power gains; rows are receivers.
    noise_power, p_max, weight : [N, K], float64
        Noise and largest power [W], weights.
    key : [K], uint64
        Random numbers. A set is known by the exclusive or of its members' (Zobrist 1970).
    width : int
        States kept, at least one.
    depth : int
        Most members of a set.
    patience : int
        Steps without a better set before the search ends.
    power : [N, K], float64
        Filled with powers [W], zero or `p_max`; a user without weight or direct gain gets none.

    Returns
    -------
    int
        The first problem with a value out of its range, which ends the work; -1 if there is none.
    """
    samples, users = weight.shape
    links, others = room_for(users), others_for(users, padded(users))
    states, grown = _no_states(width, users), _no_states(width, users)
    chosen = _Chosen(
        np.empty(width),
        np.arange(width),
        np.empty(width, dtype=np.int64),
        np.empty(width, dtype=np.int64),
        np.empty(width, dtype=np.uint64),
    )
    best = np.empty(users, dtype=np.int64)
    for n in range(samples):
        if not in_range(gain[n], noise_power[n], p_max[n], weight[n]):
            return n
        count = load(gain[n], noise_power[n], p_max[n], weight[n], links)
        most = min(depth, count)
        size = _search(links, count, key, most, patience, states, grown, chosen, others, best)
        power[n] = 0.0
        for q in range(size):
            k = links.user[best[q]]
            power[n, k] = p_max[n, k]
    return -1


@kernel()
def _no_states(width: int, users: int) -> _States:
    return _States(
        np.empty((width, users), dtype=np.int64),
        np.empty((width, padded(users))),
        np.empty(width),
        np.empty(width, dtype=np.uint64),
        np.empty(width, dtype=np.int64),
    )


@kernel()
def _search(  # noqa: PLR0913 - the problem, the options, and room to work in
    links: Links,
    count: int,
    key: Keys,
    depth: int,
    patience: int,
    states: _States,
    grown: _States,
    chosen: _Chosen,
    others: Others,
    best: Index,
) -> int:
    """Members of the best set into `best`; returns how many they are."""
    width = padded(count)
    groups = groups_of_factors(links, count)
    states.interference[0, :width] = 1.0
    states.value[0] = 1.0
    states.fingerprint[0] = 0
    alive, size, bits, most, waited = 1, 0, 0.0, 0.0, 0
    for step in range(depth):
        # Where this is the last step unless it finds a better set, only better sets are looked
        # for; then, if there is one, for all that are worth keeping beside it.
        last = waited == patience and patience > 0
        value = 2.0 ** (most - bits) if groups > 0 else most
        for floor in (value if last else 0.0, 0.0):
            chosen.value[:] = floor
            chosen.fingerprint[:] = 0
            for w in range(alive):
                _value_candidates(links, states, w, step, width, groups, others)
                _offer(others.over, count, states.fingerprint[w], w, key, chosen)
            if not (last and chosen.value[0] > floor):
                break
        if chosen.value[0] <= floor:
            break
        bits = bits + math.log2(chosen.value[0]) if groups > 0 else chosen.value[0]
        alive = _grow(links, states, step, width, chosen, grown)
        states, grown = grown, states
        waited += 1
        if bits > most * _RISE:
            most, waited, size = bits, 0, step + 1
            best[:size] = states.member[0, :size]
        if waited > patience:
            break
    return size


@kernel(reorder=True, inline=True)
def _value_candidates(
    links: Links,
    states: _States,
    w: int,
    size: int,
    width: int,
    groups: int,
    others: Others,
) -> None:
    """Value of the state with each user added: `others.over`; zero for members."""
    for q in range(size):
        j = states.member[w, q]
        others.row[q] = j
        others.interference[q] = states.interference[w, j]
        others.signal[q] = links.direct[j]
        others.weight[q] = links.weight[j]
    if groups > 0:
        before = states.value[w]
        for k in range(width):
            others.over[k] = before * (states.interference[w, k] + links.direct[k])
            others.under[k] = states.interference[w, k]
        multiply_rates(links.cross, others, size, None, width, groups)
    else:
        for k in range(width):
            others.over[k] = links.weight[k] * log2_1p(links.direct[k] / states.interference[w, k])
        sum_rates(links.cross, others, size, None, width)
    for q in range(size):
        others.over[others.row[q]] = 0.0
    for v in range(w):
        if size > 0 and states.parent[v] == states.parent[w]:
            others.over[states.member[v, size - 1]] = 0.0


@kernel(inline=True)
def _offer(value: Array, count: int, before: int, parent: int, key: Keys, chosen: _Chosen) -> None:
    """Put the candidates of one state into the list of the best, unless their set is there."""
    last = chosen.value.size - 1
    least = chosen.value[last]
    for k in range(count):
        if value[k] > least:
            fingerprint = before ^ key[k]
            known = False
            for q in range(last + 1):
                known |= chosen.fingerprint[q] == fingerprint
            if known:
                continue
            place = chosen.place[last]
            chosen.parent[place] = parent
            chosen.user[place] = k
            chosen.fingerprint[place] = fingerprint
            q = last
            while q > 0 and chosen.value[q - 1] < value[k]:
                chosen.value[q] = chosen.value[q - 1]
                chosen.place[q] = chosen.place[q - 1]
                q -= 1
            chosen.value[q] = value[k]
            chosen.place[q] = place
            least = chosen.value[last]


@kernel(inline=True)
def _grow(
    links: Links, states: _States, size: int, width: int, chosen: _Chosen, grown: _States
) -> int:
    """The chosen extensions as states; returns how many they are."""
    alive = 0
    while alive < chosen.value.size and chosen.value[alive] > 0.0:
        place = chosen.place[alive]
        parent, k = chosen.parent[place], chosen.user[place]
        for q in range(size):
            grown.member[alive, q] = states.member[parent, q]
        grown.member[alive, size] = k
        for j in range(width):
            grown.interference[alive, j] = states.interference[parent, j] + links.heard[k, j]
        # Products are kept relative to the best state, so that they neither grow nor vanish.
        grown.value[alive] = chosen.value[alive] / chosen.value[0]
        grown.fingerprint[alive] = chosen.fingerprint[place]
        grown.parent[alive] = parent
        alive += 1
    return alive
