"""WMMSE where each receiver hears only its neighbours: big networks in milliseconds.

In a big network most of what a receiver hears comes from a few transmitters. Receiver k keeps those
of N_k, m of them, and takes what the rest may add for noise. The equations are those of
`slotwise.controllers.wmmse` (Shi et al., IEEE Trans. Signal Process. 59(9), 2011) with sums over
neighbours, K m terms and not K^2; in units of each receiver's noise, the rest included::

    I_k = 1 + sum over j in N_k of h_kj p_j,   S_k = h_kk p_k,   T_k = I_k + S_k,   p = v^2
    v_k = min(1, (a_k h_kk v_k / I_k) / (h_kk c_k + sum over j with k in N_j of h_jk c_j)),
    c_j = a_j S_j / (I_j T_j)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_of

__all__ = ["Graph", "hear_neighbours", "wmmse_sparse"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Places = NDArray[np.uint32]
Near = NDArray[np.int32]

_SILENT = 1e-30  # an amplitude below this is zero: denormal numbers would slow every product
_PRICELESS = 1e-300  # added to every price, so that 0/0 of a silent user is 0
_DROP = 0.85  # silent users are dropped when no more than this share of the others is left
_STEP = 4  # receivers whose lists are read side by side, so that no sum waits for itself
_PAD = 8  # users are padded to a multiple of this: a register of eight numbers


class Graph(NamedTuple):
    """Gains at full power in units of each receiver's noise.

    Attributes
    ----------
    direct : [K], float64
        From each user's own transmitter, h_kk.
    weight : [K], float64
        Weights of the rates, a_k.
    near : [K, m], int32
        Neighbours of each receiver.
    cross : [K, m], float64
        From these, h_kj.
    """

    direct: Array
    weight: Array
    near: Near
    cross: Array


class _Lists(NamedTuple):
    """Neighbours that are heard, by place in the order of the users; four receivers to a group.

    The lists of group g lie from `start[g]` to `start[g + 1]` in `near` and `cross`: the four first
    entries, the four second ones and so on, short lists filled up with zeros.
    """

    start: Index
    near: Places
    cross: Array


class _Users(NamedTuple):
    """What is known of each user that is not dropped."""

    direct: Array
    weight: Array
    v: Array
    power: Array
    signal: Array
    interference: Array
    c: Array
    price: Array


@kernel()
def hear_neighbours(
    gain: Array, noise_power: Array, p_max: Array, weight: Array, near: Near, rest: Array
) -> tuple[Graph, bool]:
    """Gains of each receiver's neighbours; the others are not even looked at.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gain; rows are receivers.
    noise_power, p_max, weight : [K], float64
        Noise and largest powers [W], weights of the rates.
    near : [K, m], int32
        Neighbours of each receiver, itself not among them.
    rest : [K], float64
        Power that the others are taken to add to the noise [W].

    Returns
    -------
    graph : Graph
        Gains in units of noise.
    sound : bool
        False where a value that was looked at is out of its range.
    """
    users, most = near.shape
    direct, cross = np.empty(users), np.empty((users, most))
    sound = True
    for k in range(users):
        per_noise = 1.0 / (noise_power[k] + rest[k])
        direct[k] = gain[k, k] * p_max[k] * per_noise
        sound &= noise_power[k] > 0.0 and 0.0 <= weight[k] < np.inf and 0.0 <= direct[k] < np.inf
        for e in range(most):
            j = near[k, e]
            cross[k, e] = gain[k, j] * p_max[j] * per_noise
            sound &= 0.0 <= cross[k, e] < np.inf
    return Graph(direct, weight, near, cross), sound


@kernel()
def wmmse_sparse(graph: Graph, v: Array, tolerance: float, max_iterations: int) -> int:
    """WMMSE for one network among neighbours.

    Users that have become silent are dropped from time to time, with all gains to and from them.

    Parameters
    ----------
    graph : Graph
        Gains and weights.
    v : [K], float64
        Amplitudes to start from as fractions of the largest, in [0, 1]; the last ones on return.
    tolerance : float
        Stop when the weighted sum rate rises by less than this [bit/s/Hz].
    max_iterations : int
        Stop after so many updates of v.

    Returns
    -------
    int
        Updates of v that were made.
    """
    everyone, most = graph.near.shape
    of, lists = _room_for(_padded(everyone), most)
    user = np.arange(everyone)
    objective = -np.inf
    count = 0
    users = _lay_out(graph, v, user, lists, of)
    while True:
        _receive(lists, _padded(users), of)
        last, objective = objective, _weighted_rate(_padded(users), of)
        if objective - last < tolerance or count >= max_iterations:
            break
        active = _update(lists, _padded(users), of)
        count += 1
        if active < users and active <= _DROP * users:
            v[user[:users]] = of.v[:users]
            users = _lay_out(graph, v, user[:users], lists, of)
    v[user[:users]] = of.v[:users]
    return count


@kernel(inline=True)
def _padded(count: int) -> int:
    return (count + _PAD - 1) // _PAD * _PAD


@kernel()
def _room_for(width: int, most: int) -> tuple[_Users, _Lists]:
    of = _Users(
        np.empty(width),
        np.empty(width),
        np.empty(width),
        np.empty(width),
        np.empty(width),
        np.empty(width),
        np.empty(width),
        np.empty(width),
    )
    lists = _Lists(
        np.empty(width // _STEP + 1, dtype=np.int64),
        np.empty(width * most, dtype=np.uint32),
        np.empty(width * most),
    )
    return of, lists


@kernel()
def _lay_out(graph: Graph, v: Array, user: Index, lists: _Lists, of: _Users) -> int:
    """Put the users that are heard first, and copy what is known of them; how many they are."""
    users, length = _sort(graph.near, v, user)
    width = _padded(users)
    for i in range(users):
        k = user[i]
        of.direct[i], of.weight[i], of.v[i] = graph.direct[k], graph.weight[k], v[k]
    for i in range(users, width):
        of.direct[i] = of.weight[i] = of.v[i] = 0.0
    place = np.empty(v.size, dtype=np.uint32)
    for i in range(users):
        place[user[i]] = i
    lists.start[0] = 0
    for g in range(width // _STEP):
        first, begin = _STEP * g, lists.start[g]
        end = begin + (_STEP * length[first] if first < users else 0)
        lists.start[g + 1] = end
        lists.near[begin:end] = 0
        lists.cross[begin:end] = 0.0
        for i in range(first, min(first + _STEP, users)):
            k = user[i]
            at = begin + i - first
            for e in range(graph.near.shape[1]):
                j = graph.near[k, e]
                if v[j] > 0.0:
                    lists.near[at], lists.cross[at] = place[j], graph.cross[k, e]
                    at += _STEP
    return users


@kernel()
def _sort(near: Near, v: Array, user: Index) -> tuple[int, Index]:
    """Put the users that are heard first, those with the longest lists in front.

    Returns how many they are, and the lengths of their lists. So sorted, hardly a list needs
    filling up, and loops end where the processor expects it.
    """
    most = near.shape[1]
    heard = np.empty(user.size, dtype=np.int64)
    length = np.empty(user.size, dtype=np.int64)
    place = np.zeros(most + 2, dtype=np.int64)  # where users begin that miss so many neighbours
    users = 0
    for k in user:
        if v[k] > 0.0:
            near_and_heard = 0
            for e in range(most):
                near_and_heard += v[near[k, e]] > 0.0
            heard[users], length[users] = k, near_and_heard
            place[most - near_and_heard + 1] += 1
            users += 1
    for e in range(most + 1):
        place[e + 1] += place[e]
    sorted_length = np.empty(users, dtype=np.int64)
    for i in range(users):
        at = place[most - length[i]]
        place[most - length[i]] += 1
        user[at], sorted_length[at] = heard[i], length[i]
    return users, sorted_length


@kernel()
def _receive(lists: _Lists, width: int, of: _Users) -> None:
    """Every user's own signal, and interference plus noise."""
    for i in range(width):
        of.power[i] = of.v[i] * of.v[i]
        of.signal[i] = of.direct[i] * of.power[i]
    for g in range(width // _STEP):
        i0 = i1 = i2 = i3 = 1.0
        for e in range(lists.start[g], lists.start[g + 1], _STEP):
            near, cross = lists.near[e : e + _STEP], lists.cross[e : e + _STEP]
            i0 += cross[0] * of.power[near[0]]
            i1 += cross[1] * of.power[near[1]]
            i2 += cross[2] * of.power[near[2]]
            i3 += cross[3] * of.power[near[3]]
        four = of.interference[_STEP * g : _STEP * (g + 1)]
        four[0], four[1], four[2], four[3] = i0, i1, i2, i3


@kernel(reorder=True)
def _weighted_rate(width: int, of: _Users) -> float:
    """Weighted sum rate; c of every user on the way, for the division is the same."""
    total = 0.0
    for i in range(width):
        received = of.interference[i] + of.signal[i]
        inverse = 1.0 / (of.interference[i] * received)
        of.c[i] = of.weight[i] * of.signal[i] * inverse
        total += of.weight[i] * log2_of(received * received * inverse)
    return total


@kernel()
def _update(lists: _Lists, width: int, of: _Users) -> int:
    """New amplitudes; how many users are not silent."""
    for i in range(width):
        of.price[i] = _PRICELESS + of.direct[i] * of.c[i]
    for g in range(width // _STEP):
        four = of.c[_STEP * g : _STEP * (g + 1)]
        c0, c1, c2, c3 = four[0], four[1], four[2], four[3]
        for e in range(lists.start[g], lists.start[g + 1], _STEP):
            near, cross = lists.near[e : e + _STEP], lists.cross[e : e + _STEP]
            of.price[near[0]] += cross[0] * c0
            of.price[near[1]] += cross[1] * c1
            of.price[near[2]] += cross[2] * c2
            of.price[near[3]] += cross[3] * c3
    active = 0
    for i in range(width):
        pull = of.weight[i] * of.direct[i] * of.v[i]
        v = min(1.0, pull / (of.interference[i] * of.price[i]))
        of.v[i] = v if v > _SILENT else 0.0
        active += v > _SILENT
    return active
