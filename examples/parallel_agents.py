"""Let every user decide for itself, in PettingZoo's parallel environment.

    pip install 'slotwise[rl]'
    python examples/parallel_agents.py --steps 200

Users are agents that join and leave in mid-episode, here in a hurry. Each sees its own link and its
strongest neighbours, and is paid its own rate minus the price of its interference. Three societies
live the same life: random ones, greedy ones, and polite ones that are silent where they would be
drowned.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from slotwise.envs.forms import LINK_FEATURES
from slotwise.envs.parallel import ParallelPowerControl, parallel_env

HURRY = ["population.arrivals_per_s=30", "population.lifetime.mean_s=0.5"]
LINK = {feature.name: place for place, feature in enumerate(LINK_FEATURES)}
Society = Callable[[ParallelPowerControl, str, np.ndarray], Any]


def random(env: ParallelPowerControl, agent: str, _: np.ndarray) -> int:
    """Any level."""
    return int(env.action_space(agent).sample())


def greedy(env: ParallelPowerControl, agent: str, _: np.ndarray) -> int:
    """The largest power, always."""
    return int(env.action_space(agent).n) - 1


def polite(env: ParallelPowerControl, agent: str, seen: np.ndarray) -> int:
    """The largest power, unless the interference is stronger than the own link."""
    drowned = seen[LINK["heard"]] > seen[LINK["gain"]]
    return 0 if drowned else int(env.action_space(agent).n) - 1


def live(name: str, society: Society, steps: int, seed: int) -> tuple[float, float, int]:
    """Mean sum rate [bit/s/Hz], mean reward of a user's step, and how many users there were."""
    env = parallel_env(name, max_episode_steps=steps, overrides=HURRY)
    observations, _ = env.reset(seed=seed)
    for number, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + number)
    rates, paid, met = [], [], set(env.agents)
    while env.agents:
        actions = {agent: society(env, agent, observations[agent]) for agent in env.agents}
        observations, rewards, _, _, infos = env.step(actions)
        met.update(observations)
        paid.extend(rewards.values())
        rates.extend(info["sum_rate"] for info in list(infos.values())[:1])
    return float(np.mean(rates)), float(np.mean(paid)), len(met)


def main() -> None:
    """Live one life three times."""
    parser = argparse.ArgumentParser(description="Every user decides for itself.")
    parser.add_argument("--env", default="slotwise/Urban-v0")
    parser.add_argument("--steps", type=int, default=500, help="of the episode")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{given.env}, {given.steps} steps: bit/s/Hz, reward of a user's step, users met")
    for society in (random, greedy, polite):
        rate, paid, met = live(given.env, society, given.steps, given.seed)
        print(f"  {society.__name__:8} {rate:8.3f} {paid:8.3f} {met:5}")


if __name__ == "__main__":
    main()
