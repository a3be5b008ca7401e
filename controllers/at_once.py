"""One decision of WMMSE in one call of a kernel, with next to nothing around it.

To look at an array from Python costs a tenth of what the kernel takes for ten users. So rows that
were looked at are known again, and lengths and ranges are left to the kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.batch import is_plain, plain_rows
from slotwise.controllers.kernels.rows import decide_rows

__all__ = ["AtOnce"]

Array = NDArray[np.float64]


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
        self._seen: tuple[Any, ...] = (None, None, None, (), ())

    def power(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array | None:
        """Powers of one network, shape (K,) [W].

        Returns
        -------
        [K], float64, or None
            None where the arguments are not contiguous float64 arrays of one network, or not in
            range: whoever asks then takes the long way, which says what is wrong.
        """
        noise, full, given, rows, shape = self._seen
        if not (noise_power is noise and p_max is full and weight is given):
            rows = plain_rows(noise_power, p_max, weight)
            if rows is None:
                return None
            shape = len(rows[0]), len(rows[0])
            self._seen = noise_power, p_max, weight, rows, shape
        if not is_plain(gain, shape):
            return None
        power = np.empty(shape[0])
        made = decide_rows(gain, rows[0], rows[1], rows[2], *self._rule, power)
        return power if made >= 0 else None
