"""The best on/off powers by trying them all, polished by WMMSE: a bound on on/off control.

Not the global optimum, which may lie at powers in between. At 0 dB i.i.d. Rayleigh, though, at
least 99.7% of the optimal powers are zero or full, so little is missing. What is exact is the
bound: no on/off controller does better.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, Problem, broadcast
from slotwise.controllers.search import best_of, blocks
from slotwise.controllers.wmmse import wmmse
from slotwise.emulator.scenario import InputError

__all__ = ["Optimum"]

Array = NDArray[np.float64]

MOST_USERS = 16
"""Users up to which 2^K sets are tried; each one more doubles the time."""

_POLISH_FLOOR = 1e-4  # least power of WMMSE's start, in p_max: zero is absorbing
_SETS_AT_ONCE = 2**12


class Optimum(Controller):
    """Best of all on/off powers up to 16 users, polished by WMMSE: a bound on on/off control."""

    name = "optimum"
    equivariant = True

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`.

        Raises
        ------
        InputError
            Also if there are more than `MOST_USERS` users.
        """
        problem = broadcast(gain, noise_power, p_max, weight)
        users = problem.weight.shape[-1]
        if users > MOST_USERS:
            raise InputError(
                f"optimum: {users} users: it tries all 2^K on/off powers, at most {MOST_USERS} "
                "users are allowed; wmmse:starts=10,flip=true comes close for more"
            )
        power = _best_on_off(problem)
        start = np.maximum(power, _POLISH_FLOOR * problem.p_max)
        polished, _ = wmmse(*problem, start=start)
        return best_of(problem, power, polished)


def _best_on_off(problem: Problem) -> Array:
    """Best of all 2^K on/off powers [W]; among equals the first in binary order."""
    *lead, users = problem.weight.shape
    every = np.arange(2**users)
    sets = (every[:, None] >> np.arange(users) & 1).astype(np.float64)
    best = np.empty((math.prod(lead), users))
    for which, snr, weight in blocks(problem, users * min(2**users, _SETS_AT_ONCE)):
        value = np.concatenate(
            [
                _values(sets[first : first + _SETS_AT_ONCE], snr, weight)
                for first in range(0, 2**users, _SETS_AT_ONCE)
            ],
            axis=1,
        )
        best[which] = sets[value.argmax(axis=1)]
    return best.reshape(problem.p_max.shape) * problem.p_max


def _values(sets: Array, snr: Array, weight: Array) -> Array:
    """Weighted sum of log(1 + SINR) of each problem with each set on: [n, sets]."""
    direct = np.einsum("nkk->nk", snr)
    cross = snr.copy()
    np.einsum("nkk->nk", cross)[...] = 0.0
    sinr = np.matmul(sets, cross.transpose(0, 2, 1))
    sinr += 1.0
    np.divide(direct[:, None, :], sinr, out=sinr)
    sinr *= sets
    value: Array = np.matmul(np.log1p(sinr, out=sinr), weight[:, :, None])[:, :, 0]
    return value
