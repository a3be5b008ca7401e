"""Beam search among neighbours: who is on in a big network.

The search is that of `slotwise.controllers.kernels.beam`. Each state also remembers what every user
would add to the weighted sum rate by joining::

    D_k = a_k l_k(I_k) + sum over members j with k in N_j of a_j (l_j(I_j + h_jk) - l_j(I_j)),
    l_k(x) = log2(1 + h_kk / x)

in the terms of `slotwise.controllers.kernels.sparse`. When u joins, only the interference at
receivers that hear u changes, and with it D of these and, where they are members, of their
neighbours: some m + m^2 / 2 terms, and not K m. A state is then extended in a microsecond, however
big the network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.sparse import Graph
from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p, log2_of

__all__ = ["best_sparse_set", "sparse_rate"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Keys = NDArray[np.uint64]

_RISE = 1.0 + 1e-12  # a smaller relative gain is rounding


class _Hearers(NamedTuple):
    """Receivers that have user j for a neighbour: `receiver[start[j] : start[j + 1]]`."""

    start: Index
    receiver: Index
    cross: Array


class _States(NamedTuple):
    """Sets: their weighted rates, and for every user its interference and what it would add.

    A user that is in the set already, or never will be, adds minus infinity.
    """

    value: Array
    fingerprint: Keys
    interference: Array
    adds: Array


class _Chosen(NamedTuple):
    """The best extensions so far, best first; minus infinity marks a place that is free."""

    value: Array
    parent: Index
    user: Index
    fingerprint: Keys


@kernel()
def best_sparse_set(graph: Graph, key: Keys, width: int, depth: int, patience: int) -> Array:
    """Best set of users at full power that a beam search meets.

    Parameters
    ----------
    graph : Graph
        Gains among neighbours, and weights.
    key : [K], uint64
        Random numbers. A set is known by the exclusive or of its members' (Zobrist 1970).
    width : int
        States kept, at least one.
    depth : int
        Most members of a set.
    patience : int
        Steps without a better set before the search ends.

    Returns
    -------
    [K], float64
        Powers as fractions of the largest, zeros and ones.
    """
    users = graph.weight.size
    hearers = _turn(graph)
    states, grown = _no_states(width, users), _no_states(width, users)
    chosen = _Chosen(
        np.empty(width),
        np.empty(width, dtype=np.int64),
        np.empty(width, dtype=np.int64),
        np.empty(width, dtype=np.uint64),
    )
    parents = np.empty((min(depth, users), width), dtype=np.int64)
    joined = np.empty((min(depth, users), width), dtype=np.int64)
    _begin(graph, states)
    alive = 1
    size = waited = 0
    most = 0.0
    for step in range(min(depth, users)):
        chosen.value[:] = -np.inf
        for w in range(alive):
            _offer(states, w, key, chosen)
        alive = _grow(graph, hearers, states, chosen, grown)
        states, grown = grown, states
        parents[step], joined[step] = chosen.parent, chosen.user
        waited += 1
        if alive > 0 and states.value[0] > most * _RISE:
            most, size, waited = states.value[0], step + 1, 0
        if alive == 0 or waited > patience:
            break
    return _traced(parents, joined, size, users)


@kernel()
def sparse_rate(graph: Graph, fraction: Array) -> float:
    """Weighted sum rate among neighbours.

    Parameters
    ----------
    graph : Graph
        Gains among neighbours, and weights.
    fraction : [K], float64
        Powers as fractions of the largest.

    Returns
    -------
    float64
        The sum [bit/s/Hz].
    """
    total = 0.0
    for k in range(fraction.size):
        interference = 1.0
        for e in range(graph.near.shape[1]):
            interference += graph.cross[k, e] * fraction[graph.near[k, e]]
        total += graph.weight[k] * log2_1p(graph.direct[k] * fraction[k] / interference)
    return total


@kernel()
def _no_states(width: int, users: int) -> _States:
    return _States(
        np.empty(width),
        np.empty(width, dtype=np.uint64),
        np.empty((width, users)),
        np.empty((width, users)),
    )


@kernel()
def _turn(graph: Graph) -> _Hearers:
    """The lists of neighbours, transposed."""
    users, most = graph.near.shape
    start = np.zeros(users + 1, dtype=np.int64)
    for k in range(users):
        for e in range(most):
            start[graph.near[k, e] + 1] += 1
    for j in range(users):
        start[j + 1] += start[j]
    end = start[:users].copy()
    receiver, cross = np.empty(users * most, dtype=np.int64), np.empty(users * most)
    for k in range(users):
        for e in range(most):
            j = graph.near[k, e]
            receiver[end[j]], cross[end[j]] = k, graph.cross[k, e]
            end[j] += 1
    return _Hearers(start, receiver, cross)


@kernel()
def _begin(graph: Graph, states: _States) -> None:
    """The empty set: everyone hears noise, and adds the rate that it has alone."""
    states.value[0] = 0.0
    states.fingerprint[0] = 0
    states.interference[0] = 1.0
    for k in range(graph.weight.size):
        alone = graph.weight[k] * log2_1p(graph.direct[k])
        states.adds[0, k] = alone if alone > 0.0 else -np.inf


@kernel()
def _offer(states: _States, w: int, key: Keys, chosen: _Chosen) -> None:
    """Put the extensions of one state into the list of the best, unless their set is there."""
    last = chosen.value.size - 1
    adds, before = states.adds[w], states.value[w]
    least = chosen.value[last] - before
    for k in range(adds.size):
        if adds[k] > least:
            value, fingerprint = before + adds[k], states.fingerprint[w] ^ key[k]
            known = False
            for q in range(last + 1):
                known |= chosen.fingerprint[q] == fingerprint and chosen.value[q] > -np.inf
            if known:
                continue
            q = last
            while q > 0 and chosen.value[q - 1] < value:
                chosen.value[q], chosen.parent[q] = chosen.value[q - 1], chosen.parent[q - 1]
                chosen.user[q] = chosen.user[q - 1]
                chosen.fingerprint[q] = chosen.fingerprint[q - 1]
                q -= 1
            chosen.value[q], chosen.parent[q], chosen.user[q] = value, w, k
            chosen.fingerprint[q] = fingerprint
            least = chosen.value[last] - before


@kernel()
def _grow(
    graph: Graph,
    hearers: _Hearers,
    states: _States,
    chosen: _Chosen,
    grown: _States,
) -> int:
    """The chosen extensions as states; returns how many they are."""
    alive = 0
    change = np.empty(graph.near.shape[1])
    while alive < chosen.value.size and chosen.value[alive] > -np.inf:
        parent = chosen.parent[alive]
        grown.interference[alive] = states.interference[parent]
        grown.adds[alive] = states.adds[parent]
        _join(
            graph,
            hearers,
            chosen.user[alive],
            change,
            grown.interference[alive],
            grown.adds[alive],
        )
        grown.value[alive] = chosen.value[alive]
        grown.fingerprint[alive] = chosen.fingerprint[alive]
        alive += 1
    return alive


@kernel()
def _join(
    graph: Graph,
    hearers: _Hearers,
    u: int,
    change: Array,
    interference: Array,
    adds: Array,
) -> None:
    """Let user u join a set: interference, and what everyone else would add now."""
    # From now on u has a rate to lose to its neighbours: as from no rate to its own.
    adds[u] = -np.inf
    near, cross, d = graph.near[u], graph.cross[u], graph.direct[u]
    now = interference[u]
    for e in range(near.size):
        heard = now + cross[e]
        change[e] = graph.weight[u] * log2_of((heard + d) * now / (heard * (now + d)))
    for e in range(near.size):
        adds[near[e]] += change[e]

    for at in range(hearers.start[u], hearers.start[u + 1]):
        k = hearers.receiver[at]
        was, now, d = interference[k], interference[k] + hearers.cross[at], graph.direct[k]
        interference[k] = now
        lost = (now + d) * was / (now * (was + d))
        if adds[k] > -np.inf or d * graph.weight[k] == 0.0:
            adds[k] += graph.weight[k] * log2_of(lost)
            continue
        near, cross = graph.near[k], graph.cross[k]
        for e in range(near.size):
            before, after = was + cross[e], now + cross[e]
            left = (after + d) * before / (after * (before + d))
            change[e] = graph.weight[k] * log2_of(left / lost)
        for e in range(near.size):
            adds[near[e]] += change[e]


@kernel()
def _traced(parents: Index, joined: Index, size: int, users: int) -> Array:
    """The best set of this size, followed back through what it grew from."""
    fraction = np.zeros(users)
    w = 0
    for step in range(size - 1, -1, -1):
        fraction[joined[step, w]] = 1.0
        w = parents[step, w]
    return fraction
