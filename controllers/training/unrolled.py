"""Training of the unrolled network: on the rate itself, over networks of every kind.

Nobody's powers are imitated. The loss is the sum rate that the network's powers have, relative to
WMMSE's in the same network, so that a network at high signal-to-noise ratio counts no more than one
at low; the powers of earlier layers count a little, and more the later. In some steps every network
is solved from several random starts, and half of what counts is the best of them: starts that are
all alike would be worth no more than one. In some steps nobody is told of small sets, because in
big networks nobody will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from slotwise.controllers.kernels.unrolled_sets import set_rates
from slotwise.controllers.networks.unrolled import Sizes, UnrolledNetwork
from slotwise.controllers.training.randomised import Networks, draw_networks
from slotwise.controllers.training.recipe import Recipe
from slotwise.controllers.training.reference import solved
from slotwise.emulator.radio import sum_rate

__all__ = [
    "SIZES",
    "START_SPREAD",
    "Options",
    "UnrolledTask",
    "options_for",
    "recipe_for",
]

SIZES = {"full": Sizes(8, 16, 48, 6, 5), "tiny": Sizes(5, 4, 16, 0, 0)}
"""The two networks that are shipped."""

START_SPREAD = 4.0
"""Standard deviation of the logits of random starts."""

_EARLIER = 0.1
"""What the layers before the last count, in proportion to how late they are."""

_TOLD = 0.75
"""Share of steps in which users are told of small sets."""

_STARTS = 4
_VALIDATION_SEED = 2**31
_VALIDATION_STEPS = 60
_REFERENCE_ITERATIONS = 50


class Options(NamedTuple):
    """What the unrolled network learns from, and how large it is.

    Attributes
    ----------
    size : str
        A key of `SIZES`.
    seed : int
        Of first weights and networks. Validation has networks of its own.
    starts_share : float
        Share of steps with several random starts, between 0 and 1.
    """

    size: str = "full"
    seed: int = 0
    starts_share: float = 0.3


def options_for(size: str, seed: int = 0) -> Options:
    """Options of a size: a tiny network has no room for being good from random starts as well.

    Parameters
    ----------
    size : str
        A key of `SIZES`.
    seed : int
        See `Options`.
    """
    return Options(size, seed) if size == "full" else Options(size, seed, 0.0)


def recipe_for(size: str, steps: int | None = None, **changes: Any) -> Recipe:
    """Recipe of a size; the batch is counted in users, of all its networks together.

    Parameters
    ----------
    size : str
        A key of `SIZES`.
    steps : int, optional
        Left out: 20,000.
    **changes
        Other fields of `Recipe`.
    """
    fields: dict[str, Any] = {
        "steps": 20_000 if steps is None else steps,
        "batch": 4096,
        "learning_rate": 3e-3 if size == "full" else 5e-3,
        "schedule": "cosine",
        "warmup": 100,
        "clip": 0.2,
        "validate_every": 1000,
    }
    return Recipe(**fields | changes)


class UnrolledTask:
    """Losses and validation of an unrolled network; see `slotwise.controllers.training.loop`.

    Parameters
    ----------
    recipe : Recipe
        Its batch is the number of users in a step.
    options : Options
        See there.

    Attributes
    ----------
    network : UnrolledNetwork
        What learns.
    identity : dict
        JSON values that say what is learned.
    """

    def __init__(self, recipe: Recipe, options: Options) -> None:
        self._options, self._users = options, recipe.batch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.network = UnrolledNetwork(SIZES[options.size])
        self.identity: Mapping[str, Any] = {"network": "unrolled", **options._asdict()}
        self._validation: list[tuple[Networks, Tensor]] = []

    def loss(self, step: int) -> Tensor:
        """Loss of a step, a scalar: minus the sum rate relative to WMMSE's."""
        seed = self._options.seed
        rng = np.random.default_rng((seed, step))
        several, told = rng.random(2) < (self._options.starts_share, _TOLD)
        starts = _STARTS if several else 1
        drawn = draw_networks(seed, step, self._users // starts)
        reference = solved(*drawn, _REFERENCE_ITERATIONS)[1]
        sets, start = self._sets(drawn) if told else None, None
        if several:
            drawn = Networks(drawn.snr.repeat(starts, 1, 1), drawn.weight.repeat(starts, 1))
            sets = None if sets is None else sets.repeat(starts, 1, 1)
            noise = rng.standard_normal(drawn.weight.shape, dtype=np.float32)
            start = START_SPREAD * torch.from_numpy(noise)
        logits = self.network(drawn.snr, drawn.weight, sets, start)
        rates = [_rate(drawn, logit).view(starts, -1) / reference for logit in logits]
        last = rates[-1].mean()
        if several:
            last = 0.5 * (last + rates[-1].amax(0).mean())
        depth = len(rates)
        earlier = [rate.mean() * (at + 1) / depth for at, rate in enumerate(rates[:-1])]
        return -(last + _EARLIER * sum(earlier, torch.zeros(())))

    def validate(self) -> dict[str, float]:
        """Mean sum rate relative to WMMSE's over networks of every kind, in one pass.

        The first figure decides, the mean of users who are told of small sets and who are not.
        """
        if not self._validation:
            drawn = [
                draw_networks(_VALIDATION_SEED, step, self._users)
                for step in range(_VALIDATION_STEPS)
            ]
            self._validation = [
                (networks, solved(*networks, _REFERENCE_ITERATIONS)[1]) for networks in drawn
            ]
        with torch.no_grad():
            told = [self._ratio(networks, rate, True) for networks, rate in self._validation]
            untold = [self._ratio(networks, rate, False) for networks, rate in self._validation]
        figures = {"relative": float(np.mean(told)), "relative_untold": float(np.mean(untold))}
        return {"mean": sum(figures.values()) / 2} | figures

    def _ratio(self, networks: Networks, reference: Tensor, told: bool) -> float:
        sets = self._sets(networks) if told else None
        rate = _rate(networks, self.network(networks.snr, networks.weight, sets)[-1])
        return float(rate.sum() / reference.sum())

    def _sets(self, networks: Networks) -> Tensor | None:
        """What users are told of small sets, [n, K, chain]."""
        chain = self.network.sizes.chain
        if chain == 0:
            return None
        return torch.from_numpy(set_rates(networks.snr.numpy(), networks.weight.numpy(), chain))


def _rate(networks: Networks, logit: Tensor) -> Tensor:
    """Weighted sum rates [n]."""
    rate: Tensor = sum_rate(networks.snr, torch.sigmoid(logit), 1.0, networks.weight)
    return rate
