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

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from slotwise.controllers.at_once import AtOnce
from slotwise.controllers.base import Controller, Problem, broadcast
from slotwise.controllers.batch import Batch, Gains, batch_of
from slotwise.controllers.kernels.lanes import iterate_lanes
from slotwise.controllers.kernels.loading import SHARED_USERS, receivers_repeat
from slotwise.controllers.kernels.rows import iterate_rows
from slotwise.controllers.kernels.shared import iterate_shared
from slotwise.controllers.kernels.sparse import Graph
from slotwise.controllers.neighbours import Neighbours, in_each, wmmse_among
from slotwise.controllers.posterior import tracker_of
from slotwise.controllers.search import best_of, flipped

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["Wmmse", "wmmse"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

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

_PRECISIONS: dict[str, type[np.floating[Any]]] = {"double": np.float64, "single": np.float32}

# Problems of up to so many users are solved side by side, if there are enough to fill the lanes
# (of 64 bytes): beyond it, dropping silent users gains more than the lanes do.
_LANES_USERS = {8: 28, 4: 44}  # by the bytes of a number
_LANES_BYTES = 64


def wmmse(  # noqa: PLR0913 - a problem, a start, a rule, and how to compute
    gain: Gains,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None = None,
    start: Array | float | None = None,
    tolerance: float = 1e-5,
    max_iterations: int = 500,
    dtype: DTypeLike = np.float64,
    threads: int = 1,
) -> tuple[Array, Index]:
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
    dtype : float64 or float32
        What to compute in. Single precision is half as fast again and stops an iteration early or
        late now and then; signal-to-noise ratios must stay below 1e18.
    threads : int
        Parts of a batch that are solved at the same time, at least one.

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

    Notes
    -----
    Compiled; `slotwise.controllers.wmmse_numpy.wmmse_numpy` is the same in plain NumPy.
    """
    precision: np.dtype[Any] = np.dtype(dtype)
    if precision not in (np.float64, np.float32):
        raise ValueError(f"dtype = {dtype}: must be float64 or float32")
    if threads < 1 or math.isnan(tolerance):
        raise ValueError(
            f"threads = {threads}, tolerance = {tolerance}: must be at least 1 and a number"
        )
    batch = batch_of(gain, noise_power, p_max, weight, start, precision)
    power = np.empty(batch.gain.shape[:-1])
    iterations = np.zeros(len(power), dtype=np.int64)
    rule = float(tolerance), int(max_iterations), precision.type(1.0)
    if not _solve_in_parts(batch, power, iterations, rule, threads):
        broadcast(np.asarray(gain, dtype=np.float64), noise_power, p_max, weight)
        raise ValueError("gain, noise_power, p_max or weight is out of its range")
    return power.reshape(batch.shape), iterations.reshape(batch.shape[:-1])


def _solve_in_parts(
    batch: Batch, power: Array, iterations: Index, rule: tuple[Any, ...], threads: int
) -> bool:
    """Solve a batch, on several threads if asked; whether all its values were in range."""
    samples = len(power)
    if threads == 1 or samples < 2 * threads:
        return _solve(batch, power, iterations, rule)
    ends = [samples * part // threads for part in range(threads + 1)]
    parts = [slice(*pair) for pair in itertools.pairwise(ends)]
    with ThreadPoolExecutor(threads) as pool:
        valid = pool.map(
            lambda part: _solve(batch.part(part), power[part], iterations[part], rule), parts
        )
        return all(valid)


def _solve(batch: Batch, power: Array, iterations: Index, rule: tuple[Any, ...]) -> bool:
    """Choose the kernel; whether all values were in range."""
    samples, users = power.shape
    tolerance, most, one = rule
    if power.size == 0:
        return True
    if users >= SHARED_USERS and receivers_repeat(batch.gain[0]):
        kernel = iterate_shared
    elif users <= _LANES_USERS[one.itemsize] and samples >= _LANES_BYTES // one.itemsize:
        kernel = iterate_lanes
    else:
        kernel = iterate_rows
    arrays = batch.gain, batch.noise_power, batch.p_max, batch.weight, batch.start
    return kernel(*arrays, tolerance, most, one, power, iterations) < 0


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
    precision : str
        ``double`` or ``single``, see `wmmse`.
    threads : int
        Parts of a batch that are solved at the same time, at least one.
    sparse : int
        Each receiver listens to so many neighbours alone, see `slotwise.controllers.neighbours`,
        in double precision; zero: to everyone.
    csi : str
        What `decide` takes for the gains: ``reported``, as they are reported; ``conditional-mean``,
        as they are expected to be when the powers are in force, given the newest report, its age
        and the fading; ``kalman``, as a filter of every link expects them, which needs
        ``csi.reports=channel``. See `slotwise.controllers.posterior`. `allocate` takes gains as
        they are.
    doppler : str
        Of the fading: ``known``, as the scenario states it, and estimated where it does not;
        ``estimated``, from the reports.

    Raises
    ------
    ValueError
        If an option is out of its range.
    """

    name = "wmmse"

    def __init__(  # noqa: PLR0913 - a parameter is an option
        self,
        starts: int = 1,
        warm_start: bool = False,
        flip: bool = False,
        tolerance: float = 1e-5,
        max_iterations: int = 500,
        precision: str = "double",
        threads: int = 1,
        sparse: int = 0,
        csi: str = "reported",
        doppler: str = "known",
    ) -> None:
        if starts < 1:
            raise ValueError(f"starts = {starts}: must be at least 1")
        if not 0.0 <= tolerance < math.inf:
            raise ValueError(f"tolerance = {tolerance}: must be non-negative and finite")
        if max_iterations < 1:
            raise ValueError(f"max_iterations = {max_iterations}: must be at least 1")
        if precision not in _PRECISIONS:
            raise ValueError(f"precision = {precision}: must be one of {', '.join(_PRECISIONS)}")
        if threads < 1:
            raise ValueError(f"threads = {threads}: must be at least 1")
        if sparse < 0:
            raise ValueError(f"sparse = {sparse}: must be non-negative")
        if sparse and precision != "double":
            raise ValueError(f"precision = {precision}: must be double where sparse is not zero")
        self.starts = starts
        self.warm_start = warm_start
        self.flip = flip
        self.tolerance = float(tolerance)
        self.max_iterations = max_iterations
        self.precision = precision
        self.threads = threads
        self.sparse = sparse
        self.equivariant = starts == 1 and precision == "double"  # else but for rounding
        plain = starts == 1 and not flip and not sparse
        lean = plain and precision == "double"
        self._at_once = AtOnce(self.tolerance, max_iterations) if lean else None
        self._plain = plain
        self._neighbours = Neighbours(sparse) if sparse else None
        self._tracker = tracker_of(csi, doppler)
        self._as_allocated = not warm_start and not sparse
        self._last: dict[int, float] = {}

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        if self._at_once is not None:
            power = self._at_once.power(gain, noise_power, p_max, weight)
            if power is not None:
                return power
        if self._plain:
            return self._solved(gain, noise_power, p_max, weight, None)
        return self._best(broadcast(gain, noise_power, p_max, weight), None, self._solved)

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        if self._tracker is not None and self._tracker.told:
            observation = self._tracker.expected(observation)
        if self._as_allocated:
            return super().decide(observation)
        problem = Problem(
            observation.gain, observation.noise_power, observation.p_max, observation.weight
        )
        solve = self._solved
        if self._neighbours is not None:
            graph = self._neighbours.graph(observation)
            solve = functools.partial(self._solved_among, graph)
        if not self.warm_start:
            return self._best(problem, None, solve)
        users = observation.user_id.tolist()
        last = np.array([self._last.get(user, math.inf) for user in users])
        start = np.clip(last, WARM_FLOOR * problem.p_max, problem.p_max)
        power = self._best(problem, start, solve)
        self._last = dict(zip(users, power.tolist(), strict=True))
        return power

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self._last = {}
        if self._tracker is not None:
            self._tracker.reset(scenario)
        if self.sparse:
            self._neighbours = Neighbours(self.sparse)

    def _best(self, problem: Problem, first: Array | None, solve: Callable[..., Array]) -> Array:
        """Best of all starts, searched on if so wished."""
        ends = (solve(*problem, start) for start in (first, *self._random_starts(problem)))
        power = best_of(problem, *ends)
        return flipped(problem, power) if self.flip else power

    def _solved(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None,
        start: Array | None,
    ) -> Array:
        """Powers from one start."""
        if self.sparse:
            problem = broadcast(gain, noise_power, p_max, weight)
            return in_each(
                problem,
                self.sparse,
                lambda graph, place: self._fraction(
                    graph, None if start is None else start[place], problem.p_max[place]
                ),
            )
        return wmmse(
            gain,
            noise_power,
            p_max,
            weight,
            start,
            self.tolerance,
            self.max_iterations,
            _PRECISIONS[self.precision],
            self.threads,
        )[0]

    def _solved_among(
        self, graph: Graph, _gain: Array, _noise: Array, p_max: Array, _weight: Array, start: Any
    ) -> Array:
        """Powers from one start, among neighbours that are known."""
        return self._fraction(graph, start, p_max) * p_max

    def _fraction(self, graph: Graph, start: Array | None, p_max: Array) -> Array:
        """Powers among neighbours from one start, as fractions of the largest."""
        if start is not None:
            start = np.divide(start, p_max, out=np.ones(p_max.shape), where=p_max > 0.0)
        return wmmse_among(graph, start, self.tolerance, self.max_iterations)[0]

    def _random_starts(self, problem: Problem) -> Iterator[Array]:
        """Powers of the second and further starts, the same in every problem."""
        rng = np.random.default_rng(self.seed)
        for _ in range(self.starts - 1):
            below = START_DECADES * rng.random(problem.weight.shape[-1])
            yield problem.p_max * 10.0**-below
