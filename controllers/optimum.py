"""The best powers there are, by branch and bound, with a certificate of how good they are.

Weighted sum rate over powers has many local maxima, and finding the best one is NP-hard (Luo and
Zhang, IEEE J. Sel. Top. Signal Process. 2(1), 2008). Branch and bound finds it all the same, within
a gap that is proved: for ten users in less than a millisecond, for twenty in tenths of a second.
Where a limit on the work ends the search earlier, the gap that is left is known. The same search
proves how many bits per joule there are: see `slotwise.controllers.dinkelbach`.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.aimed import SCENARIO, Aimed, spared
from slotwise.controllers.base import Problem, broadcast, full_power_snr
from slotwise.controllers.beam import polished
from slotwise.controllers.dinkelbach import alone, prove, vanishing
from slotwise.controllers.fractional import fractional
from slotwise.controllers.kernels.branching import branch
from slotwise.controllers.kernels.corner_bound import best_corners
from slotwise.controllers.search import best_of, flat, flipped, grown
from slotwise.emulator.objective import SUM_RATE, Aim, Objective
from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    from slotwise.emulator.scenario import Scenario

__all__ = ["Certificate", "OpenGap", "Optimum", "certify"]

Array = NDArray[np.float64]

CORNER_USERS = 16
"""Users up to which the search starts from the best of all 2^K on/off powers; beyond, from beam."""

AIMS: tuple[Aim, ...] = ("sum-rate", "energy-efficiency")
"""What can be maximised."""

_BEAM_WIDTH = 32
_BEAM_PATIENCE = 2


class OpenGap(UserWarning):
    """The search has reached its limit of nodes before it was done."""


class Certificate(NamedTuple):
    """Powers, and what no others can exceed.

    Attributes
    ----------
    power : [..., K], float64
        Powers [W].
    value : [...], float64
        What they are worth: weighted sum rate [bit/s/Hz] or energy efficiency [bit/J/Hz].
    bound : [...], float64
        No powers are worth more, up to the rounding of double precision.
    gap : [...], float64
        What may be missing: bound - value.
    closed : [...], bool
        Whether the gap is as small as was asked for.
    nodes : [...], int64
        Parts of the box of powers that were looked at.
    objective : Objective
        What was maximised.
    """

    power: Array
    value: Array
    bound: Array
    gap: Array
    closed: NDArray[np.bool_]
    nodes: NDArray[np.int64]
    objective: Objective = SUM_RATE

    def summary(self) -> str:
        """What was proved, in one line."""
        samples, done = self.closed.size, int(self.closed.sum())
        within = f"within {self._most(self.closed)} of the optimum"
        if done == samples:
            return f"all {samples} proved {within}"
        left = f"{samples - done} of {samples} stay open, by at most {self._most(~self.closed)}"
        return f"{left}; the other {done} proved {within}" if done else left

    def _most(self, among: NDArray[np.bool_]) -> str:
        """Largest gap among some: of a sum rate with its unit, of an efficiency per what it is."""
        if self.objective.aim == "sum-rate":
            return f"{self.gap[among].max(initial=0.0):.2g} {self.objective.unit}"
        part = self.gap[among] / np.maximum(self.value[among], np.finfo(float).tiny)
        percent = 100.0 * float(part.max(initial=0.0))
        return f"{percent:,.0f}%" if percent >= 99.5 else f"{percent:.2g}%"


def certify(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None = None,
    gap: float = 0.01,
    nodes: int = 1_000_000,
    objective: Objective = SUM_RATE,
    relative_gap: float = 0.001,
) -> Certificate:
    """Maximise the weighted sum rate or the energy efficiency, and prove how good the result is.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    weight : [..., K] or scalar, float, optional
        Weights; left out: one.
    gap : float
        Largest difference to the optimum that is left of a sum rate [bit/s/Hz], positive.
    nodes : int
        Most parts of the box of powers to look at in each problem, at least one.
    objective : Objective
        What to maximise: sum rate or energy efficiency, without a promised rate.
    relative_gap : float
        Largest difference to the optimum that is left of an efficiency, relative to what is
        reached; positive.

    Returns
    -------
    Certificate
        Powers, value, bound and gap of each problem. Users that no power can serve get none.

    Raises
    ------
    ValueError
        If shapes do not fit or a value is out of its range.

    Notes
    -----
    The search for a sum rate starts from the best of all on/off powers up to `CORNER_USERS` users
    and from a beam search beyond, polished by WMMSE; that for an efficiency from what `fractional`
    finds, so that neither is worse.

    A cap of the SINR that counts is unknown to the search, whose bound holds all the same. Powers
    are the best that it and `fractional` find, cut to the cap, and the bound is the lower of the
    search's and of what everyone would be worth without interference.
    """
    _check(gap, nodes, objective, relative_gap)
    problem = broadcast(gain, noise_power, p_max, weight)
    lead, (every, order) = problem.weight.shape[:-1], _sorted(flat(problem))
    power, bound, seen = _searched(every, objective, gap, relative_gap, nodes)
    reached = np.maximum(objective.value(every.gain, power, every.noise_power, every.weight), 0.0)
    placed = np.empty_like(power)
    np.put_along_axis(placed, order, power, axis=1)
    allowed = gap if objective.aim == "sum-rate" else relative_gap * reached
    bound = np.maximum(bound, reached)
    # What rounding adds to a difference of sums that are large is not an open gap.
    closed = bound - reached <= allowed + 1e-12 * bound
    return Certificate(
        placed.reshape(problem.p_max.shape),
        reached.reshape(lead),
        bound.reshape(lead),
        (bound - reached).reshape(lead),
        closed.reshape(lead),
        seen.reshape(lead),
        objective,
    )


def _searched(
    every: Problem, objective: Objective, gap: float, relative_gap: float, nodes: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Powers of sorted problems, their bounds, and parts looked at."""
    if objective.aim == "sum-rate":
        power, bound, seen = _best_rate(every, gap, nodes)
    else:
        uncapped = objective._replace(sinr_cap=None)
        power, bound, seen = _best_efficiency(every, uncapped, relative_gap, nodes)
    if objective.sinr_cap is not None:
        power = _most_counted(every, objective, power)
        bound = np.minimum(bound, alone(every, objective))
    return power, bound, seen


def _check(gap: float, nodes: int, objective: Objective, relative_gap: float) -> None:
    """Refuse options that are out of their range."""
    for name, value in (("gap", gap), ("relative_gap", relative_gap)):
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name} = {value}: must be positive and finite")
    if nodes < 1:
        raise ValueError(f"nodes = {nodes}: must be at least 1")
    if objective.aim not in AIMS:
        raise ValueError(f"objective = {objective.aim}: must be one of {', '.join(AIMS)}")
    if objective.min_rate > 0.0:
        raise InputError(f"min_rate = {objective.min_rate}: optimum knows no promised rates")


def _sorted(problem: Problem) -> tuple[Problem, NDArray[np.int64]]:
    """Users by weighted signal-to-noise ratio, strongest first, and who they are.

    The search then takes the same way however the users were numbered.
    """
    worth = np.einsum("nkk->nk", full_power_snr(problem)) * problem.weight
    order = np.argsort(-worth, axis=1, kind="stable")
    gain = np.take_along_axis(problem.gain, order[:, :, None], axis=1)
    gain = np.take_along_axis(gain, order[:, None, :], axis=2)
    rows = (np.take_along_axis(row, order, axis=1) for row in problem[1:])
    return Problem(gain, *rows), order


def _start(problem: Problem) -> Array:
    """Powers [W] that the search starts from."""
    if problem.weight.shape[-1] <= CORNER_USERS:
        return polished(problem, best_corners(*problem))
    power = polished(problem, grown(problem, _BEAM_WIDTH, None, _BEAM_PATIENCE))
    return best_of(problem, power, flipped(problem, power))


def _best_rate(problem: Problem, gap: float, nodes: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """Powers [W] of the highest weighted sum rate, bound and nodes of each problem.

    Problem by problem, so that it can be interrupted between two.
    """
    power = _start(problem)
    samples, users = power.shape
    value, bound, seen = np.zeros(samples), np.zeros(samples), np.zeros(samples, dtype=np.int64)
    free = np.zeros(users)
    for n in range(samples):
        noise_power, p_max, weight = (row[n] for row in problem[1:])
        value[n], bound[n], seen[n] = branch(
            problem.gain[n], noise_power, p_max, weight, free, gap, nodes, power[n]
        )
    # Climbed to the top of the hill that the search has left them on.
    return polished(problem, power), np.maximum(bound, value), seen


def _best_efficiency(
    problem: Problem, objective: Objective, gap: float, nodes: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Powers [W] of the highest efficiency, bound and nodes of each problem."""
    if objective.circuit_power_w == 0.0:
        return *vanishing(problem, objective, gap), np.ones(len(problem.weight), dtype=np.int64)
    power = fractional(*problem, objective=objective)[0]
    return power, *prove(problem, objective, power, gap, nodes)


def _most_counted(problem: Problem, objective: Objective, power: Array) -> Array:
    """Powers cut to the cap on the SINR, or what `fractional` finds where that is worth more."""
    ends = spared(problem, power, objective), fractional(*problem, objective=objective)[0]
    gain, noise_power, _, weight = problem
    searched, climbed = (objective.value(gain, end, noise_power, weight) for end in ends)
    return np.where((climbed > searched)[:, None], ends[1], ends[0])


class Optimum(Aimed):
    """The best powers there are, to a gap that is proved; small networks only.

    Parameters
    ----------
    gap : float
        Largest difference to the optimum that is left of a sum rate [bit/s/Hz], positive.
    nodes : int
        Most parts of the box of powers to look at in a problem. Where they do not suffice, a
        warning says so, once until the next `reset`.
    objective : str
        ``scenario``, ``sum-rate`` or ``energy-efficiency``: see `Aimed`. Alone, it is the sum rate.
    relative_gap : float
        Largest difference to the optimum that is left of an energy efficiency, relative to what is
        reached; positive.

    Attributes
    ----------
    certificate : Certificate or None
        What was proved in the last call.

    Raises
    ------
    ValueError
        If an option is out of its range, or the network's objective is not served.

    Notes
    -----
    Where the network caps the SINR that counts, the proof is of all that could count, and often
    leaves a gap: see `certify`.
    """

    name = "optimum"
    equivariant = True
    alone: ClassVar[Aim] = "sum-rate"
    aims: ClassVar[tuple[Aim, ...]] = AIMS

    def __init__(
        self,
        gap: float = 0.01,
        nodes: int = 1_000_000,
        objective: str = SCENARIO,
        relative_gap: float = 0.001,
    ) -> None:
        self.gap = float(gap)
        self.nodes = nodes
        self.relative_gap = float(relative_gap)
        self.certificate: Certificate | None = None
        self._warned = False
        super().__init__(objective)

    def serve(self, objective: Objective) -> None:
        """See `Aimed.serve`."""
        if objective.min_rate > 0.0:
            raise InputError(
                f"controller {self.name}: radio.min_rate = {objective.min_rate:g}: must be 0, "
                "optimum knows no promised rates"
            )
        super().serve(objective)
        _check(self.gap, self.nodes, self.objective, self.relative_gap)

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        limits = self.gap, self.nodes, self.objective, self.relative_gap
        found = certify(gain, noise_power, p_max, weight, *limits)
        self.certificate = found
        if not (self._warned or found.closed.all()):
            self._warned = True
            warnings.warn(
                f"{self.name}: {found.summary()}, after nodes = {self.nodes}; said once",
                OpenGap,
                stacklevel=2,
            )
        return found.power.copy()

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self.certificate = None
        self._warned = False
