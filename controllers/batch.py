"""Batches of power-control problems as compiled kernels take them.

Ranges are not checked here: to read a batch of gains once more costs as much as solving it for few
users, so kernels check what they read, and `slotwise.controllers.base.broadcast` says afterwards
what was wrong, and where.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import broadcast

__all__ = ["Batch", "Gains", "batch_of"]

Array = NDArray[np.float64]
Gains = NDArray[np.float64] | NDArray[np.float32]


class Batch(NamedTuple):
    """Problems as kernels take them: contiguous, and per user one row for each problem or for all.

    Attributes
    ----------
    gain : [N, K, K], float64 or float32
        Linear power gains.
    noise_power, p_max, weight : [N, K] or [1, K], float64
        Noise, largest power and weight.
    start : [N, K], [1, K] or [0, K], float64
        Powers to start from; [0, K]: the largest.
    shape : tuple
        Shape of the powers.
    """

    gain: Gains
    noise_power: Array
    p_max: Array
    weight: Array
    start: Array
    shape: tuple[int, ...]

    def part(self, which: slice) -> Batch:
        """Some of the problems."""
        rows = [row[which] if len(row) > 1 else row for row in self[1:5]]
        return Batch(self.gain[which], rows[0], rows[1], rows[2], rows[3], self.shape)


def batch_of(
    gain: Gains,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None,
    start: Array | float | None,
    dtype: np.dtype[Any],
) -> Batch:
    """Bring the arguments of a solver to what kernels take; that ranges hold is left to them.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    weight : [..., K] or scalar, float, optional
        Weights; left out: one.
    start : [..., K] or scalar, float, optional
        Powers to start from [W]; left out: the largest.
    dtype : dtype
        What will be computed in. Gains stay float32 where that is float32, and are float64 else.

    Raises
    ------
    ValueError
        If shapes do not fit, or the start has NaN.
    """
    single = dtype == np.float32 and np.asarray(gain).dtype == np.float32
    every: Gains = np.asarray(gain, np.float32) if single else np.asarray(gain, np.float64)
    shape = every.shape[:-1]
    weight = 1.0 if weight is None else weight
    fits = {(), shape, shape[-1:]}
    if (
        every.ndim < 2
        or every.shape[-1] != shape[-1]
        or not fits.issuperset(map(np.shape, (noise_power, p_max, weight)))
    ):
        problem = broadcast(np.asarray(gain, dtype=np.float64), noise_power, p_max, weight)
        every, noise_power, p_max, weight = problem
        shape = problem.weight.shape
    users = shape[-1]
    first = np.empty((0, users))
    if start is not None:
        known = np.shape(start) in ((), shape, shape[-1:])
        first = _rows(start if known else np.broadcast_to(start, shape), shape)
        if np.isnan(first).any():
            raise ValueError("start has NaN: must be powers")
    flat: Any = np.ascontiguousarray(every).reshape(math.prod(shape[:-1]), users, users)
    noise_power, p_max, weight = (_rows(row, shape) for row in (noise_power, p_max, weight))
    return Batch(flat, noise_power, p_max, weight, first, shape)


def _rows(values: Array | float, shape: tuple[int, ...]) -> Array:
    """Values of every user of every problem [N, K], or of every problem alike [1, K].

    Not read-only ever: a kernel is compiled for each kind of memory that it meets.
    """
    row = np.asarray(values, dtype=np.float64)
    if row.ndim == 0:
        return np.full((1, shape[-1]), row)
    if not (row.flags.c_contiguous and row.flags.writeable):
        row = row.copy()
    return row.reshape(math.prod(row.shape[:-1]), shape[-1])
