"""Training of the perceptron: what it learns from, and what from each of its batches.

Three objectives. ``supervised`` is the recipe of Sun et al., IEEE Trans. Signal Process. 66(20),
2018, Section V: the mean square error against WMMSE's powers, from amplitudes, with an output that
is clipped. ``unsupervised``: the sum rate itself, from logarithms of gains. ``both``: first which
users WMMSE lets transmit, by cross entropy, and then the sum rate; from random weights alone the
sum rate leads to full power for everyone and stays there. Where the rate itself is raised, every
user can be promised a mean rate; see `slotwise.controllers.training.primal_dual`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from slotwise.controllers.mlp import MlpSizes
from slotwise.controllers.networks.mlp import MlpNetwork
from slotwise.controllers.training.draws import (
    Draw,
    Form,
    Part,
    Spread,
    block,
    collect,
    form_of,
    in_turn,
    of_scenario,
    seed_of,
)
from slotwise.controllers.training.primal_dual import Prices
from slotwise.controllers.training.recipe import Recipe
from slotwise.emulator.radio import rate, sum_rate
from slotwise.emulator.scenario import Scenario

__all__ = ["MlpTask", "Objective", "Options", "recipe_for", "task"]

Objective = Literal["supervised", "unsupervised", "both"]

_LOGIT_PENALTY = 1e-3
_IMITATED = 0.25
"""Share of the steps of ``both`` that imitate WMMSE before the rest raises the sum rate."""

_EVALUATED_AT_ONCE = 1000


class Options(NamedTuple):
    """What the perceptron learns from, and how large it is.

    Attributes
    ----------
    objective : str
        ``supervised``, ``unsupervised`` or ``both``.
    samples : int
        Size of the fixed set of samples to learn from; zero: fresh ones in every step.
    seed : int
        Of first weights, samples and their order. Validation has draws of its own.
    hidden, layers : int
        Units of a hidden layer, and how many of those there are.
    validation : int
        Samples to validate on.
    features : str
        Inputs where the rate is raised, standardised: ``amplitude``, or ``log`` of the gains. The
        published network sees amplitudes as they are.
    min_rate : float
        Mean rate that every user, or place, is promised where the rate is raised [bit/s/Hz]; 0:
        none.
    price_step : float
        Of its price at first, see `slotwise.controllers.training.primal_dual.Prices`; it falls to
        zero in a straight line.
    """

    objective: Objective = "supervised"
    samples: int = 1_000_000
    seed: int = 0
    hidden: int = 200
    layers: int = 3
    validation: int = 10_000
    features: Literal["amplitude", "log"] = "amplitude"
    min_rate: float = 0.0
    price_step: float = 0.01


def recipe_for(objective: Objective, steps: int | None = None, **changes: Any) -> Recipe:
    """Recipe of an objective: the published one where it is supervised.

    Parameters
    ----------
    objective : str
        See `Options`.
    steps : int, optional
        Left out: 100 epochs of a million samples where supervised, else 16.
    **changes
        Other fields of `Recipe`.
    """
    fields: dict[str, Any] = {"batch": 1000}
    if objective == "supervised":
        fields |= {"steps": 100_000, "optimiser": "rmsprop", "learning_rate": 1e-3, "decay": 0.9}
        fields |= {"schedule": "plateau", "plateau_factor": 0.5, "plateau_patience": 4}
        fields |= {"validate_every": 1000}
    else:
        fields |= {"steps": 16_000, "optimiser": "adam", "learning_rate": 1e-3}
        fields |= {"schedule": "cosine", "validate_every": 1000}
    if steps is not None:
        fields["steps"] = steps
    return Recipe(**fields | changes)


def task(
    scenario: Scenario,
    users: int,
    recipe: Recipe,
    options: Options,
    progress: Callable[[int], None] | None = None,
    spread: Spread = in_turn,
) -> MlpTask:
    """What a perceptron learns in a scenario.

    Parameters
    ----------
    scenario : Scenario
        Its draws are learned from.
    users : int
        Users K.
    recipe : Recipe
        Its batch size and number of steps are needed to make batches.
    options : Options
        See there.
    progress : callable, optional
        Called with the samples of the fixed set drawn so far.
    spread : Spread
        Draws and solves the sets of samples.
    """
    identity = {"scenario": scenario.model_dump(mode="json"), "users": users}
    return MlpTask(of_scenario(scenario, users), recipe, options, identity, progress, spread)


class MlpTask:
    """Batches, losses and validation of a perceptron; see `slotwise.controllers.training.loop`.

    Parameters
    ----------
    draw : callable
        Where samples come from, see `slotwise.controllers.training.draws.Draw`.
    recipe, options
        As in `task`.
    source : mapping
        JSON values that say what `draw` draws.
    progress, spread
        As in `task`.

    Attributes
    ----------
    network : MlpNetwork
        What learns.
    identity : dict
        JSON values that say what is learned.
    """

    def __init__(
        self,
        draw: Draw,
        recipe: Recipe,
        options: Options,
        source: Mapping[str, Any],
        progress: Callable[[int], None] | None = None,
        spread: Spread = in_turn,
    ) -> None:
        self._draw, self._recipe, self._options = draw, recipe, options
        self._form = form_of(draw)
        self._supervised = options.objective == "supervised"
        self._turn = round(_IMITATED * recipe.steps) if options.objective == "both" else 0
        self.network = MlpNetwork(self._sizes(), options.seed)
        self._prices: Prices | None = None
        if options.min_rate > 0.0 and not self._supervised:
            self._prices = Prices(len(self._form.station), options.min_rate, options.price_step)
            self.network.add_module("prices", self._prices)
        self.identity: dict[str, Any] = {"network": "mlp", **options._asdict(), **source}
        labels = options.objective != "unsupervised"
        if options.samples:
            about = draw, self._form, options.seed, Part.TRAINING, options.samples, labels
            kept = collect(*about, progress, spread)
            self._amplitude, self._fraction = map(torch.from_numpy, kept)
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))
        self._batch: tuple[Tensor, Tensor] = torch.empty(0), torch.empty(0)
        self._checked = _Validation.drawn(draw, self._form, options, spread)
        if not self._supervised:
            self.network.standardise(self._checked.amplitude)
        elif len(self._form.first) < len(self._form.station):
            self.network.lift(self._checked.amplitude)  # in cells, gains range over eight decades

    def _sizes(self) -> MlpSizes:
        users, stations = len(self._form.station), len(self._form.first)
        hidden, layers = self._options.hidden, self._options.layers
        if self._supervised:
            return MlpSizes(users, stations, hidden, layers, "amplitude", "relu6")
        return MlpSizes(users, stations, hidden, layers, self._options.features, "sigmoid")

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Amplitudes [n, N K] and labels [n, K] of one batch, valid until the next is asked for."""
        size, samples = self._recipe.batch, self._options.samples
        if not samples:
            seed = seed_of(self._options.seed, Part.TRAINING, step)
            labels = self._supervised or step < self._turn
            fresh = block(self._draw, self._form, seed, labels, size)
            return torch.from_numpy(fresh.amplitude), torch.from_numpy(fresh.fraction)
        size = min(size, samples)
        epoch, place = divmod(step, samples // size)
        if self._order[0] != epoch:
            rng = np.random.default_rng((self._options.seed, epoch))
            self._order = epoch, torch.from_numpy(rng.permutation(samples))
        rows = self._order[1][place * size : (place + 1) * size]
        # Into the same memory every time: fresh pages cost as much as the copy itself.
        torch.index_select(self._amplitude, 0, rows, out=self._batch[0])
        torch.index_select(self._fraction, 0, rows, out=self._batch[1])
        return self._batch

    def loss(self, step: int) -> Tensor:
        """Loss of a batch, a scalar; prices of promised rates, if there are any, go a step on."""
        amplitude, fraction = self.batch(step)
        if self._supervised:
            return functional.mse_loss(self.network(amplitude), fraction)
        logits = self.network.logits(amplitude)
        if step < self._turn:
            on = (fraction > 0.5).float()
            return functional.binary_cross_entropy_with_logits(logits, on)
        penalty, power = _LOGIT_PENALTY * logits.square().mean(), torch.sigmoid(logits)
        if self._prices is None:
            return penalty - _sum_rate(amplitude, power, self._form).mean()
        rates = rate(_gain(amplitude, self._form), power, 1.0)
        lagrangian: Tensor = self._prices(rates)
        self._prices.renew(rates, 1.0 - step / self._recipe.steps)
        return penalty - lagrangian

    def validate(self) -> dict[str, float]:
        """Mean sum rate relative to WMMSE's, of the powers as they are and rounded at half.

        The first decides: rounded where the network imitates, as it is published, else raw. With
        promised rates it is raw where they are kept, and minus what lacks elsewhere.
        """
        checked, rates = self._checked, torch.zeros(2, dtype=torch.float64)
        with torch.no_grad():
            for at in range(0, len(checked.amplitude), _EVALUATED_AT_ONCE):
                amplitude = checked.amplitude[at : at + _EVALUATED_AT_ONCE]
                power = self.network(amplitude)
                for kind, tried in enumerate((power, (power > 0.5).float())):
                    rates[kind] += _sum_rate(amplitude, tried, self._form).double().sum()
        raw, rounded = (rates / checked.reference).tolist()
        figures = {"relative": raw, "relative_rounded": rounded}
        if self._prices is not None:
            mean = self._mean_rates()
            return {"merit": self._prices.merit(mean, raw), **figures, "least": float(mean.min())}
        return dict(reversed(figures.items())) if self._supervised else figures

    def _mean_rates(self) -> Tensor:
        """Mean rate of each user on validation draws, [K]."""
        amplitude = self._checked.amplitude
        total = torch.zeros(len(self._form.station), dtype=torch.float64)
        with torch.no_grad():
            for at in range(0, len(amplitude), _EVALUATED_AT_ONCE):
                some = amplitude[at : at + _EVALUATED_AT_ONCE]
                total += rate(_gain(some, self._form), self.network(some), 1.0).double().sum(0)
        return total / len(amplitude)


class _Validation(NamedTuple):
    """Amplitudes [n, N K] of draws that are never learned from, and the sum of WMMSE's rates."""

    amplitude: Tensor
    reference: float

    @classmethod
    def drawn(cls, draw: Draw, form: Form, options: Options, spread: Spread) -> _Validation:
        kept = collect(draw, form, 0, Part.VALIDATION, options.validation, spread=spread)
        amplitude, fraction = map(torch.from_numpy, kept)
        total = 0.0
        for at in range(0, len(amplitude), _EVALUATED_AT_ONCE):
            rows = slice(at, at + _EVALUATED_AT_ONCE)
            total += float(_sum_rate(amplitude[rows], fraction[rows], form).double().sum())
        return cls(amplitude, total)


def _sum_rate(amplitude: Tensor, fraction: Tensor, form: Form) -> Tensor:
    """Sum rates [n] of powers [n, K] given the amplitudes [n, N K]."""
    return sum_rate(_gain(amplitude, form), fraction, 1.0)


def _gain(amplitude: Tensor, form: Form) -> Tensor:
    """Gains [n, K, K] in units of noise at full power, of amplitudes [n, N K]."""
    gain = amplitude.square().view(len(amplitude), len(form.first), len(form.station))
    if len(form.first) < len(form.station):
        gain = gain[:, torch.from_numpy(form.station)]
    return gain
