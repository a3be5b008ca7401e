"""A perceptron as a controller: one matrix of gains in, all powers out, in microseconds.

This is the network of Sun, Chen, Shi, Hong, Fu and Sidiropoulos, IEEE Trans. Signal Process.
66(20), 2018: it imitates WMMSE, or maximises the sum rate itself, for the number of users and the
kind of channel it was trained on. With fewer users the other inputs are zero, as in their Table
III; more users it cannot serve.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import broadcast
from slotwise.controllers.batch import batch_of, is_plain, plain_rows
from slotwise.controllers.cards import Card
from slotwise.controllers.kernels.perceptron import packed, perceive, perceive_one
from slotwise.controllers.kernels.perceptron_inputs import (
    CROWDED_CELL,
    DECIDED,
    OUT_OF_RANGE,
    TOO_MANY_STATIONS,
    TOO_MANY_USERS,
)
from slotwise.controllers.learned import Learned, Tensors, rounded, rounding_of, trained

__all__ = ["LOG_FLOOR", "Mlp", "MlpSizes", "sizes_of"]

Array = NDArray[np.float64]

LOG_FLOOR = 1e-4
"""Least gain whose logarithm is taken, in units of noise at full power; absent users have it."""

_FLOAT64 = np.dtype(np.float64)


class MlpSizes(NamedTuple):
    """How large a perceptron is, and what goes in and comes out.

    Attributes
    ----------
    users : int
        Users K that it decides for.
    stations : int
        Receivers N: K where everyone has one, fewer where users of a cell share theirs.
    hidden, layers : int
        Units of a hidden layer, and how many of those there are.
    features : str
        ``amplitude``: square roots of the gains; ``log``: their logarithms to base two.
    output : str
        ``relu6``: min(max(x, 0), 6) / 6, as published; ``sigmoid``.
    order : str
        Who takes which place. ``given``: users in their order; ``strongest``: the one with the
        largest own gain the first, and so on, so that permuting users permutes their powers.
    """

    users: int
    stations: int
    hidden: int = 200
    layers: int = 3
    features: str = "amplitude"
    output: str = "relu6"
    order: str = "given"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors by name."""
        inputs = self.stations * self.users
        widths = [inputs, *[self.hidden] * self.layers, self.users]
        shapes: dict[str, tuple[int, ...]] = {}
        for number in range(self.layers + 1):
            shapes[f"weight{number}"] = widths[number + 1], widths[number]
            shapes[f"bias{number}"] = (widths[number + 1],)
        return shapes


def sizes_of(card: Card) -> MlpSizes:
    """Sizes that a card tells.

    Raises
    ------
    TypeError, ValueError
        If they are none of a perceptron.
    """
    sizes = MlpSizes(**card.sizes)  # type: ignore[arg-type]
    for name in ("users", "stations", "hidden", "layers"):
        value: Any = getattr(sizes, name)
        if type(value) is not int or not 1 <= value <= 10_000:
            raise ValueError(f"{name} = {value}: must be an integer from 1 to 10,000")
    if card.users != sizes.users:
        raise ValueError(f"users = {sizes.users}: must be those of the card, {card.users}")
    if sizes.stations > sizes.users:
        raise ValueError(f"stations = {sizes.stations}: must be at most users = {sizes.users}")
    if sizes.features not in ("amplitude", "log") or sizes.output not in ("relu6", "sigmoid"):
        raise ValueError(f"features = {sizes.features}, output = {sizes.output}: unknown")
    if sizes.order not in ("given", "strongest"):
        raise ValueError(f"order = {sizes.order}: must be given or strongest")
    if sizes.order == "strongest" and sizes.stations < sizes.users:
        raise ValueError("order = strongest: only where every user has a receiver of its own")
    return sizes


class Mlp(Learned):
    """A perceptron that was trained for one number of users and one kind of channel.

    Parameters
    ----------
    weights : str
        Name of weights that come with the package, such as ``gaussian-ic-10``, or a path that ends
        in ``.safetensors``.
    rounding : str
        ``none``; ``half``: full power above half of it, else silence, as published; ``better``: the
        one of the two with the higher weighted sum rate.

    Raises
    ------
    ValueError
        If an option is out of its range.
    InputError
        If the weights are missing, damaged or no perceptron's.

    Notes
    -----
    Users whom no power can serve (no direct gain, no weight, no power limit) count as absent, and
    who is alone then transmits at full power. Other weights of the rates do not matter: the network
    knows nothing of them. Where it was trained on cells, users with the same row of gains are of
    one cell; it can take as many cells, and users of a cell, as it was trained with.
    """

    name = "mlp"

    def __init__(self, weights: str, rounding: str = "none") -> None:
        self.rounding = rounding_of(rounding)
        found = trained(weights, "mlp", lambda card: sizes_of(card).shapes())
        self.card = found.card
        self.sizes = sizes_of(found.card)
        self.equivariant = self.sizes.order == "strongest"
        self._weights = weights
        self._take(found.tensors)

    def with_weights(self, tensors: Tensors) -> Self:
        """See `Learned.with_weights`."""
        other = copy.copy(self)
        other._take(tensors)
        return other

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`.

        Raises
        ------
        ValueError
            Also if there are more users, stations or users of a cell than the network was made for.
        """
        if self.rounding != "better":
            power = self._at_once(gain, noise_power, p_max, weight)
            if power is not None:
                return power
        batch = batch_of(gain, noise_power, p_max, weight, None, _FLOAT64)
        every = np.empty(batch.gain.shape[:-1])
        every_gain = batch.gain if batch.gain.flags.writeable else batch.gain.copy()
        arrays = every_gain, batch.noise_power, batch.p_max, batch.weight
        status = perceive(*arrays, *self._packed, every)
        if status != DECIDED:
            broadcast(gain, noise_power, p_max, weight)
            raise ValueError(self._reason(status, batch.shape[-1]))
        power = every.reshape(batch.shape)
        if self.rounding == "better":
            return rounded(broadcast(gain, noise_power, p_max, weight), power, self.rounding)
        return power

    def _take(self, tensors: Tensors) -> None:
        """Decide by these weights."""
        self.tensors = tensors
        self._seen: tuple[Any, ...] = (None, None, None, (), 0)
        layers = range(self.sizes.layers + 1)
        self._packed = packed(
            [(tensors[f"weight{n}"], tensors[f"bias{n}"]) for n in layers],
            self.sizes.stations,
            LOG_FLOOR,
            log=self.sizes.features == "log",
            strongest=self.sizes.order == "strongest",
            sigmoid=self.sizes.output == "sigmoid",
            rounded=self.rounding == "half",
        )

    def _at_once(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array | None:
        """Powers of one network whose arrays a kernel takes as they are; else None."""
        noise, full, given, rows, users = self._seen
        if not (noise_power is noise and p_max is full and weight is given):
            rows = plain_rows(noise_power, p_max, weight)
            if rows is None:
                return None
            users = len(rows[0])
            self._seen = noise_power, p_max, weight, rows, users
        if not is_plain(gain, (users, users)):
            return None
        power = np.empty(users)
        status = perceive_one(gain, rows[0], rows[1], rows[2], *self._packed, power)
        return power if status == DECIDED else None

    def _reason(self, status: int, users: int) -> str:
        """Why nothing was decided."""
        sizes = self.sizes
        cell = -(-sizes.users // sizes.stations)
        reasons = {
            TOO_MANY_USERS: f"{users} users: {self._weights} takes at most {sizes.users}",
            TOO_MANY_STATIONS: (
                f"users of more than {sizes.stations} stations: {self._weights} takes no more"
            ),
            CROWDED_CELL: f"more users in a cell than {self._weights} has room for, {cell}",
            OUT_OF_RANGE: "gain, noise_power, p_max or weight is out of its range",
        }
        return reasons[status]
