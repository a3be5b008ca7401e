"""Trained policies that decide without what trained them: from tensors, by a kernel or by NumPy.

A graph policy hears everybody and serves any number of users. A flat policy is a perceptron over
everything that is told of the rows of a network; Stable-Baselines3 trains such, and here is no
more of it than the multiplications. Both choose the answer that they hold best; nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, broadcast
from slotwise.controllers.batch import is_plain, plain_rows
from slotwise.controllers.kernels.policy import choose_powers
from slotwise.controllers.kernels.policy_weights import OWN, packed
from slotwise.controllers.search import flat, problem_of, refuse
from slotwise.controllers.seating import Coded, Seating, coded
from slotwise.emulator.encoding import (
    GainScale,
    fraction_of_db,
    fraction_of_linear,
    level_fractions,
)

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["FlatPolicy", "FlatPolicySizes", "GraphPolicy", "GraphPolicySizes", "Policy"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Shapes = dict[str, tuple[int, ...]]


class Policy(Protocol):
    """What decides behind the controller `slotwise.controllers.rl.Rl`."""

    equivariant: bool
    gains_only: bool

    def allocate(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array:
        """See `slotwise.controllers.base.Controller.allocate`."""

    def decide(self, observation: Observation) -> Array:
        """See `slotwise.controllers.base.Controller.decide`."""

    def reset(self, scenario: Scenario | None) -> None:
        """See `slotwise.controllers.base.Controller.reset`."""


class GraphPolicySizes(NamedTuple):
    """How large a graph policy is, and what goes in and comes out.

    Attributes
    ----------
    layers : int
        Times that everybody hears all others.
    width : int
        Numbers that stand for a user, and of what it hears.
    hidden : int
        Units between what is heard and what changes.
    levels : int
        Levels of power, see `slotwise.emulator.encoding.level_fractions`.
    low_db, high_db : float
        Of the scale of gains.
    users_per_drop : int
        Users of the networks that it was trained on; 0: of several sizes. It serves any number.
    policy : str
        ``graph``.
    """

    layers: int
    width: int
    hidden: int
    levels: int
    low_db: float
    high_db: float
    users_per_drop: int = 0
    policy: str = "graph"

    def shapes(self) -> Shapes:
        """Shapes of all tensors by name; what is repeated is stacked layer upon layer."""
        d, n = self.width, self.layers
        linear = {
            "embed": (d, OWN),
            "pair": (n, 2 * d, d),
            "hidden": (n, self.hidden, 2 * d),
            "update": (n, d, self.hidden),
            "head": (d, d + OWN),
            "logit": (self.levels, d),
        }
        shapes: Shapes = {"edge": (n, 2, d)}
        for name, shape in linear.items():
            shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:-1]
        return shapes


class FlatPolicySizes(NamedTuple):
    """How large a flat policy is, and what goes in and comes out.

    Attributes
    ----------
    algorithm : str
        What trained it: ``ppo``, ``sac`` or ``td3``. Answers of ``ppo`` are cut to [-1, 1], those
        of the others go through a hyperbolic tangent.
    action : str
        What it answers for every row: ``levels``, ``db`` or ``linear``.
    levels : int
        Levels of power, if it chooses among such.
    rows : int
        M, most users at once.
    hidden : str
        Units of the hidden layers, such as ``256,256``.
    activation : str
        Of hidden layers: ``relu`` or ``tanh``.
    low_db, high_db : float
        Of the scale of gains.
    observation : str
        ``flat``: gains [M M], weights [M] and mask [M] in one row.
    policy : str
        ``sb3``.
    """

    algorithm: str
    action: str
    levels: int
    rows: int
    hidden: str
    activation: str
    low_db: float
    high_db: float
    observation: str = "flat"
    policy: str = "sb3"

    def shapes(self) -> Shapes:
        """Shapes of all tensors by name."""
        widths = [self.rows * self.rows + 2 * self.rows, *map(int, self.hidden.split(","))]
        shapes: Shapes = {}
        for n, (inputs, outputs) in enumerate(pairwise(widths)):
            shapes[f"layer.{n}.weight"], shapes[f"layer.{n}.bias"] = (outputs, inputs), (outputs,)
        answers = self.rows * (self.levels if self.action == "levels" else 1)
        return shapes | {"action.weight": (answers, widths[-1]), "action.bias": (answers,)}


class GraphPolicy:
    """Everybody hears all others a few times, and chooses a level of power.

    Parameters
    ----------
    sizes : GraphPolicySizes
        Sizes.
    tensors : mapping of str to float32
        Of the shapes that they say.
    """

    equivariant = True
    gains_only = True

    def __init__(self, sizes: GraphPolicySizes, tensors: Mapping[str, Floats]) -> None:
        levels = level_fractions(sizes.levels)
        self._packed = packed(tensors, sizes.low_db, sizes.high_db, levels)
        self._seen: tuple[Any, ...] = (None, None, None, (), 0)

    def allocate(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array:
        """See `Policy`."""
        power = self._at_once(gain, noise_power, p_max, weight)
        if power is not None:
            return power
        problem = problem_of(gain, noise_power, p_max, weight)
        power = np.empty(problem.weight.shape)
        if power.size:
            every = flat(problem)
            if choose_powers(*every, *self._packed, power.reshape(every.weight.shape)) >= 0:
                refuse(problem)
        return power

    def decide(self, observation: Observation) -> Array:
        """See `Policy`."""
        seen = observation
        return self.allocate(seen.gain, seen.noise_power, seen.p_max, seen.weight)

    def reset(self, scenario: Scenario | None) -> None:
        """See `Policy`; there is nothing to forget."""

    def _at_once(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array | None:
        """Powers of one network whose arrays a kernel takes as they are; else None.

        To look at all arrays from Python takes a while, so rows that were looked at are known
        again.
        """
        noise, full, worth, rows, users = self._seen
        if not (noise_power is noise and p_max is full and weight is worth):
            arrays = plain_rows(noise_power, p_max, weight)
            if arrays is None:
                return None
            users, rows = len(arrays[0]), tuple(row[None] for row in arrays)
            self._seen = noise_power, p_max, weight, rows, users
        if not is_plain(gain, (users, users)):
            return None
        power = np.empty((1, users))
        wrong = choose_powers(gain[None], rows[0], rows[1], rows[2], *self._packed, power)
        return power[0] if wrong < 0 else None


class FlatPolicy:
    """A perceptron over the rows of a network, as Stable-Baselines3 trains it.

    Parameters
    ----------
    sizes : FlatPolicySizes
        Sizes.
    tensors : mapping of str to float32
        Of the shapes that they say.
    name : str
        What it is called where more users are refused than it has rows.
    """

    equivariant = False
    gains_only = True

    def __init__(self, sizes: FlatPolicySizes, tensors: Mapping[str, Floats], name: str) -> None:
        self.sizes = sizes
        self._scale = GainScale(sizes.low_db, sizes.high_db)
        self._seating = Seating(sizes.rows, name)
        self._level = level_fractions(sizes.levels) if sizes.action == "levels" else np.empty(0)
        count = len(sizes.hidden.split(","))
        self._layers = [
            (np.ascontiguousarray(tensors[f"{layer}.weight"].T), tensors[f"{layer}.bias"])
            for layer in [*(f"layer.{n}" for n in range(count)), "action"]
        ]

    def allocate(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array:
        """See `Policy`; users sit in rows in their order."""
        problem = broadcast(gain, noise_power, p_max, weight)
        users = problem.weight.shape[-1]
        self._seating.refuse(users)
        if problem.weight.size == 0:
            return np.zeros(problem.weight.shape)
        power = self._powers(flat(problem), np.arange(users))
        return power.reshape(problem.weight.shape)

    def decide(self, observation: Observation) -> Array:
        """See `Policy`."""
        seen = observation
        row = self._seating.of(seen.user_id)
        problem = broadcast(seen.gain, seen.noise_power, seen.p_max, seen.weight)
        power: Array = self._powers(Problem(*(array[None] for array in problem)), row)[0]
        return power

    def reset(self, scenario: Scenario | None) -> None:
        """See `Policy`.

        Raises
        ------
        InputError
            If the network begins with more users than there are rows.
        """
        self._seating.reset()
        if scenario is not None:
            self._seating.refuse(scenario.population.initial_users)

    def _powers(self, problem: Problem, row: NDArray[np.int64]) -> Array:
        """Powers [N, K] of users who sit in these rows."""
        told = coded(problem, self._scale, row, self.sizes.rows)
        fraction = self._fractions(told)[:, row]
        powers: Array = np.where(told.mask[:, row] > 0.0, fraction * problem.p_max, 0.0)
        return powers

    def _fractions(self, told: Coded) -> Array:
        """Fractions of the largest power that are answered for every row, [N, M]."""
        samples, rows = told.mask.shape
        seen = [told.gain.reshape(samples, rows * rows), told.weight, told.mask]
        value = np.concatenate(seen, axis=1)
        for weight, bias in self._layers[:-1]:
            value = value @ weight + bias
            value = np.maximum(value, 0.0) if self.sizes.activation == "relu" else np.tanh(value)
        answer = value @ self._layers[-1][0] + self._layers[-1][1]
        if self.sizes.action == "levels":
            chosen: Array = self._level[answer.reshape(samples, rows, -1).argmax(axis=-1)]
            return chosen
        code = np.clip(answer, -1.0, 1.0) if self.sizes.algorithm == "ppo" else np.tanh(answer)
        return fraction_of_db(code) if self.sizes.action == "db" else fraction_of_linear(code)
