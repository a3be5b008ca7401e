"""Train PPO of Stable-Baselines3: first in the Gaussian interference channel, then among cells.

    pip install 'slotwise[rl]'
    python examples/train_stable_baselines3.py --steps 50000
    python examples/train_stable_baselines3.py --steps 200000 --policy flat

What matters: actions do not change the channel, so gamma is 0; powers are decided in dB, or in
levels of it; many networks at once make a gradient that is not noise; and a policy that knows that
users can be exchanged, as the graph policy does, needs a fraction of the steps.
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import torch
from evaluate_agent import compare
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import slotwise.envs
from slotwise.envs.sb3 import GraphPolicy

NETWORKS = 64
SUBJECTS = {
    "slotwise/GaussianIC-v0": {},
    "slotwise/NasirGuo-v0": {"overrides": ["layout.cells=5", "population.initial_users=5"]},
}
POLICIES = {
    "graph": (GraphPolicy, {"observation": "dict", "action": "levels"}, 2e-3),
    "flat": ("MlpPolicy", {"observation": "flat", "action": "db"}, 1e-3),
}


def train(name: str, options: dict[str, object], policy: str, steps: int) -> PPO:
    """PPO on many networks side by side."""
    kind, _, learning_rate = POLICIES[policy]
    model = PPO(
        kind,
        make_vec_env(name, NETWORKS, seed=0, env_kwargs=options),
        gamma=0.0,
        n_steps=16,
        batch_size=256,
        n_epochs=4,
        learning_rate=learning_rate,
        seed=0,
        device="cpu",
    )
    return model.learn(steps)


def main() -> None:
    """Train in both, and say what came of it in networks that nobody trained in."""
    parser = argparse.ArgumentParser(description="PPO of Stable-Baselines3 decides powers.")
    parser.add_argument("--steps", type=int, default=20_000, help="of training in each network")
    parser.add_argument("--policy", choices=POLICIES, default="graph")
    parser.add_argument("--episodes", type=int, default=20, help="of the comparison")
    parser.add_argument("--save", metavar="PREFIX", help="write PREFIX0.zip and PREFIX1.zip")
    given = parser.parse_args()
    gym.register_envs(slotwise.envs)
    torch.set_num_threads(1)
    for number, (name, changes) in enumerate(SUBJECTS.items()):
        options = {**POLICIES[given.policy][1], **changes}
        model = train(name, options, given.policy, given.steps)
        if given.save:
            model.save(f"{given.save}{number}")

        def decide(observation: object, model: PPO = model) -> object:
            return model.predict(observation, deterministic=True)[0]

        seeds = range(1_000_000, 1_000_000 + given.episodes)
        compare(gym.make(name, **options), {"ppo": decide}, ["max"], seeds)


if __name__ == "__main__":
    main()
