"""Training of the learned optimiser of energy efficiency: on bits per joule, of every network.

Nobody's powers are imitated. The loss is the logarithm of the efficiency with its sign turned, so
that a network in which little can be had for a joule counts as much as one in which much can; the
powers of earlier layers count a little, and more the later. In some steps users start anywhere and
are told of no sets, so that passes from other starts are worth their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from slotwise.controllers.fractional import fractional
from slotwise.controllers.kernels.energy_sets import grow_sets
from slotwise.controllers.networks.energy import (
    START_SPENT,
    EnergyNetwork,
    Links,
    Sets,
    Sizes,
    efficiency,
)
from slotwise.controllers.training.energy_draws import draw_links
from slotwise.controllers.training.recipe import Recipe
from slotwise.emulator.objective import Aim, Objective

__all__ = ["EnergyTask", "Options", "recipe_for", "sets_of"]

_EARLIER = 0.1
"""What the layers before the last count, in proportion to how late they are."""

_ANYWHERE = 1e3
"""Starts that are drawn lie within this factor below the network's own."""

_VALIDATION_SEED = 2**31
_VALIDATION_STEPS = 60
_VALIDATION_USERS = 1024


class Options(NamedTuple):
    """What the network learns from.

    Attributes
    ----------
    seed : int
        Of first weights and networks. Validation has networks of its own.
    apart_share : float
        Share of steps in which everyone's bits count per joule of its own.
    anywhere_share : float
        Share of steps with starts that are drawn, and users who are told of no sets.
    """

    seed: int = 0
    apart_share: float = 0.2
    anywhere_share: float = 0.1


def recipe_for(steps: int | None = None, **changes: Any) -> Recipe:
    """Recipe of the shipped network; the batch is counted in users, of all its networks together.

    Parameters
    ----------
    steps : int, optional
        Left out: 10,000.
    **changes
        Other fields of `Recipe`.
    """
    fields: dict[str, Any] = {
        "steps": 10_000 if steps is None else steps,
        "batch": 2048,
        "learning_rate": 4e-3,
        "schedule": "cosine",
        "floor": 0.003,
        "warmup": 50,
        "clip": 0.3,
        "validate_every": 500,
    }
    return Recipe(**fields | changes)


class EnergyTask:
    """Losses and validation of the network; see `slotwise.controllers.training.loop`.

    Parameters
    ----------
    recipe : Recipe
        Its batch is the number of users in a step.
    options : Options
        See there.

    Attributes
    ----------
    network : EnergyNetwork
        What learns.
    identity : dict
        JSON values that say what is learned.
    """

    def __init__(self, recipe: Recipe, options: Options) -> None:
        self._options, self._users = options, recipe.batch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.network = EnergyNetwork(Sizes())
        self.identity: Mapping[str, Any] = {"network": "unrolled-ee", **options._asdict()}
        self._validation: list[tuple[Links, Tensor]] = []

    def loss(self, step: int) -> Tensor:
        """Loss of a step, a scalar: minus the mean logarithm of the efficiency."""
        options = self._options
        links = draw_links(options.seed, step, self._users, options.apart_share)
        rng = np.random.default_rng((options.seed, step, 1))
        start, sets = None, None
        if rng.random() < options.anywhere_share:
            below = torch.from_numpy(rng.random(links.cost.shape, dtype=np.float32))
            start = (START_SPENT / links.cost).clamp_max(1.0).log() - np.log(_ANYWHERE) * below
        else:
            sets = sets_of(links, self.network.sizes.chain)
        worth = [efficiency(links, at).log().mean() for at in self.network(links, sets, start)]
        depth = len(worth)
        earlier = [value * (at + 1) / depth for at, value in enumerate(worth[:-1])]
        return -(worth[-1] + _EARLIER * sum(earlier, torch.zeros(())))

    def validate(self) -> dict[str, float]:
        """Mean efficiency in one pass, relative to that of `fractional`, the best of its starts.

        The first figure decides; the second is of the worst kind of network.
        """
        if not self._validation:
            for step in range(_VALIDATION_STEPS):
                links = draw_links(_VALIDATION_SEED, step, _VALIDATION_USERS, 0.2)
                self._validation.append((links, _solved(links)))
        ratios = []
        with torch.no_grad():
            for links, reference in self._validation:
                last = self.network(links, sets_of(links, self.network.sizes.chain))[-1]
                ratios.append(float((efficiency(links, last) / reference).mean()))
        return {"relative": float(np.mean(ratios)), "relative_worst": min(ratios)}


def sets_of(links: Links, chain: int) -> Sets:
    """What users are told of sets.

    Parameters
    ----------
    links : Links
        The problems.
    chain : int
        Users of the largest sets.
    """
    count, users = links.cost.shape
    told = Sets(
        torch.empty(count, users, chain),
        torch.empty(count, users),
        torch.empty(count, users),
        torch.empty(count),
    )
    problem = links.snr.numpy(), links.cost.numpy(), links.weight.numpy(), links.apart
    grow_sets(*problem, *(part.numpy() for part in told))
    return told


def _solved(links: Links) -> Tensor:
    """Efficiencies that `fractional` reaches [nat per circuit joule], [n]."""
    aim: Aim = "weighted-energy-efficiency" if links.apart else "energy-efficiency"
    gain, weight = links.snr.double().numpy(), links.weight.double().numpy()
    # Everyone's own cost of a watt is part of the gain: powers are in units of what they cost.
    cost = links.cost.double().numpy()
    objective = Objective(aim, 1.0, 1.0)
    power, _ = fractional(gain / cost[:, None, :], 1.0, cost, weight, objective=objective)
    return efficiency(links, torch.from_numpy(power / cost).log().float().clamp_min(-80.0))
