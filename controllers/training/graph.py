"""Training of the message-passing network: the sum rate itself is what is raised.

Nobody's powers are imitated, as published: the loss is the weighted sum rate with its sign turned.
Each network's is divided by what WMMSE reaches in a few iterations, so that one at high
signal-to-noise ratio counts no more than one at low. Networks are drawn afresh for every step, from
a scenario or of every kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slotwise.controllers.base import broadcast, full_power_snr
from slotwise.controllers.graph import GraphSizes as Sizes
from slotwise.controllers.networks.graph import GraphNetwork
from slotwise.controllers.training.draws import Draw, Part, seed_of
from slotwise.controllers.training.objectives import rate_loss
from slotwise.controllers.training.randomised import Networks, draw_networks
from slotwise.controllers.training.recipe import Recipe
from slotwise.controllers.training.reference import solved
from slotwise.emulator.radio import sum_rate

__all__ = ["RECIPE", "GraphTask", "Sizes"]

_STANDARDISED_BY = 64  # batches
_VALIDATED_ON = (10, 20, 50)  # users of networks of every kind
_VALIDATION_BATCHES = 12  # of each size, because a batch is of one kind
_VALIDATION_USERS = 1000  # of a batch, or a twelfth of a scenario's in all
_REFERENCE_ITERATIONS = 50  # of WMMSE, to divide by


RECIPE = Recipe(
    steps=8000,
    batch=2048,
    optimiser="adam",
    learning_rate=3e-3,
    schedule="cosine",
    warmup=100,
    clip=1.0,
    validate_every=500,
)
"""Recipe of the shipped network; the batch is counted in users, of all its networks together."""


class GraphTask:
    """What the network learns: to raise the weighted sum rate.

    Parameters
    ----------
    draw : callable, optional
        Draws of a scenario, see `slotwise.controllers.training.draws.Draw`; left out: networks of
        every kind and size.
    origin : mapping, optional
        JSON values that say what `draw` draws.
    sizes : Sizes, optional
        Of the network; left out: those of the shipped one.
    batch : int
        Users of a step, in all its networks together.
    seed : int
        Of first weights and draws. Validation has draws of its own.

    Attributes
    ----------
    network : GraphNetwork
        What learns.
    identity : dict
        JSON values that say what is learned.
    """

    def __init__(
        self,
        draw: Draw | None = None,
        origin: Mapping[str, Any] | None = None,
        sizes: Sizes | None = None,
        batch: int = RECIPE.batch,
        seed: int = 0,
    ) -> None:
        self._draw, self._batch, self._seed = draw, batch, seed
        self._users = 0 if draw is None else len(draw(0, 1).p_max)
        self.network = GraphNetwork(Sizes() if sizes is None else sizes, seed)
        self.identity: dict[str, Any] = {
            "network": "graph",
            "origin": "randomised" if draw is None else dict(origin or {}),
            "sizes": self.network.sizes._asdict(),
            "batch": batch,
            "seed": seed,
        }
        self._standardise()
        self._checked = [(each, solved(*each, 500)[1]) for each in self._validation()]

    def loss(self, step: int) -> Tensor:
        """Loss of a step, a scalar: minus the sum rate relative to WMMSE's."""
        drawn = self._networks(Part.TRAINING, step)
        power = self.network(drawn.snr, drawn.weight)
        reference = solved(*drawn, _REFERENCE_ITERATIONS)[1]
        return rate_loss(drawn.snr, power, drawn.weight, reference)

    def validate(self) -> dict[str, float]:
        """Mean sum rate relative to WMMSE's from full power: of all sizes, and of each."""
        ratios: dict[int, list[float]] = {}
        with torch.no_grad():
            for networks, reference in self._checked:
                power = self.network(networks.snr, networks.weight)
                rate = sum_rate(networks.snr, power, 1.0, networks.weight)
                of_size = ratios.setdefault(networks.weight.shape[1], [])
                of_size.append(float(rate.sum() / reference.sum()))
        by_size = {f"relative_{users}": float(np.mean(each)) for users, each in ratios.items()}
        return {"relative": float(np.mean(list(by_size.values()))), **by_size}

    def _networks(self, part: Part, number: int) -> Networks:
        """Networks of one step."""
        if self._draw is None:
            return draw_networks(seed_of(self._seed, part, 0), number, self._batch)
        samples = max(1, self._batch // max(self._users, 1))
        return _drawn(self._draw, seed_of(self._seed, part, number), samples)

    def _standardise(self) -> None:
        """Take means and deviations of the features from the first batches."""
        direct, other = [], []
        for number in range(_STANDARDISED_BY):
            snr = self._networks(Part.TRAINING, number).snr
            users = snr.shape[1]
            own = torch.eye(users, dtype=torch.bool)
            direct.append(snr[:, own].flatten())
            # As many of the others, so that large networks count no more than small ones.
            other.append(snr[:, ~own].flatten()[:: max(users - 1, 1)])
        self.network.standardise(torch.cat(direct), torch.cat(other))

    def _validation(self) -> list[Networks]:
        """Networks that are never learned from."""
        if self._draw is not None:
            samples = max(100, _VALIDATION_BATCHES * _VALIDATION_USERS // max(self._users, 1))
            return [_drawn(self._draw, seed_of(0, Part.VALIDATION, 0), samples)]
        seed = seed_of(0, Part.VALIDATION, 0)
        return [
            draw_networks(seed, number, _VALIDATION_USERS, users)
            for users in _VALIDATED_ON
            for number in range(_VALIDATION_BATCHES)
        ]


def _drawn(draw: Draw, seed: int, samples: int) -> Networks:
    """Networks of a scenario, in units of noise at full power."""
    drops = draw(seed, samples)
    problem = broadcast(drops.gain, drops.noise_power, drops.p_max, drops.weight)
    weight = problem.weight / np.maximum(problem.weight.max(-1, keepdims=True, initial=0.0), 1e-300)
    return Networks(
        torch.from_numpy(full_power_snr(problem).astype(np.float32)),
        torch.from_numpy(weight.astype(np.float32)),
    )
