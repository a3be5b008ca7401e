"""The strongest interferers of each receiver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["strongest_rows"]

Array = NDArray[np.float64]

_BLOCK = 16  # transmitters that are looked at together: two registers of eight numbers


@kernel()
def strongest_rows(gain: Array, p_max: Array, count: int) -> tuple[NDArray[np.int32], Array]:
    """The transmitters that each receiver hears best at full power, and the sum of the others.

    Parameters
    ----------
    gain : [K, K], float64
        Linear power gain; rows are receivers.
    p_max : [K], float64
        Largest powers [W].
    count : int
        How many, m, between 0 and K - 1.

    Returns
    -------
    near : [K, m], int32
        Others than the receiver's own transmitter, strongest first; among equals the first.
    rest : [K], float64
        Power received from all others at full power [W].
    """
    users = gain.shape[0]
    near, rest = np.zeros((users, count), dtype=np.int32), np.empty(users)
    # What is no interferer, the receiver's own transmitter and the padding, is weaker than nothing.
    received = np.full((users + _BLOCK - 1) // _BLOCK * _BLOCK, -1.0)
    heard = np.empty(count)
    for k in range(users):
        row = gain[k]
        for j in range(users):
            received[j] = row[j] * p_max[j]
        received[k] = -1.0
        if count > 0:
            _pick(received, heard, near[k])
        received[k] = 0.0
        for j in near[k]:
            received[j] = 0.0
        rest[k] = _sum(received[:users])
    return near, rest


@kernel(reorder=True)
def _pick(received: Array, heard: Array, near: NDArray[np.int32]) -> None:
    """Sort the strongest into a list, whose powers are `heard`.

    Soon hardly anyone is stronger than the weakest of the list, and whole blocks of transmitters
    are passed over at once.
    """
    found, least = 0, -1.0
    for begin in range(0, received.size, _BLOCK):
        block = received[begin : begin + _BLOCK]
        above = 0
        for i in range(_BLOCK):
            above += block[i] > least
        if above == 0:
            continue
        for i in range(_BLOCK):
            power = block[i]
            if power > least:
                found = min(found + 1, heard.size)
                e = found - 1
                while e > 0 and heard[e - 1] < power:
                    heard[e], near[e] = heard[e - 1], near[e - 1]
                    e -= 1
                heard[e], near[e] = power, begin + i
                if found == heard.size:
                    least = heard[found - 1]


@kernel(reorder=True)
def _sum(power: Array) -> float:
    total = 0.0
    for value in power:
        total += value
    return total
