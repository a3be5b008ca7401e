"""Powers that are best on average over what the gains may be.

Where part of every gain is unknown, the gain that is expected is not what a rate should be computed
with: a user who hears a link of unknown strength hears nothing in some draws and all too much in
others. Here draws of all gains are taken from what is believed of them, and sets of users are
compared by the mean of their sum rates. It takes as many times longer as there are draws.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem
from slotwise.controllers.kernels.sampled import (
    average_rate,
    best_set_on_average,
    draw_gains,
    iterate_on_average,
)
from slotwise.controllers.posterior import Belief
from slotwise.controllers.search import best_of, grown, keys_of
from slotwise.controllers.wmmse import wmmse

__all__ = ["SampledSearch"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

_TOLERANCE = 1e-4
_ITERATIONS = 100
_KEPT_TABLES = 8  # of unit draws, one for every number of users


class SampledSearch(NamedTuple):
    """Beam search over who is on, by the mean rate over draws, then WMMSE of the same mean.

    With WMMSE, a second start is what the same search and WMMSE find on the gains that are
    expected; the best mean rate is kept.

    Attributes
    ----------
    draws : int
        Draws of the gains, at least two; half of them are the others' mirror images.
    width, depth, patience : int
        As of `slotwise.controllers.search.grown`; depth zero: any.
    floor : float
        Least power of WMMSE's start, as a fraction of the largest; zero: no WMMSE.
    """

    draws: int
    width: int
    depth: int
    patience: int
    floor: float

    def power(
        self, belief: Belief, noise_power: Array, p_max: Array, weight: Array, seed: int
    ) -> Array:
        """Powers of one network.

        Parameters
        ----------
        belief : Belief
            Known and unknown parts, [K, K], and who has an antenna together.
        noise_power, p_max, weight : [K], float64
            Noise and largest power [W], weights.
        seed : int
            Fixes the draws: the same unit draws for every network of as many users.

        Returns
        -------
        [K], float64
            Powers [W].
        """
        users = len(weight)
        if users == 0:
            return np.zeros(0)
        known, unknown = (np.ascontiguousarray(part) for part in belief[:2])
        own = np.arange(users)
        receiver = own if belief.receiver is None else belief.receiver
        transmitter = own if belief.transmitter is None else belief.transmitter
        noise_power, p_max, weight = (np.array(row) for row in (noise_power, p_max, weight))
        served = np.diagonal(belief.expected) * p_max > 0.0
        weight = np.where(served, weight, 0.0)
        gain = np.empty((users, users, self.draws), np.float32)
        unit = _units(users, self.draws, seed)
        draw_gains(known, unknown, receiver, transmitter, noise_power, p_max, unit, gain)
        best = np.empty(users)
        depth = self.depth or users
        best_set_on_average(gain, weight, keys_of(users), self.width, depth, self.patience, best)
        found = [best]
        if self.floor > 0.0:
            found.append(self._expected(Problem(belief.expected, noise_power, p_max, weight)))
            for start in found[:2]:
                polished = np.where(weight > 0.0, np.maximum(start, self.floor), 0.0)
                iterate_on_average(gain, weight, _TOLERANCE, _ITERATIONS, polished)
                found.append(polished)
        return p_max * max(found, key=lambda fraction: average_rate(gain, weight, fraction))

    def _expected(self, problem: Problem) -> Array:
        """Powers for the gains that are expected, as fractions of the largest."""
        power = grown(problem, self.width, self.depth or None, self.patience)
        start = np.maximum(power, self.floor * problem.p_max)
        power = best_of(problem, power, wmmse(*problem, start=start)[0])
        none = np.zeros(power.shape)
        return np.divide(power, problem.p_max, out=none, where=problem.p_max > 0.0)


@functools.lru_cache(maxsize=_KEPT_TABLES)
def _units(users: int, draws: int, seed: int) -> Floats:
    """Real and imaginary parts of CN(0, 1), [2, K, K, draws]: each draw and its mirror image."""
    rng = np.random.default_rng([seed, users, draws])
    half = (draws + 1) // 2
    normal = np.sqrt(0.5) * rng.standard_normal((2, users, users, half))
    both = np.concatenate([normal, -normal], axis=-1)[..., :draws]
    return np.ascontiguousarray(both, np.float32)
