"""What learned controllers share: weights of the right shapes, and rounding of their powers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Controller, Problem
from slotwise.controllers.cards import Card, Trained, read
from slotwise.controllers.search import best_of
from slotwise.emulator.scenario import InputError

__all__ = ["Learned", "Rounding", "Tensors", "rounded", "rounding_of", "trained"]

Array = NDArray[np.float64]
Rounding = Literal["none", "half", "better"]
Shapes = Mapping[str, tuple[int, ...]]
Tensors = Mapping[str, NDArray[np.float32]]


class Learned(Controller):
    """A controller whose weights were learned, and can be learned anew.

    Attributes
    ----------
    card : Card
        Where its weights come from.
    tensors : mapping of str to ndarray
        Its weights by name, float32.
    """

    card: Card
    tensors: Tensors

    @abstractmethod
    def with_weights(self, tensors: Tensors) -> Self:
        """Another one, the same but for its weights.

        Parameters
        ----------
        tensors : mapping of str to ndarray
            Of the names and shapes of `tensors`.
        """


def trained(weights: str, network: str, shapes: Callable[[Card], Shapes]) -> Trained:
    """Read weights and make sure that they are what the network needs.

    Parameters
    ----------
    weights : str
        A name or a path, see `slotwise.controllers.cards.read`.
    network : str
        Architecture.
    shapes : callable
        Names and shapes of all tensors of a network with this card; KeyError, TypeError or
        ValueError where the card's sizes are none of this architecture.

    Raises
    ------
    InputError
        As `slotwise.controllers.cards.read`, and if sizes or tensors are others.
    """
    found = read(weights, network)
    try:
        expected = dict(shapes(found.card))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"weights = {weights}: sizes of its card are none of a network {network}: "
            f"{' '.join(str(error).split())}"
        ) from None
    given = {name: tensor.shape for name, tensor in found.tensors.items()}
    if given != expected:
        wrong = sorted(
            name for name in {*given, *expected} if given.get(name) != expected.get(name)
        )
        name = wrong[0]
        raise InputError(
            f"weights = {weights}: tensor {name} has shape {given.get(name, 'nothing')}: "
            f"must be {expected.get(name, 'nothing')}"
        )
    return found


def rounding_of(rounding: str) -> Rounding:
    """Check an option.

    Raises
    ------
    ValueError
        If it is not ``none``, ``half`` or ``better``.
    """
    for known in get_args(Rounding):
        if rounding == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"rounding = {rounding}: must be one of {', '.join(get_args(Rounding))}")


def rounded(problem: Problem, power: Array, rounding: Rounding) -> Array:
    """Round powers to silence or full power, if so wished.

    Parameters
    ----------
    problem : Problem
        Any leading axes.
    power : [..., K], float64
        Powers [W].
    rounding : str
        ``none``: as they are. ``half``: full power above half of it, else silence, as published
        perceptrons are used. ``better``: of the two, the one with the higher weighted sum rate.

    Returns
    -------
    [..., K], float64
        Powers [W].
    """
    if rounding == "none":
        return power
    at_half = np.where(power > 0.5 * problem.p_max, problem.p_max, 0.0)
    return at_half if rounding == "half" else best_of(problem, power, at_half)
