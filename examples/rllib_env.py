"""Register the environments with RLlib, whose workers do not know Gymnasium's names.

    pip install slotwise 'ray[rllib]'
    python examples/rllib_env.py

`env_creator` is all that RLlib needs. Without ray the environment that it makes is checked, and
nothing is trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
from gymnasium.utils.env_checker import check_env

DEFAULTS = {"id": "slotwise/GaussianIC-v0", "observation": "flat", "action": "db"}


def env_creator(config: Mapping[str, Any]) -> gym.Env:
    """An environment from RLlib's env_config: its id, and options of slotwise.

    Parameters
    ----------
    config : mapping
        ``id`` and options, such as ``{"id": "slotwise/IMAC-v0", "levels": 4}``; what is left out
        is as in DEFAULTS.
    """
    import slotwise.envs  # noqa: F401 - in a worker nobody has registered them yet

    options = DEFAULTS | dict(config)
    return gym.make(options.pop("id"), **options)


def train(iterations: int) -> None:
    """A few iterations of RLlib's PPO; gamma is 0, since actions do not change the channel."""
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.tune.registry import register_env

    register_env("slotwise", env_creator)
    config = (
        PPOConfig()
        .environment("slotwise", env_config=DEFAULTS)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=8)
        .training(gamma=0.0, lr=1e-3, train_batch_size_per_learner=2000)
    )
    algorithm = config.build_algo()
    for number in range(iterations):
        result = algorithm.train()
        print(f"iteration {number + 1}: {result['env_runners']['episode_return_mean']:.1f}")
    algorithm.stop()


def main() -> None:
    """Check what RLlib will get, and train if it is there."""
    parser = argparse.ArgumentParser(description="The environments in RLlib.")
    parser.add_argument("--iterations", type=int, default=5)
    given = parser.parse_args()
    env = env_creator({})
    check_env(env.unwrapped, skip_render_check=True)
    print(f"{env.spec.id}: {env.observation_space.shape} numbers in, {env.action_space.shape} out")
    if find_spec("ray") is None:
        print("ray is not installed: the environment is checked, and nothing is trained")
        return
    train(given.iterations)


if __name__ == "__main__":
    main()
