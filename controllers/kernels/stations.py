"""Who is received by whom: users whose gains are the same numbers share a station."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["busiest", "stations_of"]

Array = NDArray[Any]
Index = NDArray[np.int64]


@kernel()
def stations_of(gain: Array) -> tuple[Index, Index]:
    """Which users are heard through the same gains: stations, in the order of their first users.

    Parameters
    ----------
    gain : [K, K], float
        Gains of one network; rows are receivers.

    Returns
    -------
    station : [K], int64
        Station of each user: the same where rows of `gain` are the same numbers.
    first : [N], int64
        First user of each station; N is K where every row is another.
    """
    users = gain.shape[0]
    station = np.empty(users, dtype=np.int64)
    first = np.empty(users, dtype=np.int64)
    count = 0
    for k in range(users):
        found = count
        for r in range(count):
            # Rows that differ do so in their first number, all but always.
            if gain[k, 0] == gain[first[r], 0]:
                row, other = gain[k], gain[first[r]]
                differing = 0
                for j in range(users):
                    differing += row[j] != other[j]
                if differing == 0:
                    found = r
                    break
        station[k] = found
        if found == count:
            first[count] = k
            count += 1
    return station, first[:count]


@kernel()
def busiest(station: Index, v: Array) -> tuple[Index, Index]:
    """Stations that have users who are not silent, those with most of them first.

    Parameters
    ----------
    station : [K], int64
        Station of each user, below K.
    v : [K], float64
        Amplitudes.

    Returns
    -------
    order : [N], int64
        Stations.
    left : [N], int64
        How many users each of them has left.
    """
    left = np.zeros(v.size, dtype=np.int64)
    for k in range(v.size):
        left[station[k]] += v[k] > 0.0
    order = np.empty(v.size, dtype=np.int64)
    count = 0
    for r in range(v.size):
        if left[r] > 0:
            s = count
            while s > 0 and left[order[s - 1]] < left[r]:
                order[s] = order[s - 1]
                s -= 1
            order[s] = r
            count += 1
    return order[:count], left[order[:count]]
