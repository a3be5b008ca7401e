"""One decision of WMMSE in one call of a kernel, with next to nothing around it.

To look at an array from Python costs a tenth of what the kernel takes for ten users. So rows that
were looked at are known again, and lengths and ranges are left to the kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.kernels.rows import decide_rows

__all__ = ["AtOnce"]

Array = NDArray[np.float64]

_FLOAT64 = np.dtype(np.float64)


class AtOnce:
    """WMMSE from full power for one network at a time.

    Parameters
    ----------
    tolerance : float
        Stop when the weighted sum rate rises by less than this [bit/s/Hz].
    max_iterations : int
        Stop after so many iterations.
    """

    def __init__(self, tolerance: float, max_iterations: int) -> None:
        self._rule = float(tolerance), max_iterations
        self._seen: tuple[Any, ...] = (None, None, None, None, 0, ())

    def power(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array | None:
        """Powers of one network, shape (K,) [W].

        Returns
        -------
        [K], float64, or None
            None where the arguments are not contiguous float64 arrays of one network, or not in
            range: whoever asks then takes the long way, which says what is wrong.
        """
        noise, full, given, row, users, strides = self._seen
        if not (noise_power is noise and p_max is full and weight is given):
            users = np.size(noise_power)
            row = np.ones(users) if weight is None else weight
            if not (_is_plain(noise_power) and _is_plain(p_max) and _is_plain(row)):
                return None
            strides = (8 * users, 8)
            self._seen = noise_power, p_max, weight, row, users, strides
        try:
            if gain.dtype is not _FLOAT64 or gain.strides != strides:
                return None
        except AttributeError:
            return None
        power = np.empty(users)
        made = decide_rows(gain, noise_power, p_max, row, *self._rule, power)
        return power if made >= 0 else None


def _is_plain(row: object) -> bool:
    """Whether this is an array of one axis that a kernel takes as it is."""
    return isinstance(row, np.ndarray) and row.dtype is _FLOAT64 and row.strides == (8,)
