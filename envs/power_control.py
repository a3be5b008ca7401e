"""The environment: the powers of one living network, for any agent that speaks Gymnasium.

>>> import gymnasium as gym
>>> import slotwise.envs
>>> env = gym.make("slotwise/GaussianIC-v0", action="db")
>>> observation, info = env.reset(seed=1)
>>> observation["gain"].shape
(10, 10)
>>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
>>> info["sum_rate"] == reward
True
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from slotwise.emulator.scenario import Scenario
from slotwise.envs.forms import form_of
from slotwise.envs.kernels.telling import FIGURES
from slotwise.envs.options import OptionValues, options_of
from slotwise.envs.seat import Seat, action_space

__all__ = ["MOST_SEED", "PowerControl"]

MOST_SEED = 2**63
"""Seeds of episodes that are not given are below this."""


class PowerControl(gym.Env[Any, Any]):
    """Decide at what power every user of one network transmits, report by report.

    A step answers the report that waits and lives until the next one is handed over: as a rule a
    slot. Users join, leave, move and fade as the scenario says; reports may be late and wrong,
    decisions may take a fixed time. Nothing ends an episode but a limit of steps, which
    ``gymnasium.make`` sets.

    Parameters
    ----------
    scenario : str, Path, mapping or Scenario
        Built-in name, path of a TOML file, its content as a mapping, or a scenario.
    **options
        See `slotwise.envs.options.options_of`.

    Raises
    ------
    InputError
        If the scenario or an option is unknown or out of its range.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario = "gaussian-ic",
        **options: Unpack[OptionValues],
    ) -> None:
        self._given: tuple[Any, dict[str, Any]] = scenario, dict(options)
        self.options = options_of(scenario, **options)
        self.render_mode = self.options.render_mode
        self._seat = Seat(self.options, 1)
        self._form = form_of(self.options, self._seat.canonical)
        self._tell = self._form.tell
        self._rates = slice(FIGURES, FIGURES + self._seat.rows)
        self.observation_space = self._form.space
        self.action_space = action_space(self.options, self._seat.rows)

    def __reduce__(self) -> tuple[Any, ...]:
        """An environment that has not been reset yet is its options; else see `Seat`."""
        if self._seat.started:
            self._seat.__getstate__()
        scenario, options = self._given
        return partial(type(self), **options), (scenario,)

    @property
    def scenario(self) -> Scenario:
        """What is lived."""
        return self.options.scenario

    @property
    def seat(self) -> Seat:
        """The seat, and in it the emulator."""
        return self._seat

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 - Gymnasium's signature
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, and live until the first report.

        Parameters
        ----------
        seed : int, optional
            The life that ``slotwise run --seed`` lives under this number; left out: another one at
            every reset, as the last seed given fixes.
        options : dict, optional
            There are none.

        Returns
        -------
        observation, info
            As of `step`; nothing has become of anything yet.
        """
        super().reset(seed=seed)
        life = seed if seed is not None else int(self.np_random.integers(MOST_SEED))
        self._seat.reset((life,))
        return self._tell(self._seat.told[0]), self._outcome()[1]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Put powers in force, and live until the next report.

        Parameters
        ----------
        action : array_like, shape (M,)
            In the space of actions; what is given for rows without a user is ignored.

        Returns
        -------
        observation
            In the form asked for.
        reward : float
            Mean over the time since the last report.
        terminated, truncated : bool
            Never: the life goes on, and a limit of steps is set around it.
        info : dict
            ``sum_rate`` [bit/s/Hz] and ``rates`` [bit/s/Hz] of the rows, means since the last
            report; ``active_mask``; ``deadline_missed``, reports not decided in time;
            ``csi_age_s``; ``sim_time_s``; ``energy_j`` since the last report; ``shortfall``
            [bit/s/Hz], what the users' rates lack to ``radio.min_rate``, added up.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first reset.
        ValueError
            If the action is of a wrong shape or dtype, or not in its space; then nothing happens.
        """
        seat = self._seat
        if seat.report is None:
            raise ResetNeeded("there is no network yet: call reset() before step()")
        seat.step(np.asarray(action)[None])
        reward, info = self._outcome()
        return self._tell(seat.told[0]), reward, False, False, info

    def render(self) -> NDArray[np.uint8] | None:
        """A picture that explains the network: who sends, at what SINR, and at what rate.

        Powers and channel are those of the slot that the last step decided about.

        Returns
        -------
        ndarray, shape (540, 960, 3), uint8, or None
            Under ``human`` None: the window shows every step by itself.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first reset.
        """
        frames = self._seat.frames()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Close the window, if there is one."""
        self._seat.close()

    def _outcome(self) -> tuple[float, dict[str, Any]]:
        """Reward of the last step, and what there is to know of it."""
        seat = self._seat
        figures, report = seat.figures[0], seat.report
        assert report is not None
        reward, sum_rate, energy_j, shortfall = figures[:FIGURES].tolist()
        return reward, {
            "sum_rate": sum_rate,
            "rates": figures[self._rates],
            "active_mask": seat.mask[0].copy(),
            "deadline_missed": seat.missed,
            "csi_age_s": report.time_s - report.measured_s,
            "sim_time_s": report.time_s,
            "energy_j": energy_j,
            "shortfall": shortfall,
        }
