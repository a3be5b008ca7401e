"""Forms of observations: each feature against plain NumPy, and each wrapper against its option."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv
from numpy.typing import NDArray

import slotwise.envs
from slotwise.emulator.encoding import GainScale
from slotwise.emulator.scenario import InputError
from slotwise.envs.canonical import Canonical
from slotwise.envs.forms import NODE_FEATURES, Flat, Graph, Local
from slotwise.envs.kernels.neighbourhood import IN, OUT, OWN
from slotwise.envs.power_control import PowerControl
from slotwise.envs.wrappers import (
    FlatObservation,
    GraphObservation,
    LocalObservation,
    VectorFlatObservation,
    VectorLocalObservation,
)

Codes = NDArray[np.float32]
SCALE = GainScale(0.0, 80.0)
gym.register_envs(slotwise.envs)


def _networks(rows: int, count: int, *, ties: bool, seed: int = 0) -> tuple[Canonical, Codes]:
    """Observations of random networks, in which rows are empty and many are silent."""
    rng = np.random.default_rng(seed)
    canonical = Canonical(rows)
    told = np.zeros((count, canonical.width), np.float32)
    for one in told:
        entries = canonical.views(one)
        here = rng.random(rows) < 0.7
        gain = rng.uniform(-1.0, 1.0, (rows, rows))
        entries["gain"][:] = np.where(np.outer(here, here), gain.round(1) if ties else gain, -1.0)
        entries["power"][:] = here * rng.choice([0.0, 0.025, 0.5, 0.9, 1.0], rows)
        entries["rate"][:] = here * rng.random(rows)
        entries["weight"][:] = here * rng.uniform(0.1, 1.0, rows)
        entries["mask"][:] = here
        entries["csi_age"][:] = rng.random()
        entries["user_id"][:] = np.where(here, rng.permutation(rows), -1)
    return canonical, told


def _told_locally(entries: dict[str, Codes], neighbours: int) -> NDArray[np.float64]:
    """The local observation in plain NumPy, user by user."""
    gain, power, mask = entries["gain"], entries["power"].astype(float), entries["mask"]
    fraction = np.where(power > 0.0, 10.0 ** (3.3 * (power - 1.0)), 0.0)
    received = SCALE.decode(gain) * fraction
    np.fill_diagonal(received, 0.0)
    heard = np.where(mask > 0.0, SCALE.encode(received.sum(axis=1)), -1.0)
    rows = []
    for k in range(len(mask)):
        state = [entries[name][k] for name in ("power", "rate", "weight", "mask")]
        row = [gain[k, k], *state, entries["csi_age"][0] * mask[k], heard[k]]
        others = [j for j in np.flatnonzero(mask) if j != k] if mask[k] else []
        for code, is_victim in ((gain[k], False), (gain[:, k], True)):
            nearest = sorted(others, key=lambda j: (-code[j], j))[:neighbours]
            for j in nearest:
                row += [code[j], gain[j, j], *(entries[n][j] for n in ("power", "rate", "weight"))]
                row += [heard[j]] if is_victim else []
            nobody = [-1.0, -1.0, 0.0, 0.0, 0.0] + ([-1.0] if is_victim else [])
            row += nobody * (neighbours - len(nearest))
        rows.append(row)
    return np.array(rows)


@pytest.mark.interpreted
@pytest.mark.parametrize("rows", [1, 2, 5, 11])
@pytest.mark.parametrize("neighbours", [1, 4])
@pytest.mark.parametrize("ties", [False, True])
def test_local_features_are_those_of_plain_numpy(rows: int, neighbours: int, ties: bool) -> None:
    canonical, told = _networks(rows, 8, ties=ties)
    form = Local(canonical, SCALE, neighbours)
    local = form.tell(told)
    for one, row in zip(told, local, strict=True):
        expected = _told_locally(canonical.views(one), neighbours)
        np.testing.assert_allclose(row, expected, rtol=0.0, atol=1e-6)
        assert np.array_equal(form.tell(one), row), "alone as among many"
        assert row in form.space


def test_whoever_numbers_the_users_otherwise_permutes_the_rows() -> None:
    canonical, told = _networks(9, 5, ties=False, seed=3)
    form = Local(canonical, SCALE, 3)
    order = np.random.default_rng(5).permutation(9)
    for one in told:
        entries, other = canonical.views(one), one.copy()
        turned = canonical.views(other)
        turned["gain"][:] = entries["gain"][np.ix_(order, order)]
        for name in ("power", "rate", "weight", "mask"):
            turned[name][:] = entries[name][order]
        np.testing.assert_allclose(form.tell(other), form.tell(one)[order], rtol=0.0, atol=1e-6)


def test_every_local_feature_has_a_name_and_bounds_that_it_keeps() -> None:
    canonical, told = _networks(6, 20, ties=False)
    form = Local(canonical, SCALE, 4)
    names = [feature.name for feature in form.features]
    assert len(set(names)) == len(names) == OWN + 4 * (IN + OUT) == form.row_space.shape[0]
    assert names[OWN] == "in_1_gain"
    assert names[-1] == "out_4_heard"
    local = form.tell(told).reshape(-1, len(names))
    for feature, column in zip(form.features, local.T, strict=True):
        assert feature.low <= column.min()
        assert column.max() <= feature.high


def test_what_is_heard_is_what_the_emulator_lets_be_heard() -> None:
    env = PowerControl("nasir-guo", observation="local", action="db")
    rng = np.random.default_rng(4)
    env.reset(seed=2)
    for _ in range(3):
        # Powers below -32 dB are told as that.
        local = env.step(rng.uniform(-0.9, 1.0, 20).astype(np.float32))[0]
        network = env.seat.emulator.network
        received = network.medium.gain[0] * network.power[0] / network.noise_w
        interference = received.sum(axis=1) - np.diag(received)
        expected = env.options.scale.encode(interference)
        np.testing.assert_allclose(local[:, 6], expected, rtol=0.0, atol=1e-5)


def test_a_graph_holds_the_users_who_are_there_and_the_gains_between_them() -> None:
    canonical, told = _networks(7, 6, ties=False)
    form = Graph(canonical)
    graphs = form.tell(told)
    assert isinstance(graphs, tuple)
    for one, graph in zip(told, graphs, strict=True):
        entries = canonical.views(one)
        row = np.flatnonzero(entries["mask"])
        assert isinstance(graph, spaces.GraphInstance)
        nodes, edges, links = (np.asarray(part) for part in graph)
        assert graph in form.space
        assert nodes.shape == (len(row), len(NODE_FEATURES))
        assert np.array_equal(nodes[:, 0], np.diag(entries["gain"])[row])
        assert np.array_equal(nodes[:, 2], entries["rate"][row])
        pairs = {(j, k) for j in range(len(row)) for k in range(len(row)) if j != k}
        assert {(j, k) for j, k in links.tolist()} == pairs
        sender, receiver = row[links[:, 0]], row[links[:, 1]]
        assert np.array_equal(edges[:, 0], entries["gain"][receiver, sender])


@pytest.mark.parametrize("users", [0, 1])
def test_a_graph_of_nobody_or_of_one_is_in_its_space(users: int) -> None:
    canonical = Canonical(3)
    told = np.zeros(canonical.width, np.float32)
    canonical.views(told)["mask"][:users] = 1.0
    form = Graph(canonical)
    graph = form.tell(told)
    assert graph in form.space
    assert isinstance(graph, spaces.GraphInstance)
    assert np.asarray(graph.nodes).shape == (users, 5)


@pytest.mark.parametrize("form", ["flat", "local", "graph"])
@pytest.mark.parametrize("name", ["slotwise/Urban-v0", "slotwise/GaussianIC-v0"])
def test_gymnasium_finds_no_fault_with_any_form(name: str, form: str) -> None:
    check_env(gym.make(name, observation=form).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("form", ["flat", "local", "graph"])
def test_vector_observations_of_every_form_are_in_their_space(form: str) -> None:
    env = gym.make_vec("slotwise/Urban-v0", num_envs=3, observation=form)
    env.action_space.seed(1)
    assert env.reset(seed=1)[0] in env.observation_space
    assert env.step(env.action_space.sample())[0] in env.observation_space


def test_wrappers_tell_what_the_options_tell() -> None:
    made: dict[str, gym.Env[Any, Any]] = {
        "flat": FlatObservation(gym.make("slotwise/Urban-v0")),
        "local": LocalObservation(gym.make("slotwise/Urban-v0"), neighbours=2),
        "graph": GraphObservation(gym.make("slotwise/Urban-v0")),
    }
    for form, wrapped in made.items():
        plain = gym.make("slotwise/Urban-v0", observation=form, neighbours=2)
        assert wrapped.observation_space == plain.observation_space
        plain.action_space.seed(7)
        seen, expected = wrapped.reset(seed=5)[0], plain.reset(seed=5)[0]
        for _ in range(3):
            parts = zip(seen, expected, strict=True)
            assert all(np.array_equal(one, other) for one, other in parts)
            action = plain.action_space.sample()
            seen, expected = wrapped.step(action)[0], plain.step(action)[0]


def test_a_wrapped_environment_can_be_made_again_from_its_specification() -> None:
    env = LocalObservation(gym.make("slotwise/GaussianIC-v0"), neighbours=3)
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert isinstance(again, LocalObservation)
    assert again.observation_space == env.observation_space
    assert np.array_equal(again.reset(seed=1)[0], env.reset(seed=1)[0])


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_vector_wrappers_tell_what_the_options_tell(mode: str) -> None:
    made = {"flat": VectorFlatObservation, "local": VectorLocalObservation}
    for form, wrapper in made.items():
        name: Any = {"id": "slotwise/NasirGuo-v0", "num_envs": 3, "autoreset_mode": mode}
        wrapped = wrapper(gym.make_vec(**name, max_episode_steps=2))
        plain = gym.make_vec(**name, max_episode_steps=2, observation=form)
        assert wrapped.observation_space == plain.observation_space
        assert wrapped.single_observation_space == plain.single_observation_space
        assert np.array_equal(wrapped.reset(seed=3)[0], plain.reset(seed=3)[0])
        plain.action_space.seed(1)
        for _ in range(2 if mode == "Disabled" else 4):
            action = plain.action_space.sample()
            seen, expected = wrapped.step(action), plain.step(action)
            assert np.array_equal(seen[0], expected[0])
            for one, other in zip(
                seen[4].get("final_obs", ()), expected[4].get("final_obs", ()), strict=True
            ):
                assert np.array_equal(one, other)


def test_a_wrapper_says_what_it_needs() -> None:
    flat = gym.make("slotwise/GaussianIC-v0", observation="flat")
    with pytest.raises(InputError, match=r'LocalObservation: .* observation="dict"'):
        LocalObservation(flat)
    with pytest.raises(InputError, match="FlatObservation: the environment's observation is a Box"):
        FlatObservation(gym.make("CartPole-v1"))
    with pytest.raises(InputError, match="VectorFlatObservation"):
        VectorFlatObservation(gym.make_vec("slotwise/IMAC-v0", num_envs=2, observation="flat"))
    env = gym.make("slotwise/GaussianIC-v0")
    with pytest.raises(ValueError, match="neighbours = 0: must be an integer of at least 1"):
        LocalObservation(env, neighbours=0)
    with pytest.raises(InputError, match=r"gain_range_db = .*: must be a pair of finite numbers"):
        LocalObservation(env, gain_range_db=(3.0,))


def test_whoever_does_not_say_the_scale_of_gains_must_be_told() -> None:
    def one() -> gym.Env[Any, Any]:
        return gym.make("slotwise/IMAC-v0")

    many = SyncVectorEnv([one, one])
    with pytest.raises(InputError, match=r"SyncVectorEnv does not say its scale of gains"):
        VectorLocalObservation(many)
    seen = VectorLocalObservation(many, gain_range_db=(0.0, 80.0)).reset(seed=1)[0]
    expected = gym.make_vec("slotwise/IMAC-v0", num_envs=2, observation="local").reset(seed=1)[0]
    assert np.array_equal(seen, expected)


def test_the_flat_form_is_the_dictionary_in_its_order_without_ids() -> None:
    canonical, told = _networks(4, 3, ties=False)
    entries = canonical.views(told)
    parts = [entries[name].reshape(3, -1) for name in canonical.entries if name != "user_id"]
    assert np.array_equal(Flat(canonical).tell(told), np.concatenate(parts, axis=1))
