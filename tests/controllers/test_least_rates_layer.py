"""The output layer that keeps promised rates: the same as for arrays, and differentiable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from slotwise.controllers import least_rates
from slotwise.controllers.training.guarantee import guaranteed
from slotwise.emulator.promise import least_sinr
from slotwise.emulator.radio import rate, sum_rate

ONE = torch.tensor(1.0, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def draws(users: int, samples: int, own: float = 10.0) -> tuple[Tensor, Tensor]:
    """Rayleigh-faded pairs, noise one, largest power one; and powers that somebody wants."""
    rng = np.random.default_rng((users, samples))
    strength = 10.0 ** rng.uniform(0.0, 3.0, (samples, 1, 1))
    gain = strength * (1.0 + own * np.eye(users)) * rng.exponential(size=(samples, users, users))
    return torch.from_numpy(gain), torch.from_numpy(rng.uniform(size=(samples, users)))


@pytest.mark.parametrize("users", [0, 1, 2, 4, 10])
def test_it_is_the_same_as_for_arrays(users: int) -> None:
    gain, power = draws(users, 300)
    noise, limit = 1.0 + power.flip(0), 0.5 + power.flip(-1)
    known = gain.numpy(), noise.numpy(), limit.numpy()
    expected = least_rates.guaranteed(*known, power.numpy(), 0.4)
    found = guaranteed(gain, noise, limit, power, 0.4).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_every_promise_is_kept_that_can_be(precision: torch.dtype) -> None:
    gain, power = draws(6, 1000)
    gain, gamma = gain.to(precision), float(least_sinr(0.3))
    found = guaranteed(gain, ONE, ONE, power.to(precision), gamma)
    assert found.dtype == precision
    assert float(found.max()) <= 1.0
    assert float(found.min()) >= 0.0
    kept = least_rates.promised(gain.double().numpy(), 1.0, 1.0, gamma)
    assert 0.1 < kept.kept.mean() < 1.0
    rates = rate(gain.double().numpy(), found.double().numpy(), 1.0)[kept.gamma > 0.0]
    assert rates.min() >= 0.3 * (1.0 - (1e-6 if precision == torch.float32 else 0.0))


def test_gradients_are_those_of_finite_differences() -> None:
    gain, power = draws(4, 30, own=30.0)
    gain.requires_grad_()
    power.requires_grad_()

    def changed(gain: Tensor, power: Tensor) -> Tensor:
        return guaranteed(gain, ONE, ONE, power, 1.5)

    kept = least_rates.promised(gain.detach().numpy(), 1.0, 1.0, 1.5)
    same = (changed(gain, power) == power).all(-1)
    assert {0, 1} == set(kept.kept.astype(int).tolist()) == set(same.int().tolist())
    assert torch.autograd.gradcheck(changed, (gain, power), eps=1e-7, atol=1e-5)


def test_where_nothing_is_changed_gradients_pass_as_they_are() -> None:
    gain = torch.tensor([[9.0, 0.1], [0.1, 9.0]], dtype=torch.float64)
    power = torch.tensor([0.7, 0.4], dtype=torch.float64, requires_grad=True)
    guaranteed(gain, ONE, ONE, power, 1.0)[0].backward()  # type: ignore[no-untyped-call]
    assert power.grad is not None
    assert power.grad.tolist() == [1.0, 0.0]


def test_whoever_cannot_be_served_leaves_gradients_finite() -> None:
    gain, power = draws(3, 50, own=0.0)
    gain[:, 1] = 0.0
    limit = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    gain.requires_grad_()
    power.requires_grad_()
    changed = guaranteed(gain, ONE, limit, power, 2.0)
    sum_rate(gain, changed, 1.0).sum().backward()  # type: ignore[no-untyped-call]
    for each in (gain, power):
        assert each.grad is not None
        assert torch.isfinite(each.grad).all()


def test_training_through_it_raises_the_sum_rate_and_keeps_promises() -> None:
    gain, power = draws(3, 100)
    gamma = 0.5
    logits = torch.logit(power).requires_grad_()
    optimiser = torch.optim.Adam([logits], 0.05)
    before = float(sum_rate(gain, guaranteed(gain, ONE, ONE, power, gamma), 1.0).mean())
    for _ in range(60):
        optimiser.zero_grad()
        found = guaranteed(gain, ONE, ONE, torch.sigmoid(logits), gamma)
        (-sum_rate(gain, found, 1.0).mean()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    after = guaranteed(gain, ONE, ONE, torch.sigmoid(logits), gamma).detach()
    assert float(sum_rate(gain, after, 1.0).mean()) > before + 0.1
    kept = least_rates.promised(gain.numpy(), 1.0, 1.0, gamma).gamma > 0.0
    assert rate(gain.numpy(), after.numpy(), 1.0)[kept].min() >= np.log2(1.0 + gamma)
