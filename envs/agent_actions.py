"""Actions of users who decide for themselves: checked one by one, then joined in one array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from slotwise.envs.kernels.choosing import ROUNDING
from slotwise.envs.options import Options

__all__ = ["AgentActions"]

_WHOLE = (int, np.int64)  # what spaces and networks sample: no need to look closer


class AgentActions:
    """What one user may decide, and how decisions of many become one for the seat.

    Parameters
    ----------
    options : Options
        With the law of actions.
    rows : int
        M, most users at once.

    Attributes
    ----------
    silence : ndarray, shape (1, M)
        The action by which nobody transmits.
    """

    def __init__(self, options: Options, rows: int) -> None:
        self._discrete = options.action in ("levels", "binary")
        self._levels = 2 if options.action == "binary" else options.levels
        self._kinds = "f"
        if self._discrete:
            self._kinds = "iub" if options.action == "binary" else "iu"
        self.silence: NDArray[Any] = np.zeros((1, rows), np.int64)
        if not self._discrete:
            self.silence = np.full((1, rows), -1.0, np.float32)

    def space(self) -> spaces.Space[Any]:
        """Space of one user's actions, a new one."""
        if self._discrete:
            return spaces.Discrete(self._levels)
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def joined(self, actions: Mapping[str, Any], row: Mapping[str, int]) -> NDArray[Any]:
        """Actions of all agents in the rows of their users, shape (1, M).

        Parameters
        ----------
        actions : mapping of str to int or ndarray
            One for every agent; those of others are ignored.
        row : mapping of str to int
            Rows of the agents.

        Raises
        ------
        ValueError
            If an agent has none, or one that is not in its space.
        """
        joined = self.silence.copy()
        for agent, place in row.items():
            if agent not in actions:
                raise ValueError(f"no action for {agent}: {self._allowed()}")
            joined[0, place] = self._checked(agent, actions[agent])
        return joined

    def _checked(self, agent: str, action: Any) -> Any:
        """An agent's action as a number."""
        if self._discrete and type(action) in _WHOLE and 0 <= action < self._levels:
            return action
        try:
            given = np.asarray(action)
        except ValueError:  # a ragged sequence
            given = np.asarray(None)
        shape = () if self._discrete else (1,)
        if given.dtype.kind in self._kinds and given.shape == shape:
            number = given.reshape(-1)[0]
            if self._discrete:
                if 0 <= number < self._levels:
                    return number
            elif -1.0 - ROUNDING <= number <= 1.0 + ROUNDING:
                return number
        raise ValueError(f"action for {agent} = {action!r}: {self._allowed()}")

    def _allowed(self) -> str:
        if self._discrete:
            return f"must be an integer from 0 to {self._levels - 1}"
        return "must be an array of one floating-point number in [-1, 1], shape (1,)"
