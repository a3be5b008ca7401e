"""Arrays that begin where a line of the cache begins.

A 64-byte register stored across two lines is stored twice, and what one step stores so reaches the
next step's load late. Only speed depends on it: kernels take any array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["aligned_zeros"]

_LINE_BYTES = 64


def aligned_zeros(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros, C-contiguous, starting at a multiple of 64 bytes.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of the array.
    dtype : dtype
        Type of its elements.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + _LINE_BYTES, np.uint8)
    first = -room.ctypes.data % _LINE_BYTES
    return room[first : first + size].view(dtype).reshape(shape)
