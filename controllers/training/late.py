r"""Training of the unrolled network for late and wrong gains: on the rate that is to be expected.

A controller never sees the gains that its powers will meet. What it knows of a link comes to two
numbers: with a report, or a filter over many, the gain is :math:`|\sqrt A + \sqrt V e|^2`,
:math:`e \sim \mathcal{CN}(0, 1)`, with a known part A and an unknown part of mean V. From one
report with correlation ρ to the present and an estimation noise of ν times the mean gain m,
:math:`A = (ρ / (1 + ν))^2 \hat g` and :math:`V = (1 - ρ^2 / (1 + ν)) m`; a Kalman filter gives an
A and a V of the same meaning. Here both are drawn from their law, whatever they may come from, and
the loss is the sum rate over fresh draws of the gains themselves. Nobody's powers are imitated.

Training begins with weights of a network that takes gains as they are, and in a share of the
networks everything is known: where reports are perfect, nothing shall be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from slotwise.controllers.cards import Trained, read
from slotwise.controllers.kernels.unrolled_sets import set_rates
from slotwise.controllers.networks.unrolled import (
    FEATURES,
    LATE_FEATURES,
    Sizes,
    UnrolledNetwork,
    audible,
    typical,
)
from slotwise.controllers.training.randomised import draw_means
from slotwise.controllers.training.recipe import Recipe
from slotwise.controllers.training.reference import solved
from slotwise.emulator.radio import sum_rate

__all__ = [
    "LateTask",
    "Options",
    "Reports",
    "draw_gains",
    "draw_reports",
    "extended",
    "recipe_for",
]

_EARLIER = 0.1
"""What the layers before the last count, in proportion to how late they are."""

_TOLD = 0.9
"""Share of steps in which users are told of small sets."""

_VALIDATION_SEED = 2**31
_VALIDATION_STEPS = 40
_VALIDATION_GAINS = 8
_REFERENCE_ITERATIONS = 50
_LEAST_RATE = 1e-3
_REPORTS, _GAINS, _CHOICES = 1, 2, 3
"""What random numbers of a step are for. The numbers are part of what a seed means."""


class Options(NamedTuple):
    """What the network learns from.

    Attributes
    ----------
    seed : int
        Of networks and reports. Validation has its own.
    base : str
        Weights to begin with: a name or a path, see `slotwise.controllers.cards.read`.
    gains : int
        Draws of the true gains that powers are judged by, for each report.
    """

    seed: int = 0
    base: str = "unrolled"
    gains: int = 4


class Reports(NamedTuple):
    """What is known of a batch of networks of one size.

    Attributes
    ----------
    known, doubt : Tensor, shape (n, K, K), float32
        Known parts of the gains, and means of their unknown parts, in units of noise at full
        power; rows are receivers.
    weight : Tensor, shape (n, K), float32
        Weights of the rates, the largest of each network one.
    cell : int
        Users that share a receiver, one after the other: their rows are the same, and so are those
        of the gains.
    """

    known: Tensor
    doubt: Tensor
    weight: Tensor
    cell: int


def recipe_for(steps: int | None = None, **changes: Any) -> Recipe:
    """Recipe; the batch is counted in users, of all its networks together.

    Parameters
    ----------
    steps : int, optional
        Left out: 8,000.
    **changes
        Other fields of `Recipe`.
    """
    fields: dict[str, Any] = {
        "steps": 8_000 if steps is None else steps,
        "batch": 4096,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "warmup": 100,
        "clip": 0.2,
        "validate_every": 1000,
    }
    return Recipe(**fields | changes)


class LateTask:
    """Losses and validation; see `slotwise.controllers.training.loop`.

    Parameters
    ----------
    recipe : Recipe
        Its batch is the number of users in a step.
    options : Options
        See there.

    Raises
    ------
    InputError
        If there are no weights to begin with.

    Attributes
    ----------
    network : UnrolledNetwork
        What learns.
    identity : dict
        JSON values that say what is learned.
    """

    def __init__(self, recipe: Recipe, options: Options) -> None:
        self._options, self._users = options, recipe.batch
        base = read(options.base, "unrolled")
        self.network = extended(base)
        name, seed = base.card.name, base.card.seed
        self.identity: Mapping[str, Any] = {
            "network": "unrolled-late",
            **options._asdict(),
            "base": f"{name}, seed {seed}, {base.card.steps} steps",
        }
        self._validation: list[tuple[Reports, Tensor, Tensor]] = []

    def loss(self, step: int) -> Tensor:
        """Loss of a step, a scalar: minus the sum rate relative to WMMSE's on the mean gains.

        The reference is what WMMSE would have if gains were what they are in the mean: it makes
        networks of all kinds count alike, and does not depend on the draws that powers meet.
        """
        seed, count = self._options.seed, self._options.gains
        reports = draw_reports(seed, step, self._users)
        told = np.random.default_rng((seed, step, _CHOICES)).random() < _TOLD
        mean = reports.known + reports.doubt
        reference = sum_rate(mean, _on_the_mean(reports), 1.0, reports.weight)
        reference = reference.clamp_min(_LEAST_RATE)
        logits = self._logits(reports, told)
        generator = _generator(seed, step, _GAINS)
        gains = draw_gains(reports, count, generator)
        rate = _rate(gains, audible(logits[-1]), reports.weight) / reference
        loss = -rate.mean()
        for at, logit in enumerate(logits[:-1]):
            rate = _rate(gains[:1], torch.sigmoid(logit), reports.weight) / reference
            loss = loss - _EARLIER * (at + 1) / len(logits) * rate.mean()
        return loss

    def validate(self) -> dict[str, float]:
        """Mean sum rate relative to WMMSE's on the mean gains, over draws of the true ones.

        The first figure decides; the others are of the networks of which everything is known, and
        of the rest.
        """
        if not self._validation:
            drawn = [
                draw_reports(_VALIDATION_SEED, step, self._users)
                for step in range(_VALIDATION_STEPS)
            ]
            self._validation = [
                (reports, _exactly(reports), _true_rate(reports, _on_the_mean(reports), step))
                for step, reports in enumerate(drawn)
            ]
        ratios = []
        with torch.no_grad():
            for step, (reports, exactly, reference) in enumerate(self._validation):
                power = audible(self._logits(reports, told=True)[-1])
                rate = _true_rate(reports, power, step)
                parts = [torch.ones_like(exactly), exactly, ~exactly]
                ratios.append([float(rate[p].sum() / reference[p].sum()) for p in parts])
        names = ("relative", "relative_exact", "relative_late")
        return dict(zip(names, np.nanmean(ratios, 0).tolist(), strict=True))

    def _logits(self, reports: Reports, told: bool) -> list[Tensor]:
        snr = typical(reports.known, reports.doubt)
        chain = self.network.sizes.chain
        sets = None
        if told and chain:
            sets = torch.from_numpy(set_rates(snr.numpy(), reports.weight.numpy(), chain))
        logits: list[Tensor] = self.network(snr, reports.weight, sets, doubt=reports.doubt)
        return logits


def extended(base: Trained) -> UnrolledNetwork:
    """A network that is told what is not known, and does not listen yet.

    Parameters
    ----------
    base : Trained
        Weights of an unrolled network.

    Returns
    -------
    UnrolledNetwork
        With zeros for weights of what is new: where everything is known, and before any training,
        it answers as the base does.
    """
    sizes: dict[str, Any] = {**base.card.sizes, "late": LATE_FEATURES}
    network = UnrolledNetwork(Sizes(**sizes))
    tensors = {name: torch.from_numpy(tensor) for name, tensor in base.tensors.items()}
    missing = LATE_FEATURES - int(base.card.sizes.get("late", 0))
    for name, tensor in tensors.items():
        if missing and name.endswith(("message.weight", "inner.weight")):
            new = torch.zeros(len(tensor), missing)
            tensors[name] = torch.cat([tensor[:, :FEATURES], new, tensor[:, FEATURES:]], 1)
    network.load_plain_tensors(tensors)
    return network


def draw_reports(seed: int, step: int, nodes: int, users: int | None = None) -> Reports:
    """Draw what is known in one step of training.

    Parameters
    ----------
    seed, step, nodes, users
        As of `slotwise.controllers.training.randomised.draw_means`.

    Returns
    -------
    Reports
        Of networks of every kind, some with lines of sight, which are known. What is unknown of
        the rest is a share of its mean, the same for all links of a network or for those of one
        transmitter: nothing in a fifth, a little in a fifth, any share in the others.
    """
    mean, weight, cell = draw_means(seed, step, nodes, users)
    count, size, _ = mean.shape
    generator = _generator(seed, step, _REPORTS)
    choice = torch.rand(2, generator=generator)
    share = _unknown(count, generator)
    if choice[0] < 0.25:
        other = torch.rand(count, 1, size, generator=generator) < 0.5
        share = torch.where(other, share, _unknown(count, generator))
    sight = torch.zeros(1)
    if choice[1] < 0.25:
        sight = 0.9 * torch.rand(count, 1, 1, generator=generator)
    real, imaginary = _normals(mean.shape, cell, generator)
    spread = ((1 - sight) * (1 - share)).sqrt()
    known = mean * ((sight.sqrt() + spread * real).square() + (spread * imaginary).square())
    return Reports(known, mean * (1 - sight) * share, weight, cell)


def draw_gains(reports: Reports, count: int, generator: torch.Generator) -> Tensor:
    """Draw true gains from their law, given what is known.

    Parameters
    ----------
    reports : Reports
        What is known.
    count : int
        Draws of each network.
    generator : torch.Generator
        Of the draws.

    Returns
    -------
    Tensor, shape (count, n, K, K), float32
        In units of noise at full power.
    """
    known, deviation = reports.known.sqrt(), reports.doubt.sqrt()
    gains = []
    for _ in range(count):
        real, imaginary = _normals(known.shape, reports.cell, generator)
        gains.append((known + deviation * real).square() + (deviation * imaginary).square())
    return torch.stack(gains)


def _unknown(count: int, generator: torch.Generator) -> Tensor:
    """Shares of the scattered power that are not known, [count, 1, 1]."""
    kind, at = torch.rand(2, count, 1, 1, generator=generator)
    share = torch.where(kind < 0.7, 0.02 + 0.8 * at, 0.8 + 0.2 * at)
    share = torch.where(kind < 0.4, 10 ** (2.5 * at - 3.0), share)
    return torch.where(kind < 0.2, torch.zeros(()), share)


def _normals(shape: torch.Size, cell: int, generator: torch.Generator) -> Tensor:
    """Real and imaginary parts of CN(0, 1), the same for users of one receiver."""
    count, users, _ = shape
    drawn: Tensor = torch.randn(2, count, users // cell, users, generator=generator) * 0.5**0.5
    return drawn.repeat_interleave(cell, 2) if cell > 1 else drawn


def _generator(seed: int, step: int, purpose: int) -> torch.Generator:
    rng = np.random.default_rng((seed, step, purpose))
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def _exactly(reports: Reports) -> Tensor:
    """Of which networks everything is known, [n]."""
    return reports.doubt.flatten(1).amax(1) == 0


def _rate(gains: Tensor, power: Tensor, weight: Tensor) -> Tensor:
    """Weighted sum rates [n], the mean over draws of gains."""
    rate: Tensor = sum_rate(gains, power, 1.0, weight)
    return rate.mean(0)


def _true_rate(reports: Reports, power: Tensor, step: int) -> Tensor:
    """Weighted sum rates [n] in the draws of validation, one after the other to save memory."""
    generator = _generator(_VALIDATION_SEED, step, _GAINS)
    drawn = (draw_gains(reports, 1, generator) for _ in range(_VALIDATION_GAINS))
    rates = torch.stack([_rate(gains, power, reports.weight) for gains in drawn])
    return rates.mean(0)


def _on_the_mean(reports: Reports) -> Tensor:
    """WMMSE's powers on the mean gains, as fractions of the largest [n, K]."""
    return solved(reports.known + reports.doubt, reports.weight, _REFERENCE_ITERATIONS)[0]
