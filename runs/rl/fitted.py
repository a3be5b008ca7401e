"""What an algorithm hands over when it is done."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fitted"]


class Fitted(NamedTuple):
    """What an algorithm hands over.

    Attributes
    ----------
    tensors : dict of str to ndarray
        Weights by name, float32.
    sizes : dict
        What the architecture needs to be built again, for the card.
    recipe : dict
        How it was trained, for the card.
    steps, samples : int
        Steps made, and slots of networks that were learned from.
    seconds : float
        How long it took [s].
    figures : dict of str to float
        Of the last validations, or what the algorithm knows of itself.
    """

    tensors: dict[str, NDArray[np.float32]]
    sizes: dict[str, bool | int | float | str]
    recipe: dict[str, Any]
    steps: int
    samples: int
    seconds: float
    figures: dict[str, float]
