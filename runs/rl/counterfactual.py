r"""A policy's gradient over all actions, from sum rates of what everybody could have done instead.

Powers change rates and not channels, so a decision is worth what its own slot carries, and a
simulator knows what the slot would have carried had one user chosen otherwise. With
:math:`Q_k(a)` that sum rate, all others' choices :math:`a_{-k}` drawn from the policy
:math:`\pi`, the gradient

.. math:: \mathbb{E} \sum_k \sum_a \nabla \pi_k(a) \, (Q_k(a) - \sum_b \pi_k(b) Q_k(b))

takes every action of every user into account and not the one drawn alone: an advantage with the
counterfactual baseline of Foerster et al., "Counterfactual multi-agent policy gradients", AAAI
2018, with the simulator in the place of a critic. It is training with the knowledge of all gains,
of a policy that acts on what is reported.

Beside it stand an entropy that fades, and, fading faster, the cross entropy with
:math:`\mathrm{softmax}(Q_k / \tau)`, which hurries the beginning.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from slotwise.controllers.training.draws import Part, seed_of
from slotwise.controllers.training.recipe import Recipe
from slotwise.emulator.encoding import level_fractions
from slotwise.emulator.scenario import InputError, Scenario
from slotwise.envs.networks import PolicyNetwork, PolicySizes
from slotwise.envs.options import options_of
from slotwise.runs.rl.instants import life_slots, per_full_power
from slotwise.runs.rl.kernels.counterfactual import counterfactual_rates
from slotwise.runs.rl.lives import Lives
from slotwise.runs.rl.validation import Validation

__all__ = ["CounterfactualTask", "Exploration", "recipe_for"]

_USERS_OF_A_STEP = 1280
_FEWEST, _MOST = 16, 128  # networks of a step


def recipe_for(rows: int, steps: int = 12_000, networks: int | None = None) -> Recipe:
    """How the graph policy is trained.

    Parameters
    ----------
    rows : int
        M, most users of a network.
    steps : int
        Slots of each network of the batch.
    networks : int, optional
        Of the batch; left out: as many as have about 1280 users, from 16 to 128.
    """
    batch = min(max(_USERS_OF_A_STEP // rows, _FEWEST), _MOST) if networks is None else networks
    return Recipe(
        steps=steps,
        batch=batch,
        learning_rate=6e-3,
        schedule="cosine",
        floor=0.02,
        warmup=min(30, steps // 2),
        clip=1.0,
        validate_every=max(1, min(500, steps // 8)),
    )


@dataclass(frozen=True, slots=True)
class Exploration:
    """What else than the recipe a training has.

    Attributes
    ----------
    first, last : float
        Temperature at the beginning and at the end [bit/s/Hz], between which it falls
        exponentially: weight of the entropy.
    imitation : float
        First weight of the cross entropy, which falls to none. It is for those who are told the
        true gains, and zero unless reports are exact: the softmax of a rate that is known in the
        mean alone is not the mean of the softmax.
    draws : int
        Joint decisions that the others' choices are drawn from; the first is lived.
    groups, slots : int
        See `slotwise.runs.rl.lives.Lives`.
    """

    first: float = 0.6
    last: float = 0.01
    imitation: float = 1.0
    draws: int = 2
    groups: int = 4
    slots: int = 20


def _cost(scenario: Scenario) -> float:
    """What full power costs, over what a user consumes besides; zero where joules do not count.

    Raises
    ------
    InputError
        If the objective is none that this algorithm raises.
    """
    objective = per_full_power(scenario)
    if objective.aim == "sum-rate":
        return 0.0
    if objective.aim == "weighted-energy-efficiency":
        raise InputError(
            f"objective = {objective.aim}: counterfactual learns sum-rate or energy-efficiency; "
            "say --algorithm ppo"
        )
    if objective.circuit_power_w <= 0.0:
        raise InputError(
            "radio.circuit_power_w = 0: silence would be infinitely efficient; must be positive"
        )
    return objective.amplifier_inefficiency / objective.circuit_power_w


class CounterfactualTask:
    """What the graph policy learns: a task of `slotwise.controllers.training.loop.fit`.

    Parameters
    ----------
    scenario : Scenario
        What is lived.
    recipe : Recipe
        Steps and networks of one.
    seed : int
        Of first weights, lives and decisions. Validation has lives of its own.
    levels : int
        Power levels.
    exploration : Exploration, optional
        What else there is to choose.

    Attributes
    ----------
    network : PolicyNetwork
        What learns.
    identity : dict
        JSON values that say what is learned.
    lives : Lives
        What it learns from.

    Raises
    ------
    InputError
        If a decision of the scenario does not hold for one whole slot, or its objective is the
        weighted one.
    """

    def __init__(
        self,
        scenario: Scenario,
        recipe: Recipe,
        seed: int = 0,
        levels: int = 10,
        exploration: Exploration | None = None,
    ) -> None:
        self._validation = Validation(scenario)
        met = self._validation.met
        self._how = exploration or Exploration(
            imitation=1.0 if met.exact else 0.0, slots=life_slots(scenario)
        )
        self._steps, self._seed = recipe.steps, seed
        options = options_of(scenario, action="levels", levels=levels, observation="dict")
        lived = seed_of(seed, Part.TRAINING, 0)
        self.lives = Lives(options, recipe.batch, self._how.groups, self._how.slots, lived)
        self.network = PolicyNetwork(PolicySizes(levels=levels), seed)
        self.identity: dict[str, Any] = {
            "network": "rl graph",
            "scenario": scenario.model_dump(mode="json"),
            "sizes": self.network.sizes._asdict(),
            "exploration": asdict(self._how),
            "seed": seed,
        }
        self._level = level_fractions(levels)
        self._radio = self.lives.sinr_cap, _cost(scenario)
        code, present = options.scale.encode(met.reported), met.present.astype(np.float32)
        self._given = [torch.from_numpy(part) for part in (code, present, present)]

    def loss(self, step: int) -> Tensor:
        """Loss of a step, a scalar; its networks are lived through one slot."""
        how, met = self._how, self.lives.meet(step)
        mask = torch.from_numpy(met.mask)
        logits = self.network(torch.from_numpy(met.gain_code), mask, torch.from_numpy(met.weight))
        log_chance = functional.log_softmax(logits, -1)
        chance = log_chance.exp()
        number = self._drawn(chance.detach().numpy(), step)
        rates = np.empty(chance.shape)
        present = met.mask > 0.0
        counterfactual_rates(met.snr, self._level, number, present, self._radio, rates)
        self.lives.answer(number[:, 0])
        worth = torch.from_numpy(rates.astype(np.float32))
        done = step / self._steps
        temperature = how.first * (how.last / how.first) ** done
        advantage = worth - (chance.detach() * worth).sum(-1, keepdim=True)
        wish = functional.softmax(worth / temperature, -1)
        each = (chance * (temperature * log_chance - advantage)).sum(-1)
        each = each - how.imitation * (1.0 - done) * (wish * log_chance).sum(-1)
        mean: Tensor = (mask * each).sum() / mask.sum().clamp_min(1.0)
        return mean

    def validate(self) -> dict[str, float]:
        """What the likeliest levels are worth; see `Validation.relative`."""
        with torch.no_grad():
            number = self.network(*self._given).argmax(-1).numpy()
        return {"relative": self._validation.relative(self._level[number])}

    def _drawn(self, chance: NDArray[np.float32], step: int) -> NDArray[np.int64]:
        """Joint decisions [B, S, M] from chances [B, M, L]."""
        networks, rows, levels = chance.shape
        rng = np.random.default_rng((self._seed, int(Part.TRAINING), step))
        below = chance.cumsum(-1)[:, None, :, :]
        point = rng.random((networks, self._how.draws, rows, 1), np.float32)
        number: NDArray[np.int64] = (point >= below).sum(-1)
        return number.clip(max=levels - 1)
