"""One environment: what it tells, takes, rewards and refuses."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import subprocess
import sys
import tracemalloc
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

import slotwise.envs
from slotwise.emulator.clock import Emulator
from slotwise.emulator.encoding import level_fractions, power_code
from slotwise.emulator.radio import consumed_power, rate
from slotwise.emulator.scenario import InputError, load
from slotwise.envs import PowerControl
from slotwise.envs.options import Reward
from slotwise.runs.simulation import simulate

Array = NDArray[np.float64]
COMING_AND_GOING = ["population.arrivals_per_s=200", "population.lifetime.mean_s=0.05"]


def _rates(env: PowerControl, gain: Array, power: Array) -> Array:
    """Rates by the reference."""
    network = env.seat.emulator.network
    cap_db = env.scenario.radio.sinr_cap_db
    cap = None if cap_db is None else 10.0 ** (cap_db / 10.0)
    return rate(gain, power, network.noise_w, sinr_cap=cap)


def _watts(env: PowerControl, action: Any) -> Array:
    present = env.seat.mask[0]
    return np.where(present, level_fractions(10)[action], 0.0) * env.seat.emulator.network.p_max_w


def test_gymnasiums_checker_finds_nothing(name: str) -> None:
    check_env(gym.make(name).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("action", ["levels", "db", "linear", "binary"])
@pytest.mark.parametrize("observation", ["dict", "flat", "local", "graph"])
def test_it_finds_nothing_under_any_option(action: Any, observation: Any) -> None:
    env = PowerControl(
        "urban", action=action, observation=observation, overrides=["population.max_users=23"]
    )
    check_env(env, skip_render_check=True)


def test_the_environments_are_known_by_name_however_often_they_are_registered() -> None:
    before = dict(gym.registry)
    slotwise.envs.register()
    gym.register_envs(slotwise.envs)
    assert dict(gym.registry) == before
    env = gym.make("slotwise.envs:slotwise/IMAC-v0")
    assert env.spec is not None
    assert env.spec.max_episode_steps == 100
    assert isinstance(env.unwrapped, PowerControl)
    again = gym.make(gym.spec("slotwise/IMAC-v0"), action="db")
    assert json.loads(again.spec.to_json())["kwargs"] == {"scenario": "imac", "action": "db"}  # type: ignore[union-attr]


def test_an_environment_can_be_made_from_its_specification_as_text() -> None:
    env = gym.make("slotwise/Urban-v0", overrides=["timing.slot_s=0.002"], observation="flat")
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    one, _ = env.reset(seed=5)
    other, _ = again.reset(seed=5)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scenario", ["gaussian-ic", "nasir-guo", "urban", "imac"])
def test_what_is_told_is_what_the_emulator_reports(scenario: str) -> None:
    env = PowerControl(scenario)
    observation, info = env.reset(seed=3)
    emulator = Emulator(env.scenario, 3)
    scale, network = env.options.scale, emulator.network
    rng = np.random.default_rng(0)
    for _ in range(12):
        report = emulator.advance()
        assert report is not None
        snr = report.gain[0] * network.p_max_w / network.noise_w
        np.testing.assert_allclose(observation["gain"], scale.encode(snr), atol=2e-6)
        np.testing.assert_array_equal(observation["user_id"], report.user_id[0])
        np.testing.assert_array_equal(observation["mask"], report.user_id[0] >= 0)
        np.testing.assert_array_equal(info["active_mask"], report.user_id[0] >= 0)
        np.testing.assert_array_equal(observation["weight"], observation["mask"])
        fraction = network.power[0] / network.p_max_w
        np.testing.assert_allclose(observation["power"], power_code(fraction), atol=1e-6)
        assert info["sim_time_s"] == report.time_s
        action = rng.integers(10, size=env.seat.rows)
        watts = _watts(env, action)
        expected = _rates(env, report.gain[0], watts)
        observation, reward, terminated, truncated, info = env.step(action)
        emulator.grant(watts[None])
        assert (terminated, truncated) == (False, False)
        assert reward == pytest.approx(expected.sum(), rel=1e-9)
        assert info["sum_rate"] == reward
        stayed = observation["user_id"] == report.user_id[0]
        np.testing.assert_allclose(info["rates"][stayed], expected[stayed], rtol=1e-9)
        most = np.log2(1.0 + 10.0 ** ((env.scenario.radio.sinr_cap_db or scale.high_db) / 10.0))
        told = np.minimum(info["rates"] / most, 1.0)
        np.testing.assert_allclose(observation["rate"], told, atol=1e-6)


def test_an_environment_lives_what_a_run_of_the_same_seed_lives() -> None:
    env = PowerControl("urban")
    env.reset(seed=11)
    full = np.full(env.seat.rows, 9)
    lived = [env.step(full)[1] for _ in range(40)]
    slots: Any = simulate(env.scenario, "max", slots=40, seed=11).tables["slots"]
    np.testing.assert_allclose(np.array(lived), slots["sum_rate"], rtol=1e-12)


@pytest.mark.parametrize("range_db", [[41.4, 121.4], [-200.0, -100.0], [150.0, 151.0]])
def test_what_is_told_lies_in_its_space_however_weak_or_strong_the_gains(
    range_db: list[float],
) -> None:
    for p_max_dbm in (-60, 60):
        env = PowerControl(
            "urban", overrides=[f"radio.p_max_dbm={p_max_dbm}"], gain_range_db=range_db
        )
        assert env.reset(seed=0)[0] in env.observation_space


def test_the_flat_form_is_the_dictionary_without_ids_in_one_row() -> None:
    env, flat = PowerControl("urban"), PowerControl("urban", observation="flat")
    told, _ = env.reset(seed=1)
    row, _ = flat.reset(seed=1)
    parts = [told[key].ravel() for key in told if key != "user_id"]
    np.testing.assert_array_equal(row, np.concatenate(parts))


def test_a_difference_is_what_the_others_and_oneself_lose_without_one() -> None:
    env = PowerControl("nasir-guo", reward="difference", overrides=["layout.cells=7"])
    env.reset(seed=2)
    rng = np.random.default_rng(1)
    for _ in range(5):
        action = rng.integers(10, size=env.seat.rows)
        report = env.seat.report
        assert report is not None
        gain, watts = report.gain[0], _watts(env, action)
        total = _rates(env, gain, watts).sum()
        expected = []
        for k in range(env.seat.rows):
            without = watts.copy()
            without[k] = 0.0
            expected.append(total - _rates(env, gain, without).sum())
        reward = env.step(action)[1]
        np.testing.assert_allclose(env.seat.user_rewards[0], expected, rtol=1e-6, atol=1e-9)
        assert reward == pytest.approx(sum(expected), rel=1e-6)


def test_energy_efficiency_is_bits_per_joule_and_hertz() -> None:
    env = PowerControl("urban", reward="energy-efficiency", overrides=["radio.circuit_power_w=0.3"])
    env.reset(seed=4)
    action = np.arange(env.seat.rows) % 10
    report = env.seat.report
    assert report is not None
    watts, gain, present = _watts(env, action), report.gain[0], report.user_id[0] >= 0
    radio = env.scenario.radio
    consumed = consumed_power(watts, present, radio.amplifier_inefficiency, 0.3)
    _, reward, _, _, info = env.step(action)
    assert reward == pytest.approx(_rates(env, gain, watts).sum() / consumed, rel=1e-9)
    assert info["energy_j"] == pytest.approx(consumed * env.scenario.timing.slot_s, rel=1e-9)


def test_weighted_energy_efficiency_adds_up_what_users_make_of_their_own_joules() -> None:
    env = PowerControl("urban", overrides=["objective=weighted-energy-efficiency"])
    env.reset(seed=4)
    action = np.arange(env.seat.rows) % 10
    report = env.seat.report
    assert report is not None
    watts, gain = _watts(env, action), report.gain[0]
    radio = env.scenario.radio
    own = radio.amplifier_inefficiency * watts + radio.circuit_power_w
    reward = env.step(action)[1]
    assert reward == pytest.approx((_rates(env, gain, watts) / own).sum(), rel=1e-9)


@pytest.mark.parametrize("kind", ["sum-rate", "difference"])
def test_a_missed_promise_is_told_and_has_its_price(kind: Reward) -> None:
    promise = ["radio.min_rate=1.5"]
    free, priced = (
        PowerControl("gaussian-ic", overrides=promise, reward=kind, shortfall_price=price)
        for price in (0.0, 0.25)
    )
    for env in (free, priced):
        assert env.reset(seed=3)[1]["shortfall"] == 0.0
    action = np.arange(10)
    reward, info = free.step(action)[1::3]
    assert info["shortfall"] == pytest.approx(np.maximum(1.5 - info["rates"], 0.0).sum())
    assert info["shortfall"] > 0.0
    costly, again = priced.step(action)[1::3]
    assert again["shortfall"] == info["shortfall"]
    assert costly == pytest.approx(reward - 0.25 * info["shortfall"])


def test_proportional_fairness_weighs_rates_by_those_of_the_past() -> None:
    env = PowerControl("gaussian-ic", reward="proportional-fairness")
    observation, _ = env.reset(seed=0)
    mean = np.zeros(10)
    rng = np.random.default_rng(2)
    for step in range(30):
        observation, reward, _, _, info = env.step(rng.integers(10, size=10))
        rates = info["rates"]
        assert reward == pytest.approx(np.sum(rates / np.maximum(mean, 0.01)))
        begun = mean > 0.0
        mean = np.where(begun, 0.99 * mean + 0.01 * rates, rates)
        worth = 1.0 / np.maximum(mean, 0.01)
        np.testing.assert_allclose(observation["weight"], worth / worth.max(), rtol=1e-5), step


def test_a_reward_per_user_is_a_share_of_those_who_were_there() -> None:
    env, share = PowerControl("urban"), PowerControl("urban", per_user=True)
    observation, _ = env.reset(seed=9)
    share.reset(seed=9)
    for _ in range(30):
        users = observation["mask"].sum()
        action = env.action_space.sample()
        observation, reward, *_ = env.step(action)
        assert share.step(action)[1] == pytest.approx(reward / users)


def test_users_come_and_go_and_keep_their_rows() -> None:
    env = PowerControl("urban", overrides=COMING_AND_GOING)
    observation, _ = env.reset(seed=6)
    row_of: dict[int, int] = {}
    gone: set[int] = set()
    for _ in range(300):
        observation = env.step(env.action_space.sample())[0]
        here = {int(user): row for row, user in enumerate(observation["user_id"]) if user >= 0}
        assert not gone & set(here)
        assert all(row_of.get(user, row) == row for user, row in here.items())
        gone |= set(row_of) - set(here)
        row_of = here
        absent = observation["mask"] == 0.0
        assert (observation["gain"][absent] == -1.0).all()
        assert (observation["gain"][:, absent] == -1.0).all()
        assert (observation["rate"][absent] == 0.0).all()
    assert len(gone) > 20


@pytest.mark.parametrize(
    ("action", "worst"), [("levels", 99), ("db", np.nan), ("linear", -7.0), ("binary", 5)]
)
def test_actions_of_nobody_are_ignored(action: Any, worst: float) -> None:
    one, other = (PowerControl("urban", action=action) for _ in range(2))
    observation, _ = one.reset(seed=1)
    other.reset(seed=1)
    given = one.action_space.sample()
    dirty = np.where(observation["mask"] > 0, given, worst).astype(given.dtype)
    assert (dirty != given).any()
    assert one.step(given)[1] == other.step(dirty)[1]


@pytest.mark.parametrize(
    ("action", "given", "complaint"),
    [
        ("levels", np.zeros(9, int), r"shape \(9,\): must be \(10,\)"),
        ("levels", np.zeros((10, 1), int), r"shape \(10, 1\): must be \(10,\)"),
        ("levels", np.zeros(10), "dtype float64: must be integers"),
        ("levels", np.full(10, 10), r"action\[0\] = 10: must be 0 to 9"),
        ("levels", [0] * 9 + [-1], r"action\[9\] = -1: must be 0 to 9"),
        ("levels", None, "dtype object"),
        ("db", np.zeros(10, int), "must be floating-point numbers"),
        ("db", np.full(10, np.nan), r"action\[0\] = nan: must be in \[-1, 1\]"),
        ("linear", np.full(10, 1.5), r"= 1.5: must be in \[-1, 1\]"),
        ("linear", np.full(10, -np.inf), r"= -inf: must be in \[-1, 1\]"),
        ("binary", np.full(10, 2), r"action\[0\] = 2: must be 0 to 1"),
        ("binary", np.full(10, 0.5), r"must be 0 to 1"),
        ("binary", np.full(10, np.nan), r"must be 0 to 1"),
    ],
)
def test_an_impossible_action_is_refused_and_nothing_happens(
    action: Any, given: Any, complaint: str
) -> None:
    env, other = (PowerControl("gaussian-ic", action=action) for _ in range(2))
    env.reset(seed=1)
    other.reset(seed=1)
    with pytest.raises(ValueError, match=complaint):
        env.step(given)
    sound = env.action_space.sample()
    assert env.step(sound)[1] == other.step(sound)[1]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"scenario": "gausian-ic"}, "did you mean 'gaussian-ic'"),
        ({"scenario": 3}, "must be a built-in name, a path or a mapping"),
        ({"action": "level"}, "must be one of levels, db, linear, binary"),
        ({"levels": 1}, "levels = 1: must be an integer from 2 to 1,000"),
        ({"levels": 10**9}, "must be an integer from 2 to 1,000"),
        ({"overrides": None}, "must be a list"),
        ({"overrides": [1]}, "must be a list"),
        ({"gain_range_db": (0, 1, 2)}, "must be a pair"),
        ({"levels": 2.0}, "must be an integer"),
        ({"observation": "matrix"}, "must be one of dict, flat, local, graph"),
        ({"reward": "rate"}, "must be one of sum-rate, difference"),
        ({"per_user": "yes"}, "must be true or false"),
        ({"neighbours": 0}, "from 1 to 1,000"),
        ({"render_mode": "ansi"}, "must be one of rgb_array, human"),
        ({"gain_range_db": (3, 1)}, "the first below the second"),
        ({"gain_range_db": 3}, "must be a pair"),
        ({"overrides": "radio.noise_dbm=3"}, "must be a list"),
        ({"overrides": ["radio.noise=3"]}, "unknown field"),
        (
            {"shortfall_price": 1.0},
            r"shortfall_price = 1\.0: radio\.min_rate = 0\.0 promises nothing",
        ),
        ({"shortfall_price": -1.0}, "must be a non-negative finite number"),
        ({"raward": "sum-rate"}, "unexpected keyword argument 'raward'.*did you mean 'reward'"),
        ({"scenario": {"name": "x", "layuot": {}}}, "unknown field layuot"),
        ({"overrides": ["timing.mode=measured"]}, 'give overrides=."timing.mode=ideal"'),
    ],
)
def test_an_impossible_option_is_refused_in_one_line(
    options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as refusal:
        PowerControl(**options)
    assert "\n" not in str(refusal.value)


def test_a_reward_of_none_is_the_objective_of_the_scenario() -> None:
    assert PowerControl("gaussian-ic", reward=None).options.reward == "sum-rate"
    assert PowerControl("four-cells", reward=None).options.reward == "energy-efficiency"
    assert PowerControl("four-cells", reward="sum-rate").options.reward == "sum-rate"


def test_the_price_of_a_shortfall_is_shared_too_where_rewards_are() -> None:
    priced: Any = {"overrides": ["radio.min_rate=1.5"], "shortfall_price": 0.25}
    whole, each = (PowerControl("gaussian-ic", per_user=one, **priced) for one in (False, True))
    rewards = []
    for env in (whole, each):
        env.reset(seed=3)
        rewards.append(env.step(np.arange(10))[1])
    assert rewards[1] == pytest.approx(rewards[0] / 10.0)


def test_a_scenario_may_be_a_file_or_a_mapping(tmp_path: Any) -> None:
    file = tmp_path / "my.toml"
    file.write_text('name = "mine"\n[population]\ninitial_users = 3\n', "utf-8")
    assert gym.make("slotwise/PowerControl-v0", scenario=str(file)).action_space.shape == (3,)
    table = {"name": "mine", "population": {"initial_users": 4}}
    assert PowerControl(table).seat.rows == 4
    assert PowerControl(load("imac")).seat.rows == 12


def test_only_what_does_not_live_yet_can_be_copied() -> None:
    env = PowerControl("urban", action="db")
    for again in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):  # noqa: S301
        assert again.options == env.options
        assert again.reset(seed=3)[0] in env.observation_space
    env.reset(seed=3)
    for way in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a living network cannot be copied"):
            way(env)


def test_a_step_before_the_first_reset_is_refused() -> None:
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        PowerControl().step(np.zeros(10, int))


def test_only_the_limit_of_steps_ends_an_episode_even_if_nobody_is_there() -> None:
    nobody = ["population.initial_users=0", "population.max_users=4"]
    env = gym.make("slotwise/Urban-v0", overrides=nobody, max_episode_steps=5)
    observation, _ = env.reset(seed=0)
    ends = []
    for _ in range(5):
        assert observation["mask"].sum() == 0
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert reward == 0.0
        assert not terminated
        ends.append(truncated)
    assert ends == [False] * 4 + [True]


def test_reports_may_be_late_and_say_how_late() -> None:
    late = PowerControl("nasir-guo", overrides=["csi.delay_s=0.02"])
    fresh = PowerControl("nasir-guo")
    observation, info = late.reset(seed=1)
    first, _ = fresh.reset(seed=1)
    assert info["csi_age_s"] == pytest.approx(0.02)
    assert observation["csi_age"] == pytest.approx(0.1)
    np.testing.assert_array_equal(observation["gain"], first["gain"])


def test_a_decision_that_takes_longer_than_a_slot_misses_reports() -> None:
    fixed = ["timing.mode=fixed", "timing.latency_s=0.0025"]
    env = PowerControl("gaussian-ic", overrides=fixed)
    env.reset(seed=0)
    missed, times = 0, []
    for _ in range(10):
        _, reward, _, _, info = env.step(np.full(10, 9))
        missed += info["deadline_missed"]
        times.append(info["sim_time_s"])
        assert reward == info["sum_rate"]
    np.testing.assert_allclose(np.diff(times), 0.0025)
    slots = simulate(env.scenario, "max", slots=26, seed=0)
    assert missed >= 20
    assert slots.summary["missed_deadlines"] >= missed


def test_the_information_is_the_same_at_reset_and_step() -> None:
    env = PowerControl("urban")
    _, first = env.reset(seed=0)
    *_, then = env.step(env.action_space.sample())
    kinds = {
        "sum_rate": float,
        "rates": np.ndarray,
        "active_mask": np.ndarray,
        "deadline_missed": int,
        "csi_age_s": float,
        "sim_time_s": float,
        "energy_j": float,
        "shortfall": float,
    }
    assert {key: type(value) for key, value in first.items()} == kinds
    assert {key: type(value) for key, value in then.items()} == kinds


def test_a_thousand_resets_leave_memory_flat() -> None:
    env = PowerControl("gaussian-ic", overrides=["population.initial_users=3"])

    def live(times: int) -> int:
        for seed in range(times):
            env.reset(seed=seed)
            env.step(env.action_space.sample())
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = live(1000)  # whatever is kept for reuse is full by then
        grown = live(1000) - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000  # bytes


def test_resets_without_a_seed_go_on_as_the_last_seed_fixes() -> None:
    env = PowerControl("urban")

    def lives(seed: int) -> list[float]:
        told = [env.reset(seed=seed)[0]["gain"].sum()]
        return told + [env.reset()[0]["gain"].sum() for _ in range(3)]

    one = lives(1)
    assert len(set(one)) == 4
    assert lives(2) != one
    assert lives(1) == one


PROGRAM = """
import hashlib
import gymnasium as gym
import slotwise.envs

digest = hashlib.sha256()
env = gym.make("slotwise/Urban-v0")
many = gym.make_vec("slotwise/NasirGuo-v0", num_envs=3, observation="flat")
for each in (env, many):
    each.action_space.seed(1)
    told, _ = each.reset(seed=8)
    for _ in range(45):
        told, reward, *_ = each.step(each.action_space.sample())
        for part in told.values() if isinstance(told, dict) else [told]:
            digest.update(part.tobytes())
        digest.update(str(reward).encode())
print(digest.hexdigest())
"""


def test_one_seed_is_one_trajectory_in_every_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_a_picture_is_of_the_slot_that_was_decided_about() -> None:
    env = PowerControl("gaussian-ic", render_mode="rgb_array")
    with pytest.raises(gym.error.ResetNeeded):
        env.render()
    env.reset(seed=0)
    before = env.render()
    env.step(np.full(10, 9))
    after = env.render()
    assert before is not None
    assert after is not None
    assert before.shape == after.shape == (540, 960, 3)
    assert after.dtype == np.uint8
    assert (before != after).any()
    np.testing.assert_array_equal(after, env.render())
    env.close()


def test_a_picture_disturbs_nothing() -> None:
    seen, unseen = PowerControl("urban", render_mode="rgb_array"), PowerControl("urban")
    for env in (seen, unseen):
        env.reset(seed=3)
    for _ in range(3):
        action = unseen.action_space.sample()
        assert seen.step(action)[1] == unseen.step(action)[1]
