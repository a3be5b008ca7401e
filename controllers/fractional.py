"""Energy efficiency, or any other objective, by fractional programming: prices and water-filling.

One step prices the interference and the energy that a watt of each user costs, and lets everyone
fill up to the price; with Dinkelbach's parameter renewed in every step there is one loop and not
three. From step to step the objective never falls. Where it ends depends on where it begins, so a
few starts are tried: see `slotwise.controllers.kernels.fractional` and ``fractional_starts``.
Where its powers break promised rates, `slotwise.controllers.promised` goes on from there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.aimed import SCENARIO, Aimed, spared
from slotwise.controllers.base import Problem, broadcast
from slotwise.controllers.batch import Batch, batch_of, is_plain, plain_rows
from slotwise.controllers.kernels.fractional import solve_each, solve_one
from slotwise.controllers.kernels.fractional_starts import HIGH, STARTS
from slotwise.controllers.least_rates import feasible, guaranteed, promised
from slotwise.controllers.promised import constrained
from slotwise.emulator.objective import Aim, Objective
from slotwise.emulator.promise import promised_sinr

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["Fractional", "along", "fractional"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_FLOAT64 = np.dtype(np.float64)
_LEAST_SHARE, _SHARES = 1.0 / 64.0, 25  # of all powers, that are tried where SINR is capped


def fractional(  # noqa: PLR0913 - a problem, what it is for, starts and a rule
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None = None,
    *,
    objective: Objective = Objective("energy-efficiency"),  # noqa: B008 - a tuple
    start: Array | float | None = None,
    starts: int | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
) -> tuple[Array, Index]:
    """Raise an objective from given powers, or from the best of a few starts, to a maximum.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    weight : [..., K] or scalar, float, optional
        Weights; left out: one.
    objective : Objective
        What to maximise. Its promised rate is not looked at here.
    start : [..., K] or scalar, float, optional
        Powers to start from [W], clipped to [0, `p_max`].
    starts : int, optional
        So many of the starts of `slotwise.controllers.kernels.fractional_starts.begin` besides;
        left out: none where there is a `start`, all else.
    tolerance : float
        Stop when a step raises the objective by less than this part of itself.
    max_iterations : int
        Stop after so many steps from each start.

    Returns
    -------
    power : [..., K], float64
        Powers [W]. A user that no power can serve (no direct gain, no weight) gets none.
    iterations : [...], int64
        Steps that were made from all starts together.

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.

    Notes
    -----
    The objective never falls from step to step. Without circuit power, bits per joule rise all the
    way to no power at all, where there are none; steps end where less gains less than `tolerance`.

    Where the objective caps the SINR that counts, steps do not know of it: the end of every start
    is cut to what leaves everyone as much as counts, and beside them stand the least powers with
    which as many users as possible reach the cap. The best of these is kept, all powers lowered
    together as far as that pays. Nothing says that it is a maximum.
    """
    if starts is None:
        starts = STARTS if start is None else 0
    _check(starts, tolerance, max_iterations, least=0 if start is not None else 1)
    batch = batch_of(gain, noise_power, p_max, weight, start, _FLOAT64)
    kinds = -1 if start is not None else 0, starts
    rule = float(tolerance), int(max_iterations)
    if objective.sinr_cap is None:
        power, iterations = _climbed(batch, kinds, objective, rule)
    else:
        power, iterations = _most_counted(batch, kinds, objective, rule)
    if power.size and iterations.min(initial=0) < 0:
        broadcast(np.asarray(gain, dtype=np.float64), noise_power, p_max, weight)
        raise ValueError("gain, noise_power, p_max or weight is out of its range")
    return power.reshape(batch.shape), iterations.reshape(batch.shape[:-1])


def _climbed(
    batch: Batch, kinds: tuple[int, int], objective: Objective, rule: tuple[float, int]
) -> tuple[Array, Index]:
    """Best of some kinds of starts, and steps; negative ones where values are out of range."""
    power = np.empty(batch.gain.shape[:-1])
    iterations = np.zeros(len(power), dtype=np.int64)
    gains: Any = batch.gain if batch.gain.flags.writeable else batch.gain.copy()
    rows = batch.noise_power, batch.p_max, batch.weight, batch.start
    solve_each(gains, *rows, kinds, _terms(objective), rule, power, iterations)
    return power, iterations


def _most_counted(
    batch: Batch, kinds: tuple[int, int], objective: Objective, rule: tuple[float, int]
) -> tuple[Array, Index]:
    """Powers that are worth most by rates that count up to a cap, and steps to all of them."""
    gains: Any = batch.gain
    problem = broadcast(gains, batch.noise_power, batch.p_max, batch.weight)
    ends, steps = [_capping(problem, objective)], np.zeros(len(batch.gain), dtype=np.int64)
    for kind in range(*kinds):
        power, made = _climbed(batch, (kind, kind + 1), objective, rule)
        ends.append(spared(problem, power, objective))
        steps += made
    best = _best_of(problem, np.stack(ends), objective)
    shares = np.geomspace(_LEAST_SHARE, 1.0, _SHARES)[::-1, None, None]
    return spared(problem, _best_of(problem, shares * best, objective), objective), steps


def _best_of(problem: Problem, powers: Array, objective: Objective) -> Array:
    """Powers that are worth most, of several; among equals the first."""
    gain, noise_power, _, weight = problem
    worth = objective.value(gain, powers, noise_power, weight)
    best: Array = np.take_along_axis(powers, np.argmax(worth, axis=0)[None, :, None], axis=0)[0]
    return best


def _capping(problem: Problem, objective: Objective) -> Array:
    """The least powers with which as many users as possible reach the cap on the SINR."""
    gain, noise_power, p_max, weight = problem
    own, cap = np.diagonal(gain, axis1=-2, axis2=-1), objective.sinr_cap or 0.0
    asked = np.where((own > 0.0) & (weight > 0.0) & (p_max > 0.0), cap, 0.0)
    limits = gain, noise_power, p_max
    least = feasible(*limits, promised(*limits, asked).gamma).power
    return np.where(np.isfinite(least), np.minimum(least, p_max), 0.0)


def along(
    gain: Array,
    noise_power: Array | float,
    p_max: Array,
    weight: Array | float | None = None,
    *,
    objective: Objective = Objective("energy-efficiency"),  # noqa: B008 - a tuple
    starts: int = STARTS,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
) -> Array:
    """Best powers for one largest power after the other, each level starting from the last too.

    What the powers are worth never falls from a level to the next: a larger box contains a smaller.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power : [..., K] or scalar, float
        Noise power [W]; leading axes broadcast against those of `gain`, and so do the weights'.
    p_max : [L] or [L, K], float
        Largest power of everyone, or of each user, at each level [W]; nobody's ever falls.
    weight, objective, starts, tolerance, max_iterations
        As of `fractional`; as many starts at every level, besides the last level's powers.

    Returns
    -------
    [L, ..., K], float64
        Powers [W].

    Raises
    ------
    ValueError
        If shapes do not fit, a value is out of its range, or a largest power falls.
    """
    levels = np.asarray(p_max, dtype=np.float64)
    if levels.ndim not in (1, 2) or (np.diff(levels, axis=0) < 0.0).any():
        raise ValueError(f"p_max has shape {levels.shape}: must be (L,) or (L, K) and never fall")
    shape = broadcast(gain, noise_power, levels[0] if len(levels) else 0.0, weight).p_max.shape
    powers = np.empty((len(levels), *shape))
    last: Array | None = None
    for power, level in zip(powers, levels, strict=True):
        power[:] = fractional(
            gain,
            noise_power,
            np.broadcast_to(level, shape),
            weight,
            objective=objective,
            start=last,
            starts=starts,
            tolerance=tolerance,
            max_iterations=max_iterations,
        )[0]
        last = power
    return powers


class Fractional(Aimed):
    """Prices and water-filling from a few starts, towards whatever the network is for.

    Parameters
    ----------
    objective : str
        See `Aimed`.
    starts : int
        Number of starts, 1 to 4, of which the best end is kept: the best set of users found at
        powers of 0.4 P_c / mu; powers that are received 10 times as strong as noise;
        0.004 P_c / mu for everyone; the best set found at powers that are received 300 times as
        strong as noise. Where energy does not count, powers relative to P_c / mu are full.
    tolerance : float
        Stop when a step raises the objective by less than this part of itself.
    max_iterations : int
        Stop after so many steps from each start, at least one.
    warm_start : bool
        `decide` takes its last powers, matched by `user_id`, for the first start; a user that is
        new starts at `p_max`, or at 0.4 P_c / mu if that is less. `allocate` has no last powers.

    Raises
    ------
    ValueError
        If an option is out of its range.
    """

    name = "fractional"
    equivariant = True

    def __init__(
        self,
        objective: str = SCENARIO,
        starts: int = STARTS,
        tolerance: float = 1e-6,
        max_iterations: int = 500,
        warm_start: bool = False,
    ) -> None:
        _check(starts, tolerance, max_iterations)
        if max_iterations < 1:
            raise ValueError(f"max_iterations = {max_iterations}: must be at least 1")
        self.starts = starts
        self.tolerance = float(tolerance)
        self.max_iterations = max_iterations
        self.warm_start = warm_start
        self._rule, self._kinds = (self.tolerance, max_iterations), (0, starts)
        self._last: dict[int, float] = {}
        self._seen: tuple[Any, ...] = (None, None, None, (), (), np.empty((0, 0)))
        super().__init__(objective)

    def serve(self, objective: Objective) -> None:
        """See `Aimed.serve`."""
        super().serve(objective)
        self._terms = _terms(self.objective)
        self._promised = promised_sinr(self.objective)
        self._capped = self.objective.sinr_cap is not None

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        power = self._at_once(gain, noise_power, p_max, weight, None)
        if power is None:
            power = self._solved(gain, noise_power, p_max, weight, None)
        return self._kept(gain, noise_power, p_max, weight, power)

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        if not self.warm_start:
            return super().decide(observation)
        gain, noise_power, p_max = observation.gain, observation.noise_power, observation.p_max
        users, new = observation.user_id.tolist(), self._first_power()
        last = np.array([[self._last.get(user, new) for user in users]])
        power = self._at_once(gain, noise_power, p_max, observation.weight, last)
        if power is None:
            power = self._solved(gain, noise_power, p_max, observation.weight, last[0])
        power = self._kept(gain, noise_power, p_max, observation.weight, power)
        self._last = dict(zip(users, power.tolist(), strict=True))
        return power

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self._last = {}

    def _first_power(self) -> float:
        """Power at which a user that is new starts, cut to its largest [W]."""
        aim, inefficiency, circuit_w = self.objective[:3]
        counts = aim != "sum-rate" and circuit_w > 0.0
        return HIGH * circuit_w / inefficiency if counts else math.inf

    def _solved(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None,
        start: Array | None,
    ) -> Array:
        """Powers of any number of problems."""
        return fractional(
            gain,
            noise_power,
            p_max,
            weight,
            objective=self.objective,
            start=start,
            starts=self.starts - (start is not None),
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
        )[0]

    def _kept(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None,
        power: Array,
    ) -> Array:
        """Powers that keep what users were promised, if they were, and are the best to do so."""
        if self._promised <= 0.0:
            return power
        start = guaranteed(gain, noise_power, p_max, power, self._promised)
        short = (start != power).any(axis=-1, keepdims=True)
        if not short.any():
            return power
        rest = weight, self.objective, self._promised, start
        power = np.where(short, constrained(gain, noise_power, p_max, *rest), power)
        return spared(broadcast(gain, noise_power, p_max, weight), power, self.objective)

    def _at_once(
        self, gain: Any, noise_power: Any, p_max: Any, weight: Any, start: Array | None
    ) -> Array | None:
        """Powers of one network in one call of a kernel; None where arguments are not plain.

        Looking at an array takes Python long: rows that were looked at before are known again.
        """
        noise, full, given, rows, shape, none = self._seen
        if not (noise_power is noise and p_max is full and weight is given):
            rows = plain_rows(noise_power, p_max, weight)
            if rows is None:
                return None
            shape, none = (len(rows[0]), len(rows[0])), np.empty((0, len(rows[0])))
            self._seen = noise_power, p_max, weight, rows, shape, none
        if self._capped or not is_plain(gain, shape):
            return None
        first, kinds = (none, self._kinds) if start is None else (start, (-1, self.starts - 1))
        power, (noise, full, worth) = np.empty(shape[0]), rows
        terms, rule = self._terms, self._rule
        made = solve_one(gain, noise, full, worth, first, kinds, terms, rule, power)
        return power if made >= 0 else None


def _terms(objective: Objective) -> tuple[int, float, float]:
    """An objective as kernels take it."""
    place = get_args(Aim).index(objective.aim)
    return place, float(objective.amplifier_inefficiency), float(objective.circuit_power_w)


def _check(starts: int, tolerance: float, max_iterations: int, least: int = 1) -> None:
    if not least <= starts <= STARTS:
        raise ValueError(f"starts = {starts}: must be between {least} and {STARTS}")
    if not 0.0 <= tolerance < math.inf:
        raise ValueError(f"tolerance = {tolerance}: must be non-negative and finite")
    if max_iterations < 0:
        raise ValueError(f"max_iterations = {max_iterations}: must be non-negative")
