"""Put an agent beside WMMSE: the same networks, paired, with the intervals of `slotwise compare`.

    python examples/evaluate_agent.py --env slotwise/NasirGuo-v0 --episodes 20
    python examples/evaluate_agent.py --env slotwise/GaussianIC-v0 --agent ppo.zip

An episode under a seed is the life that `slotwise run --seed` lives, so an agent and a controller
that get the same seeds meet the same users and the same fading. Needs no extra; an agent of
Stable-Baselines3 needs slotwise[rl], and is unpickled: load those that you trust.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

import slotwise.envs  # noqa: F401 - registers the environments
from slotwise.runs import simulate
from slotwise.runs.intervals import mean_of_ratios

Policy = Callable[[Any], Any]


def agent_rates(env: gym.Env, policy: Policy, seeds: Sequence[int]) -> np.ndarray:
    """Mean sum rate [bit/s/Hz] of an agent in the episode of each seed."""
    rates = []
    for seed in seeds:
        observation, _ = env.reset(seed=seed)
        steps, over = [], False
        while not over:
            observation, _, terminated, truncated, info = env.step(policy(observation))
            steps.append(info["sum_rate"])
            over = terminated or truncated
        rates.append(np.mean(steps))
    return np.array(rates)


def controller_rates(env: gym.Env, spec: str, seeds: Sequence[int]) -> np.ndarray:
    """The same of a controller, such as "wmmse:starts=8" or "ascent"."""
    scenario, slots = env.unwrapped.scenario, env.spec.max_episode_steps
    lives = [simulate(scenario, spec, slots=slots, seed=seed) for seed in seeds]
    return np.array([life.summary["mean_sum_rate"] for life in lives])


def compare(
    env: gym.Env,
    agents: Mapping[str, Policy],
    controllers: Sequence[str] = ("max",),
    seeds: Sequence[int] = range(1_000_000, 1_000_020),
) -> dict[str, float]:
    """Print what everyone reaches beside WMMSE; percent by name."""
    wmmse = controller_rates(env, "wmmse", seeds)
    rates = {name: agent_rates(env, policy, seeds) for name, policy in agents.items()}
    rates |= {spec: controller_rates(env, spec, seeds) for spec in controllers}
    print(f"{env.spec.id}, {len(seeds)} episodes: bit/s/Hz, % of WMMSE, 95% interval")
    for name, own in rates.items():
        found = mean_of_ratios(own, wmmse)
        bounds = "" if found.low is None else f"{100 * found.low:.1f} - {100 * found.high:.1f}"
        print(f"  {name:12} {own.mean():8.3f} {100 * found.value:7.1f}   {bounds}")
    print(f"  {'wmmse':12} {wmmse.mean():8.3f} {100:7.1f}")
    return {name: 100 * mean_of_ratios(own, wmmse).value for name, own in rates.items()}


def thresholds(env: gym.Env) -> Policy:
    """An agent that nobody trained: send if the own link is stronger than all that disturb it."""
    levels = env.unwrapped.options.levels

    def decide(observation: dict[str, np.ndarray]) -> np.ndarray:
        gain = observation["gain"]
        others = np.where(np.eye(len(gain), dtype=bool), -1.0, gain)
        return np.where(np.diag(gain) > others.max(axis=1), levels - 1, 0)

    return decide


def main() -> None:
    """Compare a trained agent, or a simple one, with random and full power and WMMSE."""
    parser = argparse.ArgumentParser(description="An agent beside WMMSE.")
    parser.add_argument("--env", default="slotwise/GaussianIC-v0", help="id of the environment")
    parser.add_argument("--agent", help="zip of Stable-Baselines3's PPO, on observation=flat")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--steps", type=int, help="of an episode; left out: the environment's own")
    given = parser.parse_args()
    env = gym.make(
        given.env,
        observation="flat" if given.agent else "dict",
        max_episode_steps=given.steps,
    )
    agents: dict[str, Policy] = {"random": lambda _: env.action_space.sample()}
    if given.agent:
        from stable_baselines3 import PPO

        model = PPO.load(given.agent)
        agents["ppo"] = lambda observation: model.predict(observation, deterministic=True)[0]
    else:
        agents["thresholds"] = thresholds(env)
    env.action_space.seed(0)
    compare(env, agents, ["max", "ascent"], range(1_000_000, 1_000_000 + given.episodes))


if __name__ == "__main__":
    main()
