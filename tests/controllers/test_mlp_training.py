"""What a perceptron learns from: draws, batches, losses; and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slotwise.controllers.cards import Card, write
from slotwise.controllers.mlp import Mlp, MlpSizes
from slotwise.controllers.networks.mlp import MlpNetwork
from slotwise.controllers.training.draws import (
    BLOCK,
    Part,
    block,
    collect,
    form_of,
    of_scenario,
    seed_of,
)
from slotwise.controllers.training.mlp import MlpTask, Objective, Options, recipe_for, task
from slotwise.controllers.training.recipe import Recipe
from slotwise.controllers.wmmse import wmmse
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError, load

PAIRS, CELLS = load("gaussian-ic"), load("imac")
EVERY_OBJECTIVE: list[Objective] = ["supervised", "unsupervised", "both"]
every_objective = pytest.mark.parametrize("objective", EVERY_OBJECTIVE)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def small(
    objective: Objective, steps: int = 40, samples: int = 400, scenario: Any = PAIRS, **changes: Any
) -> tuple[MlpTask, Recipe]:
    recipe = recipe_for(objective, steps, batch=100, **changes)
    options = Options(objective, samples, seed=3, hidden=24, layers=2, validation=300)
    return task(scenario, 4 if scenario is PAIRS else 6, recipe, options), recipe


def trained(objective: Objective, steps: int, **changes: Any) -> MlpTask:
    learning, recipe = small(objective, steps, **changes)
    optimiser = torch.optim.Adam(learning.network.parameters(), 3e-3)
    for step in range(recipe.steps):
        optimiser.zero_grad()
        learning.loss(step).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return learning


def test_blocks_have_the_amplitudes_and_the_labels_of_their_gains() -> None:
    draw = of_scenario(CELLS, 6)
    form = form_of(draw)
    seed = seed_of(5, Part.TRAINING, 2)
    drawn, kept = draw(seed, 50), block(draw, form, seed, samples=50)
    assert form.station.tolist() == [0, 0, 1, 1, 2, 2]
    assert form.first.tolist() == [0, 2, 4]
    snr = drawn.gain * drawn.p_max / drawn.noise_power[:, None]
    np.testing.assert_allclose(
        kept.amplitude.reshape(50, 3, 6), np.sqrt(snr[:, [0, 2, 4]]), rtol=1e-6
    )
    labels = wmmse(drawn.gain, drawn.noise_power, drawn.p_max)[0] / drawn.p_max
    np.testing.assert_allclose(kept.fraction, labels, atol=1e-6)
    assert block(draw, form, seed, labels=False, samples=50).fraction.max() == 0.0


def test_a_small_set_is_the_beginning_of_a_large_one() -> None:
    draw = of_scenario(PAIRS, 3)
    form = form_of(draw)
    large = collect(draw, form, 1, Part.TRAINING, 2 * BLOCK + 10)
    tale: list[int] = []
    small_set = collect(draw, form, 1, Part.TRAINING, BLOCK + 5, progress=tale.append)
    for one, other in zip(large, small_set, strict=True):
        np.testing.assert_array_equal(one[: BLOCK + 5], other)
    assert tale == [BLOCK, BLOCK + 5]
    assert len(np.unique(large.amplitude, axis=0)) == 2 * BLOCK + 10


def test_seeds_and_purposes_have_draws_of_their_own() -> None:
    seeds = {seed_of(s, part, n) for s in range(4) for part in Part for n in range(50)}
    assert len(seeds) == 4 * len(Part) * 50
    assert all(seed >= 0 for seed in seeds)


def test_measured_gains_cannot_be_drawn_from(tmp_path: Path) -> None:
    np.save(tmp_path / "gains.npy", np.ones((4, 2, 2)))
    scenario = load(
        "gaussian-ic",
        ["channel.fading=replay", f'channel.replay_path="{tmp_path / "gains.npy"}"'],
    )
    with pytest.raises(InputError, match="gains to learn from must be drawn"):
        of_scenario(scenario, 2)


def test_cells_that_change_from_draw_to_draw_are_refused() -> None:
    scenario = load("imac", ["layout.association=strongest"])
    draw = of_scenario(scenario, 6)
    with pytest.raises(InputError, match="share stations in the same way"):
        collect(draw, form_of(draw), 0, Part.TRAINING, 100)


def test_first_weights_are_cut_normal_and_follow_the_seed() -> None:
    state = torch.random.get_rng_state()
    sizes = MlpSizes(10, 10)
    one, again, other = MlpNetwork(sizes, 1), MlpNetwork(sizes, 1), MlpNetwork(sizes, 2)
    assert torch.equal(torch.random.get_rng_state(), state)
    weight = one.plain_tensors()["weight1"]
    assert torch.equal(weight, again.plain_tensors()["weight1"])
    assert not torch.equal(weight, other.plain_tensors()["weight1"])
    deviation = 1.0 / np.sqrt(200.0)
    assert float(weight.abs().max()) <= 2.0 * deviation
    assert float(weight.std()) == pytest.approx(0.88 * deviation, rel=0.02)  # cut at two
    assert torch.equal(one.plain_tensors()["bias2"], torch.full((200,), 0.1))


def test_standardised_logarithms_have_mean_zero_and_deviation_one() -> None:
    network = MlpNetwork(MlpSizes(3, 3, 8, 1, "log", "sigmoid"))
    amplitude = torch.from_numpy(np.random.default_rng(0).rayleigh(size=(500, 9))).float()
    network.standardise(amplitude)
    seen = network.features(amplitude)
    torch.testing.assert_close(seen.mean(0), torch.zeros(9), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std(0), torch.ones(9), atol=1e-5, rtol=0)
    plain = MlpNetwork(network.sizes, 9)
    plain.load_plain_tensors(network.plain_tensors())
    torch.testing.assert_close(plain(amplitude), network(amplitude), atol=1e-6, rtol=0)


@pytest.mark.parametrize("samples", [0, 400])
def test_a_batch_is_a_function_of_its_number(samples: int) -> None:
    one, _ = small("both", samples=samples)
    other, _ = small("both", samples=samples)
    expected = [tuple(t.clone() for t in one.batch(step)) for step in (7, 2)]
    for step, batch in zip((2, 7), reversed(expected), strict=True):
        for got, wanted in zip(other.batch(step), batch, strict=True):
            assert torch.equal(got, wanted)
    assert not torch.equal(expected[0][0], expected[1][0])


def test_an_epoch_shows_every_sample_once_and_the_next_in_another_order() -> None:
    learning, _ = small("supervised", samples=400)
    epochs = [
        torch.cat([learning.batch(step)[0].clone() for step in range(start, start + 4)])
        for start in (0, 4)
    ]
    seen = [np.unique(epoch.numpy(), axis=0) for epoch in epochs]
    assert len(seen[0]) == 400
    assert not torch.equal(*epochs)
    np.testing.assert_array_equal(seen[0], seen[1])


@every_objective
@pytest.mark.parametrize("scenario", [PAIRS, CELLS], ids=["pairs", "cells"])
def test_gradients_reach_every_weight(objective: Objective, scenario: Any) -> None:
    learning, recipe = small(objective, scenario=scenario)
    for step in (0, recipe.steps - 1):
        learning.network.zero_grad()
        learning.loss(step).backward()  # type: ignore[no-untyped-call]
        for name, weight in learning.network.named_parameters():
            assert weight.grad is not None, name
            assert torch.isfinite(weight.grad).all(), name
            assert weight.grad.abs().max() > 0.0, name


@pytest.mark.parametrize("scenario", [PAIRS, CELLS], ids=["pairs", "cells"])
def test_the_unsupervised_loss_is_minus_the_sum_rate_and_a_little_more(scenario: Any) -> None:
    learning, _ = small("unsupervised", scenario=scenario)
    amplitude, _ = learning.batch(0)
    with torch.no_grad():
        logits = learning.network.logits(amplitude).double()
        loss = float(learning.loss(0))
    users = logits.shape[1]
    stations = amplitude.shape[1] // users
    gain = amplitude.double().numpy().reshape(-1, stations, users) ** 2
    gain = gain[:, np.arange(users) * stations // users]
    power = (1.0 / (1.0 + torch.exp(-logits))).numpy()
    expected = -sum_rate(gain, power, 1.0).mean() + 1e-3 * float((logits**2).mean())
    assert loss == pytest.approx(expected, rel=1e-5)


@every_objective
def test_training_improves_and_is_reproducible(objective: Objective) -> None:
    before = small(objective)[0].validate()
    one, other = (trained(objective, 150, samples=2000) for _ in range(2))
    figures = one.validate()
    assert figures == other.validate()
    assert figures["relative"] > before["relative"] + 0.05
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name])


def test_what_decides_is_rounded_for_an_imitator_and_raw_for_others() -> None:
    deciding = {
        objective: next(iter(small(objective)[0].validate())) for objective in EVERY_OBJECTIVE
    }
    assert deciding == {
        "supervised": "relative_rounded",
        "unsupervised": "relative",
        "both": "relative",
    }


@every_objective
@pytest.mark.parametrize("scenario", [PAIRS, CELLS], ids=["pairs", "cells"])
def test_the_controller_is_as_good_as_validation_said(
    objective: Objective, scenario: Any, tmp_path: Path
) -> None:
    learning = trained(objective, 30, scenario=scenario)
    network = learning.network
    path = tmp_path / "small.safetensors"
    card = Card(
        network="mlp",
        name="small",
        sizes=network.sizes._asdict(),
        scenario=scenario.name,
        users=network.sizes.users,
        command="",
        recipe={},
        seed=3,
        steps=30,
        samples=400,
        seconds=0.0,
        date="2026-01-01",
        versions={},
    )
    write(path, card, {name: t.numpy() for name, t in network.plain_tensors().items()})
    draw = of_scenario(scenario, network.sizes.users)
    drawn = draw(seed_of(0, Part.VALIDATION, 0), BLOCK)
    problem = drawn.gain[:300], drawn.noise_power, drawn.p_max
    best = sum_rate(problem[0], wmmse(*problem)[0], drawn.noise_power).mean()
    figures = learning.validate()
    for rounding, name in (("none", "relative"), ("half", "relative_rounded")):
        power = Mlp(str(path), rounding).allocate(*problem)
        reached = sum_rate(problem[0], power, drawn.noise_power).mean()
        assert reached / best == pytest.approx(figures[name], abs=2e-4)


def test_an_identity_tells_trainings_apart() -> None:
    identities = [
        small("supervised")[0].identity,
        small("both")[0].identity,
        small("supervised", samples=200)[0].identity,
        small("supervised", scenario=CELLS)[0].identity,
    ]
    assert identities[0] == small("supervised")[0].identity
    assert all(one != other for n, one in enumerate(identities) for other in identities[:n])
