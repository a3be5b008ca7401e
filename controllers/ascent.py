"""Coordinate ascent over power levels: what maximises the rate that is really scored.

WMMSE maximises Shannon's rate, whatever the SINR. A link's modulation and coding end somewhere,
and a scenario says where (`radio.sinr_cap_db`): what a user has above that is worth nothing to it
and hurts the others. Here the objective has that ceiling, and every step raises it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, Problem
from slotwise.controllers.kernels.ascent import ascend
from slotwise.controllers.search import flat, problem_of, refuse
from slotwise.emulator.radio import from_db

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["Ascent"]

Array = NDArray[np.float64]

SILENT = "silent"
"""Start with everyone silent, beside every controller that `make` knows."""


class Ascent(Controller):
    """Coordinate ascent over power levels on the weighted sum rate with the scenario's SINR cap.

    Parameters
    ----------
    start : str
        Controller whose powers it starts from, or ``silent``.
    levels : int
        Levels besides silence, at least one, evenly spaced in dB from full power down to
        `floor_db`. A user may also stay at a power in between that it started with.
    floor_db : float
        Lowest level below full power [dB], at most zero.
    sweeps : int
        Most turns of every user, at least one; a sweep that moves nobody is the last.
    cap : str
        Largest SINR that counts: that of the scenario it is reset for (``scenario``), ``none``, or
        a number [dB].

    Raises
    ------
    ValueError
        If an option is out of its range.
    InputError
        If there is no such start.
    """

    name = "ascent"

    def __init__(
        self,
        start: str = "wmmse",
        levels: int = 10,
        floor_db: float = -27.0,
        sweeps: int = 4,
        cap: str = "scenario",
    ) -> None:
        from slotwise.controllers.registry import make  # which imports this module by its name

        if levels < 1:
            raise ValueError(f"levels = {levels}: must be at least 1")
        if not -math.inf < floor_db <= 0.0:
            raise ValueError(f"floor_db = {floor_db}: must be at most 0 and finite")
        if sweeps < 1:
            raise ValueError(f"sweeps = {sweeps}: must be at least 1")
        self.start = None if start == SILENT else make(start)
        self.sweeps = sweeps
        self.cap = cap
        self.equivariant = self.start is None or self.start.equivariant
        self._ceiling = _ceiling(cap, None)
        self._level = np.concatenate([[0.0], from_db(np.linspace(floor_db, 0.0, levels))])

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        problem = problem_of(gain, noise_power, p_max, weight)
        if self.start is None:
            return self._ascend(problem, np.zeros(problem.weight.shape))
        return self._ascend(problem, self.start.allocate(*problem))

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        problem = problem_of(
            observation.gain, observation.noise_power, observation.p_max, observation.weight
        )
        if self.start is None:
            return self._ascend(problem, np.zeros(problem.weight.shape))
        return self._ascend(problem, self.start.decide(observation))

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self._ceiling = _ceiling(self.cap, scenario)
        if self.start is not None:
            self.start.reset(scenario, seed)

    def _ascend(self, problem: Problem, power: Array) -> Array:
        every = flat(problem)
        found = np.array(power, dtype=np.float64).reshape(every.weight.shape)
        if ascend(*every, found, self._level, self._ceiling, self.sweeps) >= 0:
            refuse(problem)
        return found.reshape(problem.weight.shape)


def _ceiling(cap: str, scenario: Scenario | None) -> float:
    """Largest SINR that counts, linear; infinite if there is none."""
    if cap == "scenario" and scenario is not None and scenario.radio.sinr_cap_db is not None:
        return from_db(scenario.radio.sinr_cap_db)
    if cap in ("scenario", "none"):
        return math.inf
    try:
        level_db = float(cap)
    except ValueError:
        level_db = math.nan
    if not math.isfinite(level_db):
        raise ValueError(f"cap = {cap}: must be scenario, none or a number of dB")
    return from_db(level_db)
