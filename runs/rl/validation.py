"""Validation: how good a policy is while it learns, in networks that it does not learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.registry import make
from slotwise.controllers.training.draws import Part, seed_of
from slotwise.emulator.scenario import Scenario
from slotwise.runs.rl.instants import instants

__all__ = ["Validation"]

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
        wmmse = make("wmmse").allocate(self.met.true, 1.0, 1.0)
        self._reference = float(self.met.sum_rates(wmmse).mean())

    def relative(self, fraction: NDArray[np.float64]) -> float:
        """Mean sum rate of powers [n, M], relative to that of WMMSE on the true gains."""
        rate = float(self.met.sum_rates(fraction).mean())
        return rate / max(self._reference, 1e-9)
