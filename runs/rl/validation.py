"""Validation: how good a policy is while it learns, in networks that it does not learn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.aimed import Aimed
from slotwise.controllers.registry import make
from slotwise.controllers.training.draws import Part, seed_of
from slotwise.emulator.objective import Aim
from slotwise.emulator.scenario import Scenario
from slotwise.runs.rl.instants import instants

__all__ = ["SOLVER", "Validation"]

SOLVER: Final[Mapping[Aim, str]] = {
    "sum-rate": "wmmse",
    "energy-efficiency": "fractional",
    "weighted-energy-efficiency": "fractional",
}
"""Who solves an objective, for policies to be relative to."""

_NETWORKS = 400  # one instant each


class Validation:
    """The same instants for every policy of a scenario, whatever seed it has.

    Parameters
    ----------
    scenario : Scenario
        What is lived.

    Attributes
    ----------
    met : Instants
        What is decided upon.

    Raises
    ------
    InputError
        If a decision of the scenario does not hold for one whole slot.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.met = instants(scenario, seed_of(0, Part.VALIDATION, 0), _NETWORKS, 1)
        solver = make(SOLVER[scenario.objective])
        if isinstance(solver, Aimed):
            solver.serve(self.met.objective)
        solved = solver.allocate(self.met.true, 1.0, 1.0)
        self._reference = float(self.met.merits(solved).mean())

    def relative(self, fraction: NDArray[np.float64]) -> float:
        """Mean merit of powers [n, M], relative to that of `SOLVER` on the true gains."""
        return float(self.met.merits(fraction).mean()) / max(self._reference, 1e-9)
