"""Controllers that need no iteration: what WMMSE and every learned controller must beat.

Full power and random powers are the floor of the literature's tables. Greedy on/off is no floor:
with few users or strong interference it beats WMMSE from a single start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, broadcast
from slotwise.controllers.search import grown, problem_of

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["FullPower", "Greedy", "RandomPower"]

Array = NDArray[np.float64]


class FullPower(Controller):
    """Everyone at full power, always."""

    name = "max"
    equivariant = True

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        return broadcast(gain, noise_power, p_max, weight).p_max.copy()

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        return observation.p_max.copy()


class RandomPower(Controller):
    """Powers uniform in [0, p_max], drawn anew for every decision.

    `allocate`, which remembers nothing, repeats the same draw for the same seed and shape.
    """

    name = "random"

    def __init__(self) -> None:
        self.reset(None, 0)

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        limit = broadcast(gain, noise_power, p_max, weight).p_max
        return np.random.default_rng(self.seed).random(limit.shape) * limit

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        power: Array = self._rng.random(observation.p_max.shape) * observation.p_max
        return power

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self._rng = np.random.default_rng(seed)


class Greedy(Controller):
    """On/off: add the user that raises the weighted sum rate most, until none does.

    A beam search of width one without patience or polish.
    """

    name = "greedy"
    equivariant = True

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        return grown(problem_of(gain, noise_power, p_max, weight), width=1)
