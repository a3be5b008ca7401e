"""The policy network: who is heard, who is not, and what everybody could have done instead."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from slotwise.emulator.radio import sum_rate
from slotwise.envs.networks import PolicyNetwork, PolicySizes, messages
from slotwise.runs.rl.kernels.counterfactual import counterfactual_rates

SMALL = PolicySizes(layers=2, width=8, hidden=6, levels=4)
Given = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def given(networks: int = 3, rows: int = 5, seed: int = 0) -> Given:
    source = torch.Generator().manual_seed(seed)
    code = 2 * torch.rand(networks, rows, rows, generator=source) - 1
    mask = torch.ones(networks, rows)
    mask[-1, 3] = 0
    return code, mask, mask.clone()


def plain_messages(
    listener: torch.Tensor,
    speaker: torch.Tensor,
    code: torch.Tensor,
    edge: torch.Tensor,
    mask: torch.Tensor,
) -> torch.Tensor:
    to, back = code.unsqueeze(-1), code.transpose(1, 2).unsqueeze(-1)
    message = listener.unsqueeze(2) + speaker.unsqueeze(1) + to * edge[0] + back * edge[1]
    others = mask.unsqueeze(1) * (1 - torch.eye(code.shape[1]))
    return (functional.relu(message) * others.unsqueeze(-1)).sum(2)


def test_compiled_messages_and_their_derivatives_are_those_of_plain_torch() -> None:
    code, mask, _ = given()
    source = torch.Generator().manual_seed(1)
    wanted = torch.randn(3, 5, 8, generator=source)
    slopes = []
    for function in (messages, plain_messages):
        source.manual_seed(2)
        shapes = ((3, 5, 8), (3, 5, 8), (2, 8))
        leaves = [torch.randn(*shape, generator=source, requires_grad=True) for shape in shapes]
        heard = function(leaves[0], leaves[1], code, leaves[2], mask)
        by = torch.autograd.grad((heard * wanted).sum(), leaves)
        slopes.append([heard.detach(), *by])
    for compiled, plain in zip(*slopes, strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-5)


def test_renumbering_users_renumbers_logits_and_changes_nothing_else() -> None:
    network = PolicyNetwork(SMALL, seed=3)
    code, mask, weight = given()
    order = torch.tensor([4, 2, 0, 1, 3])
    straight = network(code, mask, weight)
    renumbered = network(code[:, order][:, :, order], mask[:, order], weight[:, order])
    torch.testing.assert_close(renumbered, straight[:, order], rtol=1e-4, atol=1e-5)


def test_nobody_is_not_heard_whatever_stands_in_its_row() -> None:
    network = PolicyNetwork(SMALL, seed=3)
    code, mask, weight = given(1, 4)
    alone = network(code, mask, weight)
    wider = torch.full((1, 6, 6), 0.7)
    wider[:, :4, :4] = code
    more = functional.pad(mask, (0, 2))
    torch.testing.assert_close(network(wider, more, more)[:, :4], alone)


def test_a_seed_fixes_first_weights_and_leaves_torch_s_own_generator_alone() -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    one, other = (PolicyNetwork(SMALL, seed=7).plain_tensors() for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["edge"], PolicyNetwork(SMALL, seed=8).plain_tensors()["edge"])


def test_plain_tensors_carry_a_network_over_and_others_are_refused() -> None:
    one, other = PolicyNetwork(SMALL, seed=1), PolicyNetwork(SMALL, seed=2)
    other.load_plain_tensors(one.plain_tensors())
    code, mask, weight = given()
    assert torch.equal(one(code, mask, weight), other(code, mask, weight))
    with pytest.raises(ValueError, match=r"logit\.weight"):
        PolicyNetwork(SMALL._replace(levels=5)).load_plain_tensors(one.plain_tensors())


@pytest.mark.parametrize(("cap", "cost"), [(np.inf, 0.0), (30.0, 0.0), (30.0, 2.5)])
@pytest.mark.parametrize(("rows", "strength"), [(5, 10.0), (40, 1e12)])
def test_counterfactual_rates_are_those_of_each_change_alone(
    cap: float, cost: float, rows: int, strength: float
) -> None:
    rng = np.random.default_rng(rows)
    snr = rng.exponential(size=(2, rows, rows)) * np.where(np.eye(rows) > 0, strength, 1.0)
    level = np.array([0.0, 0.1, 1.0])
    number = rng.integers(3, size=(2, 2, rows))
    mask = rng.random((2, rows)) < 0.8
    snr = np.where(mask[:, :, None] & mask[:, None, :], snr, 0.0)
    found = np.full((2, rows, 3), np.nan)
    counterfactual_rates(snr, level, number, mask, (cap, cost), found)
    for b, k, a in np.ndindex(2, rows, 3):
        assert found[b, k, a] == pytest.approx(
            _changed(snr[b], level, number[b], mask[b], k, a, cap, cost)
        )


def _changed(
    snr: NDArray[np.float64],
    level: NDArray[np.float64],
    number: NDArray[np.int64],
    mask: NDArray[np.bool_],
    k: int,
    a: int,
    cap: float,
    cost: float,
) -> float:
    """Mean sum rate over consumption if k had chosen a, straight from the definition."""
    if not mask[k]:
        return 0.0
    power = np.where(mask, level[number], 0.0)
    power[:, k] = level[a]
    each = [
        sum_rate(snr, one, 1.0, sinr_cap=cap) / (1.0 + cost * one.sum() / mask.sum())
        for one in power
    ]
    return float(np.mean(each))
