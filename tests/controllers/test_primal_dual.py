"""Mean rates that are promised to every user, and what they cost, against dual decomposition."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from slotwise.controllers.training.draws import Draw
from slotwise.controllers.training.loop import fit
from slotwise.controllers.training.mlp import MlpTask, Options, recipe_for
from slotwise.controllers.training.primal_dual import Prices
from slotwise.controllers.training.subjects import Wish, subject
from slotwise.emulator.drops import Drops
from slotwise.emulator.radio import rate, sum_rate
from slotwise.emulator.scenario import InputError, load

Array = NDArray[np.float64]

MEAN = {
    2: np.array([[30.0, 3.0], [6.0, 4.0]]),
    3: np.array([[30.0, 2.0, 3.0], [2.0, 20.0, 3.0], [6.0, 6.0, 5.0]]),
}
"""Mean gains in units of noise: the last user is weak, and in everyone's way."""

PROMISED = {2: 1.0, 3: 0.6}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def fading(users: int) -> Draw:
    """Rayleigh fading around the mean gains: places are users."""

    def draw(seed: int, samples: int) -> Drops:
        gain = MEAN[users] * np.random.default_rng(seed).exponential(size=(samples, users, users))
        ones = np.ones(users)
        return Drops(gain, ones, ones, ones, None)

    return draw


def learning(users: int, min_rate: float, steps: int = 400) -> MlpTask:
    recipe = recipe_for("unsupervised", steps, batch=400, learning_rate=5e-3)
    options = Options("unsupervised", 20_000, 1, 32, 2, 4000, "log", min_rate, price_step=0.2)
    return MlpTask(fading(users), recipe, options, {})


def trained(users: int, min_rate: float) -> MlpTask:
    task = learning(users, min_rate)
    steps = {"batch": 400, "learning_rate": 5e-3, "validate_every": 50}
    fit(task, recipe_for("unsupervised", 400, **steps))
    return task


def mean_rates(task: MlpTask, gain: Array) -> Array:
    """Mean rate of each user where the network decides."""
    amplitude = torch.from_numpy(np.sqrt(gain).reshape(len(gain), -1)).float()
    with torch.no_grad():
        power = task.network(amplitude).double().numpy()
    mean: Array = rate(gain, power, 1.0).mean(0)
    return mean


def best_mean(gain: Array, min_rate: float) -> float:
    """Largest mean sum rate under mean promises, from powers on a grid: minimum of the dual."""
    levels = np.linspace(0.0, 1.0, 7 if gain.shape[-1] == 3 else 21)
    grid = np.array([p for p in itertools.product(levels, repeat=gain.shape[-1]) if max(p) == 1.0])
    rates = rate(gain[:, None], grid, 1.0)

    def dual(price: Array) -> tuple[float, Array]:
        chosen = (rates @ (1.0 + price)).argmax(1)
        mean = rates[np.arange(len(gain)), chosen].mean(0)
        return float(mean @ (1.0 + price) - price.sum() * min_rate), mean - min_rate

    at_first = np.full(gain.shape[-1], 0.5)
    found = minimize(
        dual, at_first, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(at_first)
    )
    return float(found.fun)


@pytest.mark.parametrize("users", [2, 3])
def test_every_mean_rate_is_kept_at_nearly_the_least_cost(users: int) -> None:
    promise, gain = PROMISED[users], fading(users)(99, 4000).gain
    free = mean_rates(trained(users, 0.0), gain)
    assert free.min() < 0.7 * promise
    task = trained(users, promise)
    kept = mean_rates(task, gain)
    assert kept.min() >= 0.98 * promise
    best = best_mean(gain[:1000], promise)
    assert 0.96 * best < kept.sum() < 1.03 * best
    assert kept.sum() < free.sum()
    price = task.network.get_buffer("prices.price")
    assert price[-1] > 0.1
    assert (price[:-1] < 0.05).all()


def test_a_training_that_is_resumed_goes_on_with_the_same_prices(tmp_path: Path) -> None:
    recipe = recipe_for("unsupervised", 40, batch=100, validate_every=10)
    options = Options("unsupervised", 2000, 1, 16, 2, 400, "log", 1.0, price_step=0.2)

    def task() -> MlpTask:
        return MlpTask(fading(2), recipe, options, {})

    class Killed(Exception):
        """A training that ends in the midst of it."""

    def kill(step: int, figures: dict[str, float]) -> None:
        if step == 25:
            raise Killed

    whole, cut, again = task(), task(), task()
    fit(whole, recipe)
    with pytest.raises(Killed):
        fit(cut, recipe, checkpoint=tmp_path / "c.safetensors", progress=kill)
    fit(again, recipe, checkpoint=tmp_path / "c.safetensors")
    expected = whole.network.state_dict()
    assert expected["prices.price"].max() > 0.0
    for name, tensor in again.network.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_a_price_rises_while_its_user_lacks_and_falls_to_zero_else() -> None:
    prices = Prices(3, 1.0, 0.5)
    prices.renew(torch.tensor([[0.0, 1.5, 2.0], [1.0, 0.5, 4.0]]))
    torch.testing.assert_close(prices.price, torch.tensor([0.25, 0.0, 0.0]))
    prices.renew(torch.tensor([[1.25, 0.0, 2.0]]), share=0.5)
    torch.testing.assert_close(prices.price, torch.tensor([0.1875, 0.25, 0.0]))
    prices.renew(torch.tensor([[float("nan"), 0.0, 2.0]]))
    torch.testing.assert_close(prices.price, torch.tensor([0.1875, 0.25, 0.0]))


def test_the_lagrangian_is_its_formula_and_its_slope_has_the_prices_of_its_moment() -> None:
    prices = Prices(2, 1.0, 0.5)
    prices.price.copy_(torch.tensor([2.0, 0.0]))
    rates = torch.tensor([[0.5, 3.0], [0.7, 1.0]], requires_grad=True)
    value = prices(rates)
    prices.renew(rates)
    value.backward()
    assert float(value.detach()) == pytest.approx(0.6 + 2.0 + 2.0 * (0.6 - 1.0))
    torch.testing.assert_close(rates.grad, torch.tensor([[1.5, 0.5], [1.5, 0.5]]))


def test_validations_are_compared_by_promises_first() -> None:
    prices = Prices(2, 0.5, 0.1)
    assert prices.merit(torch.tensor([0.5, 0.9]), 0.8) == 0.8
    assert prices.merit(torch.tensor([0.2, 0.9]), 0.9) == pytest.approx(-0.6)
    assert prices.merit(torch.tensor([0.2, 0.9]), 9.0) > prices.merit(torch.tensor([0.1, 0.9]), 9.0)


def test_without_a_promise_nothing_is_priced() -> None:
    task = learning(2, 0.0)
    assert "prices.price" not in task.network.state_dict()
    assert list(task.validate()) == ["relative", "relative_rounded"]
    amplitude, _ = task.batch(0)
    logits = task.network.logits(amplitude)
    gain = amplitude.square().view(-1, 2, 2)
    expected = 1e-3 * logits.square().mean() - sum_rate(gain, torch.sigmoid(logits), 1.0).mean()
    torch.testing.assert_close(task.loss(0), expected)


def test_the_promise_of_a_scenario_is_learned_where_the_rate_itself_is() -> None:
    scenario = load("gaussian-ic", ["radio.min_rate=0.3"])
    with pytest.raises(InputError, match=r"radio.min_rate = 0.3: .* unsupervised or both"):
        subject("mlp", Wish(scenario=scenario, links=3, samples=2000))
    wish = Wish(scenario=scenario, links=3, samples=2000, steps=4, objective="unsupervised")
    task = subject("mlp", wish).make(recipe_for("unsupervised", 4))
    assert isinstance(task, MlpTask)
    assert task.network.get_buffer("prices.price").shape == (3,)
    assert set(task.validate()) == {"merit", "relative", "relative_rounded", "least"}
    assert not {name for name in task.network.plain_tensors() if "price" in name}
