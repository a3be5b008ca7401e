"""One pass of the unrolled network that is told which part of every gain is unknown.

As `slotwise.controllers.kernels.unrolled`: gains are what is typical of their known and unknown
parts, and a layer sees besides how much a user's interference and its own gain vary around that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.loading import row_of
from slotwise.controllers.kernels.unrolled import solve
from slotwise.controllers.kernels.unrolled_layers import shape_of
from slotwise.controllers.kernels.unrolled_loading import doubt_of, room_of
from slotwise.emulator.kernels.compilation import kernel

__all__ = ["LATE_FEATURES", "SILENT", "TYPICAL", "pass_late"]

Array = NDArray[Any]

LATE_FEATURES = 2
"""Numbers that a layer sees of what is unknown to a user."""

TYPICAL = 0.65
"""Of a gain's unknown part so much counts: a little above exp(E log) of an exponential, 0.56."""

SILENT = 2e-4
"""Powers below this share of the largest are none: at high levels a ten-thousandth is heard."""


@kernel(reorder=True)
def pass_late(
    known: Array,
    unknown: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    net: Array,
    power: Array,
) -> int:
    """Powers of N problems of K users.

    Parameters
    ----------
    known, unknown : [N, K, K], float64
        Parts of every gain, as of `slotwise.controllers.posterior.Belief`; rows are receivers.
    noise_power, p_max, weight : [N, K] or [1, K], float64
        Noise and largest power [W] and weight of every user, or those of every problem.
    net : float32
        Weights as `slotwise.controllers.kernels.unrolled_layers.packed` orders them.
    power : [N, K], float64
        Written: powers [W].

    Returns
    -------
    int
        First problem with a value out of its range, which ends the work; -1 if there is none.
    """
    samples, users = known.shape[0], known.shape[1]
    shape = shape_of(net)
    room = room_of(users, shape)
    none, variance = np.empty((0, users), np.float32), doubt_of(users)
    gain, doubt = np.empty((users, users)), np.empty((users, users))
    for n in range(samples):
        for k in range(users):
            for j in range(users):
                a, v = known[n, k, j], unknown[n, k, j]
                gain[k, j] = a + TYPICAL * v
                doubt[k, j] = math.sqrt(v) * math.sqrt(2.0 * a + v)
        problem = (
            gain,
            noise_power[row_of(noise_power, n)],
            p_max[row_of(p_max, n)],
            weight[row_of(weight, n)],
            gain.reshape(users * users),
        )
        if not solve(problem, (doubt, variance), net, shape, none, room, power[n : n + 1]):
            return n
        for k in range(users):
            if power[n, k] < SILENT * problem[2][k]:
                power[n, k] = 0.0
    return -1
