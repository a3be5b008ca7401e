"""Environments and a policy for Stable-Baselines3.

>>> from stable_baselines3 import PPO
>>> from slotwise.envs.sb3 import GraphPolicy, StableVecEnv
>>> env = StableVecEnv("nasir-guo", num_envs=4, max_episode_steps=20, gains_only=True)
>>> agent = PPO("MlpPolicy", env, gamma=0.0, n_steps=8, batch_size=32, device="cpu")
>>> _ = agent.learn(64)

`StableVecEnv` is the batched emulator as Stable-Baselines3 wants it. `GraphPolicy` is the policy
network for its actor-critic algorithms; its critic is ours too. This module needs the extra
``slotwise[rl]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env.base_vec_env import VecEnv
from torch import Tensor, nn

from slotwise.emulator.scenario import InputError, Scenario
from slotwise.envs.networks import PolicyNetwork, PolicySizes
from slotwise.envs.options import OptionValues
from slotwise.envs.vector import VectorPowerControl

__all__ = ["GraphExtractor", "GraphPolicy", "StableVecEnv"]

_JUDGING = 64  # units of the critic's hidden layer


class StableVecEnv(VecEnv):
    """B networks as a vectorised environment of Stable-Baselines3.

    An episode that ends is followed by the next in the same step; its last observation is
    ``infos[i]["terminal_observation"]``, and ``infos[i]["TimeLimit.truncated"]`` is true.

    Parameters
    ----------
    scenario : str, Path, mapping or Scenario
        As of `slotwise.envs.power_control.PowerControl`.
    num_envs : int
        B.
    max_episode_steps : int, optional
        Steps after which an episode is truncated; left out: never.
    gains_only : bool
        Tell no more than what decides: gains [M M], weights [M] and mask [M] in one row. It is
        what a policy without memory can be seated with; ``observation`` may not be given.
    **options
        See `slotwise.envs.options.options_of`; ``observation="flat"`` unless said otherwise.

    Attributes
    ----------
    env : VectorPowerControl
        The environment behind it.

    Raises
    ------
    InputError
        If the scenario or an option is unknown or out of its range.
    """

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario = "gaussian-ic",
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        gains_only: bool = False,
        **options: Unpack[OptionValues],
    ) -> None:
        if gains_only and options.get("observation", "flat") != "flat":
            raise InputError(
                f"observation = {options['observation']!r}: not with gains_only, which says what "
                "is told"
            )
        options.setdefault("observation", "flat")
        self.env = VectorPowerControl(
            num_envs,
            scenario,
            max_episode_steps=max_episode_steps,
            autoreset_mode="SameStep",
            **options,
        )
        self._actions: NDArray[Any] | None = None
        self._columns: NDArray[np.int64] | None = None
        space = self.env.single_observation_space
        if gains_only:
            rows = self.env.scenario.population.capacity
            square = rows * rows  # then power and rate, which are left out, weight and mask
            self._columns = np.r_[0:square, square + 2 * rows : square + 4 * rows]
            assert isinstance(space, spaces.Box)
            space = spaces.Box(space.low[self._columns], space.high[self._columns])
        super().__init__(num_envs, space, self.env.single_action_space)

    def reset(self) -> Any:
        """Begin episodes, with the seeds that `seed` was given."""
        observation, info = self.env.reset(seed=self._seeds)
        self.reset_infos = [{"sum_rate": one} for one in info["sum_rate"].tolist()]
        self._reset_seeds()
        self._reset_options()
        return self._told(observation)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take actions [B, M], to be carried out by `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Live until the next reports.

        Returns
        -------
        observation, reward, done, infos
            `infos` has ``sum_rate`` [bit/s/Hz].
        """
        observation, reward, _, truncated, info = self.env.step(self._actions)
        infos: list[dict[str, Any]] = [{"sum_rate": one} for one in info["sum_rate"].tolist()]
        for place in np.flatnonzero(truncated).tolist():
            final = info["final_obs"][place]
            infos[place] = {
                "sum_rate": float(info["final_info"]["sum_rate"][place]),
                "terminal_observation": self._told(final),
                "TimeLimit.truncated": True,
            }
        return self._told(observation), reward.astype(np.float32), truncated, infos

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the environment, once for each of the sub-environments asked for."""
        value = getattr(self.env, attr_name)
        return [value] * len(self._chosen(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:  # noqa: ARG002
        """Set an attribute of the environment, which all sub-environments share."""
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the environment; its answer, once for each sub-environment asked for."""
        value = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [value] * len(self._chosen(indices))

    def env_is_wrapped(
        self,
        wrapper_class: Any,  # noqa: ARG002
        indices: Any = None,
    ) -> list[bool]:
        """False: nothing is wrapped around a sub-environment."""
        return [False] * len(self._chosen(indices))

    def _chosen(self, indices: int | Sequence[int] | None) -> list[int]:
        return list(self._get_indices(indices))

    def _told(self, observation: Any) -> Any:
        return observation if self._columns is None else observation[..., self._columns]


class GraphExtractor(BaseFeaturesExtractor):
    """What the policy network knows of every user, as features of Stable-Baselines3.

    Parameters
    ----------
    observation_space : Dict
        The canonical observation.
    sizes : PolicySizes, optional
        Of the network.

    Attributes
    ----------
    network : PolicyNetwork
        Which sends the messages, and decides.
    rows, row_width : int
        M, and numbers of one row: hidden state, features and mask.
    """

    def __init__(self, observation_space: spaces.Dict, sizes: PolicySizes | None = None) -> None:
        network = PolicyNetwork(sizes)
        rows = int(np.prod(observation_space["mask"].shape or ()))
        width = network.head.weight.shape[1] + 1
        super().__init__(observation_space, rows * width)
        self.network, self.rows, self.row_width = network, rows, width

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features [n, M row_width] of observations."""
        mask = observations["mask"]
        state, features = self.network.hidden_states(
            observations["gain"], mask, observations["weight"]
        )
        return torch.cat([state, features, mask.unsqueeze(-1)], -1).flatten(1)


class _Deciding(nn.Module):
    """Logits [n, M L] from features; those of nobody are even."""

    def __init__(self, extractor: GraphExtractor) -> None:
        super().__init__()
        self._extractor = [extractor]  # in a list: its weights are counted where they belong

    def forward(self, features: Tensor) -> Tensor:
        extractor = self._extractor[0]
        row = features.reshape(-1, extractor.rows, extractor.row_width)
        logits = extractor.network.decided(row[..., :-1]) * row[..., -1:]
        return logits.flatten(1)


class _Valuing(nn.Module):
    """Worth [n, 1] of an observation: the mean over its users."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self._shape = (rows, width)
        self.layers = nn.Sequential(
            nn.Linear(width - 1, _JUDGING), nn.ReLU(), nn.Linear(_JUDGING, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        row = features.reshape(-1, *self._shape)
        mask = row[..., -1:]
        total: Tensor = (self.layers(row[..., :-1]) * mask).sum(1)
        mean: Tensor = total / mask.sum(1).clamp_min(1.0)
        return mean


class GraphPolicy(ActorCriticPolicy):
    """The policy network as a policy of Stable-Baselines3, for PPO and A2C.

    Parameters
    ----------
    observation_space : Dict
        ``observation="dict"``.
    action_space : MultiDiscrete
        ``action="levels"``.
    lr_schedule : callable
        Learning rate by what is left of the training.
    sizes : PolicySizes, optional
        Of the network; its levels are those of the space.
    **options
        Of `ActorCriticPolicy`.

    Raises
    ------
    InputError
        If the spaces are others.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Any,
        sizes: PolicySizes | None = None,
        **options: Any,
    ) -> None:
        told = isinstance(observation_space, spaces.Dict) and "gain" in observation_space.spaces
        if not (told and isinstance(action_space, spaces.MultiDiscrete)):
            raise InputError(
                'GraphPolicy: the environment must have observation="dict" and action="levels"'
            )
        sizes = (PolicySizes() if sizes is None else PolicySizes(*sizes))._replace(
            levels=int(action_space.nvec[0])
        )
        options |= {
            "features_extractor_class": GraphExtractor,
            "features_extractor_kwargs": {"sizes": sizes},
            "net_arch": [],
            "ortho_init": False,
        }
        super().__init__(observation_space, action_space, lr_schedule, **options)

    @property
    def network(self) -> PolicyNetwork:
        """The policy network, critic apart."""
        assert isinstance(self.features_extractor, GraphExtractor)
        return self.features_extractor.network

    def _build(self, lr_schedule: Any) -> None:
        """Put our last layers in the place of Stable-Baselines3's."""
        super()._build(lr_schedule)
        extractor = self.features_extractor
        assert isinstance(extractor, GraphExtractor)
        self.action_net = _Deciding(extractor)
        self.value_net = _Valuing(extractor.rows, extractor.row_width)  # type: ignore[assignment]
        optimiser: Any = self.optimizer_class
        self.optimizer = optimiser(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)
