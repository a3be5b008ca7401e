"""One report's step of a Kalman filter on every link, and what is then known of the gains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel

__all__ = ["filter_links"]

Array = NDArray[np.float64]
Channels = NDArray[np.complex128]
Index = NDArray[np.int64]


@kernel()
def filter_links(  # noqa: PLR0913 - a report, what was known, the law of fading, and results
    channel: Channels,
    mean: Array,
    place: Index,
    before: Channels,
    doubt: Array,
    keep: float,
    law: tuple[float, float, float],
    ahead: tuple[float, float],
    state: Channels,
    variance: Array,
    known: Array,
    unknown: Array,
) -> None:
    """Predict every link's scatter to a report, correct it by the report, and look ahead.

    Parameters
    ----------
    channel : [K, K], complex128
        As reported; rows are receivers.
    mean : [K, K], float64
        Mean gains; a link without one is known to be absent.
    place : [K], int64
        Rows of these users in `before`; -1 for who was not there.
    before, doubt : [L, L], complex128 and float64
        Scatter after the last report in units of the mean amplitude, and its error variance.
    keep : float
        Correlation of scatter between the two reports.
    law : tuple of float
        Amplitude of the direct path, power of the scatter, power of the estimation error.
    ahead : tuple of float
        Means of rho and rho^2 over the time in which powers will be in force.
    state, variance : [K, K], complex128 and float64
        Written: as `before` and `doubt`, after this report.
    known, unknown : [K, K], float64
        Written: squared magnitude of the conditional mean of the channel, and its variance.
    """
    direct, scatter, error = law
    rho, square = ahead
    users = len(place)
    for k in range(users):
        for j in range(users):
            state[k, j], variance[k, j] = 0.0, scatter
            known[k, j] = unknown[k, j] = 0.0
            if mean[k, j] <= 0.0:
                continue
            s: Any = complex(0.0, 0.0)
            p = scatter
            if place[k] >= 0 and place[j] >= 0:
                s = keep * before[place[k], place[j]]
                p = scatter + keep * keep * (doubt[place[k], place[j]] - scatter)
            seen = channel[k, j] / math.sqrt(mean[k, j])
            gain = p / (p + error) if p > 0.0 else 0.0
            s = s + gain * (seen - direct - s)
            p = (1.0 - gain) * p
            state[k, j], variance[k, j] = s, p
            size = s.real * s.real + s.imag * s.imag
            known[k, j] = mean[k, j] * (
                direct * direct + 2.0 * direct * rho * s.real + square * size
            )
            unknown[k, j] = mean[k, j] * (scatter - square * (scatter - p))
