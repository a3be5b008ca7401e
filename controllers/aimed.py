"""Controllers that serve whatever a network is for: its throughput, or its bits per joule."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from slotwise.controllers.base import Controller
from slotwise.emulator.objective import Aim, Objective, aim_of

if TYPE_CHECKING:
    from slotwise.emulator.scenario import Scenario

__all__ = ["Aimed"]

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
    ValueError
        If there is no such objective, or it is none of `aims`.
    """

    alone: ClassVar[Aim] = "energy-efficiency"
    aims: ClassVar[tuple[Aim, ...]] = (
        "sum-rate",
        "energy-efficiency",
        "weighted-energy-efficiency",
    )

    def __init__(self, objective: str = SCENARIO) -> None:
        self._own_aim = None if objective == SCENARIO else self._served(aim_of(objective))
        self.objective = Objective(self.alone)
        self.serve(self.objective)

    def serve(self, objective: Objective) -> None:
        """Serve this objective from now on, with one's own aim where the option names one.

        Raises
        ------
        ValueError
            If it is none of `aims`.
        """
        aim = self._own_aim or self._served(objective.aim)
        self.objective = objective._replace(aim=aim)

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        self.serve(Objective(self.alone) if scenario is None else Objective.of(scenario))

    def _served(self, aim: Aim) -> Aim:
        if aim not in self.aims:
            allowed = ", ".join(self.aims)
            raise ValueError(f"objective = {aim}: {self.name} serves {allowed} alone")
        return aim
