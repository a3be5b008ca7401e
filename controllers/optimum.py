"""The best powers there are, by branch and bound, with a certificate of how good they are.

Weighted sum rate over powers has many local maxima, and finding the best one is NP-hard (Luo and
Zhang, IEEE J. Sel. Top. Signal Process. 2(1), 2008). Branch and bound finds it all the same, within
a gap that is proved: for ten users in less than a millisecond, for twenty in tenths of a second.
Where a limit on the work ends the search earlier, the gap that is left is known.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, Problem, broadcast, full_power_snr
from slotwise.controllers.beam import polished
from slotwise.controllers.kernels.branching import branch
from slotwise.controllers.kernels.corner_bound import best_corners
from slotwise.controllers.search import best_of, flat, flipped, grown
from slotwise.emulator.radio import sum_rate

if TYPE_CHECKING:
    from slotwise.emulator.scenario import Scenario

__all__ = ["Certificate", "OpenGap", "Optimum", "certify"]

Array = NDArray[np.float64]

CORNER_USERS = 16
"""Users up to which the search starts from the best of all 2^K on/off powers; beyond, from beam."""

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
        Their weighted sum rate [bit/s/Hz].
    bound : [...], float64
        No powers reach more [bit/s/Hz], up to the rounding of double precision.
    gap : [...], float64
        What may be missing: bound - value.
    closed : [...], bool
        Whether the gap is as small as was asked for.
    nodes : [...], int64
        Parts of the box of powers that were looked at.
    """

    power: Array
    value: Array
    bound: Array
    gap: Array
    closed: NDArray[np.bool_]
    nodes: NDArray[np.int64]

    def summary(self) -> str:
        """What was proved, in one line."""
        samples, done = self.closed.size, int(self.closed.sum())
        within = f"within {self.gap[self.closed].max(initial=0.0):.2g} bit/s/Hz of the optimum"
        if done == samples:
            return f"all {samples} proved {within}"
        left = f"{samples - done} of {samples} stay open, by at most {self.gap.max():.2g} bit/s/Hz"
        return f"{left}; the other {done} proved {within}" if done else left


def certify(
    gain: Array,
    noise_power: Array | float,
    p_max: Array | float,
    weight: Array | float | None = None,
    gap: float = 0.01,
    nodes: int = 1_000_000,
) -> Certificate:
    """Maximise the weighted sum rate, and prove how far from the optimum the result may be.

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain; rows are receivers.
    noise_power, p_max : [..., K] or scalar, float
        Noise and largest power [W].
    weight : [..., K] or scalar, float, optional
        Weights; left out: one.
    gap : float
        Largest difference to the optimum that is left [bit/s/Hz], positive.
    nodes : int
        Most parts of the box of powers to look at in each problem, at least one. One takes some
        microseconds.

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
    The search starts from the best of all on/off powers up to `CORNER_USERS` users and from a beam
    search beyond, both polished by WMMSE, so that the result is never worse. What closes parts of
    the box is described in `slotwise.controllers.kernels.envelope_bound`.
    """
    if not 0.0 < gap < math.inf:
        raise ValueError(f"gap = {gap}: must be positive and finite")
    if nodes < 1:
        raise ValueError(f"nodes = {nodes}: must be at least 1")
    problem = broadcast(gain, noise_power, p_max, weight)
    lead = problem.weight.shape[:-1]
    every, order = _sorted(flat(problem))
    power = _start(every)
    value, bound, seen = _search(every, power, gap, nodes)
    power = _refined(every, power)
    reached = np.maximum(sum_rate(every.gain, power, every.noise_power, every.weight), 0.0)
    bound = np.maximum(bound, np.maximum(reached, value))
    placed = np.empty_like(power)
    np.put_along_axis(placed, order, power, axis=1)
    # What rounding adds to a difference of sums that are large is not an open gap.
    closed = bound - reached <= gap + 1e-12 * bound
    return Certificate(
        placed.reshape(problem.p_max.shape),
        reached.reshape(lead),
        bound.reshape(lead),
        (bound - reached).reshape(lead),
        closed.reshape(lead),
        seen.reshape(lead),
    )


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


def _search(
    problem: Problem, power: Array, gap: float, nodes: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Value, bound and nodes of each problem; better powers take the place of those given.

    Problem by problem, so that it can be interrupted between two.
    """
    samples, users = power.shape
    value, bound, seen = np.zeros(samples), np.zeros(samples), np.zeros(samples, dtype=np.int64)
    free = np.zeros(users)
    for n in range(samples):
        noise_power, p_max, weight = (row[n] for row in problem[1:])
        value[n], bound[n], seen[n] = branch(
            problem.gain[n], noise_power, p_max, weight, free, gap, nodes, power[n]
        )
    return value, bound, seen


def _refined(problem: Problem, power: Array) -> Array:
    """Powers climbed to the top of the hill that the search has left them on."""
    return polished(problem, power)


class Optimum(Controller):
    """The best powers there are, to a gap that is proved; small networks only.

    Parameters
    ----------
    gap : float
        Largest difference to the optimum that is left [bit/s/Hz], positive.
    nodes : int
        Most parts of the box of powers to look at in a problem. Where they do not suffice, a
        warning says so, once until the next `reset`.

    Attributes
    ----------
    certificate : Certificate or None
        What was proved in the last call.

    Raises
    ------
    ValueError
        If an option is out of its range.
    """

    name = "optimum"
    equivariant = True

    def __init__(self, gap: float = 0.01, nodes: int = 1_000_000) -> None:
        if not 0.0 < gap < math.inf:
            raise ValueError(f"gap = {gap}: must be positive and finite")
        if nodes < 1:
            raise ValueError(f"nodes = {nodes}: must be at least 1")
        self.gap = float(gap)
        self.nodes = nodes
        self.certificate: Certificate | None = None
        self._warned = False

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        found = certify(gain, noise_power, p_max, weight, self.gap, self.nodes)
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
