"""Batches of power-control problems as compiled kernels take them.

Ranges are not checked here: to read a batch of gains once more costs as much as solving it for few
users, so kernels check what they read, and `slotwise.controllers.base.broadcast` says afterwards
what was wrong, and where.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import broadcast

__all__ = ["Batch", "Gains", "batch_of", "is_plain", "plain_rows"]

Array = NDArray[np.float64]
Gains = NDArray[np.float64] | NDArray[np.float32]

_FLOAT64 = np.dtype(np.float64)


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


def is_plain(array: object, shape: tuple[int, ...]) -> TypeGuard[Array]:
    """Whether this is an array that a kernel takes as it is.

    A kernel is compiled for each kind of memory that it meets, read-only or with gaps; in the
    middle of a decision that would take seconds.

    Parameters
    ----------
    array : object
        Anything.
    shape : tuple of int
        What the kernel asks for.
    """
    return (
        isinstance(array, np.ndarray)
        and array.dtype is _FLOAT64
        and array.shape == shape
        and array.flags.carray
    )


def plain_rows(noise_power: Any, p_max: Any, weight: Any) -> tuple[Array, Array, Array] | None:
    """Noise, largest power and weight of every user of one network, as a kernel takes them.

    Rows of a living network are read-only, and the same arrays again and again: whoever knows them
    again needs their copies once.

    Returns
    -------
    tuple of [K], float64, or None
        The arrays themselves, copies of those that nobody can write to, and ones where there is no
        `weight`; None where one is not plain, see `is_plain`, or nobody is there.
    """
    shape: tuple[int, ...] = getattr(noise_power, "shape", ())
    if len(shape) != 1 or shape[0] == 0:
        return None
    noise, full = _lasting(noise_power, shape), _lasting(p_max, shape)
    worth = np.ones(shape) if weight is None else _lasting(weight, shape)
    if noise is None or full is None or worth is None:
        return None
    return noise, full, worth


def _lasting(row: Any, shape: tuple[int, ...]) -> Array | None:
    """A plain row, or its copy if nobody can write to it, through another array either."""
    if is_plain(row, shape):
        return row
    if isinstance(row, np.ndarray) and row.flags.owndata and not row.flags.writeable:
        row = row.copy()
    return row if is_plain(row, shape) else None


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
