"""Models of Stable-Baselines3 with defaults that train, and their weights without pickle.

A decision is worth what its slot carries, so gamma is zero. Observations are bounded numbers,
powers are levels (PPO) or decibels (SAC, TD3), the reward is the sum rate per user, and many
networks make a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from torch import Tensor, nn

from slotwise.controllers.training.draws import Part, seed_of
from slotwise.emulator.encoding import fraction_of_db, gain_scale, level_fractions
from slotwise.emulator.scenario import Scenario
from slotwise.envs.sb3 import GraphPolicy, StableVecEnv
from slotwise.runs.rl.instants import Instants, life_slots
from slotwise.runs.rl.order import PolicyOrder

__all__ = ["Hyperparameters", "agent_of", "answered", "plain_tensors", "seeded", "sizes_of"]

Array = NDArray[np.float64]

_HIDDEN = (256, 256)
_SEEDS = 2**31  # that generators of Stable-Baselines3 can have


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What an algorithm of Stable-Baselines3 is given, under its names; None: not this one's.

    Attributes
    ----------
    networks : int
        Side by side.
    learning_rate : float
        At the beginning; it falls linearly to zero.
    batch_size, n_steps, n_epochs, ent_coef, gradient_steps, learning_starts
        As of the algorithm.
    """

    networks: int
    learning_rate: float
    batch_size: int
    n_steps: int | None = None
    n_epochs: int | None = None
    ent_coef: float | None = None
    gradient_steps: int | None = None
    learning_starts: int | None = None


_OFF_POLICY = Hyperparameters(32, 7e-4, 512, gradient_steps=8, learning_starts=5000)
_DEFAULTS = {
    ("ppo", "flat"): Hyperparameters(128, 7e-4, 512, n_steps=16, n_epochs=4, ent_coef=0.002),
    ("ppo", "graph"): Hyperparameters(128, 2e-3, 512, n_steps=16, n_epochs=4, ent_coef=0.002),
    ("sac", "flat"): _OFF_POLICY,
    ("td3", "flat"): _OFF_POLICY,
}


def agent_of(
    order: PolicyOrder, scenario: Scenario, logs: str | None
) -> tuple[BaseAlgorithm, dict[str, Any]]:
    """An agent that has not learned yet, and its hyperparameters."""
    chosen = _DEFAULTS[order.algorithm, order.kind]
    networks = chosen.networks if order.networks is None else order.networks
    discrete, graph = order.algorithm == "ppo", order.kind == "graph"
    env = StableVecEnv(
        scenario,
        networks,
        max_episode_steps=life_slots(scenario),
        gains_only=not graph,
        observation="dict" if graph else "flat",
        action="levels" if discrete else "db",
        levels=order.levels,
        per_user=True,
    )
    named = {k: v for k, v in asdict(chosen).items() if v is not None}
    named |= {"networks": networks}
    if discrete:
        named["batch_size"] = min(chosen.batch_size, networks * (chosen.n_steps or 1))
    given = {k: v for k, v in named.items() if k not in ("networks", "learning_rate")}
    given |= {
        "gamma": 0.0,
        "learning_rate": _falling(chosen.learning_rate),
        "seed": seed_of(order.seed, Part.TRAINING, 0) % _SEEDS,  # of first weights
        "device": "cpu",
        "tensorboard_log": logs,
    }
    if not graph:
        given["policy_kwargs"] = {"net_arch": list(_HIDDEN), "activation_fn": nn.ReLU}
    agent: BaseAlgorithm
    if discrete:
        agent = PPO(GraphPolicy if graph else "MlpPolicy", env, **given)
    elif order.algorithm == "sac":
        agent = SAC("MlpPolicy", env, **given)
    else:
        rows = scenario.population.capacity
        noise = NormalActionNoise(np.zeros(rows), np.full(rows, 0.2))
        agent = TD3("MlpPolicy", env, action_noise=noise, **given)
    seeded(agent, order.seed, 0)
    return agent, named


def seeded(agent: BaseAlgorithm, seed: int, step: int) -> None:
    """Fix what an agent of a training draws and lives from a step on.

    Its lives are none that policies are validated or judged in: 64 bits that depend on the part.
    """
    fixed = seed_of(seed, Part.TRAINING, step)
    agent.set_random_seed(fixed % _SEEDS)
    assert agent.env is not None
    agent.env.seed(fixed)


def _falling(first: float) -> Callable[[float], float]:
    return lambda left: first * left


def plain_tensors(agent: BaseAlgorithm) -> dict[str, Tensor]:
    """Weights of the actor, copied, by the names that the controller ``rl`` reads."""
    policy: Any = agent.policy
    if isinstance(policy, GraphPolicy):
        return policy.network.plain_tensors()
    if isinstance(agent, PPO):
        layers, last = policy.mlp_extractor.policy_net, policy.action_net
    elif isinstance(agent, SAC):
        layers, last = policy.actor.latent_pi, policy.actor.mu
    else:
        linear = [one for one in policy.actor.mu if isinstance(one, nn.Linear)]
        layers, last = linear[:-1], linear[-1]
    named = [one for one in layers if isinstance(one, nn.Linear)]
    pairs = [(f"layer.{number}", one) for number, one in enumerate(named)]
    return {
        f"{name}.{part}": getattr(one, part).detach().clone()
        for name, one in [*pairs, ("action", last)]
        for part in ("weight", "bias")
    }


def sizes_of(
    agent: BaseAlgorithm, order: PolicyOrder, scenario: Scenario
) -> dict[str, bool | int | float | str]:
    """What the controller needs to build the policy again."""
    scale, rows = gain_scale(scenario), scenario.population.capacity
    ends = {"low_db": scale.low_db, "high_db": scale.high_db}
    if isinstance(agent.policy, GraphPolicy):
        sizes = agent.policy.network.sizes
        return {"policy": "graph", **sizes._asdict(), **ends, "users_per_drop": rows}
    return {
        "policy": "sb3",
        "algorithm": order.algorithm,
        "observation": "flat",
        "action": "levels" if order.algorithm == "ppo" else "db",
        "levels": order.levels,
        "rows": rows,
        "hidden": ",".join(map(str, _HIDDEN)),
        "activation": "relu",
        **ends,
    }


def answered(agent: BaseAlgorithm, met: Instants, order: PolicyOrder, scenario: Scenario) -> Array:
    """Powers [n, M] of the agent's likeliest actions, as fractions of the largest."""
    code = gain_scale(scenario).encode(met.reported)
    here = met.present.astype(np.float32)
    told: Any
    if order.kind == "graph":
        space: Any = agent.observation_space
        empty = {
            name: np.zeros((len(here), *part.shape), np.float32) for name, part in space.items()
        }
        told = empty | {"gain": code, "weight": here, "mask": here}
    else:
        told = np.concatenate([code.reshape(len(here), -1), here, here], -1)
    action = agent.predict(told, deterministic=True)[0]
    if order.algorithm == "ppo":
        chosen: Array = level_fractions(order.levels)[action]
        return chosen
    return fraction_of_db(action)
