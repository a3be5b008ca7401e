"""The learned optimiser of energy efficiency as a controller, compiled: for any number of users.

The network is `slotwise.controllers.networks.energy.EnergyNetwork`; deciding needs no torch. What
it answers is a good start as well: from several starts the best may be kept, and steps of
`slotwise.controllers.fractional` may go on from there.
"""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.aimed import SCENARIO, Aimed, spared
from slotwise.controllers.base import Problem
from slotwise.controllers.batch import is_plain, plain_rows
from slotwise.controllers.cards import Card
from slotwise.controllers.fractional import fractional
from slotwise.controllers.kernels.energy_layers import FEATURES, START_FEATURES, packed
from slotwise.controllers.kernels.energy_pass import pass_energy, pass_energy_once
from slotwise.controllers.learned import Learned, Tensors, trained
from slotwise.controllers.least_rates import guaranteed
from slotwise.controllers.search import flat, problem_of, refuse
from slotwise.emulator.objective import Objective
from slotwise.emulator.promise import promised_sinr

__all__ = ["START_RANGE", "EnergySizes", "UnrolledEnergy", "shapes_of", "sizes_of"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

START_RANGE = 1e3
"""Random starts are at most by so much below the power that costs 0.4 of the circuit power."""


class EnergySizes(NamedTuple):
    """Sizes of a network.

    Attributes
    ----------
    layers, state, hidden, channels, chain : int
        As `slotwise.controllers.networks.energy.Sizes` has them.
    """

    layers: int
    state: int
    hidden: int
    channels: int
    chain: int


def sizes_of(card: Card) -> EnergySizes:
    """Sizes that a card tells.

    Raises
    ------
    TypeError, ValueError
        If they are none of this network.
    """
    sizes = EnergySizes(**card.sizes)  # type: ignore[arg-type]
    for name, value in sizes._asdict().items():
        fewest = 0 if name == "channels" else 1
        if type(value) is not int or not fewest <= value <= 1000:
            raise ValueError(f"{name} = {value}: must be an integer from {fewest} to 1,000")
    return sizes


def shapes_of(sizes: EnergySizes) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors by name."""
    layers, state, hidden, channels, chain = sizes
    seen = FEATURES + state
    linear = {"start": (state + 1, START_FEATURES + 2 * chain)}
    for layer in range(layers):
        linear[f"layers.{layer}.message"] = 2 * channels, seen
        linear[f"layers.{layer}.inner"] = hidden, seen + 2 * channels
        linear[f"layers.{layer}.outer"] = state + 2, hidden
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in linear.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return shapes


class UnrolledEnergy(Learned, Aimed):
    """Learned optimiser of bits per joule, for any number of users.

    Parameters
    ----------
    weights : str
        Name of weights that come with the package, or a path that ends in ``.safetensors``.
    objective : str
        ``scenario``, ``energy-efficiency`` or ``weighted-energy-efficiency``.
    starts : int
        Passes from different starts, at least one, of which the best is kept. The first start is
        the network's own; the others are drawn from the seed, the same for every problem with as
        many users.
    polish : int
        Go on with so many steps of `slotwise.controllers.fractional.fractional`, and keep the
        better of the two.

    Raises
    ------
    ValueError
        If an option is out of its range.
    InputError
        If the weights are missing, damaged or another network's.

    Notes
    -----
    Users whom no power can serve (no direct gain, no weight, no power limit) are silent, but
    consume; who alone can be served gets the power that is best, by Dinkelbach's method. Computed
    in float32: signal-to-noise ratios at full power count from 1e-9 to 1e14, and circuit powers
    less than 1e-9 of the most that any user can consume by radiating, zero too, count as that.
    The network does not know of a cap on the SINR: its powers are cut to what leaves everyone as
    much as counts.
    """

    name = "unrolled-ee"
    aims = ("energy-efficiency", "weighted-energy-efficiency")

    def __init__(
        self,
        weights: str = "unrolled-ee",
        objective: str = SCENARIO,
        starts: int = 1,
        polish: int = 0,
    ) -> None:
        if starts < 1:
            raise ValueError(f"starts = {starts}: must be at least 1")
        if polish < 0:
            raise ValueError(f"polish = {polish}: must be non-negative")
        self.starts, self.polish = starts, polish
        super().__init__(objective)
        self.equivariant = starts == 1
        found = trained(weights, "unrolled-ee", lambda card: shapes_of(sizes_of(card)))
        self.card = found.card
        self.sizes = sizes_of(found.card)
        self._take(found.tensors)

    def with_weights(self, tensors: Tensors) -> Self:
        """See `Learned.with_weights`."""
        other = copy.copy(self)
        other._take(tensors)
        return other

    def serve(self, objective: Objective) -> None:
        """See `Aimed.serve`."""
        super().serve(objective)
        aim, inefficiency, circuit_w = self.objective[:3]
        apart = aim == "weighted-energy-efficiency"
        self._terms = apart, float(inefficiency), float(circuit_w)
        self._promised = promised_sinr(self.objective)
        self._plain = not self.polish and self._promised == 0.0 and objective.sinr_cap is None

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        power = None
        if self.starts == 1:
            power = self._at_once(gain, noise_power, p_max, weight)
        if power is None or not self._plain:
            problem = problem_of(gain, noise_power, p_max, weight)
            power = self._passed(problem) if power is None else power
            return self._finished(problem, power)
        return power

    def _take(self, tensors: Tensors) -> None:
        """Decide by these weights."""
        self.tensors = tensors
        self._net = packed(tensors, *self.sizes[:4])
        self._seen: tuple[Any, ...] = (None, None, None, (), ())

    def _at_once(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array | None:
        """Powers of one network with next to nothing around the kernel.

        None where arguments are not contiguous float64 arrays of one network, or not in range.
        Rows that were looked at are known again, as in `slotwise.controllers.at_once`.
        """
        noise, full, given, rows, shape = self._seen
        if not (noise_power is noise and p_max is full and weight is given):
            rows = plain_rows(noise_power, p_max, weight)
            if rows is None:
                return None
            shape = len(rows[0]), len(rows[0])
            self._seen = noise_power, p_max, weight, rows, shape
        if not is_plain(gain, shape):
            return None
        power = np.empty(shape[0])
        net = self._terms, self._net
        known = pass_energy_once(gain, rows[0], rows[1], rows[2], *net, power)
        return power if known else None

    def _passed(self, problem: Problem) -> Array:
        """Powers of the best start."""
        every = flat(problem)
        powers = np.empty((self.starts, *every.weight.shape))
        below = self._below(problem.weight.shape[-1])
        if powers.size and pass_energy(*every, self._terms, self._net, below, powers) >= 0:
            refuse(problem)
        return self._best(every, powers).reshape(problem.weight.shape)

    def _below(self, users: int) -> Floats:
        """Logarithms by which random starts are below the greatest."""
        drawn = np.random.default_rng(self.seed).random((max(self.starts - 1, 1), users))
        return (math.log(START_RANGE) * drawn).astype(np.float32)

    def _best(self, problem: Problem, powers: Array) -> Array:
        """Powers that are worth most, of several; among equals the first."""
        if len(powers) == 1:
            only: Array = powers[0]
            return only
        gain, noise_power, _, weight = problem
        worth = [self.objective.value(gain, power, noise_power, weight) for power in powers]
        best = np.argmax(worth, 0)[..., None]
        chosen: Array = np.take_along_axis(powers, best[None], 0)[0]
        return chosen

    def _finished(self, problem: Problem, power: Array) -> Array:
        """Powers polished, changed until they keep what users were promised, and cut to the cap."""
        if self.polish:
            served, most = self.objective, self.polish
            polished, _ = fractional(*problem, objective=served, start=power, max_iterations=most)
            power = self._best(problem, np.stack([power, polished]))
        if self._promised > 0.0:
            gain, noise_power, p_max, _ = problem
            power = guaranteed(gain, noise_power, p_max, power, self._promised)
        return spared(problem, power, self.objective)
