"""Pre-training: networks of every kind in a batch, and steps towards where fine-tuning leads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slotwise.controllers.cards import read
from slotwise.controllers.training import pretraining
from slotwise.controllers.training.loop import fit
from slotwise.controllers.training.pretraining import (
    Options,
    Pretraining,
    RandomisedTask,
    ReptileTask,
    recipe_for,
    task,
)
from slotwise.controllers.training.subjects import Wish, subject
from slotwise.emulator.scenario import InputError, load
from slotwise.runs.training import Order, train

both = pytest.mark.parametrize("kind", ["randomised", "reptile"])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def small(kind: Pretraining, steps: int = 60, **changes: Any) -> RandomisedTask:
    options = Options(kind, users=4, seed=3, hidden=16, layers=2, validation=2)
    return task(recipe_for(kind, steps, batch=64, **changes), options)


@both
def test_the_loss_of_a_step_is_the_same_whenever_it_is_asked_for(kind: Pretraining) -> None:
    one, other = small(kind), small(kind)
    for step in (59, 0, 20):
        one.network.zero_grad()
        other.network.zero_grad()
        one.loss(step).backward()  # type: ignore[no-untyped-call]
        other.loss(step).backward()  # type: ignore[no-untyped-call]
        for first, second in zip(one.network.parameters(), other.network.parameters(), strict=True):
            assert first.grad is not None
            assert second.grad is not None
            assert torch.equal(first.grad, second.grad)
        other.loss(7)  # nothing is remembered of it


@both
def test_a_short_training_raises_the_rate_on_networks_of_every_kind(kind: Pretraining) -> None:
    learning = small(kind)
    learning.network.eval()
    before = learning.validate()
    outcome = fit(learning, recipe_for(kind, 60, batch=64, learning_rate=1e-2, validate_every=60))
    after = outcome.history[-1]
    assert after["relative"] > 1.1 * before["relative"]
    assert list(before) == (
        ["relative"] if kind == "randomised" else ["adapted", "unadapted", "relative"]
    )


def test_networks_of_a_batch_have_any_number_of_users_from_the_first_place_on() -> None:
    snr = torch.cat([pretraining._places(1, step, 64, 5) for step in range(4)])
    there = torch.diagonal(snr, dim1=1, dim2=2) > 0.0
    counts = there.sum(1)
    assert set(counts.tolist()) >= {3, 5}
    assert float((counts == 5).float().mean()) > 0.6
    for gain, count in zip(snr, counts.tolist(), strict=True):
        assert (gain[:count, :count] > 0.0).all()
        assert float(gain.sum()) == pytest.approx(float(gain[:count, :count].sum()))


def test_a_site_stands_still_and_its_fading_has_mean_one() -> None:
    for number in range(6):
        site = pretraining._Site(1, 0, number, 6)
        again = pretraining._Site(1, 0, number, 6)
        snr = site.faded(0, 4000)
        assert torch.equal(snr, again.faded(0, 4000))
        assert not torch.equal(snr, again.faded(1, 4000))
        mean = site._mean
        ratio = (snr.mean(0) / mean)[mean > 0.0]
        assert float((ratio - 1.0).abs().max()) < 0.1  # six standard errors of 4,000 exponentials


def test_the_gradient_of_reptile_leads_to_where_sites_lead() -> None:
    learning = small("reptile")
    assert isinstance(learning, ReptileTask)
    learning.loss(50).backward()  # type: ignore[no-untyped-call]
    start = [weight.detach().clone() for weight in learning.network.parameters()]
    ends = []
    for number in range(pretraining._TASKS):
        site = pretraining._Site(3, 50, number, 4)
        twin = copy.deepcopy(learning.network)
        optimiser = torch.optim.Adam(twin.parameters(), pretraining._INNER_RATE)
        for inner in range(pretraining._INNER_STEPS):
            snr = site.faded(inner, pretraining._INNER_BATCH)
            optimiser.zero_grad()
            loss = pretraining._loss_of(twin, snr, pretraining._solved(snr)[1])
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(list(twin.parameters()), 1.0)
            optimiser.step()
        ends.append([weight.detach() for weight in twin.parameters()])
    for at, (weight, before) in enumerate(zip(learning.network.parameters(), start, strict=True)):
        mean_end = torch.stack([end[at] for end in ends]).mean(0)
        expected = (before - mean_end) / pretraining._INNER_RATE
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad, expected, rtol=1e-3, atol=1e-3)


def test_the_loss_of_reptile_is_that_of_its_inner_steps_and_its_gradient_where_they_lead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learning, plain = small("reptile"), small("reptile")
    seen: list[float] = []
    whole = pretraining._loss_of

    def loss_of(*arguments: Any) -> torch.Tensor:
        loss = whole(*arguments)
        seen.append(float(loss.detach()))
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(pretraining, "_loss_of", loss_of)
        loss = learning.loss(50)
    assert len(seen) == pretraining._TASKS * pretraining._INNER_STEPS
    assert float(loss.detach()) == pytest.approx(np.mean(seen), rel=1e-5)
    assert -1.5 < float(loss.detach()) < 0.0  # minus a rate relative to WMMSE's
    loss.backward()  # type: ignore[no-untyped-call]
    total = torch.zeros(())
    for number in range(pretraining._TASKS):
        site = pretraining._Site(3, 50, number, 4)
        twin, _ = pretraining._fine_tuned(plain.network, site)
        for start, end in zip(plain.network.parameters(), twin.parameters(), strict=True):
            total = total + (start * (start.detach() - end.detach())).sum()
    total /= pretraining._TASKS * pretraining._INNER_RATE
    total.backward()  # type: ignore[no-untyped-call]
    for one, other in zip(learning.network.parameters(), plain.network.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_what_is_learned_is_told_in_the_order() -> None:
    assert subject("mlp", Wish(scenario=load("gaussian-ic"))).pretrain == "model"
    granted = subject("mlp", Wish(pretrain="randomised", links=6, size={"hidden": "32"}, seed=2))
    made = granted.make(granted.recipe)
    assert (granted.users, granted.samples, granted.pretrain) == (6, 0, "randomised")
    assert made.network.sizes == (6, 6, 32, 3, "log", "sigmoid", "strongest")
    assert made.identity["seed"] == 2
    assert isinstance(subject("mlp", Wish(pretrain="reptile")).make(granted.recipe), ReptileTask)
    assert subject("unrolled", Wish(pretrain="randomised")).pretrain == "randomised"
    assert subject("graph", Wish(scenario=load("d2d"))).pretrain == "model"


def test_the_card_says_what_was_learned_and_what_it_is_worth(tmp_path: Path) -> None:
    out = tmp_path / "two.safetensors"
    order = Order(network="mlp", pretrain="randomised", links=2, steps=2, batch=16)
    train(order, out, test_samples=50)
    card = read(out, "mlp").card
    assert card.recipe["pretrain"] == "randomised"
    assert "--pretrain randomised" in card.command
    assert (card.scenario, card.users, card.sizes["order"]) == ("randomised", 2, "strongest")
    assert [(result.scenario, result.users) for result in card.results] == [("gaussian-ic", 2)]


@pytest.mark.parametrize(
    ("network", "wish", "message"),
    [
        ("mlp", {"pretrain": "maml"}, "pretrain = maml: must be one of model, randomised"),
        ("mlp", {"pretrain": "randomised", "scenario": "d2d"}, "every kind, leave it out"),
        (
            "mlp",
            {"pretrain": "reptile", "samples": 100},
            "samples = 100: with pretrain = reptile it must be 0, or left out: every step draws",
        ),
        (
            "mlp",
            {"pretrain": "reptile", "epochs": 2.0},
            "epochs = 2.0: with pretrain = reptile it must be left out: every step draws afresh",
        ),
        (
            "mlp",
            {"pretrain": "reptile", "objective": "supervised"},
            "objective = supervised: with pretrain = reptile it must be unsupervised, or left out",
        ),
        ("mlp", {"pretrain": "model"}, "scenario: the network mlp needs one"),
        (
            "unrolled",
            {"pretrain": "reptile"},
            "pretrain = reptile: with the network unrolled it must be randomised, or left out",
        ),
        (
            "graph",
            {"pretrain": "model"},
            "pretrain = model: with the network graph and no scenario it must be randomised, or",
        ),
        (
            "graph",
            {"pretrain": "randomised", "scenario": "d2d"},
            "pretrain = randomised: with the network graph and a scenario it must be model, or",
        ),
        ("unrolled", {"links": 5}, "links: the network unrolled learns from networks of every"),
        ("unrolled-late", {"scenario": "d2d"}, "scenario: the network unrolled-late learns from"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    network: str, wish: dict[str, Any], message: str
) -> None:
    if "scenario" in wish:
        wish = {**wish, "scenario": load(wish["scenario"])}
    with pytest.raises(InputError, match=message):
        subject(network, Wish(**wish))


def test_networks_of_a_batch_are_as_far_apart_as_links_of_every_kind() -> None:
    own = torch.cat(
        [torch.diagonal(pretraining._places(0, n, 64, 4), dim1=1, dim2=2) for n in range(8)]
    )
    level = 10 * np.log10(own[own > 0.0].numpy())
    assert np.quantile(level, 0.05) < -5.0
    assert np.quantile(level, 0.95) > 25.0
