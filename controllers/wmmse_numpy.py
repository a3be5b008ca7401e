"""WMMSE in plain NumPy: what the compiled solver is held to, and compared with in speed.

One iteration is the three equations of `slotwise.controllers.wmmse` on all problems at once. It has
no other use: `slotwise.controllers.wmmse.wmmse` gives the same answers sooner.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, broadcast, full_power_snr

__all__ = ["wmmse_numpy"]

Array = NDArray[np.float64]

_SILENT = 1e-30  # an amplitude below this is zero: denormal numbers would slow every product
_PRICELESS = 1e-300  # added to every price, so that 0/0 of a silent user is 0
_BLOCK_VALUES = 2**18  # gains that are worked on at once, so that they stay in the cache
_SETTLED = 0.125  # share of problems that have stopped at which they are put aside


def wmmse_numpy(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None = None,
    start: Array | float | None = None,
    tolerance: float = 1e-5,
    max_iterations: int = 500,
) -> tuple[Array, NDArray[np.int64]]:
    """Iterate WMMSE from given powers until the objective rises by less than `tolerance`.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    weight : [..., K] or scalar, float, optional
        Weights a_k; left out: one.
    start : [..., K] or scalar, float, optional
        Powers to start from [W], clipped to [0, `p_max`]; left out: full power.
    tolerance : float
        Stop when sum a_k log2 w_k rises by less than this [bit/s/Hz].
    max_iterations : int
        Stop after so many updates of v.

    Returns
    -------
    power : [..., K], float64
        Powers [W].
    iterations : [...], int64
        Updates of v that were made.

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.
    """
    problem = broadcast(gain, noise_power, p_max, weight)
    shape = problem.weight.shape
    samples, users = math.prod(shape[:-1]), shape[-1]
    if users == 0:
        return np.zeros(shape), np.zeros(shape[:-1], dtype=np.int64)
    amplitude = np.ones(shape)
    if start is not None:
        full = np.where(problem.p_max > 0.0, problem.p_max, 1.0)
        np.sqrt(np.clip(start / full, 0.0, 1.0), out=amplitude)
    flat = Problem(
        problem.gain.reshape(samples, users, users),
        *(row.reshape(samples, users) for row in problem[1:]),
    )
    v = amplitude.reshape(samples, users)
    fraction = np.empty((samples, users))
    iterations = np.empty(samples, dtype=np.int64)
    step = max(16, _BLOCK_VALUES // users**2)
    for first in range(0, samples, step):
        block = slice(first, first + step)
        snr = full_power_snr(Problem(*(array[block] for array in flat)))
        fraction[block], iterations[block] = _iterate(
            snr, flat.weight[block], v[block], tolerance, max_iterations
        )
    return fraction.reshape(shape) * problem.p_max, iterations.reshape(shape[:-1])


def _iterate(
    cross: Array, weight: Array, v: Array, tolerance: float, max_iterations: int
) -> tuple[Array, NDArray[np.int64]]:
    """Powers as fractions of the largest and updates made; `cross` is written to."""
    direct = np.einsum("nkk->nk", cross).copy()
    np.einsum("nkk->nk", cross)[...] = 0.0
    fraction = np.empty_like(v)
    iterations = np.empty(len(v), dtype=np.int64)
    sample = np.arange(len(v))
    running: NDArray[np.bool] = np.ones(len(v), dtype=np.bool)
    objective = np.full(len(v), -math.inf)
    count = 0
    while sample.size:
        power = v * v
        interference = np.matmul(cross, power[:, :, None])[:, :, 0] + 1.0
        received = interference + direct * power
        last, objective = objective, np.vecdot(weight, np.log2(received / interference))
        stops = running & ((objective - last < tolerance) | (count >= max_iterations))
        fraction[sample[stops]] = power[stops]
        iterations[sample[stops]] = count
        pull = weight * direct * v / interference
        scaled = pull * v / received
        price = np.matmul(scaled[:, None, :], cross)[:, 0, :] + direct * scaled + _PRICELESS
        v = np.minimum(pull / price, 1.0)
        v[v < _SILENT] = 0.0
        count += 1
        running &= ~stops
        if np.count_nonzero(running) <= (1.0 - _SETTLED) * running.size:
            sample, objective = sample[running], objective[running]
            direct, cross, weight, v = (array[running] for array in (direct, cross, weight, v))
            running = running[running]
    return fraction, iterations
