"""How a network is trained: steps, optimiser, learning rate and when to stop.

A recipe says nothing of what is learned. Together with a task it fixes every weight that comes
out, so it stands in the card of a trained network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from slotwise.emulator.scenario import InputError

__all__ = ["Recipe", "learning_rate"]

Optimiser = Literal["adam", "rmsprop"]
Schedule = Literal["constant", "plateau", "cosine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    steps : int
        Batches to learn from, at least zero.
    batch : int
        Samples of a batch. The task draws them; the recipe keeps the number.
    optimiser : {"adam", "rmsprop"}
        Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015) or RMSprop
        (Tieleman and Hinton, Coursera lecture 6.5, 2012).
    learning_rate : float
        Largest step size, positive.
    schedule : {"constant", "plateau", "cosine"}
        What becomes of the step size: it stays; it is multiplied by ``plateau_factor`` whenever
        ``plateau_patience`` validations in a row were no better than the best; or it falls to
        ``floor`` along half a cosine (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5).
    floor : float
        Where the cosine ends, as a share of the largest step size.
    warmup : int
        First steps, over which the step size grows linearly from nearly zero.
    clip : float
        Largest norm of the gradient, to which longer ones are shortened; 0: any.
    validate_every : int
        Steps between validations; the last step is always followed by one.
    patience : int
        Validations in a row without a better one after which training ends; 0: it never does.
    plateau_factor : float
        Between 0 and 1.
    plateau_patience : int
        At least 1.
    decay : float
        RMSprop: how much of the mean square is kept from step to step.
    momentum : float
        RMSprop: how much of the last change is made again; 0: nothing.
    epsilon : float
        What is added to the root of the mean square.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    steps: int
    batch: int
    optimiser: Optimiser = "adam"
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    floor: float = 0.0
    warmup: int = 0
    clip: float = 0.0
    validate_every: int = 500
    patience: int = 0
    plateau_factor: float = 0.5
    plateau_patience: int = 5
    decay: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        for field, kinds in (("optimiser", Optimiser), ("schedule", Schedule)):
            if getattr(self, field) not in get_args(kinds):
                self._refuse(field, f"one of {', '.join(get_args(kinds))}")
        for field in ("steps", "warmup", "patience"):
            if getattr(self, field) < 0:
                self._refuse(field, "at least 0")
        for field in ("batch", "validate_every", "plateau_patience"):
            if getattr(self, field) < 1:
                self._refuse(field, "at least 1")
        for field in ("learning_rate", "epsilon"):
            if not (math.isfinite(getattr(self, field)) and getattr(self, field) > 0):
                self._refuse(field, "positive and finite")
        if not (math.isfinite(self.clip) and self.clip >= 0):
            self._refuse("clip", "non-negative and finite")
        for field in ("floor", "plateau_factor", "decay", "momentum"):
            if not 0 <= getattr(self, field) < 1:
                self._refuse(field, "at least 0 and below 1")

    def _refuse(self, field: str, allowed: str) -> None:
        raise InputError(f"recipe: {field} = {getattr(self, field)}: must be {allowed}")


def learning_rate(recipe: Recipe, step: int, reductions: int = 0) -> float:
    """Step size of one step.

    Parameters
    ----------
    recipe : Recipe
        With a schedule.
    step : int
        Number of the step, the first is 0.
    reductions : int
        How often validations have stopped getting better so far; counts for ``plateau`` only.

    Returns
    -------
    float
        Step size.
    """
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "cosine":
        done = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
        fallen = recipe.floor + (1.0 - recipe.floor) * 0.5 * (1.0 + math.cos(math.pi * done))
        return recipe.learning_rate * fallen
    if recipe.schedule == "plateau":
        return recipe.learning_rate * recipe.plateau_factor**reductions
    return recipe.learning_rate
