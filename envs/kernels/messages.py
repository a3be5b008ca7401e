"""Messages between users, compiled: the sum over all pairs without an array of all pairs.

In plain torch, a layer of messages writes and reads an array of M M D numbers for every network,
several times over, forward and back. Here a pair's numbers live in registers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["pass_back", "pass_on"]

Single = NDArray[np.float32]


@kernel(reorder=True)
def pass_on(
    listener: Single, speaker: Single, code: Single, edge: Single, mask: Single, heard: Single
) -> None:
    """What every user hears: the sum of the rectified messages of all others.

    ``heard[n, k] = sum over present j != k of
    relu(listener[n, k] + speaker[n, j] + code[n, k, j] edge[0] + code[n, j, k] edge[1])``.

    Parameters
    ----------
    listener, speaker : [N, M, D], float32
        Terms of who hears and of who is heard.
    code : [N, M, M], float32
        Gains [k, j] from transmitter j to the receiver of k, in some scale.
    edge : [2, D], float32
        What the gain from the speaker, and the gain to the speaker, are multiplied by.
    mask : [N, M], float32
        Zero for nobody, who is not heard.
    heard : [N, M, D], float32
        Written to.
    """
    networks, rows, width = listener.shape
    none = np.float32(0.0)
    for n in range(networks):
        for k in range(rows):
            total, own = heard[n, k], listener[n, k]
            for d in range(width):
                total[d] = none
            for j in range(rows):
                if j != k and mask[n, j] > none:
                    to, back, other = code[n, k, j], code[n, j, k], speaker[n, j]
                    for d in range(width):
                        message = own[d] + other[d] + to * edge[0, d] + back * edge[1, d]
                        total[d] += max(message, none)


@kernel(reorder=True)
def pass_back(  # noqa: PLR0913 - five arguments, and the derivatives of what comes of them
    listener: Single,
    speaker: Single,
    code: Single,
    edge: Single,
    mask: Single,
    slope: Single,
    listener_slope: Single,
    speaker_slope: Single,
    edge_slope: Single,
) -> None:
    """Derivatives of something by the arguments of `pass_on`, from those by what is heard.

    Parameters
    ----------
    listener, speaker, code, edge, mask
        As of `pass_on`.
    slope : [N, M, D], float32
        Derivative by what is heard.
    listener_slope, speaker_slope, edge_slope
        Derivatives by `listener`, `speaker` and `edge`, added to.
    """
    networks, rows, width = listener.shape
    none = np.float32(0.0)
    for n in range(networks):
        for k in range(rows):
            own, by_heard, by_own = listener[n, k], slope[n, k], listener_slope[n, k]
            for j in range(rows):
                if j != k and mask[n, j] > none:
                    to, back, other = code[n, k, j], code[n, j, k], speaker[n, j]
                    by_other = speaker_slope[n, j]
                    for d in range(width):
                        message = own[d] + other[d] + to * edge[0, d] + back * edge[1, d]
                        step = by_heard[d] if message > none else none
                        by_own[d] += step
                        by_other[d] += step
                        edge_slope[0, d] += to * step
                        edge_slope[1, d] += back * step
