"""Train PPO of TorchRL on the vector environment.

    pip install slotwise torchrl
    python examples/train_torchrl.py --steps 200000

TorchRL takes a vector environment of Gymnasium as an environment with a batch; it begins episodes
itself, for which autoreset_mode is "Disabled".
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np
import torch
from evaluate_agent import compare
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper
from torchrl.modules import MLP, ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import slotwise.envs  # noqa: F401 - registers the environments

NETWORKS, SLOTS = 128, 16
EPOCHS, MINIBATCHES, LEARNING_RATE = 4, 8, 1e-3


def actor_and_critic(env: GymWrapper) -> tuple[ProbabilisticActor, ValueOperator]:
    """A power in dB for each user, and what the network's rate will be."""
    width = env.observation_spec["observation"].shape[-1]
    rows = env.action_spec.shape[-1]
    body = nn.Sequential(
        MLP(width, 2 * rows, num_cells=[128, 128], activation_class=nn.Tanh),
        NormalParamExtractor(),
    )
    actor = ProbabilisticActor(
        TensorDictModule(body, ["observation"], ["loc", "scale"]),
        in_keys=["loc", "scale"],
        distribution_class=TanhNormal,
        return_log_prob=True,
    )
    critic = ValueOperator(MLP(width, 1, num_cells=[128, 128], activation_class=nn.Tanh))
    return actor, critic


def train(env: GymWrapper, actor: ProbabilisticActor, critic: ValueOperator, steps: int) -> None:
    """PPO with gamma = 0: what is decided now changes nothing that comes."""
    frames = NETWORKS * SLOTS
    advantage = GAE(gamma=0.0, lmbda=0.0, value_network=critic)
    loss = ClipPPOLoss(
        actor, critic, clip_epsilon=0.2, entropy_coeff=1e-3, normalize_advantage=True
    )
    optimiser = torch.optim.Adam(loss.parameters(), LEARNING_RATE)
    total = max(1, steps // frames) * frames
    collector = Collector(
        env,
        actor,
        frames_per_batch=frames,
        total_frames=total,
        auto_register_policy_transforms=False,
    )
    for number, batch in enumerate(collector):
        with torch.no_grad():
            advantage(batch)
        flat = batch.reshape(-1)
        for _ in range(EPOCHS):
            for part in torch.randperm(frames).chunk(MINIBATCHES):
                losses = loss(flat[part])
                summed = sum(value for key, value in losses.items() if key.startswith("loss_"))
                optimiser.zero_grad()
                summed.backward()
                nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
                optimiser.step()
        if number % 20 == 0:
            rate = batch["next", "reward"].mean()
            print(f"{(number + 1) * frames:>8} steps: {rate:.3f} bit/s/Hz")
    collector.shutdown(close_env=False)


def main() -> None:
    """Train, and say what came of it in networks that nobody trained in."""
    parser = argparse.ArgumentParser(description="PPO of TorchRL decides powers.")
    parser.add_argument("--env", default="slotwise/GaussianIC-v0")
    parser.add_argument("--steps", type=int, default=100_000, help="of training")
    parser.add_argument("--episodes", type=int, default=20, help="of the comparison")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    options = {"observation": "flat", "action": "db"}
    env = GymWrapper(gym.make_vec(given.env, NETWORKS, autoreset_mode="Disabled", **options))
    env.set_seed(0)
    actor, critic = actor_and_critic(env)
    train(env, actor, critic, given.steps)

    @torch.no_grad()
    def decide(observation: np.ndarray) -> np.ndarray:
        loc, scale = actor.module[0](torch.as_tensor(observation))
        return TanhNormal(loc, scale).deterministic_sample.numpy()

    seeds = range(1_000_000, 1_000_000 + given.episodes)
    compare(gym.make(given.env, **options), {"ppo": decide}, ["max"], seeds)


if __name__ == "__main__":
    main()
