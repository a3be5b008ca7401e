"""The unrolled network in torch, and what it learns from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from slotwise.controllers.kernels.unrolled_sets import set_rates
from slotwise.controllers.networks.unrolled import Sizes, UnrolledNetwork, chains
from slotwise.controllers.training.loop import fit
from slotwise.controllers.training.randomised import draw_networks
from slotwise.controllers.training.unrolled import SIZES, UnrolledTask, options_for, recipe_for
from slotwise.emulator.radio import sum_rate

SMALL = Sizes(layers=2, state=4, hidden=8, channels=2, chain=3)


def network(sizes: Sizes = SMALL) -> UnrolledNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return UnrolledNetwork(sizes)


@pytest.mark.parametrize("sizes", [SMALL, *SIZES.values()])
@pytest.mark.parametrize("told", [True, False])
def test_powers_are_permuted_when_users_are(sizes: Sizes, told: bool) -> None:
    snr, weight = draw_networks(0, 1, 60, users=6)
    order = torch.from_numpy(np.random.default_rng(2).permutation(6))
    net = network(sizes)
    sets = chains(snr, weight, sizes.chain) if told and sizes.chain else None
    mixed = None if sets is None else sets[:, order]
    power = torch.sigmoid(net(snr, weight, sets)[-1])
    permuted = torch.sigmoid(net(snr[:, order][:, :, order], weight[:, order], mixed)[-1])
    torch.testing.assert_close(power[:, order], permuted, atol=2e-5, rtol=0)


def test_gradients_reach_every_parameter() -> None:
    snr, weight = draw_networks(0, 2, 200, users=5)
    net = network()
    power = torch.sigmoid(net(snr, weight, chains(snr, weight, 3))[-1])
    torch.autograd.backward(sum_rate(snr, power, 1.0, weight).mean())
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        if "layers.1.outer" in name:  # the last state is not used
            continue
        assert (parameter.grad != 0).any(), name


def test_more_users_than_ever_seen_need_no_other_weights() -> None:
    snr, weight = draw_networks(0, 3, 1, users=137)
    assert network()(snr[:1], weight[:1])[-1].shape == (1, 137)


def test_a_single_user_is_decided() -> None:
    power = torch.sigmoid(network()(torch.ones(1, 1, 1), torch.ones(1, 1))[-1])
    assert power.shape == (1, 1)


def test_rates_of_small_sets_are_those_of_trying_all_next_users() -> None:
    """Brute force: the set of user k, and again with each user that could join."""
    rng = np.random.default_rng(4)
    snr = rng.exponential(size=(5, 5)) * 30
    weight = rng.uniform(0.2, 1.0, 5)

    def rate(members: list[int]) -> float:
        power = np.zeros(5)
        power[members] = 1.0
        return float(sum_rate(snr, power, 1.0, weight) * np.log(2.0))

    tried = chains(torch.from_numpy(snr)[None], torch.from_numpy(weight)[None], 4)[0].numpy()
    for user in range(5):
        members = [user]
        best = [rate(members)]
        for _ in range(3):
            others = [j for j in range(5) if j not in members]
            members.append(max(others, key=lambda j: rate([*members, j])))
            best.append(max(best[-1], rate(members)))
        np.testing.assert_allclose(tried[user], best, rtol=1e-9)


def test_the_best_pair_is_found_from_one_of_its_users() -> None:
    snr, weight = draw_networks(0, 5, 80, users=8)
    ones = torch.ones_like(weight)
    best = chains(snr, ones, 2)[..., 1].amax(1)
    for gain, found in zip(snr.double().numpy(), best.numpy(), strict=True):
        pairs = np.zeros((28, 8))
        for row, pair in zip(pairs, itertools.combinations(range(8), 2), strict=True):
            row[list(pair)] = 1.0
        singles = np.eye(8)
        rates = sum_rate(gain, np.concatenate([pairs, singles]), 1.0)
        assert found == pytest.approx(np.log(2.0) * rates.max(), rel=1e-4)


@pytest.mark.parametrize("users", [1, 2, 3, 17])
def test_compiled_rates_of_small_sets_agree_with_the_equation(users: int) -> None:
    snr, weight = draw_networks(0, 6, 100, users=users)
    compiled = set_rates(snr.numpy(), weight.numpy(), 4)
    np.testing.assert_allclose(compiled, chains(snr, weight, 4).numpy(), rtol=2e-5, atol=2e-5)


def test_draws_are_a_function_of_seed_and_step() -> None:
    for one, other in zip(draw_networks(3, 9, 500), draw_networks(3, 9, 500), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(draw_networks(3, 9, 500).snr, draw_networks(4, 9, 500).snr)


def test_draws_are_of_many_kinds() -> None:
    drawn = [draw_networks(0, step, 500) for step in range(120)]
    sizes = {snr.shape[-1] for snr, _ in drawn}
    assert {10, 20, 30, 50} <= sizes
    shared = sum(bool((snr[:, 0, -1] == snr[:, 1, -1]).all()) for snr, _ in drawn)
    weighted = sum(bool((weight < 1).any()) for _, weight in drawn)
    assert 5 <= shared <= 50
    assert 10 <= weighted <= 60
    for snr, weight in drawn:
        assert torch.isfinite(snr).all()
        assert (snr > 0).all()
        assert (weight.amax(1) == 1).all()
        assert (weight > 0).all()


@pytest.mark.parametrize("size", sorted(SIZES))
def test_a_short_training_improves_and_is_reproducible(size: str) -> None:
    recipe = recipe_for(size, 12, batch=400, validate_every=6, warmup=0)
    made = [UnrolledTask(recipe, options_for(size)) for _ in range(2)]
    before = made[0].validate()["mean"]
    ends = [fit(it, recipe).best for it in made]
    assert ends[0] == ends[1]
    assert ends[0] > before
    for one, other in zip(*(it.network.parameters() for it in made), strict=True):
        assert torch.equal(one, other)
