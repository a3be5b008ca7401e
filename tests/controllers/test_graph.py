"""Message passing: the network, the kernel that decides, and what a controller makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from slotwise.controllers.cards import Card, write
from slotwise.controllers.graph import FLOOR, Graph, GraphSizes
from slotwise.controllers.neighbours import strongest
from slotwise.controllers.networks.graph import GraphNetwork
from slotwise.controllers.training.draws import of_scenario
from slotwise.controllers.training.graph import RECIPE, GraphTask
from slotwise.controllers.training.loop import fit
from slotwise.emulator.observation import Observation
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError, load

Array = NDArray[np.float64]
Observe = Callable[..., Observation]

SIZES = [GraphSizes(), GraphSizes(2, 5, 9, 3, shared=True)]


def network_of(sizes: GraphSizes, seed: int = 1) -> GraphNetwork:
    """A network that is not trained but tells users apart: what it answers is far from constant."""
    network = GraphNetwork(sizes, seed)
    samples = torch.from_numpy(np.random.default_rng(seed).lognormal(0.0, 3.0, size=2000)).float()
    network.standardise(samples, 0.1 * samples)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("outer.weight"):
                weight.mul_(8.0)
    return network


def written(network: GraphNetwork, path: Path, **changes: object) -> Path:
    """A file of weights."""
    card = Card(
        network="graph",
        name="test",
        sizes=network.sizes._asdict(),
        scenario="randomised",
        users=None,
        command="",
        recipe={},
        seed=0,
        steps=0,
        samples=0,
        seconds=0.0,
        date="2026-01-01",
        versions={},
    )
    tensors = {name: tensor.numpy() for name, tensor in network.plain_tensors().items()}
    write(path, card.model_copy(update=changes), tensors)
    return path


@pytest.fixture(scope="module", params=SIZES, ids=["layers apart", "layers shared"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[GraphNetwork, Graph]:
    """A network, and the controller that has its weights."""
    network = network_of(request.param)
    file = written(network, tmp_path_factory.mktemp("weights") / "graph.safetensors")
    return network, Graph(str(file))


def draw(samples: int, users: int, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Gains over many decades, noise, power limits and weights that all differ."""
    rng = np.random.default_rng(seed)
    return (
        rng.lognormal(0.0, 3.0, size=(samples, users, users)),
        rng.uniform(0.1, 2.0, size=(samples, users)),
        rng.uniform(0.5, 3.0, size=(samples, users)),
        rng.uniform(0.2, 2.0, size=(samples, users)),
    )


def by_torch(
    network: GraphNetwork, gain: Array, noise_power: Array, p_max: Array, weight: Array
) -> Array:
    """Fractions of the largest power, by the network itself."""
    snr = gain * p_max[:, None, :] / noise_power[:, :, None]
    relative = weight / weight.max(axis=-1, keepdims=True)
    with torch.no_grad():
        answer = network(torch.from_numpy(snr).float(), torch.from_numpy(relative).float())
    return np.asarray(answer.double())


# --- the network -------------------------------------------------------------------------------


def test_messages_are_those_of_the_published_equations() -> None:
    """Sums and products of the paper, user by user in NumPy."""
    network = network_of(GraphSizes(layers=2, hidden=3, message=4, update=5))
    gain, _, _, weight = draw(1, 4)
    snr, worth = gain[0], weight[0] / weight.max()
    tensors = {name: tensor.double().numpy() for name, tensor in network.plain_tensors().items()}
    log, power = np.log2(snr + FLOOR), np.ones(4)
    for turn in range(2):
        layer = {name: tensor[turn] for name, tensor in tensors.items()}
        heard = np.full((4, 4), -np.inf)
        for k in range(4):
            for j in set(range(4)) - {k}:
                known = [log[j, j], worth[j], power[j], log[k, j], log[j, k]]
                hidden = np.maximum(layer["edge"] @ known + layer["edge_bias"], 0.0)
                message = np.maximum(layer["message"] @ hidden + layer["message_bias"], 0.0)
                heard[k] = np.maximum(heard[k], message)
        seen = np.column_stack([np.diag(log), worth, power, heard])
        inner = np.maximum(seen @ layer["inner"].T + layer["inner_bias"], 0.0)
        power = 1.0 / (1.0 + np.exp(-(inner @ layer["outer"].T + layer["outer_bias"])[:, 0]))
    answer = by_torch(network, gain, np.ones((1, 4)), np.ones((1, 4)), weight)
    np.testing.assert_allclose(answer[0], power, rtol=0, atol=1e-5)
    assert np.ptp(power) > 0.03


@pytest.mark.parametrize("shared", [False, True])
def test_gradients_reach_every_parameter(shared: bool) -> None:
    network = network_of(GraphSizes(shared=shared))
    gain, _, _, weight = draw(20, 6)
    network(torch.from_numpy(gain).float(), torch.from_numpy(weight).float()).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0.0, name


def test_the_same_seed_gives_the_same_network_and_leaves_torch_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, other, third = (GraphNetwork(GraphSizes(), seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    same = [torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(next(one.parameters()), next(third.parameters()))


def test_plain_tensors_hold_all_that_the_network_knows() -> None:
    network = network_of(GraphSizes())
    assert {name: tuple(t.shape) for name, t in network.plain_tensors().items()} == (
        network.sizes.shapes()
    )
    again = GraphNetwork(network.sizes, seed=99)
    again.load_plain_tensors(network.plain_tensors())
    problems = draw(5, 6)
    np.testing.assert_allclose(
        by_torch(again, *problems), by_torch(network, *problems), rtol=0, atol=1e-5
    )


# --- the compiled controller -------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "users"), [(40, 2), (3, 7), (60, 10), (2, 33), (1, 100)])
def test_the_kernel_agrees_with_torch(
    pair: tuple[GraphNetwork, Graph], samples: int, users: int
) -> None:
    network, controller = pair
    problems = draw(samples, users, seed=users)
    expected = by_torch(network, *problems)
    np.testing.assert_allclose(
        controller.allocate(*problems) / problems[2], expected, rtol=0, atol=1e-5
    )
    assert np.ptp(expected) > 0.1


@pytest.mark.interpreted
def test_it_decides_the_same_one_by_one_and_permuted(pair: tuple[GraphNetwork, Graph]) -> None:
    controller = pair[1]
    problems = draw(3, 9)
    power = controller.allocate(*problems)
    order = np.random.default_rng(2).permutation(9)
    for n, one in enumerate(zip(*problems, strict=True)):
        np.testing.assert_array_equal(controller.allocate(*one), power[n])
        gain, *rows = one
        permuted = controller.allocate(gain[np.ix_(order, order)], *(row[order] for row in rows))
        np.testing.assert_array_equal(permuted, power[n][order])


def test_users_whom_no_power_can_serve_are_as_good_as_absent(
    pair: tuple[GraphNetwork, Graph],
) -> None:
    gain, noise_power, p_max, weight = draw(4, 8)
    gain[:, 1, 1] = 0.0
    p_max[:, 3] = 0.0
    weight[:, 6] = 0.0
    present = [0, 2, 4, 5, 7]
    power = pair[1].allocate(gain, noise_power, p_max, weight)
    rows = (row[:, present] for row in (noise_power, p_max, weight))
    without = pair[1].allocate(gain[:, present][:, :, present], *rows)
    np.testing.assert_array_equal(power[:, present], without)
    np.testing.assert_array_equal(power[:, [1, 3, 6]], 0.0)


def test_who_is_alone_transmits_at_full_power(pair: tuple[GraphNetwork, Graph]) -> None:
    gain, noise_power, p_max, weight = draw(1, 3)
    weight[0, [0, 2]] = 0.0
    power = pair[1].allocate(gain, noise_power, p_max, weight)
    np.testing.assert_array_equal(power, [[0.0, p_max[0, 1], 0.0]])


def test_listening_to_all_others_is_listening_to_all(
    pair: tuple[GraphNetwork, Graph], tmp_path: Path
) -> None:
    file = written(pair[0], tmp_path / "graph.safetensors")
    problems = draw(3, 6)
    everyone = Graph(str(file)).allocate(*problems)
    for count in (5, 9):
        np.testing.assert_array_equal(Graph(str(file), sparse=count).allocate(*problems), everyone)


def test_sparse_decisions_hear_the_strongest_in_the_long_term(
    pair: tuple[GraphNetwork, Graph], tmp_path: Path, observe: Observe
) -> None:
    network, count = pair[0], 3
    controller = Graph(str(written(network, tmp_path / "graph.safetensors")), sparse=count)
    gain, noise_power, p_max, weight = draw(1, 12)
    near = strongest(gain[0], count, p_max[0]).near
    power = controller.allocate(gain, noise_power, p_max, weight)
    oracle = _sparse_oracle(network, gain[0], noise_power[0], p_max[0], weight[0], near)
    np.testing.assert_allclose(power[0] / p_max[0], oracle, rtol=0, atol=1e-5)
    seen = observe(gain[0])
    np.testing.assert_array_equal(
        controller.decide(seen), controller.allocate(gain[0], 1.0, 1.0, 1.0)
    )


def _sparse_oracle(
    network: GraphNetwork,
    gain: Array,
    noise_power: Array,
    p_max: Array,
    weight: Array,
    near: NDArray[np.int32],
) -> Array:
    """Message passing in NumPy over lists of neighbours."""
    tensors = {name: tensor.double().numpy() for name, tensor in network.plain_tensors().items()}
    log = np.log2(gain * p_max / noise_power[:, None] + FLOOR)
    direct, worth, power = np.diag(log), weight / weight.max(), np.ones(len(gain))
    users = np.arange(len(gain))[:, None]
    for turn in range(network.sizes.layers):
        layer = {name: t[0 if network.sizes.shared else turn] for name, t in tensors.items()}
        known = np.stack(
            [direct[near], worth[near], power[near], log[users, near], log[near, users]], axis=-1
        )
        hidden = np.maximum(known @ layer["edge"].T + layer["edge_bias"], 0.0)
        messages = np.maximum(hidden @ layer["message"].T + layer["message_bias"], 0.0)
        seen = np.column_stack([direct, worth, power, messages.max(axis=1)])
        inner = np.maximum(seen @ layer["inner"].T + layer["inner_bias"], 0.0)
        power = 1.0 / (1.0 + np.exp(-(inner @ layer["outer"].T + layer["outer_bias"])[:, 0]))
    return power


@pytest.mark.parametrize("wrong", ["gain", "noise_power", "p_max", "weight"])
def test_what_is_out_of_range_is_named(pair: tuple[GraphNetwork, Graph], wrong: str) -> None:
    problems = dict(zip(("gain", "noise_power", "p_max", "weight"), draw(3, 4), strict=True))
    problems[wrong].flat[-2] = np.nan
    with pytest.raises(ValueError, match=f"{wrong}.* = nan"):
        pair[1].allocate(**problems)


def test_options_and_cards_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network = network_of(GraphSizes())
    file = str(written(network, tmp_path / "graph.safetensors"))
    with pytest.raises(ValueError, match="sparse = -1: must be at least 0"):
        Graph(file, sparse=-1)
    with pytest.raises(ValueError, match="rounding = up: must be one of none, half, better"):
        Graph(file, rounding="up")
    sizes = network.sizes._asdict()
    for changed, told in (
        ({"message": 16}, "tensor inner has shape"),
        ({"layers": 0}, "layers = 0: must be an integer"),
        ({"shared": 1}, "shared = 1: must be true or false"),
        ({"depth": 3}, "depth"),
    ):
        bad = written(network, tmp_path / "bad.safetensors", sizes=sizes | changed)
        with pytest.raises(InputError, match=told):
            Graph(str(bad))


def test_rounding_is_at_half_or_what_is_better(tmp_path: Path) -> None:
    file = str(written(network_of(GraphSizes()), tmp_path / "graph.safetensors"))
    gain, noise_power, p_max, weight = draw(50, 6)
    raw, half, better = (
        Graph(file, rounding=rounding).allocate(gain, noise_power, p_max, weight)
        for rounding in ("none", "half", "better")
    )
    np.testing.assert_array_equal(half, np.where(raw > 0.5 * p_max, p_max, 0.0))
    rates = [sum_rate(gain, power, noise_power, weight) for power in (raw, half, better)]
    np.testing.assert_allclose(rates[2], np.maximum(rates[0], rates[1]))


# --- training ----------------------------------------------------------------------------------


def test_a_tiny_network_learns_and_does_so_again() -> None:
    recipe = replace(RECIPE, steps=100, batch=160, warmup=10, learning_rate=1e-2, validate_every=50)
    results = []
    for _ in range(2):
        draw = of_scenario(load("gaussian-ic"), 5)
        learning = GraphTask(draw, sizes=GraphSizes(2, 8, 8, 8), batch=recipe.batch)
        before = learning.validate()["relative"]
        outcome = fit(learning, recipe)
        weights = [tensor.numpy() for tensor in learning.network.plain_tensors().values()]
        results.append((before, outcome.best, weights))
    assert results[0][1] > results[0][0] + 0.1
    assert results[0][:2] == results[1][:2]
    for one, other in zip(results[0][2], results[1][2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_is_a_function_of_seed_and_step() -> None:
    tasks = [GraphTask(sizes=GraphSizes(layers=1), batch=60, seed=seed) for seed in (1, 1, 2)]
    losses = [[float(one.loss(step).detach()) for step in (7, 8)] for one in tasks]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert losses[0][0] != losses[0][1]


def test_validation_is_against_wmmse_on_draws_of_its_own() -> None:
    draw = of_scenario(load("gaussian-ic"), 4)
    one, other = (GraphTask(draw, batch=40, seed=seed) for seed in (1, 2))
    for checked, also in zip(one._checked, other._checked, strict=True):
        assert torch.equal(checked[0].snr, also[0].snr)
        full = sum_rate(checked[0].snr, torch.ones_like(checked[0].weight), 1.0)
        assert 0.5 < float(full.sum() / checked[1].sum()) < 0.8
