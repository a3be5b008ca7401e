"""Training of the perceptron for bits per joule: what it learns from, and what from each batch.

Published is imitation of a solver's powers. Here nobody's are needed: the loss is the energy
efficiency itself, its logarithm with the sign turned, so that a network of little counts as much as
one of plenty. Imitation is kept as ``supervised``, and as the beginning of ``both``.

One network serves all largest powers from -30 to 20 dBW: each sample has one of its own, the same
for all users, drawn here and not by the scenario.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from slotwise.controllers.base import broadcast
from slotwise.controllers.energy_mlp import EnergyMlpSizes
from slotwise.controllers.fractional import fractional
from slotwise.controllers.kernels.energy_inputs import see_all
from slotwise.controllers.networks.energy_mlp import EnergyMlpNetwork
from slotwise.controllers.training.draws import (
    BLOCK,
    Draw,
    Part,
    Spread,
    in_turn,
    of_scenario,
    seed_of,
)
from slotwise.controllers.training.recipe import Recipe
from slotwise.emulator.objective import Objective
from slotwise.emulator.scenario import InputError, Scenario

__all__ = ["RECIPE", "EnergyMlpTask", "Learned", "Options", "Samples", "collect", "task"]

Learned = Literal["unsupervised", "supervised", "both"]
Array = NDArray[np.float64]

RECIPE = Recipe(
    steps=12_000,
    batch=2000,
    optimiser="adam",
    learning_rate=6e-3,
    schedule="cosine",
    warmup=200,
    clip=1.0,
    validate_every=400,
)
"""Recipe of the shipped networks."""

LOWEST_DBW, HIGHEST_DBW = -30.0, 20.0
"""Largest powers that are learned."""

_UNIT = Objective("energy-efficiency", 1.0, 1.0)
"""The objective in units in which a user's circuits and its amplifier take one."""

_IMITATED = 0.25
"""Share of the steps of ``both`` that imitate before the rest raises the objective itself."""

_LEAST_POWER = 2.0**-24
"""Powers below, in units, are imitated as this."""


class Options(NamedTuple):
    """What the perceptron learns from.

    Attributes
    ----------
    objective : str
        ``unsupervised``: raise the energy efficiency; ``supervised``: imitate the logarithms of
        the powers of `fractional`, the best of its starts; ``both``: first the one, then the other.
    samples : int
        Size of the fixed set of samples.
    seed : int
        Of first weights, samples and their order. Validation has draws of its own.
    validation : int
        Samples to validate on.
    """

    objective: Learned = "unsupervised"
    samples: int = 200_000
    seed: int = 0
    validation: int = 2000


class Samples(NamedTuple):
    """Networks as the perceptron sees them, users in the order of their places.

    Attributes
    ----------
    inputs : Tensor, shape (n, inputs)
        See `slotwise.controllers.kernels.energy_inputs`.
    snr : Tensor, shape (n, K, K)
        Gains in units.
    limit : Tensor, shape (n, K)
        Largest powers in units.
    label : Tensor, shape (n, K) or (0, K)
        Powers of the solver in units, where they were wanted.
    """

    inputs: Tensor
    snr: Tensor
    limit: Tensor
    label: Tensor

    def part(self, which: Tensor | slice) -> Samples:
        """Some of the samples."""
        label = self.label[which] if len(self.label) else self.label
        return Samples(self.inputs[which], self.snr[which], self.limit[which], label)


def collect(
    draw: Draw,
    objective: Objective,
    key: tuple[int, Part],
    samples: int,
    labels: bool = False,
    progress: Callable[[int], None] | None = None,
    spread: Spread = in_turn,
) -> Samples:
    """Draw a set of samples, block by block.

    Parameters
    ----------
    draw : callable
        Where gains come from, see `slotwise.controllers.training.draws.Draw`.
    objective : Objective
        What a watt costs.
    key : (int, Part)
        Seed, and what the set is for.
    samples : int
        How many. A set of a thousand is the beginning of a larger one.
    labels : bool
        Solve them, too.
    progress : callable, optional
        Called with how many are done.
    spread : Spread
        Draws the blocks; the set is the same whoever does.

    Raises
    ------
    InputError
        If circuits take no power: then the best of powers are none at all.
    """
    if objective.circuit_power_w <= 0.0:
        raise InputError("radio.circuit_power_w = 0.0: must be positive to learn from")
    do = functools.partial(_block, draw, objective, key, labels)
    parts, done = {}, 0
    for number, columns in spread(do, range(-(-samples // BLOCK))):
        size = min(BLOCK, samples - number * BLOCK)
        parts[number] = tuple(column[:size] for column in columns)
        done += size
        if progress is not None:
            progress(done)
    in_order = (parts[number] for number in range(len(parts)))
    whole = (np.concatenate(columns) for columns in zip(*in_order, strict=True))
    return Samples(*map(torch.from_numpy, whole))


def _block(
    draw: Draw, objective: Objective, key: tuple[int, Part], labels: bool, number: int
) -> tuple[NDArray[np.float32], ...]:
    """One block of samples, as arrays."""
    seed = seed_of(*key, number)
    drawn = draw(seed, BLOCK)
    level = np.random.default_rng((seed, 1)).uniform(LOWEST_DBW, HIGHEST_DBW, (BLOCK, 1))
    unit = objective.circuit_power_w / objective.amplifier_inefficiency
    p_max = 10.0 ** (level / 10.0) / unit
    problem = broadcast(drawn.gain * unit, drawn.noise_power, p_max, drawn.weight)
    gain = np.ascontiguousarray(problem.gain / problem.noise_power[..., None])
    limit = np.ascontiguousarray(problem.p_max)
    users = gain.shape[-1]
    order = np.empty(limit.shape, np.int64)
    snr, full = np.empty(gain.shape, np.float32), np.empty(limit.shape, np.float32)
    inputs = np.empty((BLOCK, EnergyMlpSizes(users).inputs), np.float32)
    see_all(gain, limit, order, snr, full, inputs)
    label = np.empty((0, users), np.float32)
    if labels:
        power = fractional(gain, 1.0, limit, objective=_UNIT)[0]
        label = np.take_along_axis(power, order, 1).astype(np.float32)
    return inputs, snr, full, label


def task(
    scenario: Scenario,
    users: int,
    recipe: Recipe,
    options: Options,
    progress: Callable[[int], None] | None = None,
    spread: Spread = in_turn,
) -> EnergyMlpTask:
    """What a perceptron learns in a scenario.

    Parameters
    ----------
    scenario : Scenario
        Its draws are learned from, and its radio says what a watt costs.
    users : int
        Users K.
    recipe : Recipe
        Its batch size and number of steps are needed to make batches.
    options : Options
        See there.
    progress : callable, optional
        Called with the samples drawn so far.
    spread : Spread
        Draws and solves the sets of samples.
    """
    identity = {"scenario": scenario.model_dump(mode="json"), "users": users}
    objective = Objective.of(scenario)
    return EnergyMlpTask(
        of_scenario(scenario, users), objective, recipe, options, identity, progress, spread
    )


class EnergyMlpTask:
    """Batches, losses and validation; see `slotwise.controllers.training.loop`.

    Parameters
    ----------
    draw, objective
        As of `collect`.
    recipe, options, progress, spread
        As of `task`.
    source : mapping
        JSON values that say what `draw` draws.

    Attributes
    ----------
    network : EnergyMlpNetwork
        What learns.
    identity : dict
        JSON values that say what is learned.
    """

    def __init__(
        self,
        draw: Draw,
        objective: Objective,
        recipe: Recipe,
        options: Options,
        source: Mapping[str, Any],
        progress: Callable[[int], None] | None = None,
        spread: Spread = in_turn,
    ) -> None:
        self._recipe, self._options = recipe, options
        share = {"unsupervised": 0.0, "both": _IMITATED, "supervised": 1.0}[options.objective]
        self._turn = round(share * recipe.steps)
        key = options.seed, Part.TRAINING
        self._kept = collect(draw, objective, key, options.samples, share > 0.0, progress, spread)
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))
        checked = (0, Part.VALIDATION), options.validation, True
        self._checked = collect(draw, objective, *checked, spread=spread)
        self._reference = self._value(self._checked, self._checked.label)
        self.network = EnergyMlpNetwork(EnergyMlpSizes(self._kept.limit.shape[1]), options.seed)
        self.network.standardise(self._kept.inputs)
        self.identity: dict[str, Any] = {"network": "mlp-ee", **options._asdict(), **source}

    def batch(self, step: int) -> Samples:
        """The samples of one batch."""
        samples = len(self._kept.inputs)
        size = min(self._recipe.batch, samples)
        epoch, place = divmod(step, samples // size)
        if self._order[0] != epoch:
            rng = np.random.default_rng((self._options.seed, epoch))
            self._order = epoch, torch.from_numpy(rng.permutation(samples))
        return self._kept.part(self._order[1][place * size : (place + 1) * size])

    def loss(self, step: int) -> Tensor:
        """Loss of a batch, a scalar."""
        batch = self.batch(step)
        power = self._power(batch)
        if step < self._turn:
            given, wanted = (torch.log2(p.clamp_min(_LEAST_POWER)) for p in (power, batch.label))
            return functional.mse_loss(given, wanted)
        return -torch.log2(self._value(batch, power)).mean()

    def validate(self) -> dict[str, float]:
        """Energy efficiency relative to that of `fractional`, the mean of all validation draws."""
        with torch.no_grad():
            value = self._value(self._checked, self._power(self._checked))
        return {"relative": float((value / self._reference).mean())}

    def _power(self, samples: Samples) -> Tensor:
        own = samples.snr.diagonal(0, -2, -1)
        power: Tensor = self.network(samples.inputs, own, samples.limit)
        return power

    @staticmethod
    def _value(samples: Samples, power: Tensor) -> Tensor:
        return _UNIT.value(samples.snr, power, 1.0)
