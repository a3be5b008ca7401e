"""Train PPO in one file, in the manner of CleanRL, on the vector environment and PyTorch alone.

    python examples/train_cleanrl.py --steps 400000

All networks live side by side in one emulator. With gamma = 0 a step's return is its reward, so
there is nothing to bootstrap and no episode to care about; what is left of PPO fits a page.
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np
import torch
from evaluate_agent import compare
from torch import nn
from torch.distributions import Categorical

import slotwise.envs  # noqa: F401 - registers the environments

NETWORKS, SLOTS = 256, 8
EPOCHS, MINIBATCHES, CLIP, LEARNING_RATE, ENTROPY = 4, 4, 0.2, 2e-3, 0.01


class Agent(nn.Module):
    """A level for each user, and what the network's rate will be, from the flat observation."""

    def __init__(self, width: int, rows: int, levels: int) -> None:
        super().__init__()

        def perceptron(out: int) -> nn.Sequential:
            layers = (nn.Linear(width, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh())
            return nn.Sequential(*layers, nn.Linear(128, out))

        self.actor, self.critic = perceptron(rows * levels), perceptron(1)
        self.rows, self.levels = rows, levels

    def levels_of(self, observation: torch.Tensor) -> Categorical:
        """Distribution of the level of each row."""
        logits = self.actor(observation)
        return Categorical(logits=logits.unflatten(-1, (self.rows, self.levels)))

    def judge(self, observation: torch.Tensor, level: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Log-probability and entropy of the joint action, and the value."""
        chosen = self.levels_of(observation)
        value = self.critic(observation).squeeze(-1)
        return chosen.log_prob(level).sum(-1), chosen.entropy().sum(-1), value


def collect(env: gym.vector.VectorEnv, agent: Agent, seen: np.ndarray) -> tuple:
    """Some slots of all networks: what was seen, chosen, how likely, and rewarded."""
    rows = []
    for _ in range(SLOTS):
        observation = torch.as_tensor(seen)
        with torch.no_grad():
            level = agent.levels_of(observation).sample()
            log_prob, _, value = agent.judge(observation, level)
        seen, reward, _, _, _ = env.step(level.numpy())
        rows.append((observation, level, log_prob, value, torch.as_tensor(reward).float()))
    return seen, *(torch.cat(column) for column in zip(*rows, strict=True))


def update(agent: Agent, optimiser: torch.optim.Optimizer, batch: tuple) -> None:
    """The clipped objective of PPO, a few times over the batch."""
    observation, level, old_log_prob, old_value, reward = batch
    advantage = reward - old_value
    for _ in range(EPOCHS):
        for part in torch.randperm(len(reward)).chunk(MINIBATCHES):
            log_prob, entropy, value = agent.judge(observation[part], level[part])
            gain = advantage[part]
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
            ratio = torch.exp(log_prob - old_log_prob[part])
            objective = torch.minimum(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain)
            loss = nn.functional.mse_loss(value, reward[part]) / 2
            loss = loss - objective.mean() - ENTROPY * entropy.mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimiser.step()


def main() -> None:
    """Train, and say what came of it in networks that nobody trained in."""
    parser = argparse.ArgumentParser(description="PPO in one file decides powers.")
    parser.add_argument("--env", default="slotwise/GaussianIC-v0")
    parser.add_argument("--steps", type=int, default=100_000, help="of training")
    parser.add_argument("--episodes", type=int, default=20, help="of the comparison")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    env = gym.make_vec(given.env, NETWORKS, observation="flat", autoreset_mode="SameStep")
    levels = env.single_action_space.nvec
    agent = Agent(env.single_observation_space.shape[0], len(levels), int(levels[0]))
    optimiser = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE)
    updates = max(1, given.steps // (NETWORKS * SLOTS))
    decay = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, updates)
    seen, _ = env.reset(seed=0)
    for number in range(updates):
        seen, *batch = collect(env, agent, seen)
        update(agent, optimiser, tuple(batch))
        decay.step()
        if number % 20 == 0:
            print(f"{(number + 1) * NETWORKS * SLOTS:>8} steps: {batch[-1].mean():.3f} bit/s/Hz")

    @torch.no_grad()
    def decide(observation: np.ndarray) -> np.ndarray:
        return agent.levels_of(torch.as_tensor(observation)).probs.argmax(-1).numpy()

    seeds = range(1_000_000, 1_000_000 + given.episodes)
    compare(gym.make(given.env, observation="flat"), {"ppo": decide}, ["max"], seeds)


if __name__ == "__main__":
    main()
