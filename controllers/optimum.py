"""The best on/off powers by trying them all, polished by WMMSE: a bound on on/off control.

Not the global optimum, which may lie at powers in between. At 0 dB i.i.d. Rayleigh, though, at
least 99.7% of the optimal powers are zero or full, so little is missing. What is exact is the
bound: no on/off controller does better.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, Problem, broadcast, full_power_snr
from slotwise.controllers.beam import polished
from slotwise.emulator.scenario import InputError

__all__ = ["Optimum"]

Array = NDArray[np.float64]

MOST_USERS = 16
"""Users up to which 2^K sets are tried; each one more doubles the time."""

_SETS_AT_ONCE = 2**12
_BLOCK_VALUES = 2**18  # numbers in a temporary array, so that it stays in the cache


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
                "users are allowed; beam comes close for more"
            )
        return polished(problem, _best_on_off(problem))


def _best_on_off(problem: Problem) -> Array:
    """Best of all 2^K on/off powers [W]; among equals the first in binary order."""
    *lead, users = problem.weight.shape
    every = np.arange(2**users)
    sets = (every[:, None] >> np.arange(users) & 1).astype(np.float64)
    best = np.empty((math.prod(lead), users))
    for which, snr, weight in _blocks(problem, users * min(2**users, _SETS_AT_ONCE)):
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


def _blocks(problem: Problem, values: int) -> Iterator[tuple[slice, Array, Array]]:
    """Walk through many problems a block at a time, in units of full power.

    Parameters
    ----------
    problem : Problem
        Any leading axes.
    values : int
        Numbers that the caller keeps in memory for one problem, at least.

    Yields
    ------
    which : slice
        The problems of the block, counted along the flattened leading axes.
    snr : [n, K, K], float64
        `full_power_snr` of the block.
    weight : [n, K], float64
        Weights of the block.
    """
    users = problem.weight.shape[-1]
    if users == 0:
        return
    gain = problem.gain.reshape(-1, users, users)
    noise_power, p_max, weight = (row.reshape(-1, users) for row in problem[1:])
    step = max(1, _BLOCK_VALUES // max(values, 1))
    for first in range(0, len(weight), step):
        which = slice(first, first + step)
        part = Problem(gain[which], noise_power[which], p_max[which], weight[which])
        yield which, full_power_snr(part), part.weight
