"""WMMSE: weighted minimisation of mean square error, the benchmark of interference management.

Maximising the weighted sum rate is equivalent to minimising the weighted mean square error over
transmit amplitudes v, receive filters u and error weights w (Shi, Razaviyayn, Luo and He, IEEE
Trans. Signal Process. 59(9), 2011), and each of the three has a closed form given the other two.
Iterated from full power, the objective never falls; it ends at a stationary point, which on one
draw in a few is not the best, so that further starts and a flip search have something to find.

In amplitudes h = sqrt(gain), as Sun et al. (IEEE Trans. Signal Process. 66(20), 2018, Fig. 2)
state it for one antenna::

    u_k = h_kk v_k / (sum_j h_kj^2 v_j^2 + noise_k)
    w_k = 1 / (1 - u_k h_kk v_k)
    v_k = clip(a_k w_k u_k h_kk / sum_j a_j w_j u_j^2 h_jk^2, 0, sqrt(p_max_k))

with weights a, all v from the same u and w. (Step 8 of that figure has a misprint, |h_kk| in the
denominator for |h_kj|^2.) Here u and w never appear: with T the total received power and I the
interference plus noise, w = T/I, w u h_kk = h_kk^2 v / I and w u^2 = h_kk^2 v^2 / (T I). That is
the same iteration without the cancellation of 1 - u h v at high SINR.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, Problem, broadcast, full_power_snr
from slotwise.controllers.search import best_of, flipped

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["Wmmse", "wmmse"]

Array = NDArray[np.float64]

WARM_FLOOR = 0.2
"""Least power of a warm start, as a fraction of `p_max`.

Zero amplitude is absorbing, so a user that was silent must be lifted to be heard of again, and a
slight lift is not enough: next to users at full power it is pushed back down, and the network keeps
yesterday's set. Against starting at full power, on Rayleigh fading with correlation 0.99 from slot
to slot, ten users at 0 dB, a floor of 1e-4 costs 1.5% of the sum rate and saves 60% of the
iterations, 0.2 costs nothing and saves 18%; at correlation 0.9 they cost 2.6% and 0.3%.
"""

START_DECADES = 4.0
"""Random starts are log-uniform between `p_max` and so many decades below it.

Wide on purpose. Powers uniform in [0, p_max] look too much alike: on Rayleigh fading with ten users
the best of ten log-uniform starts has 0.3% more sum rate at 0 dB and 1.8% more at 20 dB.
"""

_SILENT = 1e-30  # an amplitude below this is zero: denormal numbers would slow every product
_PRICELESS = 1e-300  # added to every price, so that 0/0 of a silent user is 0
_LANE_VALUES = 2**18  # gains kept side by side in a batch, so that they stay in the cache


def wmmse(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None = None,
    start: Array | float | None = None,
    tolerance: float = 1e-5,
    max_iterations: int = 500,
) -> tuple[Array, NDArray[np.int64]]:
    """Iterate WMMSE from given powers until the objective rises by less than `tolerance`.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    weight : [..., K] or scalar, float, optional
        Weights a_k; left out: one.
    start : [..., K] or scalar, float, optional
        Powers to start from [W], clipped to [0, `p_max`]; left out: full power. A user that starts
        at zero stays there.
    tolerance : float
        Stop when sum a_k log2 w_k, the weighted sum rate, rises by less than this [bit/s/Hz].
    max_iterations : int
        Stop after so many updates of v.

    Returns
    -------
    power : [..., K], float64
        Powers [W]. A user that no power can serve (no direct gain, no weight) gets none.
    iterations : [...], int64
        Updates of v that were made.

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.
    """
    problem = broadcast(gain, noise_power, p_max, weight)
    if start is not None:
        start = np.broadcast_to(np.asarray(start, dtype=np.float64), problem.weight.shape)
        if np.isnan(start).any():
            raise ValueError("start has NaN: must be powers")
    return _solve(problem, start, tolerance, max_iterations)


def _solve(
    problem: Problem, start: Array | None, tolerance: float, max_iterations: int
) -> tuple[Array, NDArray[np.int64]]:
    """Choose between the lean path of one problem and lanes of many."""
    shape = problem.weight.shape
    users = shape[-1]
    samples = math.prod(shape[:-1])
    if users == 0 or samples == 0:
        return np.zeros(shape), np.zeros(shape[:-1], dtype=np.int64)
    amplitude = np.ones(shape)
    if start is not None:
        full = np.where(problem.p_max > 0.0, problem.p_max, 1.0)
        np.sqrt(np.clip(start / full, 0.0, 1.0), out=amplitude)
    if samples == 1:
        fraction, count = _iterate_one(
            full_power_snr(problem).reshape(users, users),
            problem.weight.reshape(users),
            amplitude.reshape(users),
            tolerance,
            max_iterations,
        )
        iterations = np.full(shape[:-1], count, dtype=np.int64)
    else:
        flat = Problem(
            problem.gain.reshape(samples, users, users),
            problem.noise_power.reshape(samples, users),
            problem.p_max.reshape(samples, users),
            problem.weight.reshape(samples, users),
        )
        lanes = _Lanes(flat, amplitude.reshape(samples, users))
        fraction, counts = lanes.run(tolerance, max_iterations)
        iterations = counts.reshape(shape[:-1])
    return fraction.reshape(shape) * problem.p_max, iterations


def _iterate_one(
    snr: Array, weight: Array, v: Array, tolerance: float, max_iterations: int
) -> tuple[Array, int]:
    """One problem in as few NumPy calls as possible: at ten users the calls are the cost."""
    direct = snr.diagonal().copy()
    cross = snr.copy()
    np.fill_diagonal(cross, 0.0)
    weighted = weight * direct
    interference, received, scaled, pull, price = np.empty((5, v.size))
    silent = np.empty(v.size, dtype=np.bool)
    power = v * v
    objective = -math.inf
    count = 0
    while True:
        np.dot(cross, power, out=interference)
        np.add(interference, 1.0, out=interference)
        np.multiply(direct, power, out=received)
        np.add(received, interference, out=received)
        np.divide(received, interference, out=scaled)
        np.log2(scaled, out=scaled)
        last, objective = objective, float(np.dot(weight, scaled))
        if objective - last < tolerance or count >= max_iterations:
            return power, count
        np.divide(weighted, interference, out=pull)
        np.multiply(pull, v, out=pull)
        np.multiply(pull, v, out=scaled)
        np.divide(scaled, received, out=scaled)
        np.dot(scaled, snr, out=price)
        np.add(price, _PRICELESS, out=price)
        np.divide(pull, price, out=v)
        np.minimum(v, 1.0, out=v)
        np.less(v, _SILENT, out=silent)
        np.copyto(v, 0.0, where=silent)
        np.multiply(v, v, out=power)
        count += 1


class _Lanes:
    """Many problems side by side; a lane takes the next problem as soon as its own has converged.

    When none is left to take, lanes that are done are dropped by and by.

    Parameters
    ----------
    problem : Problem
        N problems of K users.
    start : [N, K], float64
        Amplitudes to start from, in units of the largest.
    """

    def __init__(self, problem: Problem, start: Array) -> None:
        samples, users = start.shape
        count = min(samples, max(16, _LANE_VALUES // users**2))
        self._problem = problem
        self._start = start
        self._next = 0
        self._sample = np.full(count, -1)
        self._count = np.zeros(count, dtype=np.int64)
        self._objective = np.empty(count)
        self._snr = np.empty((count, users, users))
        self._cross = np.empty((count, users, users))
        self._weight, self._v = np.empty((2, count, users))
        self._take(np.arange(count))

    def run(self, tolerance: float, max_iterations: int) -> tuple[Array, NDArray[np.int64]]:
        """Powers as fractions of the largest and updates made, for every problem."""
        fraction = np.empty(self._start.shape)
        iterations = np.empty(self._start.shape[0], dtype=np.int64)
        while True:
            power = self._v * self._v
            interference = np.matmul(self._cross, power[:, :, None])[:, :, 0]
            interference += 1.0
            direct = np.einsum("bkk->bk", self._snr)
            received = direct * power
            received += interference
            objective = np.vecdot(self._weight, np.log2(received / interference))
            stop = objective - self._objective < tolerance
            stop |= self._count >= max_iterations
            done = np.flatnonzero(stop & (self._sample >= 0))
            fraction[self._sample[done]] = power[done]
            iterations[self._sample[done]] = self._count[done]
            self._objective = objective
            self._update(direct, interference, received)
            self._take(done)
            if self._next == len(self._start) and not self._drop():
                return fraction, iterations

    def _update(self, direct: Array, interference: Array, received: Array) -> None:
        """One update of v in every lane."""
        pull = self._weight * direct
        pull /= interference
        pull *= self._v
        scaled = pull * self._v
        scaled /= received
        price = np.matmul(scaled[:, None, :], self._snr)[:, 0, :]
        price += _PRICELESS
        np.minimum(pull / price, 1.0, out=self._v)
        self._v[self._v < _SILENT] = 0.0
        self._count += 1

    def _take(self, free: NDArray[np.int64]) -> None:
        """Put the next problems into free lanes; lanes that get none are marked as empty."""
        taken = min(free.size, len(self._start) - self._next)
        lane, empty = free[:taken], free[taken:]
        sample = slice(self._next, self._next + taken)
        self._next += taken
        self._sample[empty] = -1
        if taken:
            snr = full_power_snr(Problem(*(array[sample] for array in self._problem)))
            self._snr[lane] = snr
            np.einsum("bkk->bk", snr)[...] = 0.0
            self._cross[lane] = snr
            self._weight[lane] = self._problem.weight[sample]
            self._v[lane] = self._start[sample]
            self._objective[lane] = -math.inf
            self._count[lane] = 0
            self._sample[lane] = np.arange(sample.start, sample.stop)

    def _drop(self) -> bool:
        """Drop empty lanes once they are an eighth; False when every lane is empty."""
        busy = self._sample >= 0
        if not busy.any():
            return False
        if np.count_nonzero(busy) <= 0.875 * busy.size:
            for name in ("_sample", "_count", "_objective", "_snr", "_cross", "_weight", "_v"):
                setattr(self, name, getattr(self, name)[busy])
        return True


class Wmmse(Controller):
    """WMMSE from full power, by choice from more starts and with a flip search.

    Parameters
    ----------
    starts : int
        Number of starts, at least one. The first is full power (or the last powers, see
        `warm_start`), the others are log-uniform over `START_DECADES` below `p_max`, drawn from the
        seed, the same for every problem with as many users. The best sum rate is kept.
    warm_start : bool
        `decide` starts from its last powers, matched by `user_id`, raised to `WARM_FLOOR` of
        `p_max`; a user that is new starts at full power. `allocate` has no last powers.
    flip : bool
        Search on from the end: switch single users to zero or `p_max` while that helps, once from
        the powers themselves and once from the powers rounded at half; the best is kept.
    tolerance : float
        Stop when the objective rises by less than this [bit/s/Hz].
    max_iterations : int
        Stop after so many iterations, at least one.

    Raises
    ------
    ValueError
        If an option is out of its range.
    """

    name = "wmmse"

    def __init__(
        self,
        starts: int = 1,
        warm_start: bool = False,
        flip: bool = False,
        tolerance: float = 1e-5,
        max_iterations: int = 500,
    ) -> None:
        if starts < 1:
            raise ValueError(f"starts = {starts}: must be at least 1")
        if not 0.0 <= tolerance < math.inf:
            raise ValueError(f"tolerance = {tolerance}: must be non-negative and finite")
        if max_iterations < 1:
            raise ValueError(f"max_iterations = {max_iterations}: must be at least 1")
        self.starts = starts
        self.warm_start = warm_start
        self.flip = flip
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.equivariant = starts == 1
        self._last: dict[int, float] = {}

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        return self._best(broadcast(gain, noise_power, p_max, weight), None)

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        problem = broadcast(
            observation.gain, observation.noise_power, observation.p_max, observation.weight
        )
        if not self.warm_start:
            return self._best(problem, None)
        users = observation.user_id.tolist()
        last = np.array([self._last.get(user, math.inf) for user in users])
        start = np.clip(last, WARM_FLOOR * problem.p_max, problem.p_max)
        power = self._best(problem, start)
        self._last = dict(zip(users, power.tolist(), strict=True))
        return power

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self._last = {}

    def _best(self, problem: Problem, first: Array | None) -> Array:
        """Best of all starts, searched on if so wished."""
        ends = (
            _solve(problem, start, self.tolerance, self.max_iterations)[0]
            for start in (first, *self._random_starts(problem))
        )
        power = best_of(problem, *ends)
        return flipped(problem, power) if self.flip else power

    def _random_starts(self, problem: Problem) -> Iterator[Array]:
        """Powers of the second and further starts, the same in every problem."""
        rng = np.random.default_rng(self.seed)
        for _ in range(self.starts - 1):
            below = START_DECADES * rng.random(problem.weight.shape[-1])
            yield problem.p_max * 10.0**-below
