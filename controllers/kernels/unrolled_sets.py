"""Weighted sum rates of small sets, grown greedily from every user: what an optimiser starts from.

The same as `slotwise.controllers.networks.unrolled.chains`, which is the equation to read: the set
of user k begins with k, and the user joins next with whom the set's sum rate is largest. Candidates
are the innermost loop, so that gains are read along rows; of who is received where, a transposed
copy is made for that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p

__all__ = ["set_rates"]

Floats = NDArray[np.float32]

_LN2 = np.log(2.0)


@kernel(reorder=True)
def set_rates(snr: Floats, weight: Floats, chain: int) -> Floats:
    """Rates of the best sets of up to 1, 2, …, `chain` users that start with each user.

    Parameters
    ----------
    snr : [n, K, K], float32
        Gains in units of noise at full power; rows are receivers.
    weight : [n, K], float32
        Weights of the rates.
    chain : int
        Users of the largest set, at least one.

    Returns
    -------
    [n, K, chain], float32
        Weighted sum rates, everyone of the set at full power [nat/s/Hz].
    """
    count, users = weight.shape
    rates = np.empty((count, users, chain), np.float32)
    back = np.empty((users, users), np.float32)
    received = np.empty(users, np.float32)
    value = np.empty(users)
    members = np.empty(chain, np.int64)
    heard = np.empty(chain, np.float32)
    for n in range(count):
        for k in range(users):
            for j in range(users):
                back[j, k] = snr[n, k, j]
        for k in range(users):
            _grow(snr[n], back, weight[n], k, received, value, members, heard, rates[n, k])
    return rates


@kernel(reorder=True)
def _grow(  # noqa: PLR0913 - a network, a user, and rooms to work in
    snr: Floats,
    back: Floats,
    weight: Floats,
    user: int,
    received: Floats,
    value: NDArray[np.float64],
    members: NDArray[np.int64],
    heard: Floats,
    rates: Floats,
) -> None:
    """Grow the set of one user; `received[l]` is what l would receive of it."""
    one = np.float32(1.0)
    users = weight.size
    members[0], heard[0] = user, one
    best = np.float64(weight[user]) * log2_1p(np.float64(snr[user, user]))
    rates[0] = np.float32(best * _LN2)
    received[:] = back[user]
    for size in range(1, rates.size):
        for j in range(users):
            value[j] = weight[j] * log2_1p(np.float64(snr[j, j] / (one + received[j])))
        for at in range(size):
            c = members[at]
            own, row, its = snr[c, c], snr[c], np.float64(weight[c])
            base = heard[at]
            for j in range(users):
                value[j] += its * log2_1p(np.float64(own / (base + row[j])))
        for at in range(size):
            value[members[at]] = 0.0
        pick = 0
        for j in range(users):
            if value[j] > value[pick]:
                pick = j
        best = max(best, value[pick])
        rates[size] = np.float32(best * _LN2)
        for at in range(size):
            heard[at] += snr[members[at], pick]
        members[size], heard[size] = pick, one + received[pick]
        for j in range(users):
            received[j] += back[pick, j]
