"""The published perceptron for bits per joule as a controller: one pass, in microseconds.

This is the network of A. Zappone, M. Di Renzo, M. Debbah, T. T. Lam and X. Qian, "Model-aided
wireless artificial intelligence: embedding expert knowledge in deep neural networks for wireless
system optimization", IEEE Veh. Technol. Mag. 14(3), 2019, Fig. 3: ten layers of 18 units to 10, of
which the last gives the powers, for one number of users. What it sees and how it learned are this
package's: see `slotwise.controllers.kernels.energy_inputs` and
`slotwise.controllers.training.energy_mlp`.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.aimed import SCENARIO, Aimed, spared
from slotwise.controllers.base import broadcast
from slotwise.controllers.batch import batch_of, is_plain, plain_rows
from slotwise.controllers.cards import Card
from slotwise.controllers.kernels.energy_inputs import inputs_of
from slotwise.controllers.kernels.energy_perceptron import packed, perceive_energy
from slotwise.controllers.kernels.perceptron_inputs import DECIDED, TOO_MANY_USERS
from slotwise.controllers.learned import Learned, Tensors, trained
from slotwise.controllers.least_rates import guaranteed
from slotwise.emulator.objective import Objective
from slotwise.emulator.promise import promised_sinr

__all__ = [
    "FARTHEST",
    "LARGEST_OUTPUT",
    "SLOPE",
    "WIDTHS",
    "EnergyMlpSizes",
    "MlpEnergy",
    "sizes_of",
]

Array = NDArray[np.float64]

WIDTHS = (18, 18, 16, 16, 14, 14, 12, 12, 10)
"""Units of the hidden layers, as published; the tenth layer has one for each of ten users."""

SLOPE = 0.3
"""What a unit passes on of what is negative."""

FARTHEST = 5.0
"""Standardised inputs are cut to this many deviations."""

LARGEST_OUTPUT = 100.0
"""Outputs are cut to this power of two, up or down."""

_MOST_USERS = 1000
_FLOAT64 = np.dtype(np.float64)


class EnergyMlpSizes(NamedTuple):
    """How large the perceptron is: its widths are fixed.

    Attributes
    ----------
    users : int
        Users K that it decides for.
    """

    users: int

    @property
    def inputs(self) -> int:
        """Numbers that it sees: K² + 3 K + 1."""
        return int(inputs_of(self.users))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors by name."""
        widths = [self.inputs, *WIDTHS, self.users]
        shapes: dict[str, tuple[int, ...]] = {"mean": (self.inputs,), "scale": (self.inputs,)}
        for number in range(len(WIDTHS) + 1):
            shapes[f"weight{number}"] = widths[number + 1], widths[number]
            shapes[f"bias{number}"] = (widths[number + 1],)
        return shapes


def sizes_of(card: Card) -> EnergyMlpSizes:
    """Sizes that a card tells.

    Raises
    ------
    TypeError, ValueError
        If they are none of this perceptron.
    """
    sizes = EnergyMlpSizes(**card.sizes)  # type: ignore[arg-type]
    users: Any = sizes.users
    if type(users) is not int or not 1 <= users <= _MOST_USERS:
        raise ValueError(f"users = {users}: must be an integer from 1 to {_MOST_USERS:,}")
    if card.users != users:
        raise ValueError(f"users = {users}: must be those of the card, {card.users}")
    return sizes


class MlpEnergy(Learned, Aimed):
    """A perceptron that was trained for one number of users and one kind of channel.

    Parameters
    ----------
    weights : str
        Name of weights that come with the package, such as ``wide-cell-8``, or a path that ends in
        ``.safetensors``.
    objective : str
        ``scenario`` or ``energy-efficiency``, the one that it was trained for.

    Raises
    ------
    ValueError
        If an option is out of its range.
    InputError
        If the weights are missing, damaged or not of this network.

    Notes
    -----
    Whatever a watt costs is served: powers are in a unit that has it. Users whom no power can serve
    (no direct gain, no weight, no power limit) count as absent, as do those missing from the
    number that it was made for; who is alone gets the power that is best, by Dinkelbach's method.
    Other weights of the rates do not matter, and largest powers are learned to be everyone's alike.
    The network does not know of a cap on the SINR: its powers are cut to what leaves everyone as
    much as counts.
    """

    name = "mlp-ee"
    equivariant = True
    aims = ("energy-efficiency",)

    def __init__(self, weights: str, objective: str = SCENARIO) -> None:
        super().__init__(objective)
        found = trained(weights, "mlp-ee", lambda card: sizes_of(card).shapes())
        self.card = found.card
        self.sizes = sizes_of(found.card)
        self._weights = weights
        self._take(found.tensors)

    def with_weights(self, tensors: Tensors) -> Self:
        """See `Learned.with_weights`."""
        other = copy.copy(self)
        other._take(tensors)
        return other

    def serve(self, objective: Objective) -> None:
        """See `Aimed.serve`."""
        super().serve(objective)
        self._cost = objective.amplifier_inefficiency, objective.circuit_power_w
        self._promised = promised_sinr(self.objective)

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
            Also if there are more users than the network was made for.
        """
        if self._promised == 0.0 and self.objective.sinr_cap is None:
            power = self._at_once(gain, noise_power, p_max, weight)
            if power is not None:
                return power
        batch = batch_of(gain, noise_power, p_max, weight, None, _FLOAT64)
        every = np.empty(batch.gain.shape[:-1])
        every_gain = batch.gain if batch.gain.flags.writeable else batch.gain.copy()
        arrays = every_gain, batch.noise_power, batch.p_max, batch.weight
        status = perceive_energy(*arrays, self._cost, self._packed, every)
        if status != DECIDED:
            broadcast(gain, noise_power, p_max, weight)
            raise ValueError(self._reason(status, batch.shape[-1]))
        power = every.reshape(batch.shape)
        if self._promised > 0.0:
            power = guaranteed(gain, noise_power, p_max, power, self._promised)
        if self.objective.sinr_cap is not None:
            power = spared(broadcast(gain, noise_power, p_max, weight), power, self.objective)
        return power

    def _take(self, tensors: Tensors) -> None:
        """Decide by these weights."""
        self.tensors = tensors
        self._seen: tuple[Any, ...] = (None, None, None, (), 0)
        layers = [(tensors[f"weight{n}"], tensors[f"bias{n}"]) for n in range(len(WIDTHS) + 1)]
        rule = SLOPE, FARTHEST, LARGEST_OUTPUT
        self._packed = packed(layers, tensors["mean"], tensors["scale"], rule)

    def _at_once(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array | None:
        """Powers of one network whose arrays a kernel takes as they are; else None.

        To look at an array from Python takes a part of what the kernel does, so rows that were
        looked at are known again.
        """
        noise, full, given, rows, users = self._seen
        if not (noise_power is noise and p_max is full and weight is given):
            arrays = plain_rows(noise_power, p_max, weight)
            if arrays is None:
                return None
            users, rows = len(arrays[0]), tuple(row[None] for row in arrays)
            self._seen = noise_power, p_max, weight, rows, users
        if not is_plain(gain, (users, users)):
            return None
        power = np.empty((1, users))
        status = perceive_energy(
            gain[None], rows[0], rows[1], rows[2], self._cost, self._packed, power
        )
        return power[0] if status == DECIDED else None

    def _reason(self, status: int, users: int) -> str:
        """Why nothing was decided."""
        if status == TOO_MANY_USERS:
            return f"{users} users: {self._weights} takes at most {self.sizes.users}"
        return "gain, noise_power, p_max or weight is out of its range"
