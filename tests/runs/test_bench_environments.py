from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from slotwise.emulator import Emulator
from slotwise.emulator.encoding import level_fractions
from slotwise.emulator.scenario import load
from slotwise.envs import PowerControl
from slotwise.runs.bench import environments, measuring
from slotwise.runs.bench.row import Row, Skipped
from slotwise.runs.bench.setting import Setting
from slotwise.runs.bench.timing import Times

Slotwise = Callable[..., tuple[int, str, str]]
Found = list[Row | Skipped]

HURRY = Setting(seconds=0.01)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few users, few networks, short turns."""
    monkeypatch.setattr(environments, "_PEERED", {3: (100.0, 400.0)})
    monkeypatch.setattr(environments, "_RESETS", {3: (1.0, 0.3)})
    monkeypatch.setattr(environments, "_VECTORS", {4: (2, 8.0, 20.0)})
    monkeypatch.setattr(environments, "_VECTOR_USERS", 3)
    monkeypatch.setattr(environments, "_SYNC", 2)
    monkeypatch.setattr(environments, "_STEPS", 10)


def _rows(found: Found) -> dict[str, Row]:
    return {row.what: row for row in found if isinstance(row, Row)}


@pytest.mark.usefixtures("small")
def test_every_goal_has_a_row_beside_what_it_is_compared_with() -> None:
    rows = _rows(list(environments.environments(HURRY)))
    assert list(rows) == [
        "one environment, K = 3",
        "one environment, K = 3: bare emulator",
        "one environment, K = 3: over the bare emulator",
        "one environment, K = 3: wrappers of gymnasium.make",
        "vector environment, B = 4, K = 3",
        "vector environment, B = 4, K = 3: 2 single ones in turn, for each",
        "vector environment, B = 2, K = 3: SyncVectorEnv of 2",
        "a reset, K = 3",
    ]
    assert {row.group for row in rows.values()} == {"envs"}
    with_goal = {what: row.sense for what, row in rows.items() if row.goal is not None}
    assert with_goal == {
        "one environment, K = 3: over the bare emulator": "at most",
        "vector environment, B = 4, K = 3: 2 single ones in turn, for each": "at least",
        "a reset, K = 3": "at most",
    }


@pytest.mark.usefixtures("small")
def test_a_peer_that_is_not_installed_is_skipped_with_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environments, "find_spec", lambda _: None)
    found = list(environments._pace(Setting(seconds=0.01, peers=True)))
    assert [one.what for one in found if isinstance(one, Skipped)] == ["mobile-env"]
    assert list(_rows(found)) == ["one environment, K = 3"]


@pytest.mark.usefixtures("small")
def test_a_peer_is_compared_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """An episode of ten steps takes 1 ms here, a step 20 ms there: 200 times as long."""
    monkeypatch.setattr(environments, "find_spec", lambda _: "there")
    monkeypatch.setattr(environments, "mobile_env", lambda users, seed: lambda: None)
    taken = Times({"here": np.full(5, 1e-3), "mobile-env": np.full(5, 20e-3)})
    monkeypatch.setattr(environments, "interleaved", lambda doings, seconds: taken)
    rows = _rows(list(environments._pace(Setting(seconds=0.01, peers=True))))
    assert rows["one environment, K = 3"].measured == pytest.approx(10_000.0)
    against = rows["one environment, K = 3: mobile-env, 7 stations, 3 users"]
    assert against.measured == pytest.approx(200.0)
    assert (against.goal, against.aim, against.reached) == (100.0, 400.0, True)


def test_overhead_is_a_difference_and_its_goal_three_microseconds_and_a_fifth() -> None:
    steps = {"emulator": 10e-6, "environment": 14e-6, "made": 15e-6}
    times = Times({name: np.full(5, taken) for name, taken in steps.items()})
    rows = list(environments._over_emulator(times, 10))
    assert [round(row.measured, 6) for row in rows] == [1.4, 4.0, 1.0]
    assert (rows[1].goal, rows[1].aim, rows[1].sense) == (5.0, 1.0, "at most")
    assert rows[1].reached is True


@pytest.mark.usefixtures("small")
def test_environment_and_bare_emulator_live_the_same_life() -> None:
    actions = environments._actions(3, 5)
    scenario = load("gaussian-ic", environments._network(3))
    env = PowerControl(scenario)
    env.reset(seed=5)
    rates = [env.step(action)[1] for action in actions]
    emulator = Emulator(scenario, 5)
    report = emulator.advance()
    assert report is not None
    for action in actions:
        emulator.grant(level_fractions(10)[action] * report.p_max_w)
        emulator.advance()
    carried = float(emulator.network.carried[0])
    assert carried / scenario.timing.slot_s == pytest.approx(sum(rates))
    gain: Any = environments._bare_steps(scenario, actions, 5)()
    assert gain.shape == (1, 3, 3)
    assert (gain == env.seat.report.gain).all()  # type: ignore[union-attr]


def test_actions_are_levels_for_every_network_and_the_same_for_the_same_seed() -> None:
    one, many = environments._actions(3, 1), environments._actions(3, 1, networks=4)
    assert len(one) == len(many) == environments._STEPS
    env = gym.make_vec("slotwise/GaussianIC-v0", 4, overrides=environments._network(3))
    assert all(env.single_action_space.contains(action) for action in one)
    assert all(env.action_space.contains(action) for action in many)
    assert (np.array(one) == np.array(environments._actions(3, 1))).all()


def test_the_command_has_a_short_way_to_environments(
    slotwise: Slotwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[list[str]] = []

    def measure(setting: Setting, wanted: list[str], done: object) -> measuring.Benchmark:
        groups.append([*wanted, *(["with peers"] if setting.peers else [])])
        machine = dict.fromkeys(("processor", "cores", "python", "numpy", "numba", "c"), "x")
        return measuring.Benchmark(machine, [], [])

    monkeypatch.setattr(measuring, "measure", measure)
    for asked in (["--envs"], ["--envs", "--peers"], ["--only", "envs"], ["--only", "limits"]):
        code, _, err = slotwise("bench", *asked)
        assert (code, err) == (0, "")
    assert groups == [["envs"], ["envs", "with peers"], ["envs"], ["limits"]]
