"""Fine-tuning: what a few steps on a few observations do to weights, and what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from slotwise.controllers import make
from slotwise.controllers.graph import GraphSizes
from slotwise.controllers.mlp import Mlp, MlpSizes
from slotwise.controllers.networks.graph import GraphNetwork
from slotwise.controllers.networks.mlp import MlpNetwork
from slotwise.controllers.networks.unrolled import Sizes, UnrolledNetwork
from slotwise.controllers.training import tuning as tuning_module
from slotwise.controllers.training.refading import Refading, in_places, pools_of, shared_antennas
from slotwise.controllers.training.tuning import Tuning, tune, tuning_for, validated
from slotwise.emulator.radio import sum_rate

SMALL = {"steps": 40, "batch": 64}


def site(samples: int, users: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Gains, means and weights at one site under Rayleigh fading."""
    rng = np.random.default_rng(seed)
    mean = 10 ** (rng.uniform(-0.5, 1.5, (users, users)))
    means = np.broadcast_to(mean, (samples, users, users)).astype(np.float32).copy()
    fading = rng.exponential(size=means.shape).astype(np.float32)
    return (
        torch.from_numpy(means * fading),
        torch.from_numpy(means),
        torch.ones(samples, users),
    )


def perceptron(users: int = 3, **changes: Any) -> MlpNetwork:
    sizes = {"features": "log", "output": "sigmoid", "order": "strongest", **changes}
    return MlpNetwork(MlpSizes(users, users, 16, 2, **sizes), 1)


def network_of(kind: str) -> Any:
    torch.manual_seed(2)
    if kind == "graph":
        return GraphNetwork(GraphSizes(hidden=8, message=8, update=8, layers=2), 1)
    return UnrolledNetwork(Sizes(2, 4, 8, 2, 2)) if kind == "unrolled" else perceptron()


def weights(network: Any) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.plain_tensors().items()}


def mean_rate(network: MlpNetwork, snr: Tensor) -> float:
    with torch.no_grad():
        return float(sum_rate(snr, network(snr.sqrt().flatten(1)), 1.0).mean())


@pytest.mark.parametrize(
    "changes",
    [{}, {"order": "given"}, {"features": "amplitude", "output": "relu6", "order": "given"}],
    ids=str,
)
@pytest.mark.parametrize("objective", ["unsupervised", "supervised", "both"])
def test_a_perceptron_does_better_at_its_site_on_what_it_has_not_seen(
    changes: dict[str, Any], objective: str
) -> None:
    network = perceptron(**changes)
    seen, fresh = site(40), torch.cat([site(500)[0][40:], site(400)[0][40:]])
    before = mean_rate(network, fresh)
    how = tuning_for("mlp", objective=objective, steps=150, imitate=0.3, rate=3e-3)
    tune(network, "mlp", *seen, how, (1,))
    assert mean_rate(network, fresh) > 1.05 * before


@pytest.mark.parametrize("kind", ["mlp", "graph", "unrolled"])
def test_every_architecture_learns_the_same_from_the_same_seed(kind: str) -> None:
    learned, before = [], weights(network_of(kind))
    for seed in (1, 1, 2):
        network = network_of(kind)
        tune(network, kind, *site(20), tuning_for(kind, **SMALL), (seed, 5))
        learned.append(weights(network))
    for name, first in learned[0].items():
        assert torch.equal(first, learned[1][name])
        assert first.isfinite().all()
    assert any(not torch.equal(learned[0][name], learned[2][name]) for name in before)
    assert any(not torch.equal(learned[0][name], before[name]) for name in before)


@pytest.mark.parametrize("kind", ["mlp", "graph", "unrolled"])
def test_who_is_absent_changes_nothing(kind: str) -> None:
    learned = []
    for more in (0, 2):
        network = perceptron(5) if kind == "mlp" else network_of(kind)
        snr, mean, weight = (
            nn.functional.pad(part, (0, more) * (part.ndim - 1)) for part in site(20)
        )
        tune(network, kind, snr, mean, weight, tuning_for(kind, **SMALL), (1,))
        learned.append(weights(network))
    for name, first in learned[0].items():
        torch.testing.assert_close(first, learned[1][name], rtol=1e-5, atol=1e-6)


def test_observations_of_different_numbers_of_users_are_learned_from_together() -> None:
    snr, mean, weight = site(20)
    snr[:7, 1], mean[:7, 1], weight[:7, 1] = 0.0, 0.0, 0.0
    snr[:7, :, 1] = mean[:7, :, 1] = 0.0
    snr[0], mean[0], weight[0] = 0.0, 0.0, 0.0
    network = network_of("unrolled")
    before = weights(network)
    tune(network, "unrolled", snr, mean, weight, tuning_for("unrolled", **SMALL), (1,))
    after = weights(network)
    assert all(tensor.isfinite().all() for tensor in after.values())
    assert any(not torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("kind", "changed"), [("mlp", ("weight2", "bias2")), ("unrolled", ("layers.1.",))]
)
def test_the_last_layers_alone_may_learn(kind: str, changed: tuple[str, ...]) -> None:
    network = network_of(kind)
    before = weights(network)
    tune(network, kind, *site(20), tuning_for(kind, layers=1, **SMALL), (1,))
    for name, after in weights(network).items():
        same = torch.allclose(after, before[name], rtol=1e-5, atol=1e-7)
        assert same != name.startswith(changed), name


def test_a_pull_keeps_weights_near_those_it_pulls_to() -> None:
    anchor = weights(perceptron())
    away = []
    for pull in (0.0, 1.0):
        network = perceptron()
        tune(
            network,
            "mlp",
            *site(20),
            tuning_for("mlp", pull=pull, rate=1e-2, **SMALL),
            (1,),
            anchor,
        )
        after = weights(network)
        away.append(sum(float((after[name] - anchor[name]).square().sum()) for name in anchor))
    assert away[1] < 0.3 * away[0]


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("features", ["log", "amplitude"])
@pytest.mark.parametrize("anchored", [False, True])
def test_a_pull_is_of_every_squared_difference_of_the_weights(
    features: str, layers: int, anchored: bool
) -> None:
    network = perceptron(features=features)
    network.standardise(site(50)[0].sqrt().flatten(1))
    before = weights(network)
    anchor = {name: tensor + 0.02 for name, tensor in before.items()} if anchored else None
    tuning_module._prepare(network)
    home = tuning_module._home(network, anchor, layers)
    moved = {name: tensor + 0.01 * torch.rand_like(tensor) for name, tensor in before.items()}
    network.load_plain_tensors(moved)
    tuning_module._prepare(network)
    counted = [name for name in before if layers == 0 or int(name[-1]) >= 3 - layers]
    expected = sum((moved[name] - (anchor or before)[name]).square().sum() for name in counted)
    found = tuning_module._distance(network, home, layers)
    torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=0.0)


def test_a_pull_is_of_a_standardised_graph_s_plain_weights_too() -> None:
    network = network_of("graph")
    network.standardise(torch.rand(9) + 0.1, 5.0 * torch.rand(9) + 0.1)
    before = weights(network)
    tuning_module._prepare(network)
    home = tuning_module._home(network, {name: each + 0.1 for name, each in before.items()}, 0)
    count = sum(each.numel() for each in before.values())
    found = tuning_module._distance(network, home, 0)
    assert float(found.detach()) == pytest.approx(0.01 * count, rel=1e-4)


@pytest.mark.parametrize("order", ["given", "strongest"])
def test_who_has_no_weight_or_no_gain_of_its_own_is_absent_as_in_decisions(order: str) -> None:
    network = perceptron(6, order=order)
    compiled = make("mlp:adaptive-10")
    assert isinstance(compiled, Mlp)
    compiled.sizes = network.sizes
    compiled._take({name: tensor.numpy() for name, tensor in weights(network).items()})
    snr, mean, weight = site(40, users=5)
    weight[:30, 1] = 0.0
    weight[10:20, 4] = 0.0
    snr[20:, 3, 3] = 0.0
    placed, means, alpha = in_places(6, snr, mean, weight)
    assert means is not None
    assert torch.equal(means > 0.0, placed > 0.0)
    with torch.no_grad():
        found = network(placed.sqrt().flatten(1))[:, :5].numpy()
    decided = compiled.allocate(snr.double().numpy(), 1.0, 1.0, weight.double().numpy())
    served = ((weight > 0.0) & (torch.diagonal(snr, dim1=1, dim2=2) > 0.0)).numpy()
    np.testing.assert_allclose(found[served], decided[served], rtol=1e-4)
    assert not decided[~served].any()
    assert float(alpha[0, 1]) == 0.0


def test_nothing_is_learned_from_nothing_or_in_no_steps() -> None:
    network = perceptron()
    before = weights(network)
    snr, mean, weight = site(5)
    tune(network, "mlp", snr[:0], mean[:0], weight[:0], tuning_for("mlp"), (1,))
    tune(network, "mlp", snr, mean, weight, tuning_for("mlp", steps=0), (1,))
    for name, after in weights(network).items():
        assert torch.equal(after, before[name])


def test_fading_drawn_anew_is_that_of_links_of_the_same_kind() -> None:
    _, mean, weight = site(6)
    own = torch.eye(3, dtype=torch.bool)
    snr = mean * torch.where(own, 2.0, 0.5)
    pools = pools_of([(snr, mean, weight)])
    assert pools is not None
    rows = torch.tensor([4, 0, 4])
    drawn = Refading(snr, mean, pools).drawn(snr[rows], rows, torch.Generator())
    torch.testing.assert_close(drawn, snr[rows])


def test_fading_drawn_anew_has_the_law_that_was_observed() -> None:
    snr, mean, weight = site(2000)
    pools = pools_of([(snr, mean, weight)])
    assert pools is not None
    dice = torch.Generator().manual_seed(1)
    rows = torch.randint(2000, (20_000,), generator=dice)
    ratio = Refading(snr, mean, pools).drawn(snr[rows], rows, dice) / mean[rows]
    # Of the exponential law: mean and variance 1, within four standard errors; links independent.
    assert abs(float(ratio.mean()) - 1.0) < 0.05
    assert abs(float(ratio.var()) - 1.0) < 0.15
    assert abs(float(torch.corrcoef(ratio.flatten(1).T).fill_diagonal_(0.0).abs().max())) < 0.03


@pytest.mark.parametrize("downlink", [False, True])
def test_who_shares_an_antenna_goes_on_sharing_its_fading(downlink: bool) -> None:
    _, mean, weight = site(50, users=4)
    fading = site(50, users=4, seed=3)[0]
    for matrix in (mean, fading):
        matrix[:, 1], matrix[:, 3] = matrix[:, 0], matrix[:, 2]
    snr = mean * fading
    if downlink:
        mean, snr = mean.transpose(1, 2), snr.transpose(1, 2)
    pools = pools_of([(snr, mean, weight)])
    assert pools is not None
    assert len(pools[0]) == len(pools[1]) == 50 * 8  # two of four users are of each station
    rows = torch.arange(50)
    drawn = Refading(snr, mean, pools).drawn(snr, rows, torch.Generator())
    drawn = drawn.transpose(1, 2) if downlink else drawn
    assert torch.equal(drawn[:, 0], drawn[:, 1])
    assert torch.equal(drawn[:, 2], drawn[:, 3])
    assert not torch.equal(drawn[:, 0], drawn[:, 2])


@pytest.mark.parametrize("downlink", [False, True])
@pytest.mark.parametrize(("users", "cells"), [(3, 2), (21, 7), (24, 7), (40, 7), (40, 40)])
def test_shared_antennas_are_recognised_exactly_however_many_users(
    users: int, cells: int, downlink: bool
) -> None:
    rng = np.random.default_rng(users)
    station = np.arange(users) * cells // users
    gain = 10 ** rng.uniform(-6, 6, (100, cells, users))
    gain[:, 0, 0] *= rng.random(100)
    snr = torch.from_numpy(gain.astype(np.float32)[:, station])
    snr[90:, :, -1] = snr[90:, -1] = 0.0  # who is silent shares nothing
    if users == 3:
        snr[95:, 1] = snr[95:, 0]
        snr[95:, 1, 0] = torch.nextafter(snr[95:, 1, 0], torch.tensor(torch.inf))
    snr = snr.transpose(1, 2).contiguous() if downlink else snr
    rows = (snr.unsqueeze(2) == snr.unsqueeze(1)).all(3) & (snr > 0.0).any(2).unsqueeze(2)
    columns = (snr.unsqueeze(3) == snr.unsqueeze(2)).all(1) & (snr > 0.0).any(1).unsqueeze(2)
    alone = torch.eye(users, dtype=torch.bool)
    own, row, column = shared_antennas(snr)
    assert torch.equal(own, rows | columns | alone)
    assert torch.equal(row, (rows | alone).int().argmax(2))
    assert torch.equal(column, (columns | alone).int().argmax(2))


def test_without_long_term_gains_observations_are_learned_from_as_they_are() -> None:
    snr, mean, weight = site(20)
    networks = [perceptron(), perceptron()]
    tune(networks[0], "mlp", snr, None, weight, tuning_for("mlp", **SMALL), (1,))
    tune(networks[1], "mlp", snr, mean, weight, tuning_for("mlp", refade=False, **SMALL), (1,))
    first, second = map(weights, networks)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "best"}, "objective = best: must be one of unsupervised"),
        ({"steps": -1}, "steps = -1: must be at least 0"),
        ({"batch": 0}, "batch = 0: must be at least 1"),
        ({"pull": float("nan")}, "pull = nan: must be at least 0"),
        ({"rate": 0.0}, "rate = 0.0: must be positive and at most 1"),
        ({"rate": 1e9}, "rate = 1000000000.0: must be positive and at most 1"),
        ({"rate": float("nan")}, "rate = nan: must be positive"),
        ({"permute": 1.5}, "permute = 1.5: must be between 0 and 1"),
        ({"imitate": -0.1}, "imitate = -0.1: must be between 0 and 1"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tuning_for("mlp", **changes)
    with pytest.raises(ValueError, match=message):
        tune(perceptron(), "mlp", *site(5), Tuning()._replace(**changes), (1,))


@pytest.mark.parametrize(("kind", "most"), [("mlp", 3), ("graph", 2), ("unrolled", 2)])
def test_more_layers_than_there_are_are_refused(kind: str, most: int) -> None:
    network = network_of(kind)
    assert validated(network, tuning_for(kind, layers=most)).layers == most
    message = f"layers = {most + 1}: must be at most {most}, as many as the network has"
    with pytest.raises(ValueError, match=message):
        validated(network, tuning_for(kind, layers=most + 1))
    with pytest.raises(ValueError, match=message):
        tune(network, kind, *site(5), tuning_for(kind, layers=most + 1), (1,))
    with pytest.raises(ValueError, match="steps = -1"):
        validated(network, Tuning(steps=-1))


def test_what_cannot_be_tuned_is_refused() -> None:
    with pytest.raises(ValueError, match="kind = rl: must be one of mlp, graph, unrolled"):
        tuning_for("rl")
    with pytest.raises(ValueError, match="4 users: the perceptron takes at most 3"):
        tune(perceptron(), "mlp", *site(5, users=4), tuning_for("mlp"), (1,))
    cells = MlpNetwork(MlpSizes(4, 2, 8, 1), 0)
    with pytest.raises(ValueError, match="stations = 2: a perceptron that is fine-tuned"):
        tune(cells, "mlp", *site(5, users=4), tuning_for("mlp"), (1,))
