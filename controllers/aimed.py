"""Controllers that serve whatever a network is for: its throughput, or its bits per joule.

Solvers climb, and learned ones were trained, as if all of an SINR counted. Where a scenario caps
what counts, powers are cut to what leaves everyone as much as does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, Problem
from slotwise.emulator.objective import Aim, Objective, aim_of
from slotwise.emulator.promise import trimmed
from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    from slotwise.emulator.scenario import Scenario

__all__ = ["Aimed", "spared"]

Array = NDArray[np.float64]

SCENARIO = "scenario"
"""Option ``objective``: that of the network to be controlled."""


class Aimed(Controller):
    """A controller that serves an objective, the network's unless its own option names one.

    Parameters
    ----------
    objective : str
        ``scenario``, ``sum-rate``, ``energy-efficiency`` or ``weighted-energy-efficiency``. What
        a watt costs, and what users are promised, always comes from the network.

    Attributes
    ----------
    objective : Objective
        What is served now.
    alone : str
        The aim where there is no network, as for a table of draws.
    aims : tuple of str
        Those that it can serve.

    Raises
    ------
    InputError
        If the option is none of `aims`.
    ValueError
        If there is no such objective.
    """

    alone: ClassVar[Aim] = "energy-efficiency"
    aims: ClassVar[tuple[Aim, ...]] = (
        "sum-rate",
        "energy-efficiency",
        "weighted-energy-efficiency",
    )

    def __init__(self, objective: str = SCENARIO) -> None:
        self._own_aim = None if objective == SCENARIO else aim_of(objective)
        if self._own_aim is not None and self._own_aim not in self.aims:
            raise InputError(self._refusal(self._own_aim))
        self.objective = Objective(self.alone)
        self.serve(self.objective)

    def serve(self, objective: Objective) -> None:
        """Serve this objective from now on, with one's own aim where the option names one.

        Raises
        ------
        InputError
            If it is none of `aims`.
        """
        aim = self._own_aim or objective.aim
        if aim not in self.aims:
            raise InputError(f"controller {self.name}: {self._refusal(aim)}")
        self.objective = objective._replace(aim=aim)

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self.serve(Objective(self.alone) if scenario is None else Objective.of(scenario))

    def _refusal(self, aim: Aim) -> str:
        return f"objective = {aim}: {self.name} serves {', '.join(self.aims)} alone"


def spared(problem: Problem, power: Array, objective: Objective) -> Array:
    """Powers without what exceeds the cap on the SINR, where there is one.

    Every rate that counts is kept, and joules are saved; see `slotwise.emulator.promise.trimmed`.

    Parameters
    ----------
    problem : Problem
        Whose powers they are.
    power : [..., K], float64
        Powers [W].
    objective : Objective
        By which they are worth no less afterwards.

    Returns
    -------
    [..., K], float64
        Powers [W], nobody's larger; the same array where there is no cap.
    """
    if objective.sinr_cap is None:
        return power
    gain, noise_power, _, weight = problem
    less = trimmed(gain, noise_power, power, objective.sinr_cap)
    before, after = (objective.value(gain, p, noise_power, weight) for p in (power, less))
    # To rounding the same rates: where gains are near singular, more of them may be lost than won.
    return np.where(np.asarray(after >= before * (1.0 - 1e-12))[..., None], less, power)
