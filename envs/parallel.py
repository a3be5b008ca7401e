"""The environment in which every user is an agent, behind PettingZoo's parallel interface.

>>> from slotwise.envs.parallel import parallel_env
>>> env = parallel_env("slotwise/Urban-v0", action="db")
>>> observations, infos = env.reset(seed=1)
>>> while env.agents:
...     actions = {agent: env.action_space(agent).sample() for agent in env.agents}
...     observations, rewards, terminations, truncations, infos = env.step(actions)

Agents join and leave as users do, in the middle of an episode. One that has left is terminated in
the step in which it left, once, with the last observation that it had; its name is not used again
before the next reset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Unpack

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from slotwise.emulator.scenario import InputError, Scenario, nearest
from slotwise.envs.agent_actions import AgentActions
from slotwise.envs.arrivals import joins_later, most_users
from slotwise.envs.forms import Flat, Local
from slotwise.envs.options import OptionValues, options_of
from slotwise.envs.power_control import MOST_SEED
from slotwise.envs.registration import ENVIRONMENTS
from slotwise.envs.seat import Seat

__all__ = ["ParallelPowerControl", "parallel_env"]

Codes = NDArray[np.float32]
Info = dict[str, Any]
Outcome = tuple[
    dict[str, Codes], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Info]
]

_EPISODE_STEPS = 1000
_NAME = re.compile(r"user_(0|[1-9]\d*)")


class ParallelPowerControl(ParallelEnv[str, Codes, Any]):  # type: ignore[misc]
    """Every user decides at what power it transmits, and is an agent of its own: ``user_17``.

    A step answers the report that waits and lives until the next one is handed over; an agent is
    whoever that report knows. Who is new in it has a reward of 0, who is no longer in it is
    terminated with the reward for what it got until it left. While nobody is there the network
    lives on, each report a step, until somebody is; so there are no agents only when the episode
    is over.

    Parameters
    ----------
    scenario : str, Path, mapping or Scenario
        Built-in name, path of a TOML file, its content as a mapping, or a scenario.
    max_episode_steps : int
        Steps after which everybody is truncated.
    everybody : bool
        Let `reset` tell also of all who are not there yet, as rows of nobody. For libraries that
        make room for all possible agents at the beginning, such as TorchRL.
    **options
        See `slotwise.envs.options.options_of`; ``observation`` is ``local``. Unless stated,
        ``reward`` is each agent's own ``difference`` where the scenario's objective is the sum
        rate; where it is another, it is the network's, shared by all. ``shortfall`` in `infos` is
        the network's.

    Attributes
    ----------
    agents : list of str
        Who is there, in ascending order of their numbers.
    possible_agents : list of str
        Who may ever be there in an episode. Exact where nobody joins. Else the users of time zero,
        those of the trace, and as many more as arrive with a probability of 1e-12 at most; an
        arrival that finds no free row is blocked, but has a number too.
    state_space : Box
        Of `state`.

    Raises
    ------
    InputError
        If the scenario or an option is unknown or out of its range.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "slotwise_v0",
        "render_modes": ["rgb_array", "human"],
        "render_fps": 20,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario = "gaussian-ic",
        *,
        max_episode_steps: int = _EPISODE_STEPS,
        everybody: bool = False,
        **options: Unpack[OptionValues],
    ) -> None:
        form = options.get("observation", "local")
        if form != "local":
            raise InputError(f"observation = {form!r}: must be local where users are agents")
        if type(max_episode_steps) is not int or max_episode_steps < 1:
            raise InputError(
                f"max_episode_steps = {max_episode_steps!r}: must be an integer of at least 1"
            )
        values: OptionValues = {**options, "observation": "local"}
        self.options = options_of(scenario, **values)
        if options.get("reward") is None and self.options.reward == "sum-rate":
            self.options = replace(self.options, reward="difference")
        self.max_episode_steps = max_episode_steps
        self.render_mode = self.options.render_mode
        self._seat = Seat(self.options, 1)
        self._actions = AgentActions(self.options, self._seat.rows)
        self._local = Local(self._seat.canonical, self.options.scale, self.options.neighbours)
        self._nobody = np.where(self._local.row_space.low < 0.0, -1.0, 0.0).astype(np.float32)
        self._flat = Flat(self._seat.canonical)
        self.state_space = self._flat.space
        most = max(most_users(self._seat.emulator.network, max_episode_steps), 1)
        self.possible_agents = [f"user_{number}" for number in range(most)]
        self._everybody = everybody
        self._closed = not joins_later(self.scenario)
        self._possible = frozenset(self.possible_agents)
        self.agents: list[str] = []
        self._row: dict[str, int] = {}
        self._observations: dict[str, Codes] = {}
        self._rows = self._met = np.empty(0, np.int64)
        self._told: Codes = np.empty((0, 0), np.float32)
        self._spaces: dict[str, tuple[spaces.Box, spaces.Space[Any]]] = {}
        self._rng: np.random.Generator | None = None
        self._steps = 0

    @property
    def scenario(self) -> Scenario:
        """What is lived."""
        return self.options.scenario

    @property
    def seat(self) -> Seat:
        """The seat, and in it the emulator."""
        return self._seat

    def observation_space(self, agent: str) -> spaces.Box:
        """Space of an agent's observations: one row of `slotwise.envs.forms.Local`.

        Raises
        ------
        ValueError
            If no agent can be called so.
        """
        return self._spaces_of(agent)[0]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Space of an agent's actions: ``Discrete(levels)``, ``Discrete(2)`` or a Box of one.

        Raises
        ------
        ValueError
            If no agent can be called so.
        """
        return self._spaces_of(agent)[1]

    def reset(
        self,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 - PettingZoo's signature
    ) -> tuple[dict[str, Codes], dict[str, Info]]:
        """Begin an episode, and live until the first report that knows somebody.

        Parameters
        ----------
        seed : int, optional
            The life that ``slotwise run --seed`` lives under this number; left out: another one at
            every reset, as the last seed given fixes.
        options : dict, optional
            There are none.

        Returns
        -------
        observations, infos
            As of `step`; nothing has become of anything yet.
        """
        if seed is not None or self._rng is None:
            self._rng = seeding.np_random(seed)[0]
        self._seat.reset((seed if seed is not None else int(self._rng.integers(MOST_SEED)),))
        self._steps = 0
        self._meet()
        self._await_somebody()
        here = {agent: self._row[agent] for agent in self.agents}
        observations = {agent: self._observations[agent] for agent in here}
        infos = self._infos(here, here=True)
        if self._everybody:
            absent = [agent for agent in self.possible_agents if agent not in here]
            observations |= {agent: self._nobody.copy() for agent in absent}
            infos |= self._infos(dict.fromkeys(absent, -1), here=False)
        return observations, infos

    def step(self, actions: Mapping[str, Any]) -> Outcome:
        """Put powers in force, and live until the next report that knows somebody.

        Parameters
        ----------
        actions : mapping of str to int or ndarray
            One for every agent that is there, in its space of actions; what is given for possible
            agents who are not there is ignored.

        Returns
        -------
        observations : dict of str to ndarray, shape (F,), float32
            Rows of `slotwise.envs.forms.Local`; of who has left, the last one that it had.
        rewards : dict of str to float
            Means over the time since the last report: with ``difference`` what the user itself has
            been worth, else the reward of the network.
        terminations, truncations : dict of str to bool
            Who has left, and at the limit of steps everybody else.
        infos : dict of str to dict
            ``row``, the user's in `state`, -1 of who has not been there yet; ``rate``, its mean
            since the last report [bit/s/Hz], 0 of who has left; of the network ``sum_rate``
            [bit/s/Hz], ``deadline_missed``, ``csi_age_s``, ``sim_time_s``, ``energy_j`` and
            ``shortfall`` as of `PowerControl.step`.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first reset, and after the end of an episode.
        ValueError
            If an agent has no action or one that is not in its space, or if there can be no such
            agent; then nothing happens.
        """
        if not self._seat.started:
            raise ResetNeeded("there is no network yet: call reset() before step()")
        if not self.agents:
            raise ResetNeeded("the episode is over: call reset() before the next step()")
        self._seat.choose(self._joined(actions))
        self._seat.grant()
        self._seat.live()
        self._steps += 1
        before, last = self._row, self._told
        own = self._seat.user_rewards[0].tolist()
        rewards = {agent: own[row] for agent, row in before.items()}
        over = self._steps >= self.max_episode_steps
        self._meet()
        gone = {agent: row for agent, row in before.items() if agent not in self._row}
        observations = {agent: last[row] for agent, row in gone.items()}
        infos = self._infos(gone, here=False) if gone else {}
        if over:  # who is new has nothing to decide any more
            self.agents = [agent for agent in self.agents if agent in before]
        else:
            self._await_somebody()
        infos |= self._infos({agent: self._row[agent] for agent in self.agents}, here=True)
        for agent in self.agents:
            observations[agent] = self._observations[agent]
            rewards.setdefault(agent, 0.0)
        terminations = dict.fromkeys(observations, False) | dict.fromkeys(gone, True)
        truncations = dict.fromkeys(observations, False) | dict.fromkeys(self.agents, over)
        if over:
            self.agents = []
        return observations, rewards, terminations, truncations, infos

    def render(self) -> NDArray[np.uint8] | None:
        """A picture of the network; see `PowerControl.render`."""
        frames = self._seat.frames()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Close the window, if there is one."""
        self._seat.close()

    def state(self) -> Codes:
        """The whole network as the flat observation, for those who are trained together.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first reset.
        """
        if not self._seat.started:
            raise ResetNeeded("there is no network yet: call reset() before state()")
        return self._flat.tell(self._seat.told[0]).copy()

    def _spaces_of(self, agent: str) -> tuple[spaces.Box, spaces.Space[Any]]:
        found = self._spaces.get(agent)
        if found is None:
            if agent not in self._possible and agent not in self._row:
                raise ValueError(f"{agent!r}: {self._who_can_be()}")
            # Each has spaces of its own, so that seeding one does not disturb another.
            row = self._local.row_space
            space = spaces.Box(row.low, row.high, dtype=np.float32)
            found = self._spaces[agent] = space, self._actions.space()
        return found

    def _who_can_be(self) -> str:
        return f"agents are user_0 to {self.possible_agents[-1]}"

    def _meet(self) -> None:
        """Take note of who the last report is of."""
        seat = self._seat
        if seat.user_id is not self._met:  # the same array until somebody comes or goes
            self._met = seat.user_id
            user_id = seat.user_id[0]
            rows = np.flatnonzero(user_id >= 0)
            rows = rows[np.argsort(user_id[rows])]
            self._row = {f"user_{user_id[row]}": row for row in rows.tolist()}
            self._rows = rows
        self.agents = list(self._row)
        self._told = self._local.tell(seat.told[0])
        # Copies: what is given away may be changed, and is told once more of who leaves.
        self._observations = dict(zip(self.agents, self._told[self._rows], strict=True))

    def _await_somebody(self) -> None:
        """Live on while nobody is there, unless nobody will come or there is no time."""
        while not (self.agents or self._closed or self._steps >= self.max_episode_steps):
            self._seat.step(self._actions.silence)
            self._steps += 1
            self._meet()
        if self._steps >= self.max_episode_steps:
            self.agents = []

    def _infos(self, row: Mapping[str, int], *, here: bool) -> dict[str, Info]:
        """What there is to know about agents by their rows; who is not here has no rate."""
        seat = self._seat
        network = {
            "sum_rate": float(seat.sum_rate[0]),
            "deadline_missed": seat.missed,
            "csi_age_s": seat.csi_age_s,
            "sim_time_s": seat.time_s,
            "energy_j": float(seat.energy_j[0]),
            "shortfall": float(seat.shortfall[0]),
        }
        rate = seat.rates[0].tolist() if here else [0.0] * seat.rows
        return {agent: {"row": m, "rate": rate[m], **network} for agent, m in row.items()}

    def _joined(self, actions: Any) -> NDArray[Any]:
        """Actions of all agents as one of the seat."""
        given = actions if isinstance(actions, Mapping) else None
        if given is None:
            raise ValueError(f"actions = {actions!r}: must be a mapping of agents to actions")
        for agent in given:
            if agent not in self._possible and agent not in self._row:
                raise ValueError(f"action for {agent!r}: {self._who_can_be()}")
        return self._actions.joined(given, self._row)


def parallel_env(
    id_or_scenario: str | Path | Mapping[str, Any] | Scenario = "slotwise/PowerControl-v0",
    *,
    max_episode_steps: int | None = None,
    everybody: bool = False,
    **options: Unpack[OptionValues],
) -> ParallelPowerControl:
    """Make the parallel environment by the name of an environment, or of a scenario.

    Parameters
    ----------
    id_or_scenario : str, Path, mapping or Scenario
        Such as ``slotwise/Urban-v0``, or as of `ParallelPowerControl`.
    max_episode_steps : int, optional
        Steps after which everybody is truncated; left out: as many as under that name, else 1000.
    everybody, **options
        As of `ParallelPowerControl`; ``overrides`` come after those of the name.

    Raises
    ------
    InputError
        If the name, the scenario or an option is unknown or out of its range.
    """
    steps, scenario = _EPISODE_STEPS, id_or_scenario
    if isinstance(id_or_scenario, str) and id_or_scenario.startswith("slotwise/"):
        known = ENVIRONMENTS.get(id_or_scenario)
        if known is None:
            hint = nearest(id_or_scenario, list(ENVIRONMENTS))
            raise InputError(
                f"unknown environment {id_or_scenario!r}{hint}; there are {', '.join(ENVIRONMENTS)}"
            )
        scenario, steps = known.scenario, known.max_episode_steps
        given = options.get("overrides", ())
        if known.overrides and not isinstance(given, str):
            options["overrides"] = [*known.overrides, *given]
    return ParallelPowerControl(
        scenario,
        max_episode_steps=steps if max_episode_steps is None else max_episode_steps,
        everybody=everybody,
        **options,
    )
