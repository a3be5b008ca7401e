"""Rows about environments: what Gymnasium's interface costs around a slot, alone and by the dozen.

Everything takes the same actions, drawn beforehand, in the Gaussian interference channel. Where an
environment is compared with the emulator under it, both live the same lives at the same powers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import cycle
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import slotwise.envs
from slotwise.emulator import Emulator
from slotwise.emulator.encoding import level_fractions
from slotwise.emulator.scenario import Scenario, load
from slotwise.runs.bench.peers import STATIONS, mobile_env
from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting
from slotwise.runs.bench.timing import Times, interleaved

__all__ = ["environments"]

_ID = "slotwise/GaussianIC-v0"
# K: goal and aim against mobile-env.
_PEERED = {10: (100.0, 400.0), 20: (150.0, 700.0), 50: (300.0, 1000.0)}
_NEVER = 10**9  # steps
_STEPS = 100  # of a turn; an episode is as long
_LEVELS = 10
_OVERHEAD_S, _OVERHEAD_SHARE, _OVERHEAD_AIM_S = 3e-6, 0.2, 1e-6
# B: goal and aim against single environments stepped in turn, and how many of those are timed.
_VECTORS = {64: (64, None, None), 1024: (64, 8.0, 20.0)}
_VECTOR_USERS = 10
_SYNC = 8
_RESETS = {10: (None, None), 50: (1.0, 0.3)}  # K: goal and aim [ms]

Actions = NDArray[np.int64]


def environments(setting: Setting) -> Iterator[Row | Skipped]:
    """Environments against another one, their own emulator, and each other."""
    gym.register_envs(slotwise.envs)
    yield from _pace(setting)
    yield from _overhead(setting)
    yield from _vectors(setting)
    yield from _resets(setting)


def _network(users: int) -> list[str]:
    return [f"population.initial_users={users}"]


def _actions(users: int, seed: int, *, networks: int | None = None) -> list[Actions]:
    """Random levels for the steps of a turn; what of them is drawn when is not timed."""
    shape = (_STEPS, users) if networks is None else (_STEPS, networks, users)
    return list(np.random.default_rng(seed).integers(_LEVELS, size=shape))


def _pace(setting: Setting) -> Iterator[Row | Skipped]:
    """Whole episodes as ``gymnasium.make`` gives them, resets included, and steps of mobile-env."""
    beside = setting.peers and find_spec("mobile_env") is not None
    if setting.peers and not beside:
        why = "not installed: pip install 'slotwise[peers]'"
        yield Skipped("envs", "mobile-env", why)
    for users, (goal, aim) in _PEERED.items():
        doings = {"here": _episode(users, setting.seed)}
        if beside:
            doings["mobile-env"] = mobile_env(users, setting.seed)
        taken = interleaved(doings, setting.seconds).seconds
        times = Times({**taken, "here": taken["here"] / _STEPS})
        what = f"one environment, K = {users}"
        yield Row("envs", what, 1.0 / times.median("here"), "steps/s")
        if beside:
            median, low, high = times.ratio("mobile-env", "here")
            against = f"{what}: mobile-env, {STATIONS} stations, {users} users"
            behind = times.medians()
            yield Row("envs", against, median, "×", low, high, goal, aim, times_s=behind)


def _episode(users: int, seed: int) -> Callable[[], object]:
    """A reset and the steps to the episode's end."""
    environment = gym.make(_ID, overrides=_network(users))
    actions = _actions(users, seed)
    environment.reset(seed=seed)

    def live() -> None:
        environment.reset()
        for action in actions:
            environment.step(action)

    return live


def _overhead(setting: Setting) -> Iterator[Row | Skipped]:
    """A step of the environment against the same step of the emulator without one."""
    for users in _PEERED:
        actions = _actions(users, setting.seed)
        scenario = load("gaussian-ic", _network(users))
        bare = slotwise.envs.PowerControl(scenario)
        made = gym.make(_ID, overrides=_network(users), max_episode_steps=_NEVER)
        taken = interleaved(
            {
                "emulator": _bare_steps(scenario, actions, setting.seed),
                "environment": _steps(bare, actions, setting.seed),
                "made": _steps(made, actions, setting.seed),
            },
            setting.seconds,
        ).seconds
        times = Times({name: turns / _STEPS for name, turns in taken.items()})
        yield from _over_emulator(times, users)


def _over_emulator(times: Times, users: int) -> Iterator[Row]:
    behind, emulator_s = times.medians(), times.seconds["emulator"]
    what = f"one environment, K = {users}"
    median, low, high = times.ratio("environment", "emulator")
    yield Row("envs", f"{what}: bare emulator", median, "×", low, high, times_s=behind)
    extra = times.seconds["environment"] - emulator_s
    low, median, high = (1e6 * float(part) for part in np.quantile(extra, (0.25, 0.5, 0.75)))
    goal = 1e6 * (_OVERHEAD_S + _OVERHEAD_SHARE * times.median("emulator"))
    yield Row(
        "envs",
        f"{what}: over the bare emulator",
        median,
        "µs",
        low,
        high,
        round(goal, 1),
        1e6 * _OVERHEAD_AIM_S,
        "at most",
        behind,
    )
    wrapped = 1e6 * float(np.median(times.seconds["made"] - times.seconds["environment"]))
    yield Row("envs", f"{what}: wrappers of gymnasium.make", wrapped, "µs", times_s=behind)


def _bare_steps(scenario: Scenario, actions: Sequence[Actions], seed: int) -> Callable[[], object]:
    """A turn of steps for someone who drives the emulator by hand."""
    emulator = Emulator(scenario, seed)
    report = emulator.advance()
    assert report is not None
    powers = [level_fractions(_LEVELS)[action] * report.p_max_w for action in actions]

    def live() -> Any:
        gain = None
        for power in powers:
            emulator.grant(power)
            after = emulator.advance()
            assert after is not None
            gain = after.gain
        return gain

    return live


def _steps(
    environment: gym.Env[Any, Any], actions: Sequence[Actions], seed: int
) -> Callable[[], object]:
    environment.reset(seed=seed)

    def live() -> None:
        for action in actions:
            environment.step(action)

    return live


def _vectors(setting: Setting) -> Iterator[Row | Skipped]:
    """Many networks in one emulator, against environments of their own stepped in turn."""
    for networks, (singles, goal, aim) in _VECTORS.items():
        taken = interleaved(
            {
                "vector": _vector_step(networks, setting.seed),
                "single": _round(singles, setting.seed),
            },
            setting.seconds,
        ).seconds
        times = Times({"vector": taken["vector"] / networks, "single": taken["single"] / singles})
        what = f"vector environment, B = {networks:,}, K = {_VECTOR_USERS}"
        yield Row("envs", what, 1.0 / times.median("vector"), "steps/s")
        median, low, high = times.ratio("single", "vector")
        against = f"{what}: {singles} single ones in turn, for each"
        behind = times.medians()
        yield Row("envs", against, median, "×", low, high, goal, aim, times_s=behind)
    sync = gym.make_vec(
        _ID, _SYNC, "sync", overrides=_network(_VECTOR_USERS), max_episode_steps=_NEVER
    )
    times = interleaved(
        {
            "vector": _vector_step(_SYNC, setting.seed),
            "sync": _vector_steps(sync, setting.seed),
        },
        setting.seconds,
    )
    what = f"vector environment, B = {_SYNC}, K = {_VECTOR_USERS}: SyncVectorEnv of {_SYNC}"
    median, low, high = times.ratio("sync", "vector")
    yield Row("envs", what, median, "×", low, high, times_s=times.medians())


def _vector_step(networks: int, seed: int) -> Callable[[], object]:
    """One step of all; without an end, since one reset in a hundred steps would be met or not."""
    environment = gym.make_vec(
        _ID, networks, overrides=_network(_VECTOR_USERS), max_episode_steps=_NEVER
    )
    return _vector_steps(environment, seed)


def _vector_steps(
    environment: gym.vector.VectorEnv[Any, Any, Any], seed: int
) -> Callable[[], object]:
    actions = cycle(_actions(_VECTOR_USERS, seed, networks=environment.num_envs))
    environment.reset(seed=seed)
    return lambda: environment.step(next(actions))


def _round(singles: int, seed: int) -> Callable[[], object]:
    """One step of each of several environments of their own, whose results are kept in lists."""
    some = [
        gym.make(_ID, overrides=_network(_VECTOR_USERS), max_episode_steps=_NEVER)
        for _ in range(singles)
    ]
    actions = cycle(_actions(_VECTOR_USERS, seed, networks=singles))
    for place, environment in enumerate(some):
        environment.reset(seed=seed + place)

    def step() -> object:
        return [one.step(action) for one, action in zip(some, next(actions), strict=True)]

    return step


def _resets(setting: Setting) -> Iterator[Row | Skipped]:
    """A new episode, the report that it begins with included."""
    for users, (goal, aim) in _RESETS.items():
        environment = gym.make(_ID, overrides=_network(users))
        environment.reset(seed=setting.seed)
        times = interleaved({"reset": environment.reset}, setting.seconds)
        taken = 1e3 * times.seconds["reset"]
        low, median, high = (float(part) for part in np.quantile(taken, (0.25, 0.5, 0.75)))
        yield Row(
            "envs", f"a reset, K = {users}", median, "ms", low, high, goal, aim, "at most",
            times.medians(),
        )  # fmt: skip
