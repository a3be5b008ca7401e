"""Environments and a policy for Stable-Baselines3."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import torch

from slotwise.emulator.scenario import InputError
from slotwise.envs.vector import VectorPowerControl

pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env

from slotwise.envs.networks import PolicySizes
from slotwise.envs.sb3 import GraphPolicy, StableVecEnv

FOUR = ["population.initial_users=4"]
TOWN = ["layout.cells=4", "population.initial_users=4"]


def test_stable_baselines3s_checker_finds_nothing(name: str) -> None:
    for action in ("levels", "db", "binary"):
        check_env(gym.make(name, observation="flat", action=action))


@pytest.mark.filterwarnings("ignore:Your observation .* has an unconventional shape")
@pytest.mark.parametrize("observation", ["dict", "local"])
def test_it_finds_nothing_but_that_a_matrix_is_no_vector(name: str, observation: str) -> None:
    check_env(gym.make(name, observation=observation))


def test_it_lives_what_the_vector_environment_lives() -> None:
    ours = VectorPowerControl(
        3, max_episode_steps=2, autoreset_mode="SameStep", observation="flat", overrides=FOUR
    )
    theirs = StableVecEnv(num_envs=3, max_episode_steps=2, overrides=FOUR)
    theirs.seed(5)
    first: Any = ours.reset(seed=5)[0]
    assert np.array_equal(cast("Any", theirs.reset()), first)
    rng = np.random.default_rng(0)
    for step in range(1, 6):
        action = rng.integers(10, size=(3, 4))
        told, reward, _, truncated, info = ours.step(action)
        observation, rewards, done, infos = cast("Any", theirs.step(action))
        assert np.array_equal(observation, told)
        assert rewards.dtype == np.float32
        assert np.allclose(rewards, reward)
        assert done.tolist() == truncated.tolist() == [step % 2 == 0] * 3
        for place, one in enumerate(infos):
            assert ("terminal_observation" in one) == (step % 2 == 0)
            if step % 2 == 0:
                assert one["TimeLimit.truncated"]
                assert np.array_equal(one["terminal_observation"], info["final_obs"][place])
                assert one["sum_rate"] == info["final_info"]["sum_rate"][place]


def test_gains_only_tells_gains_weights_and_mask() -> None:
    whole = StableVecEnv(num_envs=2, observation="dict", overrides=FOUR)
    thin = StableVecEnv(num_envs=2, gains_only=True, max_episode_steps=1, overrides=FOUR)
    for env in (whole, thin):
        env.seed(1)
    told = whole.reset()
    parts = [told["gain"].reshape(2, -1), told["weight"], told["mask"]]
    observation = thin.reset()
    assert np.array_equal(observation, np.concatenate(parts, -1))
    assert thin.observation_space.contains(observation[0])
    _, _, _, infos = thin.step(np.zeros((2, 4), np.int64))
    assert infos[0]["terminal_observation"].shape == thin.observation_space.shape
    with pytest.raises(InputError, match="not with gains_only"):
        StableVecEnv(gains_only=True, observation="dict")


def test_attributes_and_methods_are_those_of_the_environment() -> None:
    env = StableVecEnv(num_envs=3, overrides=FOUR)
    assert env.get_attr("num_envs") == [3, 3, 3]
    env.set_attr("max_episode_steps", 4)
    assert env.get_attr("max_episode_steps", indices=[0]) == [4]
    assert len(env.env_method("reset")) == 3
    assert env.env_is_wrapped(object) == [False] * 3
    env.close()


def _agent(env: StableVecEnv) -> PPO:
    return PPO(
        GraphPolicy,
        env,
        gamma=0.0,
        n_steps=8,
        batch_size=8 * env.num_envs,
        n_epochs=2,
        seed=0,
        device="cpu",
        policy_kwargs={"sizes": PolicySizes(layers=1, width=8, hidden=8)},
    )


def test_the_graph_policy_trains_and_decides_as_its_network_does() -> None:
    env = StableVecEnv("nasir-guo", 8, observation="dict", max_episode_steps=4, overrides=TOWN)
    agent = _agent(env)
    assert isinstance(agent.policy, GraphPolicy)
    network = agent.policy.network
    before = network.plain_tensors()
    agent.learn(128)
    after = network.plain_tensors()
    assert all(not torch.equal(before[name], after[name]) for name in before)
    told: Any = env.reset()
    action, _ = agent.predict(told, deterministic=True)
    given = [torch.from_numpy(told[name].copy()) for name in ("gain", "mask", "weight")]
    assert np.array_equal(action, network(*given).argmax(-1).numpy())


def test_who_is_absent_moves_neither_decisions_nor_worth() -> None:
    env = StableVecEnv("nasir-guo", 2, observation="dict", overrides=TOWN)
    agent = _agent(env)
    told: Any = {name: part.copy() for name, part in env.reset().items()}
    for name, nothing in (("mask", 0.0), ("weight", 0.0)):
        told[name][:, 2] = nothing
    seen: list[list[torch.Tensor]] = []
    for code in (-1.0, 0.5):
        told["gain"][:, 2, :] = told["gain"][:, :, 2] = code
        observation = {name: torch.from_numpy(part) for name, part in told.items()}
        with torch.no_grad():
            chances: Any = agent.policy.get_distribution(observation).distribution
            seen.append([*(one.probs for one in chances), agent.policy.predict_values(observation)])
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))
    torch.testing.assert_close(seen[0][2], torch.full((2, 10), 0.1))


def test_the_graph_policy_refuses_other_spaces() -> None:
    with pytest.raises(InputError, match='observation="dict" and action="levels"'):
        _agent(StableVecEnv(overrides=FOUR))
