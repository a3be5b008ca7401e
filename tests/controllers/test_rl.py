"""Policies of reinforcement learning as controllers: graph policies, flat ones, saved agents."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

import slotwise.envs  # noqa: F401 - makes environments known
from slotwise.controllers import make
from slotwise.controllers.base import Problem
from slotwise.controllers.cards import Card, write
from slotwise.controllers.policies import FlatPolicySizes, GraphPolicySizes
from slotwise.controllers.rl import Rl
from slotwise.controllers.seating import Seating, coded
from slotwise.emulator.clock import Emulator
from slotwise.emulator.encoding import GainScale, fraction_of_db, gain_scale, level_fractions
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, Scenario, load
from slotwise.runs.cli import status
from slotwise.runs.cli.options import trusted
from slotwise.runs.simulation import simulate

Array = NDArray[np.float64]
Observe = Callable[..., Observation]
Tensors = dict[str, NDArray[np.float32]]

SIZES = [
    GraphPolicySizes(6, 32, 32, 10, 0.0, 80.0),
    GraphPolicySizes(2, 20, 7, 40, -20.0, 60.0, users_per_drop=9),
]
FIVE = ["layout.cells=5", "population.initial_users=5"]
COMING_AND_GOING = [
    "population.initial_users=6",
    "population.max_users=8",
    "population.arrivals_per_s=30",
    "population.lifetime.kind=exponential",
    "population.lifetime.mean_s=0.2",
]


def card(sizes: dict[str, Any], **changes: Any) -> Card:
    """A card that says nothing but sizes."""
    return Card(
        network="rl",
        name="test",
        sizes=sizes,
        scenario="nasir-guo",
        users=None,
        command="",
        recipe={},
        seed=0,
        steps=0,
        samples=0,
        seconds=0.0,
        date="2026-01-01",
        versions={},
    ).model_copy(update=changes)


def graph_tensors(sizes: GraphPolicySizes, seed: int = 1) -> Tensors:
    """Weights that are not trained, but whose answers are far from constant."""
    rng = np.random.default_rng(seed)
    tensors = {
        name: (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)
        for name, shape in sizes.shapes().items()
    }
    scale = GainScale(sizes.low_db, sizes.high_db)
    tensors["hidden.weight"][:, :, sizes.width :] *= np.float32(0.2)  # or numbers alone decide
    some = [zip(*draw(20, users), strict=True) for users in (2, 5, 17)]
    held = [logits(tensors, scale, *problem) for problems in some for problem in problems]
    tensors["logit.bias"] -= np.concatenate(held).mean(axis=0).astype(np.float32)
    return tensors


def draw(samples: int, users: int, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Gains over many decades, noise, power limits and weights that all differ."""
    rng = np.random.default_rng(seed)
    return (
        rng.lognormal(0.0, 3.0, size=(samples, users, users)),
        rng.uniform(0.1, 2.0, size=(samples, users)),
        rng.uniform(0.5, 3.0, size=(samples, users)),
        rng.uniform(0.2, 2.0, size=(samples, users)),
    )


@pytest.fixture(scope="module", params=SIZES, ids=["as trained", "odd sizes"])
def graph(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tensors, Rl]:
    """Weights of a graph policy, and the controller that has them."""
    tensors = graph_tensors(request.param)
    path = tmp_path_factory.mktemp("weights") / "rl-test.safetensors"
    write(path, card(request.param._asdict()), tensors)
    return tensors, Rl(str(path))


def logits(
    tensors: Tensors, scale: GainScale, gain: Array, noise: Array, limit: Array, weight: Array
) -> Array:
    """The network of one problem, spelt out in double precision."""
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    code = 2.0 * scale.encode(gain * limit[None, :] / noise[:, None]).astype(np.float64)
    own = np.stack([np.diagonal(code), weight / weight.max()], axis=-1)
    state = np.maximum(own @ w["embed.weight"].T + w["embed.bias"], 0.0)
    others = 1.0 - np.eye(len(gain))
    for n in range(len(w["edge"])):
        listener, speaker = np.split(state @ w["pair.weight"][n].T + w["pair.bias"][n], 2, -1)
        links = code[:, :, None] * w["edge"][n, 0] + code.T[:, :, None] * w["edge"][n, 1]
        message = np.maximum(listener[:, None] + speaker[None] + links, 0.0)
        heard = 0.25 * (message * others[:, :, None]).sum(axis=1)
        both = np.concatenate([state, heard], axis=-1)
        inner = np.maximum(both @ w["hidden.weight"][n].T + w["hidden.bias"][n], 0.0)
        state = state + inner @ w["update.weight"][n].T + w["update.bias"][n]
    last = np.concatenate([state, own], axis=-1) @ w["head.weight"].T + w["head.bias"]
    answer: Array = np.maximum(last, 0.0) @ w["logit.weight"].T + w["logit.bias"]
    return answer


@pytest.mark.parametrize("users", [2, 5, 17])
def test_a_graph_policy_chooses_the_level_that_its_network_holds_best(
    graph: tuple[Tensors, Rl], users: int
) -> None:
    tensors, controller = graph
    assert controller.card is not None
    sizes = controller.card.sizes
    scale = GainScale(float(sizes["low_db"]), float(sizes["high_db"]))
    arrays = draw(40, users)
    fraction = controller.allocate(*arrays) / arrays[2]
    levels = level_fractions(int(sizes["levels"]))
    chosen = np.abs(fraction[..., None] - levels).argmin(axis=-1)
    assert len(np.unique(chosen)) > 1
    for number, problem in enumerate(zip(*arrays, strict=True)):
        held = logits(tensors, scale, *problem)
        best = held.max(axis=-1)
        # Single precision may choose another of two levels that are held alike.
        assert (held[np.arange(users), chosen[number]] >= best - 1e-4).all()


def test_the_network_is_the_one_that_is_trained() -> None:
    torch = pytest.importorskip("torch")
    from slotwise.envs.networks import PolicyNetwork, PolicySizes

    sizes = SIZES[1]
    network = PolicyNetwork(PolicySizes(sizes.layers, sizes.width, sizes.hidden, sizes.levels))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == sizes.shapes()
    tensors = graph_tensors(sizes)
    network.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
    gain, noise, limit, weight = (array[0] for array in draw(1, 6))
    scale = GainScale(sizes.low_db, sizes.high_db)
    code = torch.from_numpy(scale.encode(gain * limit[None, :] / noise[:, None]))
    share = torch.from_numpy((weight / weight.max()).astype(np.float32))
    with torch.no_grad():
        found = network(code[None], torch.ones(1, 6), share[None])[0].numpy()
    spelt_out = logits(tensors, scale, gain, noise, limit, weight)
    np.testing.assert_allclose(found, spelt_out, rtol=0, atol=1e-4)


def test_permuted_users_get_permuted_powers(graph: tuple[Tensors, Rl]) -> None:
    _, controller = graph
    gain, *rows = draw(40, 7)
    order = np.random.default_rng(6).permutation(7)
    permuted = controller.allocate(gain[:, order][:, :, order], *(row[:, order] for row in rows))
    assert controller.equivariant
    np.testing.assert_array_equal(permuted, controller.allocate(gain, *rows)[:, order])


@pytest.mark.parametrize("users", [1, 3, 30, 300])
def test_a_batch_equals_its_problems_one_by_one(graph: tuple[Tensors, Rl], users: int) -> None:
    _, controller = graph
    arrays = draw(5, users)
    batch = controller.allocate(*arrays)
    single = [controller.allocate(*problem) for problem in zip(*arrays, strict=True)]
    np.testing.assert_array_equal(batch, single)


def test_rows_that_are_known_again_are_read_again_if_somebody_can_write_to_them(
    graph: tuple[Tensors, Rl],
) -> None:
    _, controller = graph
    gain, noise, limit, weight = (array[0] for array in draw(1, 9))
    powers = []
    for _ in range(2):
        powers.append(controller.allocate(gain, noise, limit, weight))
        np.testing.assert_array_equal(
            powers[-1], controller.allocate(gain.copy(), noise.copy(), limit.copy(), weight.copy())
        )
        limit *= 0.5
    assert (powers[1] < powers[0]).any()


def test_whom_no_power_can_serve_is_silent_and_heard_by_nobody(graph: tuple[Tensors, Rl]) -> None:
    _, controller = graph
    gain, noise, limit, weight = (array[0] for array in draw(1, 8))
    gain[1, 1], weight[4], limit[6] = 0.0, 0.0, 0.0
    there = np.array([0, 2, 3, 5, 7])
    power = controller.allocate(gain, noise, limit, weight)
    assert (power[[1, 4, 6]] == 0.0).all()
    alone = controller.allocate(
        gain[np.ix_(there, there)], noise[there], limit[there], weight[there]
    )
    np.testing.assert_array_equal(power[there], alone)
    weight[there[1:]] = 0.0
    assert controller.allocate(gain, noise, limit, weight)[0] == limit[0]


def test_leading_axes_scalars_and_nobody_are_taken(graph: tuple[Tensors, Rl]) -> None:
    _, controller = graph
    gain = draw(6, 4)[0]
    power = controller.allocate(gain.reshape(2, 3, 4, 4), 0.5, 2.0)
    one = np.ones((6, 4))
    np.testing.assert_array_equal(
        power.reshape(6, 4), controller.allocate(gain, 0.5 * one, 2.0 * one, 7.0 * one)
    )
    assert controller.allocate(np.empty((0, 0)), 1.0, 1.0).shape == (0,)
    assert controller.allocate(np.empty((0, 4, 4)), 1.0, 1.0).shape == (0, 4)


@pytest.mark.parametrize("wrong", ["gain", "noise_power", "p_max", "weight"])
def test_what_is_out_of_range_is_named(graph: tuple[Tensors, Rl], wrong: str) -> None:
    _, controller = graph
    arrays = dict(
        zip(("gain", "noise_power", "p_max", "weight"), (a[0] for a in draw(1, 5)), strict=True)
    )
    arrays[wrong].flat[3] = np.nan
    with pytest.raises(ValueError, match=wrong):
        controller.allocate(**arrays)


def test_a_user_keeps_its_row_and_newcomers_get_the_first_free_one() -> None:
    seating = Seating(4, "this")
    for present, rows in (
        ([5, 6, 7], [0, 1, 2]),
        ([5, 7], [0, 2]),
        ([5, 8, 7, 9], [0, 1, 2, 3]),
        ([10, 9], [0, 3]),
        ([], []),
        ([11], [0]),
    ):
        assert seating.of(np.array(present, np.int64)).tolist() == rows
    with pytest.raises(InputError, match="5 users: this is for at most 4"):
        seating.of(np.arange(5))


def lived(scenario: Scenario, seed: int, decisions: int) -> list[Observation]:
    """What is reported of a network in which everybody is at half power."""
    emulator = Emulator(scenario, seed, slots=decisions)
    seen = []
    while (report := emulator.advance()) is not None:
        seen.append(report.observation())
        emulator.grant(0.5 * seen[-1].p_max)
    return seen


def test_a_policy_is_told_what_its_environment_tells() -> None:
    env = gym.make("slotwise/D2D-v0", overrides=COMING_AND_GOING, action="linear")
    scenario = load("d2d", COMING_AND_GOING)
    told, _ = env.reset(seed=3)
    rows = len(told["mask"])
    seating = Seating(rows, "this")
    met: set[int] = set()
    for observation in lived(scenario, 3, 200):
        one = Problem(
            *(
                array[None]
                for array in (
                    observation.gain,
                    observation.noise_power,
                    observation.p_max,
                    observation.weight,
                )
            )
        )
        row = seating.of(observation.user_id)
        mine = coded(one, gain_scale(scenario), row, rows)
        np.testing.assert_array_equal(seating.user_id, told["user_id"])
        np.testing.assert_allclose(mine.gain[0], told["gain"], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(mine.mask[0], told["mask"])
        np.testing.assert_array_equal(mine.weight[0], told["weight"])
        met |= set(observation.user_id.tolist())
        told, *_ = env.step(np.zeros(rows, np.float32))
    assert len(met) > rows


ACTORS = [
    ("ppo", "levels", "relu"),
    ("ppo", "db", "tanh"),
    ("sac", "db", "relu"),
    ("td3", "linear", "relu"),
]


@pytest.fixture(scope="module", params=ACTORS, ids="-".join)
def flat_policy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Rl]:
    """A policy as Stable-Baselines3 builds it, and the controller that has its tensors."""
    pytest.importorskip("stable_baselines3")
    import torch
    from gymnasium import spaces
    from stable_baselines3.common.policies import ActorCriticPolicy
    from stable_baselines3.sac.policies import SACPolicy
    from stable_baselines3.td3.policies import TD3Policy
    from torch import nn

    torch.manual_seed(5)
    algorithm, action, activation = request.param
    told = spaces.Box(-1.0, 1.0, (35,), np.float32)
    answered: Any = spaces.Box(-1.0, 1.0, (5,), np.float32)
    if action == "levels":
        answered = spaces.MultiDiscrete([10] * 5)
    kind: Any = {"ppo": ActorCriticPolicy, "sac": SACPolicy, "td3": TD3Policy}[algorithm]
    layer = nn.ReLU if activation == "relu" else nn.Tanh
    policy = kind(told, answered, lambda _: 0.0, net_arch=[24, 16], activation_fn=layer)
    with torch.no_grad():  # first weights answer nearly nothing
        for parameter in policy.parameters():
            parameter.mul_(3.0).add_(0.1 * torch.randn_like(parameter))
    if algorithm == "ppo":
        hidden, last = policy.mlp_extractor.policy_net, policy.action_net
    elif algorithm == "sac":
        hidden, last = policy.actor.latent_pi, policy.actor.mu
    else:
        *hidden, last = (one for one in policy.actor.mu if isinstance(one, nn.Linear))
    linear = [one for one in hidden if isinstance(one, nn.Linear)]
    named = {f"layer.{n}": one for n, one in enumerate(linear)} | {"action": last}
    tensors = {
        f"{name}.{part}": getattr(one, part).detach().numpy()
        for name, one in named.items()
        for part in ("weight", "bias")
    }
    sizes = FlatPolicySizes(algorithm, action, 10, 5, "24,16", activation, 0.0, 80.0)
    path = tmp_path_factory.mktemp("weights") / "flat.safetensors"
    write(path, card(sizes._asdict()), tensors)
    return policy, Rl(str(path))


@pytest.mark.parametrize("users", [1, 3, 5])
def test_a_flat_policy_answers_as_stable_baselines_does(
    flat_policy: tuple[Any, Rl], users: int
) -> None:
    policy, controller = flat_policy
    assert controller.card is not None
    action = controller.card.sizes["action"]
    gain, noise, limit, weight = draw(30, users)
    power = controller.allocate(gain, noise, limit, weight)
    told = np.full((30, 35), 0.0, np.float32)
    codes = np.full((30, 5, 5), -1.0, np.float32)
    codes[:, :users, :users] = GainScale(0.0, 80.0).encode(
        gain * limit[:, None, :] / noise[:, :, None]
    )
    told[:, :25] = codes.reshape(30, 25)
    told[:, 25 : 25 + users] = weight / weight.max(axis=1, keepdims=True)
    told[:, 30 : 30 + users] = 1.0
    answer, _ = policy.predict(told, deterministic=True)
    laws: dict[str, Callable[[Any], Array]] = {
        "levels": lambda a: level_fractions(10)[a],
        "db": fraction_of_db,
        "linear": lambda a: 0.5 * (a + 1.0),
    }
    expected = laws[str(action)](answer)[:, :users] * limit
    assert expected.std() > 1e-4
    np.testing.assert_allclose(power, expected, rtol=1e-4, atol=1e-5)


def test_a_flat_policy_knows_users_by_their_rows(
    flat_policy: tuple[Any, Rl], observe: Observe
) -> None:
    _, controller = flat_policy
    controller.reset(None, 0)
    gain = draw(1, 5)[0][0]
    first = observe(gain, user_id=[3, 4, 5, 6, 7])
    whole = controller.decide(first)
    np.testing.assert_array_equal(whole, controller.allocate(gain, 1.0, 1.0))
    without = np.array([0, 2, 3, 4])
    part = controller.decide(observe(gain[np.ix_(without, without)], user_id=[3, 5, 6, 7]))
    missing = gain.copy()
    missing[1] = missing[:, 1] = 0.0
    expected = controller.allocate(missing, 1.0, 1.0)[without]
    np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-6)
    again = controller.decide(observe(gain[:, [0, 2, 3, 4, 1]][[0, 2, 3, 4, 1]], [3, 5, 6, 7, 9]))
    np.testing.assert_allclose(again, whole[[0, 2, 3, 4, 1]], rtol=1e-5, atol=1e-6)


def test_more_users_than_rows_are_refused_with_both_numbers(flat_policy: tuple[Any, Rl]) -> None:
    _, controller = flat_policy
    with pytest.raises(InputError, match=r"6 users: .*flat.safetensors is for at most 5"):
        controller.allocate(np.ones((6, 6)), 1.0, 1.0)
    with pytest.raises(InputError, match=r"20 users: .* at most 5"):
        controller.reset(load("nasir-guo"), 0)


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Folder of saved agents, and the agents by name."""
    sb3 = pytest.importorskip("stable_baselines3")
    folder = tmp_path_factory.mktemp("agents")
    seen: dict[str, Any] = {}
    power: dict[str, Any] = {"id": "slotwise/NasirGuo-v0", "overrides": FIVE}
    for name, options in (
        ("levels", power | {"action": "levels", "observation": "dict"}),
        ("db", power | {"action": "db", "observation": "flat"}),
        ("pole", {"id": "CartPole-v1"}),
    ):
        env = gym.make(**options)
        policy = "MultiInputPolicy" if name == "levels" else "MlpPolicy"
        model = sb3.PPO(
            policy,
            env,
            n_steps=32,
            batch_size=32,
            n_epochs=2,
            gamma=0.0,
            learning_rate=1e-2,
            seed=1,
            device="cpu",
            policy_kwargs={"net_arch": [16]},
        )
        model.learn(64)
        model.save(folder / name)
        seen[name] = model
    return folder, seen


@pytest.mark.parametrize(("name", "option"), [("levels", ""), ("db", ",action=db")])
def test_a_saved_agent_lives_the_life_of_its_environment(
    agents: tuple[Path, dict[str, Any]], name: str, option: str
) -> None:
    folder, models = agents
    form = "dict" if name == "levels" else "flat"
    env = gym.make("slotwise/NasirGuo-v0", overrides=FIVE, action=name, observation=form)
    told, _ = env.reset(seed=4)
    rates = []
    for _ in range(60):
        action, _ = models[name].predict(told, deterministic=True)
        told, _, _, _, info = env.step(action)
        rates.append(info["sum_rate"])
    spec = f"rl:{folder / name}.zip,trust=true{option}"
    life = simulate(load("nasir-guo", FIVE), spec, slots=60, seed=4)
    assert life.summary["faults"] == 0
    lived_rates: Any = life.tables["slots"]["sum_rate"]
    np.testing.assert_allclose(lived_rates, rates, rtol=1e-5)


class _Recorder:
    """An agent that answers by the clock, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, NDArray[np.float32]]] = []

    def action(self, step: int, rows: int) -> NDArray[np.int64]:
        return (7 * np.arange(rows) + 3 * step) % 10

    def predict(self, told: dict[str, Any], *, deterministic: bool) -> tuple[Any, None]:
        assert deterministic
        self.told.append({key: value[0].copy() for key, value in told.items()})
        return self.action(len(self.told) - 1, len(self.told[-1]["mask"]))[None], None


@pytest.mark.parametrize(
    ("field", "unknown"), [("csi.delay_s=0", set()), ("csi.delay_s=0.02", {"rate"})]
)
def test_a_saved_agent_is_told_what_its_environment_tells(
    agents: tuple[Path, dict[str, Any]], field: str, unknown: set[str]
) -> None:
    overrides = [*FIVE, field]
    controller = make(f"rl:{agents[0]}/levels.zip,trust=true")
    recorder = _Recorder()
    assert isinstance(controller, Rl)
    controller._policy._model = recorder  # type: ignore[attr-defined]
    simulate(load("nasir-guo", overrides), controller, slots=40, seed=2)
    env = gym.make("slotwise/NasirGuo-v0", overrides=overrides)
    told, _ = env.reset(seed=2)
    assert len(recorder.told) >= 39
    for step, mine in enumerate(recorder.told):
        assert mine.keys() == told.keys()
        for key, value in told.items():
            if key in unknown:
                continue
            assert mine[key].dtype == value.dtype
            np.testing.assert_allclose(mine[key], value, rtol=0, atol=1e-6, err_msg=key)
        told, *_ = env.step(recorder.action(step, 5))


def test_draws_are_answered_alike_alone_and_in_a_batch(
    agents: tuple[Path, dict[str, Any]],
) -> None:
    controller = make(f"rl:{agents[0]}/levels.zip,trust=true,gain_range=0:80")
    arrays = draw(1100, 4)
    batch = controller.allocate(*arrays)
    assert batch.shape == (1100, 4)
    np.testing.assert_array_equal(batch[1050], controller.allocate(*(a[1050] for a in arrays)))
    unsure = make(f"rl:{agents[0]}/levels.zip,trust=true")
    with pytest.raises(ValueError, match="gain_range=low:high"):
        unsure.allocate(*arrays)


def test_a_pickle_is_opened_for_whoever_trusts_it_only(
    agents: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    zipped = agents[0] / "levels.zip"
    with pytest.raises(
        InputError, match=r"levels.zip is a pickle, .* give trust=true \(or --trust\)"
    ):
        make(f"rl:{zipped}")
    graph_file = tmp_path / "x.safetensors"
    write(graph_file, card(SIZES[0]._asdict()), graph_tensors(SIZES[0]))
    assert make(f"rl:{graph_file},trust=true").equivariant


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rl:{folder}/db.zip,trust=true", "action = auto: it answers a Box"),
        ("rl:{folder}/levels.zip,trust=true,action=db", "action = db: it answers a MultiDiscrete"),
        ("rl:{folder}/levels.zip,trust=true,observation=flat", "observations of another space"),
        ("rl:{folder}/pole.zip,trust=true", "actions of another space, Discrete"),
        ("rl:{folder}/levels.zip,trust=true,gain_range=5", "gain_range = 5: must be low:high"),
        ("rl:{folder}/missing.zip,trust=true", "there is no such file"),
        ("rl:{folder}/missing.safetensors", "there is no such file"),
        ("rl:{folder}/damaged.zip,trust=true", "damaged, or no agent of Stable-Baselines3"),
        ("rl:{folder}/empty.zip,trust=true", "damaged, or no agent of Stable-Baselines3"),
        ("rl:{folder}/other.zip,trust=true", "unknown algorithm: must be of TD3, SAC, PPO"),
        ("rl:{folder}/hollow.zip,trust=true", "cannot be loaded as PPO"),
        ("rl:{folder}/damaged.safetensors", "damaged"),
        ("rl:nowhere", "path = nowhere: must be .*safetensors or .zip"),
        ("rl:graph", "path = graph: must be"),
        ("rl", "option path must be given"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    agents: tuple[Path, dict[str, Any]], spec: str, message: str
) -> None:
    folder, _ = agents
    (folder / "damaged.zip").write_bytes(b"PK nothing")
    (folder / "damaged.safetensors").write_bytes(b"nothing")
    for name, content in (
        ("empty", {}),
        ("other", {"data": {}}),
        ("hollow", {"data": {"clip_range": 1}}),
    ):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for part, fields in content.items():
                archive.writestr(part, json.dumps(fields))
    with pytest.raises(InputError, match=message) as caught:
        make(spec.format(folder=folder))
    assert "\n" not in str(caught.value)


def test_without_stable_baselines_the_extra_is_named(
    agents: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(InputError, match=r"pip install 'slotwise\[rl\]'"):
        make(f"rl:{agents[0]}/levels.zip,trust=true")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "tree"}, "policy = tree: must be one of graph, sb3"),
        ({"levels": 1}, "levels = 1: must be an integer from 2"),
        ({"width": 2.5}, "width = 2.5: must be an integer"),
        ({"high_db": -1.0}, "low must be below high"),
        ({"depth": 3}, "depth"),
        ({"width": 16}, "tensor .* has shape .*: must be"),
    ],
)
def test_a_card_of_no_policy_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "odd.safetensors"
    write(path, card(SIZES[0]._asdict() | changes), graph_tensors(SIZES[0]))
    with pytest.raises(InputError, match=message):
        Rl(str(path))


def test_options_of_zips_are_of_no_use_to_weights(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write(path, card(SIZES[0]._asdict()), graph_tensors(SIZES[0]))
    with pytest.raises(InputError, match="action = db: only for a zip"):
        make(f"rl:{path},action=db")


def test_weights_that_come_with_the_package_go_by_what_they_were_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slotwise.controllers.cards._SHIPPED", tmp_path)
    sizes = SIZES[0]._replace(levels=5)
    write(tmp_path / "rl-nasir-guo.safetensors", card(sizes._asdict()), graph_tensors(sizes))
    assert make("rl:nasir-guo").name == "rl:nasir-guo"
    with pytest.raises(InputError, match="did you mean 'nasir-guo'"):
        make("rl:nasir-gou")
    with pytest.raises(InputError, match="option path must be given, such as rl:nasir-guo"):
        make("rl")


def test_the_flag_trusts_zipped_policies_and_nothing_else() -> None:
    specs = [
        "wmmse",
        "rl:a.zip",
        "rl:b/c.zip,action=db",
        "rl:a.zip,trust=false",
        "rl:a.safetensors",
        "rl:nasir-guo",
    ]
    assert trusted(specs, False) == specs
    assert trusted(specs, True) == [
        "wmmse",
        "rl:a.zip,trust=true",
        "rl:b/c.zip,action=db,trust=true",
        *specs[3:],
    ]


def test_a_command_that_trusts_seats_an_agent_beside_others(
    agents: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = f"rl:{agents[0]}/levels.zip"
    words = ["evaluate", "--scenario", "nasir-guo", "--samples", "20", "-c", "max", "-c", zipped]
    words += [word for field in FIVE for word in ("--set", field)] + ["--json"]
    assert status(words) == 2
    assert "give trust=true (or --trust)" in capsys.readouterr().err
    assert status([*words, "--trust"]) == 0
    found = json.loads(capsys.readouterr().out)["controllers"]
    assert list(found) == ["max", f"{zipped},trust=true"]
    assert status([*words, "--trust", "--links", "6"]) == 2
    assert "6 users: " in capsys.readouterr().err


def test_weights_are_decided_without_torch_and_stable_baselines(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write(path, card(SIZES[0]._asdict()), graph_tensors(SIZES[0]))
    program = (
        "import sys, numpy as np\n"
        "from slotwise.controllers import make\n"
        f"make('rl:{path}').allocate(np.ones((3, 3)), 1.0, 1.0)\n"
        "print([name for name in ('torch', 'stable_baselines3') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "[]\n"
