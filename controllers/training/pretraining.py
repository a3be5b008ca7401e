"""What a perceptron learns before it is adapted: networks of every kind, or how to learn one fast.

Trained on one model, a perceptron is good there and a bad start elsewhere. Two ways to a better
one. ``randomised``: every batch is of many kinds of networks at once (domain randomisation;
J. Tobin et al., "Domain randomization for transferring deep neural networks from simulation to the
real world", IROS 2017). ``reptile``: after that, first-order meta-learning (A. Nichol, J. Achiam
and J. Schulman, "On first-order meta-learning algorithms", arXiv 1803.02999, 2018): a task is one
site, whose long-term gains stand still while fading goes on; weights take a few of the steps with
which they will be fine-tuned there, and the weights to start from move towards where those lead.

Such a perceptron serves any number of users up to its own, from the strongest on, and hears
logarithms of gains, because gains of every kind range over many decades.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from slotwise.controllers.mlp import MlpSizes
from slotwise.controllers.networks.mlp import MlpNetwork
from slotwise.controllers.training.objectives import activity_loss, rate_loss
from slotwise.controllers.training.randomised import draw_means, draw_networks
from slotwise.controllers.training.recipe import Recipe
from slotwise.controllers.training.reference import solved
from slotwise.emulator.radio import sum_rate

__all__ = ["Options", "Pretraining", "RandomisedTask", "ReptileTask", "recipe_for", "task"]

Pretraining = Literal["randomised", "reptile"]

_PARTS = 16
"""Kinds of networks in a batch."""

_WHOLE = 0.75
"""Share of a batch in which every place is taken."""

_IMITATED = 0.2
"""Share of the steps that learn whom WMMSE lets transmit, before the rest raise the rate."""

_RANDOMISED = 0.6
"""``reptile``: share of the steps that learn as ``randomised`` does; sites come after."""

_LOGIT_PENALTY = 3e-4
_LOG_SCALE = 5.0
_REFERENCE_ITERATIONS = 50
_VALIDATION_SEED = 2**31

_TASKS, _INNER_STEPS, _INNER_BATCH, _INNER_RATE = 4, 10, 64, 1e-3
_VALIDATION_SITES, _VALIDATION_DRAWS = 16, 200
_SITE_STREAM = 1  # sites are no networks of the same seed


class Options(NamedTuple):
    """What is learned, and how large the perceptron is.

    Attributes
    ----------
    pretrain : str
        ``randomised`` or ``reptile``.
    users : int
        Places.
    seed : int
        Of first weights and draws. Validation has draws of its own.
    hidden, layers : int
        Units of a hidden layer, and how many of those there are.
    validation : int
        Batches to validate on.
    """

    pretrain: Pretraining = "randomised"
    users: int = 10
    seed: int = 0
    hidden: int = 200
    layers: int = 3
    validation: int = 20


def recipe_for(pretrain: Pretraining, steps: int | None = None, **changes: Any) -> Recipe:
    """Recipe of a way to pre-train; the batch is counted in networks.

    Parameters
    ----------
    pretrain : str
        See `Options`.
    steps : int, optional
        Left out: 20,000.
    **changes
        Other fields of `Recipe`.
    """
    fields: dict[str, Any] = {
        "steps": 20_000 if steps is None else steps,
        "batch": 512,
        "learning_rate": 2e-3 if pretrain == "randomised" else 1e-3,
        "schedule": "cosine",
        "floor": 0.005,
        "warmup": 100,
        "clip": 1.0,
        "validate_every": 1000,
    }
    return Recipe(**fields | changes)


def task(recipe: Recipe, options: Options) -> RandomisedTask:
    """What a perceptron learns beforehand.

    Parameters
    ----------
    recipe : Recipe
        Its batch size and number of steps are needed.
    options : Options
        See there.
    """
    return (RandomisedTask if options.pretrain == "randomised" else ReptileTask)(recipe, options)


class RandomisedTask:
    """Losses and validation on networks of every kind; see `slotwise.controllers.training.loop`.

    Parameters
    ----------
    recipe, options
        As in `task`.

    Attributes
    ----------
    network : MlpNetwork
        What learns.
    identity : dict
        JSON values that say what is learned.
    """

    def __init__(self, recipe: Recipe, options: Options) -> None:
        self._options, self._batch = options, recipe.batch
        self._steps = recipe.steps
        users = options.users
        sizes = MlpSizes(
            users, users, options.hidden, options.layers, "log", "sigmoid", "strongest"
        )
        self.network = MlpNetwork(sizes, options.seed)
        self.network.scale.fill_(_LOG_SCALE)
        self.identity: Mapping[str, Any] = {"network": "mlp", **options._asdict()}
        self._checked: list[tuple[Tensor, Tensor]] = []

    def loss(self, step: int) -> Tensor:
        """Loss of a step, a scalar."""
        return self._loss(step, self._steps)

    def validate(self) -> dict[str, float]:
        """Mean sum rate relative to WMMSE's over networks of every kind."""
        if not self._checked:
            for number in range(self._options.validation):
                snr = _places(_VALIDATION_SEED, number, self._batch, self._options.users)
                self._checked.append((snr, _solved(snr)[1]))
        ratios = [_relative(self.network, snr, reference) for snr, reference in self._checked]
        return {"relative": float(np.mean(ratios))}

    def _loss(self, step: int, steps: int) -> Tensor:
        """Loss of one of so many steps of randomisation."""
        snr = _places(self._options.seed, step, self._batch, self._options.users)
        label, reference = _solved(snr)
        return _loss_of(self.network, snr, reference, label if step < _IMITATED * steps else None)


class ReptileTask(RandomisedTask):
    """After randomisation, first-order meta-learning over sites.

    Parameters
    ----------
    recipe, options
        As in `task`.

    Notes
    -----
    Reptile moves weights θ towards the weights φ that fine-tuning at a site leads to. As in the
    paper's section 3, θ - φ over the inner step size is taken for a gradient, which Adam follows;
    so the loss of a step has that gradient. Its value is the mean loss of the inner steps.
    """

    def loss(self, step: int) -> Tensor:
        """Loss of a step, a scalar."""
        before = round(_RANDOMISED * self._steps)
        return self._loss(step, before) if step < before else self._towards_sites(step)

    def validate(self) -> dict[str, float]:
        """Mean sum rate relative to WMMSE's at sites after fine-tuning, which decides, and before.

        And that over networks of every kind, without fine-tuning.
        """
        adapted, unadapted = [], []
        for number in range(_VALIDATION_SITES):
            site = _Site(_VALIDATION_SEED, number, 0, self._options.users)
            snr = site.faded(_INNER_STEPS, _VALIDATION_DRAWS)
            reference = _solved(snr)[1]
            unadapted.append(_relative(self.network, snr, reference))
            with torch.enable_grad():
                twin, _ = _fine_tuned(self.network, site)
            adapted.append(_relative(twin, snr, reference))
        figures = {"adapted": float(np.mean(adapted)), "unadapted": float(np.mean(unadapted))}
        return figures | super().validate()

    def _towards_sites(self, step: int) -> Tensor:
        """Mean loss of inner steps, with the gradient θ - φ over the inner step size.

        Both are means of some sites.
        """
        total, seen = torch.zeros(()), torch.zeros(())
        for number in range(_TASKS):
            site = _Site(self._options.seed, step, number, self._options.users)
            twin, inner = _fine_tuned(self.network, site)
            seen = seen + inner / _TASKS
            pairs = zip(self.network.parameters(), twin.parameters(), strict=True)
            for start, end in pairs:
                total = total + (start * (start.detach() - end.detach())).sum()
        towards = total / (_TASKS * _INNER_RATE)
        return towards - towards.detach() + seen


class _Site:
    """One site: long-term gains of users, present from the first place on, and their fading.

    Parameters
    ----------
    seed, step, number : int
        Fix it.
    users : int
        Places.
    """

    def __init__(self, seed: int, step: int, number: int, users: int) -> None:
        self._key = (seed, step, number, _SITE_STREAM)
        rng = np.random.default_rng(self._key)
        there = users if rng.random() < _WHOLE else int(rng.integers(1, users + 1))
        means = draw_means(int(rng.integers(2**31)), 0, there, there)
        row = int(rng.integers(len(means.mean)))
        self._mean = torch.zeros(users, users)
        self._mean[:there, :there] = means.mean[row]
        self._cell, self._there = means.cell, there
        self._direct = float(rng.uniform(0.0, 0.9)) if rng.random() < 0.5 else 0.0

    def faded(self, number: int, samples: int) -> Tensor:
        """Gains [n, K, K] with Rician fading of one factor on every link."""
        rng = np.random.default_rng((*self._key, number))
        shape = samples, 2, self._there // self._cell, self._there
        scatter = rng.standard_normal(shape, dtype=np.float32) * np.sqrt((1 - self._direct) / 2)
        scatter[:, 0] += np.sqrt(self._direct)
        power = np.square(scatter).sum(1).repeat(self._cell, axis=1)
        snr = self._mean.expand(samples, -1, -1).clone()
        snr[:, : self._there, : self._there] *= torch.from_numpy(power.astype(np.float32))
        return snr


def _fine_tuned(network: MlpNetwork, site: _Site) -> tuple[MlpNetwork, Tensor]:
    """The network after a few steps at a site, and the mean loss of these, a scalar."""
    twin = copy.deepcopy(network)
    weights = list(twin.parameters())
    optimiser = torch.optim.Adam(weights, _INNER_RATE, fused=True)
    losses = []
    for inner in range(_INNER_STEPS):
        snr = site.faded(inner, _INNER_BATCH)
        optimiser.zero_grad()
        loss = _loss_of(twin, snr, _solved(snr)[1])
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
    return twin, torch.stack(losses).mean()


def _places(seed: int, step: int, samples: int, users: int) -> Tensor:
    """Networks of many kinds [n, K, K], the places of who is absent without gain."""
    rng = np.random.default_rng((seed, step))
    snr = torch.zeros(samples, users, users)
    for at in np.array_split(np.arange(samples), min(_PARTS, samples)):
        there = users if rng.random() < _WHOLE else int(rng.integers(1, users + 1))
        drawn = draw_networks(int(rng.integers(2**31)), 0, len(at) * there, there)
        snr[at, :there, :there] = drawn.snr[: len(at)]
    return snr


def _loss_of(
    network: MlpNetwork, snr: Tensor, reference: Tensor, label: Tensor | None = None
) -> Tensor:
    """Minus the rate relative to a reference; or, with labels, who is on."""
    logits = network.logits(snr.sqrt().flatten(1))
    if label is not None:
        return activity_loss(logits, label)
    rate = rate_loss(snr, torch.sigmoid(logits), reference=reference)
    return rate + _LOGIT_PENALTY * logits.square().mean()


def _relative(network: MlpNetwork, snr: Tensor, reference: Tensor) -> float:
    """Sum of the sum rates over that of references."""
    with torch.no_grad():
        rate = sum_rate(snr, network(snr.sqrt().flatten(1)), 1.0)
    return float(rate.sum() / reference.sum())


def _solved(snr: Tensor) -> tuple[Tensor, Tensor]:
    """WMMSE's powers [n, K] from full power, and their sum rates [n]."""
    return solved(snr, torch.ones(snr.shape[:2]), _REFERENCE_ITERATIONS)
