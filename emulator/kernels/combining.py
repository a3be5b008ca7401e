"""What combining makes of the antennas of stations, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["combine"]

Array = NDArray[np.float64]
Parts = NDArray[np.floating[Any]]


@kernel(reorder=True)
def combine(parts: Parts, serving: NDArray[np.int64], antennas: int, power: Array) -> None:
    """Fading power of every user in what its station combines for every other.

    Parameters
    ----------
    parts : [B, 2, S * A, M], float32 or float64
        Real and imaginary part of the channel of each user row to each of the A antennas of each
        of S stations; antenna a of station s is number s A + a.
    serving : [B, M], int64
        Station of each user row.
    antennas : int
        A.
    power : [B, M, M], float64
        ``|f_k^H f_j|² / ||f_k||²`` at ``[b, k, j]``, f the channels to the station of k; written
        to.
    """
    networks, _, _, rows = parts.shape
    along = np.empty((2, rows))  # real and imaginary part of f_k^H f_j for every j
    for b in range(networks):
        for k in range(rows):
            first = serving[b, k] * antennas
            for j in range(rows):
                along[0, j] = 0.0
                along[1, j] = 0.0
            for a in range(first, first + antennas):
                x, y = np.float64(parts[b, 0, a, k]), np.float64(parts[b, 1, a, k])
                for j in range(rows):  # one loop for each array written, to fill registers
                    along[0, j] += x * parts[b, 0, a, j] + y * parts[b, 1, a, j]
                for j in range(rows):
                    along[1, j] += x * parts[b, 1, a, j] - y * parts[b, 0, a, j]
            own = along[0, k]
            for j in range(rows):
                power[b, k, j] = (along[0, j] * along[0, j] + along[1, j] * along[1, j]) / own
