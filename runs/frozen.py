"""Frozen draws: gain matrices that every controller answers, with the powers and noise they need.

They come from a scenario, or from the user's own arrays and files. Arrays are checked where they
enter, once, so that what is wrong with them is said of the array and not of a controller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slotwise.emulator.objective import SUM_RATE, Objective
from slotwise.emulator.scenario import InputError

__all__ = ["Frozen"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Frozen:
    """Gain matrices with what a decision needs besides them.

    Attributes
    ----------
    gain : ndarray, shape (n, K, K), float64
        Linear power gains, rows are receivers.
    noise_power, p_max, weight : ndarray, shape (K,), float64
        Noise power [W], largest power [W], weight of each user's rate [1].
    sinr_cap : float, optional
        SINR up to which rates count, linear.
    objective : Objective
        What controllers serve that can, and are compared by; its cap on the SINR is that of the
        draws.
    """

    gain: Array
    noise_power: Array
    p_max: Array
    weight: Array
    sinr_cap: float | None = None
    objective: Objective = SUM_RATE

    def __post_init__(self) -> None:
        if self.sinr_cap is None:
            object.__setattr__(self, "sinr_cap", self.objective.sinr_cap)
        served = self.objective._replace(sinr_cap=self.sinr_cap)
        object.__setattr__(self, "objective", served)

    @classmethod
    def of(
        cls,
        gain: ArrayLike,
        noise_power: ArrayLike = 1.0,
        p_max: ArrayLike = 1.0,
        weight: ArrayLike = 1.0,
        sinr_cap: float | None = None,
        objective: Objective = SUM_RATE,
    ) -> Frozen:
        """Check arrays of the user's own, (n, K, K) or (K, K); scalars stand for all users.

        Raises
        ------
        InputError
            One line with what is wrong: shape, type, NaN, negative numbers, noise or power that
            is not positive.
        """
        checked = _check_gain(np.asarray(gain))
        users = checked.shape[-1]
        vectors = (
            _vector("noise_power", noise_power, users, positive=True),
            _vector("p_max", p_max, users, positive=True),
            _vector("weight", weight, users, positive=False),
        )
        if sinr_cap is not None and not sinr_cap > 0:
            raise InputError(f"sinr_cap = {sinr_cap}: must be a positive linear ratio")
        return cls(checked, *vectors, sinr_cap, objective)


def _check_gain(gain: NDArray[np.generic]) -> Array:
    if gain.ndim not in (2, 3) or gain.shape[-1] != gain.shape[-2] or gain.size == 0:
        raise InputError(
            f"gain has shape {gain.shape}: must be (n, K, K) or (K, K), rows are receivers, with "
            "at least one sample and one user"
        )
    if gain.dtype.kind not in "fiu":
        raise InputError(f"gain has type {gain.dtype}: must be real numbers, the power gains |h|^2")
    values = np.asarray(gain, dtype=np.float64).reshape(-1, *gain.shape[-2:])
    for wrong, what in ((~np.isfinite(values), "finite"), (values < 0, "zero or more")):
        if wrong.any():
            where = tuple(int(index) for index in np.argwhere(wrong)[0])
            raise InputError(
                f"gain[{', '.join(map(str, where))}] = {values[where]:g}: must be {what} "
                f"({int(wrong.sum())} such of {values.size}); power gains are linear, not dB"
            )
    return values


def _vector(name: str, value: ArrayLike, users: int, *, positive: bool) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim > 1 or (array.ndim == 1 and array.shape != (users,)):
        raise InputError(
            f"{name} has shape {array.shape}: must be one number or one for each of {users} users"
        )
    fine = np.isfinite(array) & ((array > 0) if positive else (array >= 0))
    if not fine.all():
        bad = array[~fine].flat[0] if array.ndim else float(array)
        allowed = "positive" if positive else "zero or more"
        raise InputError(f"{name} = {bad:g}: must be finite and {allowed}")
    return np.broadcast_to(array, (users,)).copy()
