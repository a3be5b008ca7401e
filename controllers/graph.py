"""Message passing between users: the plain graph network of the literature, as a controller.

The network is that of `slotwise.controllers.networks.graph`, the baseline of learned power control;
deciding is compiled and imports no torch. It is the same for any number of users, and a user is
known by nothing but its links: permuted users get permuted powers.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem
from slotwise.controllers.batch import is_plain, plain_rows
from slotwise.controllers.cards import Card
from slotwise.controllers.kernels.graph import AT_ONCE, Weights, pass_messages
from slotwise.controllers.learned import Learned, Tensors, rounded, rounding_of, trained
from slotwise.controllers.neighbours import Neighbours, strongest
from slotwise.controllers.search import flat, problem_of, refuse

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation

__all__ = ["FLOOR", "Graph", "GraphSizes", "sizes_of"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Index = NDArray[np.int32]

FLOOR = 1e-3
"""What is added to gains before their logarithm: a thousandth of the noise is nothing."""

_USER, _PAIR = 3, 2  # numbers of a sender, and of both links between two


class GraphSizes(NamedTuple):
    """How large a network is; the widths are the published ones.

    Attributes
    ----------
    layers : int
        Times that messages are passed.
    hidden : int
        Units between a pair and its message.
    message : int
        Numbers of a message.
    update : int
        Units between what is heard and the new power.
    shared : bool
        Whether all layers have the same weights, as in the code that was published. Trained for
        2,000 steps on networks of every kind, one that shares reaches 97.3, 95.5 and 93.1% of
        WMMSE's sum rate at K = 10, 20 and 50 under Rayleigh fading, and one that does not 98.4,
        96.6 and 94.4%.
    """

    layers: int = 3
    hidden: int = 16
    message: int = 32
    update: int = 16
    shared: bool = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors by name: weights of every layer, or of the one that all share."""
        stacked = 1 if self.shared else self.layers
        linear = {
            "edge": (self.hidden, _USER + _PAIR),
            "message": (self.message, self.hidden),
            "inner": (self.update, _USER + self.message),
            "outer": (1, self.update),
        }
        shapes: dict[str, tuple[int, ...]] = {}
        for name, (outputs, inputs) in linear.items():
            shapes[name] = stacked, outputs, inputs
            shapes[f"{name}_bias"] = stacked, outputs
        return shapes


def sizes_of(card: Card) -> GraphSizes:
    """Sizes that a card tells.

    Raises
    ------
    TypeError, ValueError
        If they are none of a message-passing network.
    """
    sizes = GraphSizes(**card.sizes)  # type: ignore[arg-type]
    for name in ("layers", "hidden", "message", "update"):
        value: Any = getattr(sizes, name)
        if type(value) is not int or not 1 <= value <= 1000:
            raise ValueError(f"{name} = {value}: must be an integer from 1 to 1,000")
    if type(sizes.shared) is not bool:
        raise ValueError(f"shared = {sizes.shared}: must be true or false")
    return sizes


class Graph(Learned):
    """Message passing between users (WCGCN), trained on the sum rate.

    The network is that of Shen, Shi, Zhang and Letaief, IEEE J. Sel. Areas Commun. 39(1), 2021.

    Parameters
    ----------
    weights : str
        Name of shipped weights, or a file of your own (``.safetensors``).
    rounding : str
        What becomes of the powers that the network gives: ``none``, ``half`` (silence below half of
        full power, else full power), or ``better`` of the two.
    sparse : int
        Each receiver listens to so many of its strongest interferers only; 0: to all. They are
        chosen from the long-term gains where there are such.

    Raises
    ------
    ValueError
        If an option is out of its range.
    InputError
        If there are no such weights, or they are damaged or another network's.
    """

    name = "graph"
    equivariant = True

    def __init__(self, weights: str = "graph", rounding: str = "none", sparse: int = 0) -> None:
        if sparse < 0:
            raise ValueError(f"sparse = {sparse}: must be at least 0")
        self.rounding = rounding_of(rounding)
        self.sparse = sparse
        found = trained(weights, "graph", lambda card: sizes_of(card).shapes())
        self.card = found.card
        self.sizes = sizes_of(found.card)
        self.tensors = found.tensors
        self._weights = _packed(found.tensors)
        self._neighbours = Neighbours(sparse) if sparse else None
        self._lean = self.rounding == "none" and not sparse
        self._seen: tuple[Any, ...] = (None, None, None, (), 0)

    def with_weights(self, tensors: Tensors) -> Self:
        """See `Learned.with_weights`."""
        other = copy.copy(self)
        other.tensors, other._weights = tensors, _packed(tensors)
        return other

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        if self._lean:
            power = self._at_once(gain, noise_power, p_max, weight)
            if power is not None:
                return power
        problem = problem_of(gain, noise_power, p_max, weight)
        users = problem.weight.shape[-1]
        if not 0 < self.sparse < users - 1:
            return self._power(problem, _everyone_else(users))
        every = flat(problem)
        near = [
            strongest(one, self.sparse, limit).near
            for one, limit in zip(every.gain, every.p_max, strict=True)
        ]
        lists = np.array(near, np.int32).reshape(len(near), users, self.sparse)
        return self._power(problem, lists)

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`."""
        seen = observation
        if self._neighbours is None or self.sparse >= len(seen.gain) - 1:
            return self.allocate(seen.gain, seen.noise_power, seen.p_max, seen.weight)
        problem = problem_of(seen.gain, seen.noise_power, seen.p_max, seen.weight)
        return self._power(problem, self._neighbours.of(seen.mean_gain, seen.p_max).near[None])

    def _at_once(self, gain: Any, noise_power: Any, p_max: Any, weight: Any) -> Array | None:
        """Powers of one network whose arrays a kernel takes as they are; else None.

        To look at all arrays from Python takes longer than to decide for ten users. So rows that
        were looked at are known again.
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
        noises, limits, worths = rows
        near, layers = _everyone_else(users), self.sizes.layers
        wrong = pass_messages(
            gain[None], noises, limits, worths, near, layers, self._weights, power
        )
        return power[0] if wrong < 0 else None

    def _power(self, problem: Problem, near: Index) -> Array:
        """Powers, where each receiver listens to those in its list."""
        power = np.empty(problem.weight.shape)
        if power.size == 0:
            return power
        every = flat(problem)
        found = power.reshape(every.weight.shape)
        if pass_messages(*every, near, self.sizes.layers, self._weights, found) >= 0:
            refuse(problem)
        return rounded(problem, power, self.rounding)


@functools.lru_cache(maxsize=16)
def _everyone_else(users: int) -> Index:
    """Lists [1, K, K - 1] of all others."""
    place = np.arange(max(users - 1, 0), dtype=np.int32)
    return (place + (place >= np.arange(users)[:, None])).astype(np.int32)[None]


def _packed(tensors: Tensors) -> Weights:
    """Weights as the kernel takes them, messages filled up to whole groups with zeros."""
    spare = -tensors["message"].shape[1] % AT_ONCE
    given = dict(tensors)
    given["message"] = np.pad(given["message"], ((0, 0), (0, spare), (0, 0))).transpose(0, 2, 1)
    given["message_bias"] = np.pad(given["message_bias"], ((0, 0), (0, spare)))
    given["inner"] = np.pad(given["inner"], ((0, 0), (0, 0), (0, spare)))
    ready = {name: np.array(tensor, np.float32, order="C") for name, tensor in given.items()}
    return (
        ready["edge"],
        ready["edge_bias"],
        ready["message"],
        ready["message_bias"],
        ready["inner"],
        ready["inner_bias"],
        ready["outer"],
        ready["outer_bias"],
    )
