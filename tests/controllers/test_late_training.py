"""What the unrolled network learns from late and wrong gains, and the law these are drawn from."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy.special import exp1

from slotwise.controllers.cards import read
from slotwise.controllers.networks.unrolled import (
    LATE_FEATURES,
    SILENT,
    TYPICAL,
    Sizes,
    UnrolledLayer,
    UnrolledNetwork,
    audible,
    typical,
)
from slotwise.controllers.training import late
from slotwise.controllers.training.late import (
    LateTask,
    Options,
    Reports,
    draw_gains,
    draw_reports,
    extended,
    recipe_for,
)
from slotwise.controllers.training.loop import fit
from slotwise.controllers.training.randomised import draw_means, draw_networks
from slotwise.controllers.training.subjects import Wish, subject
from slotwise.emulator.scenario import InputError, load

SMALL = Sizes(layers=2, state=4, hidden=8, channels=2, chain=0, late=LATE_FEATURES)


def network() -> UnrolledNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return UnrolledNetwork(SMALL)


def reports_of(users: int, step: int = 1) -> Reports:
    return draw_reports(0, step, 30 * users, users)


def many_gains(known: torch.Tensor, doubt: torch.Tensor) -> torch.Tensor:
    """Draws of the gains of one network, [200,000, K, K]."""
    users = known.shape[-1]
    every = Reports(
        known.expand(200_000, -1, -1), doubt.expand(200_000, -1, -1), torch.ones(1, users), 1
    )
    return draw_gains(every, 1, torch.Generator().manual_seed(3))[0]


def test_where_everything_is_known_the_answers_are_those_of_the_network_it_begins_as() -> None:
    base = read("unrolled", "unrolled")
    told = extended(base)
    plain = UnrolledNetwork(told.sizes._replace(late=0))
    plain.load_plain_tensors({name: torch.from_numpy(t) for name, t in base.tensors.items()})
    snr, weight = draw_networks(0, 1, 100, users=10)
    nothing = torch.zeros_like(snr)
    expected = plain(snr, weight)[-1]
    torch.testing.assert_close(told(snr, weight, doubt=nothing)[-1], expected)
    torch.testing.assert_close(told(snr, weight)[-1], expected)


def test_powers_are_permuted_when_users_are() -> None:
    known, doubt, weight, _ = reports_of(6)
    order = torch.from_numpy(np.random.default_rng(2).permutation(6))
    net, snr = network(), typical(known, doubt)
    power = torch.sigmoid(net(snr, weight, doubt=doubt)[-1])
    mixed = (each[:, order][:, :, order] for each in (snr, doubt))
    moved, unknown = mixed
    permuted = torch.sigmoid(net(moved, weight[:, order], doubt=unknown)[-1])
    torch.testing.assert_close(power[:, order], permuted, atol=2e-5, rtol=0)


def test_a_network_that_is_told_listens() -> None:
    known, doubt, weight, _ = reports_of(5)
    net, snr = network(), typical(known, doubt)
    assert not torch.equal(net(snr, weight, doubt=doubt)[-1], net(snr, weight)[-1])


def test_what_layers_see_of_doubt_are_squared_coefficients_of_variation() -> None:
    """Against moments of drawn gains: the first hidden units are made to show the two features."""
    known = torch.tensor([[[1.0, 0.5, 2.0], [0.0, 3.0, 0.1], [0.7, 0.0, 0.0]]])
    doubt = torch.tensor([[[0.5, 1.0, 0.0], [2.0, 0.0, 0.3], [0.1, 0.2, 4.0]]])
    net = network()
    layer = net.layers[0]
    assert isinstance(layer, UnrolledLayer)
    inner = layer.inner
    with torch.no_grad():
        inner.weight.zero_()
        inner.bias.zero_()
        inner.weight[0, 8], inner.weight[1, 9] = 1.0, 1.0
    seen: list[torch.Tensor] = []
    inner.register_forward_hook(lambda *call: seen.append(call[-1].detach()))
    snr = typical(known, doubt)
    net(snr, torch.ones(1, 3), doubt=doubt)
    heard, own = seen[0][0, :, 0], seen[0][0, :, 1]
    gains = many_gains(known, doubt)
    power = torch.sigmoid(torch.tensor(2.0))
    others = 1.0 - torch.eye(3)
    interference = 1.0 + (snr[0] * others).sum(-1) * power
    spread = ((gains * others).sum(-1) * power).var(0)
    torch.testing.assert_close(heard, spread / interference**2, rtol=0.03, atol=1e-6)
    direct, owns = snr[0].diagonal(), gains.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(own, owns.var(0) / direct**2, rtol=0.03, atol=1e-6)


def test_typical_gains_are_near_those_of_the_mean_logarithm() -> None:
    """E log |sqrt(A) + sqrt(V) e|² = log A + E1(A / V), and log V - γ for A = 0."""
    assert pytest.approx(np.exp(-np.euler_gamma), abs=0.1) == TYPICAL
    for known, doubt in ((1.0, 0.1), (1.0, 1.0), (0.2, 1.0)):
        exact = known * np.exp(exp1(known / doubt))
        given = float(typical(torch.tensor(known), torch.tensor(doubt)))
        assert exact <= given <= known + doubt
        assert given == pytest.approx(exact, rel=0.35)


def test_who_is_hardly_to_be_heard_is_silent_and_still_learns() -> None:
    logit = torch.tensor([-10.0, -8.6, -8.4, 0.0, 10.0], requires_grad=True)
    power = audible(logit)
    plain = torch.sigmoid(logit.detach())
    assert (power[:2] == 0).all()
    assert (power[2:] == plain[2:]).all()
    assert plain[1] < SILENT < plain[2]
    torch.autograd.backward(power.sum())
    torch.testing.assert_close(logit.grad, plain * (1 - plain))


def test_gains_have_the_moments_of_their_law() -> None:
    known, doubt = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(5)) * 3
    gains = many_gains(known, doubt)
    mean, variance = known + doubt, doubt * (2 * known + doubt)
    error = (variance / len(gains)).sqrt()
    assert ((gains.mean(0) - mean[0]).abs() < 5 * error).all()
    torch.testing.assert_close(gains.var(0), variance[0], rtol=0.05, atol=1e-5)


def test_users_of_one_receiver_share_what_is_known_and_what_is_not() -> None:
    shared = next(r for r in (draw_reports(0, step, 400) for step in range(60)) if r.cell > 1)
    gains = draw_gains(shared, 2, torch.Generator().manual_seed(0))
    for each in (shared.known, shared.doubt, gains[0], gains[1]):
        first = each[:, :: shared.cell].repeat_interleave(shared.cell, 1)
        assert torch.equal(each, first)


def test_reports_are_of_many_kinds_and_right_on_average() -> None:
    exact, total, vague = 0, 0, 0
    ratios = []
    for step in range(80):
        reports = draw_reports(0, step, 600)
        assert (reports.known >= 0).all()
        assert (reports.doubt >= 0).all()
        mean = draw_means(0, step, 600).mean
        whole = ((reports.known + reports.doubt) / mean).mean((1, 2))
        ratios += whole.tolist()
        share = (reports.doubt / mean).flatten(1)
        exact, total = exact + int((share.amax(1) == 0).sum()), total + len(share)
        vague += int((share.amin(1) > 0.5).sum())
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)
    assert 0.08 * total < exact < 0.3 * total
    assert vague > 0.1 * total


def test_means_are_the_networks_without_fading() -> None:
    """One kind of network has the same mean everywhere; where users share receivers, rows agree."""
    drawn = [draw_means(0, step, 300) for step in range(60)]
    assert any((means.mean == 1).all() for means in drawn)
    for mean, weight, cell in drawn:
        assert mean.shape[1] % cell == 0
        assert (weight.amax(1) == 1).all()
        assert torch.equal(mean, mean[:, ::cell].repeat_interleave(cell, 1))


def test_a_short_training_is_reproducible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "_VALIDATION_STEPS", 4)
    recipe = recipe_for(6, batch=300, validate_every=3, warmup=0, learning_rate=3e-4)
    made = [LateTask(recipe, Options(gains=2)) for _ in range(2)]
    ends = [fit(it, recipe) for it in made]
    assert ends[0].best == ends[1].best
    assert 0.9 < ends[0].best < 1.2
    assert set(ends[0].history[0]) >= {"relative", "relative_exact", "relative_late"}
    new = [t[:, 8:10] for name, t in made[0].network.named_parameters() if "inner.weight" in name]
    assert all((t != 0).any() for t in new)
    for one, other in zip(*(it.network.parameters() for it in made), strict=True):
        assert torch.equal(one, other)


def test_it_is_a_subject_that_takes_steps_and_a_seed_alone() -> None:
    granted = subject("unrolled-late", Wish(steps=20, seed=3, batch=64))
    made = granted.make(granted.recipe)
    assert isinstance(made, LateTask)
    assert made.identity["seed"] == 3
    assert asdict(granted.recipe)["steps"] == 20
    for wish in (
        Wish(scenario=load("gaussian-ic")),
        Wish(size={"layers": "3"}),
        Wish(objective="supervised"),
        Wish(samples=100),
    ):
        with pytest.raises(InputError):
            subject("unrolled-late", wish)
