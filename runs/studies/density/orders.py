"""What is trained: which networks, how, on how many samples; as plain values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from slotwise.runs.studies.density.samples import SPREAD

__all__ = ["EPOCHS", "EPOCH_BATCH", "MODEL_SAMPLES", "Arm", "Order", "Recipe", "curve_steps"]

Arm = Literal["tuned", "scratch"]

MODEL_SAMPLES = 27_000
"""With 3,000 real ones they are the paper's 30,000."""
EPOCHS, EPOCH_BATCH = 50, 32
"""Of the curves over epochs: the paper's epochs, and the batch that its library takes unasked."""
_STREAMS = {"model": 1, "truth": 2, "test": 3, "validation": 4}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How networks are trained: Adam, a rate that rises at first and falls along a half cosine.

    Attributes
    ----------
    steps, batch : int
        Steps; samples of a step.
    rate : float
        Largest learning rate.
    pull : float
        Weight of the squared distance from the first weights.
    """

    steps: int
    batch: int = 64
    rate: float = 1e-2
    pull: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is trained.

    Attributes
    ----------
    case : str
        ``B`` or ``C``.
    hidden : tuple of int
        Neurons of each hidden layer.
    seeds, starts : int
        Seeds; first weights for each.
    sizes : tuple of int
        Numbers of real samples.
    tuned, scratch, pretraining : Recipe
        Of both kinds, and of what comes before the first.
    seed : int
        Fixes everything random.
    """

    case: str
    hidden: tuple[int, ...]
    seeds: int
    starts: int
    sizes: tuple[int, ...]
    tuned: Recipe
    scratch: Recipe
    pretraining: Recipe
    seed: int

    def identity(self) -> dict[str, Any]:
        """Everything that a result depends on, as JSON."""
        spread = {"spread": SPREAD} if self.case == "C" else {}
        return asdict(self) | spread

    def rng(self, stream: str, number: int = 0) -> np.random.Generator:
        """Random numbers of one purpose, the same for all architectures."""
        return np.random.default_rng((self.seed, ord(self.case), _STREAMS[stream], number))


def curve_steps(size: int) -> int:
    """Steps of the curves of both kinds on this many samples."""
    return 2 * EPOCHS * math.ceil(size / EPOCH_BATCH)
