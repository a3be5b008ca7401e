"""A promised rate: whether any powers can keep it, and whether it was kept.

A rate r of every user is a signal-to-interference-plus-noise ratio of gamma = 2^r - 1, and that is
a linear condition on powers: p_k >= gamma (sum_j g_kj p_j + noise_k) / g_kk. There are powers that
meet all of them exactly if the spectral radius of gamma F, F_kj = g_kj / g_kk, is below one; then
there are least ones, and the promise can be kept if these are within reach (J. Zander, IEEE Trans.
Veh. Technol. 41(1), 1992; G. Foschini and Z. Miljanic, IEEE Trans. Veh. Technol. 42(4), 1993).
Where rates count SINR up to a cap only, nobody can keep more than the cap's rate to anyone, and
whatever exceeds the cap is spent for nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.network import Network
from slotwise.emulator.objective import Objective
from slotwise.emulator.radio import sinr

__all__ = [
    "ROUNDING",
    "Promise",
    "beyond_reach",
    "is_short",
    "least_powers",
    "least_sinr",
    "promised_sinr",
    "trimmed",
]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROUNDING = 1e-6
"""A rate that is short of a promised one by less than this part of it counts as kept."""

_SLACK = 1e-9  # of the largest powers, and of a cap


def least_sinr(min_rate: Array | float) -> Array:
    """SINR of a rate: 2^r - 1.

    Parameters
    ----------
    min_rate : [..., K] or scalar, float
        Promised rate, non-negative [bit/s/Hz].

    Returns
    -------
    [..., K] or [], float64
        Linear SINR.
    """
    ratio: Array = np.expm1(np.asarray(min_rate, dtype=np.float64) * math.log(2.0))
    return ratio


def promised_sinr(objective: Objective) -> float:
    """SINR that a controller owes to every user.

    Returns
    -------
    float
        Linear SINR of the promised rate; zero where none is promised, and where the cap on the SINR
        is below it: a promise that nobody can keep to anyone binds nobody.
    """
    ratio = float(least_sinr(objective.min_rate))
    return 0.0 if _is_capped(ratio, objective.sinr_cap) else ratio


def is_short(rate: Array, min_rate: float) -> Flags:
    """Whether rates are below a promised one by more than `ROUNDING`.

    Parameters
    ----------
    rate : [...], float64
        Rates [bit/s/Hz].
    min_rate : float
        The promise [bit/s/Hz].
    """
    return np.asarray(rate < min_rate * (1.0 - ROUNDING))


def _is_capped(target: Array | float, cap: float | None) -> bool | Flags:
    """Whether SINRs do not count in full."""
    return False if cap is None else target > cap * (1.0 + _SLACK)


def least_powers(gain: Array, noise_power: Array | float, target: Array) -> Array:
    """Least powers that bring everyone to a signal-to-interference-plus-noise ratio.

    The spectral radius is below one exactly if the linear equations have a solution that is nowhere
    negative: with a positive right side that makes their matrix an M-matrix (A. Berman and R.
    Plemmons, Nonnegative Matrices in the Mathematical Sciences, 1979, Theorem 6.2.3).

    Parameters
    ----------
    gain : [..., K, K], float64
        Linear power gain; rows are receivers.
    noise_power : [..., K] or scalar, float64
        Noise at each receiver [W], positive.
    target : [..., K], float64
        Linear ratios, non-negative; zero: nothing is asked for.

    Returns
    -------
    [..., K], float64
        Powers [W], zero where nothing is asked for; infinite, all of them, where no powers bring
        everyone there.
    """
    users = gain.shape[-1]
    asked = target > 0.0
    own = np.diagonal(gain, axis1=-2, axis2=-1)
    reachable = ~asked | (own > 0.0)
    per_own = np.where(asked & reachable, target, 0.0) / np.where(own > 0.0, own, 1.0)
    coupled = per_own[..., :, None] * gain * asked[..., None, :]
    coupled[..., np.arange(users), np.arange(users)] = 0.0
    noise = per_own * np.broadcast_to(noise_power, target.shape)
    # An equation without a solution is singular by chance alone; no noise then hides it.
    matrix = np.eye(users) - coupled
    singular = np.linalg.slogdet(matrix)[0] == 0.0
    matrix = np.where(singular[..., None, None], np.eye(users), matrix)
    power: Array = np.linalg.solve(matrix, noise[..., None])[..., 0]
    possible = (power >= 0.0).all(-1) & reachable.all(-1) & ~singular
    return np.where(possible[..., None], power, np.inf)


def trimmed(gain: Array, noise_power: Array | float, power: Array, cap: float) -> Array:
    """Least powers that leave everyone as much SINR as counts.

    What somebody has beyond the cap is worth nothing, and disturbs the others.

    Parameters
    ----------
    gain, noise_power
        As of :func:`least_powers`.
    power : [..., K], float64
        Powers [W].
    cap : float
        Largest SINR that counts, linear.

    Returns
    -------
    [..., K], float64
        Powers [W], nobody's larger than before; the same where nobody exceeds the cap.
    """
    ratio = sinr(gain, power, noise_power)
    over = (ratio > cap).any(axis=-1, keepdims=True)
    if not over.any():
        return power
    least = least_powers(gain, noise_power, np.minimum(ratio, cap))
    return np.where(over, np.minimum(power, least), power)


def beyond_reach(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    target: Array,
    cap: float | None = None,
) -> Flags:
    """Whether no powers bring everyone to a signal-to-interference-plus-noise ratio.

    Parameters
    ----------
    gain, noise_power, target
        As of :func:`least_powers`.
    p_max : [..., K] or scalar, float64
        Largest powers [W].
    cap : float, optional
        Largest SINR that counts, linear: no powers bring anyone to more.

    Returns
    -------
    [...], bool
    """
    needed = least_powers(gain, noise_power, target)
    beyond = needed > p_max * (1.0 + _SLACK)
    return np.asarray(np.any(beyond | _is_capped(target, cap), axis=-1))


class Promise:
    """Whether B networks keep the rate that their users were promised, slot by slot.

    Parameters
    ----------
    network : Network
        Whose scenario says what is promised; where nothing is, nothing is ever looked at.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        objective = Objective.of(network.scenario)
        self._min_rate, self._cap = objective.min_rate, objective.sinr_cap
        nobody = np.zeros(len(network.user_id), np.int64)
        self._nothing: tuple[NDArray[np.int64], Flags] = nobody, nobody > 0
        self._infeasible: Flags = nobody > 0
        self._user_id = network.user_id.copy()
        self._delivered = network.delivered.copy()

    def give(self) -> None:
        """A slot begins: note who is there, and whether the promise can be kept to all of them."""
        if self._min_rate <= 0.0:
            return
        network = self._network
        present = network.present()
        target = np.where(present, least_sinr(self._min_rate), 0.0)
        rest = network.noise_w, network.p_max_w, target, self._cap
        self._infeasible = beyond_reach(network.medium.gain, *rest)
        self._user_id = network.user_id.copy()
        self._delivered = network.delivered.copy()

    def kept(self, slot_s: float) -> tuple[NDArray[np.int64], Flags]:
        """What became of the promise in the slot that has just ended.

        Whoever joined or left in it does not count: nobody decided about them for the whole slot.

        Parameters
        ----------
        slot_s : float
            Its duration [s].

        Returns
        -------
        short : [B], int64
            Users whose mean rate was below the promised one by more than `ROUNDING`.
        infeasible : [B], bool
            Whether no powers could have kept it to all.
        """
        if self._min_rate <= 0.0:
            return self._nothing
        network = self._network
        stayed = (self._user_id >= 0) & (self._user_id == network.user_id)
        rate = (network.delivered - self._delivered) / slot_s
        short = stayed & is_short(rate, self._min_rate)
        return short.sum(axis=1), self._infeasible
