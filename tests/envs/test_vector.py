"""Many environments at once live what as many single ones live."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from slotwise.emulator.scenario import InputError
from slotwise.envs import VectorPowerControl

MODES = [mode.value for mode in AutoresetMode]
NAMES = ["slotwise/GaussianIC-v0", "slotwise/Urban-v0", "slotwise/NasirGuo-v0"]
BUSY = ["population.arrivals_per_s=300", "population.lifetime.mean_s=0.02"]


def _both(name: str, mode: str, num_envs: int = 4, **options: Any) -> tuple[Any, SyncVectorEnv]:
    """The batched emulator, and single environments stepped in turn."""
    many = gym.make_vec(
        name, num_envs=num_envs, autoreset_mode=mode, max_episode_steps=6, **options
    )
    singles = SyncVectorEnv(
        [lambda: gym.make(name, max_episode_steps=6, **options)] * num_envs,
        autoreset_mode=AutoresetMode(mode),
    )
    return many, singles


def _same(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert set(one) == set(other)
        for key in one:
            _same(one[key], other[key])
    elif isinstance(one, tuple) or (isinstance(one, np.ndarray) and one.dtype == object):
        assert len(one) == len(other)
        for part, counterpart in zip(one, other, strict=True):
            _same(part, counterpart)
    else:
        np.testing.assert_array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype


LATE = ["csi.delay_s=0.0015", "csi.error_nmse_db=-20"]
SLOW = ["timing.mode=fixed", "timing.latency_s=0.0004", "timing.deadline_s=0.0002"]


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        (LATE, {"reward": "difference"}),
        (SLOW, {"reward": "proportional-fairness", "action": "db"}),
        ([*SLOW, "timing.fallback=silent"], {"reward": "energy-efficiency", "per_user": True}),
        (["csi.period_s=0.003"], {"reward": "difference", "action": "binary"}),
    ],
)
def test_they_are_whatever_is_told_taken_and_rewarded(
    changes: list[str], options: dict[str, Any]
) -> None:
    many, singles = _both("slotwise/Urban-v0", "SameStep", overrides=[*BUSY, *changes], **options)
    _same(many.reset(seed=3), singles.reset(seed=3))
    many.action_space.seed(0)
    rewards = []
    for _ in range(20):
        action = many.action_space.sample()
        one = many.step(action)
        _same(one, singles.step(action))
        rewards.append(one[1])
    assert np.ptp(rewards) > 0.0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_trajectories_are_those_of_single_environments(name: str, mode: str) -> None:
    options: dict[str, Any] = {"overrides": BUSY} if "Urban" in name else {}
    many, singles = _both(name, mode, **options)
    _same(many.reset(seed=3), singles.reset(seed=3))
    many.action_space.seed(0)
    for _ in range(20):
        action = many.action_space.sample()
        one, other = many.step(action), singles.step(action)
        _same(one, other)
        if mode == "Disabled" and one[3].any():
            mask = {"reset_mask": one[3]}
            _same(many.reset(options=dict(mask)), singles.reset(options=dict(mask)))


@pytest.mark.parametrize("mode", MODES)
def test_they_are_when_some_are_reset_alone(mode: str) -> None:
    many, singles = _both("slotwise/NasirGuo-v0", mode, overrides=["population.initial_users=5"])
    many.reset(seed=1)
    singles.reset(seed=1)
    many.action_space.seed(1)
    rng = np.random.default_rng(5)
    for _ in range(25):
        action = many.action_space.sample()
        one, other = many.step(action), singles.step(action)
        _same(one, other)
        mask = rng.random(4) < 0.3
        if mode == "Disabled":
            mask |= one[3]
        if mask.any():
            seeds = [int(seed) if seed > 4 else None for seed in rng.integers(9, size=4)]
            told = many.reset(seed=seeds, options={"reset_mask": mask})
            _same(told, singles.reset(seed=seeds, options={"reset_mask": mask}))


@pytest.mark.parametrize("observation", ["flat", "local"])
def test_other_forms_are_the_same_too(observation: str) -> None:
    many, singles = _both("slotwise/Urban-v0", "SameStep", observation=observation)
    _same(many.reset(seed=2), singles.reset(seed=2))
    action = many.action_space.sample()
    for _ in range(7):
        _same(many.step(action), singles.step(action))


def test_spaces_are_batches_of_those_of_one() -> None:
    many = gym.make_vec("slotwise/IMAC-v0", num_envs=3, action="db")
    one = gym.make("slotwise/IMAC-v0", action="db")
    assert many.single_action_space == one.action_space
    assert many.single_observation_space == one.observation_space
    told, _ = many.reset(seed=0)
    assert told in many.observation_space
    assert many.step(many.action_space.sample())[0] in many.observation_space


def test_what_is_given_is_never_written_to_afterwards() -> None:
    many = gym.make_vec("slotwise/GaussianIC-v0", num_envs=2, max_episode_steps=3)
    many.reset(seed=0)
    kept = [many.step(many.action_space.sample()) for _ in range(5)]
    frozen = [(told["gain"].copy(), reward.copy()) for told, reward, *_ in kept]
    for _ in range(5):
        many.step(many.action_space.sample())
    for (told, reward, *_), (gain, before) in zip(kept, frozen, strict=True):
        np.testing.assert_array_equal(told["gain"], gain)
        np.testing.assert_array_equal(reward, before)


@pytest.mark.parametrize(("action", "worst"), [("levels", 99), ("db", np.nan)])
def test_one_impossible_action_moves_nobody(action: str, worst: float) -> None:
    one, other = (
        gym.make_vec("slotwise/GaussianIC-v0", num_envs=3, action=action) for _ in range(2)
    )
    one.reset(seed=0)
    other.reset(seed=0)
    sound = one.action_space.sample()
    broken = sound.copy()
    broken[1, 4] = worst
    with pytest.raises(ValueError, match=r"action\[1, 4\]"):
        one.step(broken)
    _same(one.step(sound), other.step(sound))


def test_an_impossible_action_of_a_cohort_moves_no_other() -> None:
    one, other = (
        gym.make_vec("slotwise/GaussianIC-v0", num_envs=3, autoreset_mode="Disabled")
        for _ in range(2)
    )
    for each in (one, other):
        each.reset(seed=0)
        each.reset(seed=7, options={"reset_mask": np.array([False, True, False])})
    sound = one.action_space.sample()
    broken = sound.copy()
    broken[1, 0] = 10
    with pytest.raises(ValueError, match="must be 0 to 9"):
        one.step(broken)
    _same(one.step(sound), other.step(sound))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"num_envs": 0}, "num_envs = 0"),
        ({"max_episode_steps": 0}, "max_episode_steps = 0"),
        ({"autoreset_mode": "sometimes"}, "must be one of NextStep, SameStep, Disabled"),
        ({"render_mode": "human"}, "must be rgb_array"),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        VectorPowerControl(**options)


@pytest.mark.parametrize(
    "mask", [np.array([True]), np.array([1, 0]), np.array([False, False]), [True, False]]
)
def test_an_impossible_mask_is_refused(mask: Any) -> None:
    many = VectorPowerControl(2)
    many.reset(seed=0)
    with pytest.raises(ValueError, match="reset_mask"):
        many.reset(options={"reset_mask": mask})


@pytest.mark.parametrize("seed", [-1, True, [1, -1], [1.5, 2], "ab", [3]])
def test_an_impossible_seed_is_refused_and_nothing_happens(seed: Any) -> None:
    one, other = (VectorPowerControl(2) for _ in range(2))
    one.reset(seed=0)
    other.reset(seed=0)
    with pytest.raises(ValueError, match="seed"):
        one.reset(seed=seed)
    with pytest.raises(ValueError, match="seed"):
        one.reset(seed=seed, options={"reset_mask": np.array([False, True])})
    with pytest.raises(TypeError, match="must be an integer"):
        one.reset(seed=1.5)  # type: ignore[arg-type]
    action = one.action_space.sample()
    _same(one.step(action), other.step(action))
    _same(one.reset(), other.reset())


def test_what_is_done_to_an_observation_is_not_told_again() -> None:
    many = VectorPowerControl(2, autoreset_mode="Disabled")
    told, _ = many.reset(seed=0)
    gain = told["gain"].copy()
    told["gain"][:] = 0.0
    again, _ = many.reset(seed=9, options={"reset_mask": np.array([False, True])})
    np.testing.assert_array_equal(again["gain"][0], gain[0])


def test_steps_out_of_turn_are_refused() -> None:
    many = VectorPowerControl(2, autoreset_mode="Disabled", max_episode_steps=1)
    action = many.action_space.sample()
    with pytest.raises(gym.error.ResetNeeded):
        many.step(action)
    with pytest.raises(ValueError, match="seeds"):
        many.reset(seed=[1, 2, 3])
    many.reset(seed=0)
    many.step(action)
    with pytest.raises(gym.error.ResetNeeded, match="reset_mask"):
        many.step(action)


def test_there_is_a_picture_of_every_network() -> None:
    many = gym.make_vec("slotwise/IMAC-v0", num_envs=2, render_mode="rgb_array")
    many.reset(seed=0)
    many.step(many.action_space.sample())
    frames: Any = many.render()
    assert [frame.shape for frame in frames] == [(540, 960, 3)] * 2
    assert (frames[0] != frames[1]).any()
