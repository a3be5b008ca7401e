"""The learned optimiser as a controller: one network for any number of users, compiled.

The network is `slotwise.controllers.networks.unrolled.UnrolledNetwork`; deciding needs no torch.
What it answers is a good start for a search as well: from several starts the best may be kept, and
flips or iterations of WMMSE may go on from there.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, broadcast
from slotwise.controllers.batch import is_plain, plain_rows
from slotwise.controllers.cards import Card
from slotwise.controllers.kernels.links import best_of as best_of_each
from slotwise.controllers.kernels.sparse import Graph
from slotwise.controllers.kernels.sparse_beam import sparse_rate
from slotwise.controllers.kernels.unrolled import pass_once, pass_through
from slotwise.controllers.kernels.unrolled_layers import FEATURES, Shape, packed
from slotwise.controllers.kernels.unrolled_sparse import pass_among
from slotwise.controllers.learned import Learned, Tensors, rounded, rounding_of, trained
from slotwise.controllers.neighbours import Neighbours, in_each, wmmse_among
from slotwise.controllers.posterior import tracker_of
from slotwise.controllers.search import best_of, flat, flipped, problem_of
from slotwise.controllers.wmmse import wmmse
from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["POLISH_FLOOR", "START_SPREAD", "Unrolled", "UnrolledTiny", "shapes_of", "sizes_of"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

POLISH_FLOOR = 1e-4
"""Least power from which WMMSE goes on, as a fraction of `p_max`: zero amplitude is absorbing."""

START_SPREAD = 4.0
"""Standard deviation of the logits of random starts."""


def sizes_of(card: Card) -> Shape:
    """Sizes that a card tells.

    Raises
    ------
    TypeError, ValueError
        If they are none of an unrolled network.
    """
    sizes = Shape(**card.sizes)  # type: ignore[arg-type]
    for name, value in sizes._asdict().items():
        fewest = 0 if name in ("channels", "chain", "late") else 1
        if type(value) is not int or not fewest <= value <= 1000:
            raise ValueError(f"{name} = {value}: must be an integer from {fewest} to 1,000")
    return sizes


def shapes_of(sizes: Shape) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors by name."""
    seen = FEATURES + sizes.late + sizes.state
    outputs = sizes.state + 1
    linear = {"start": (sizes.state, 2 + max(0, 2 * sizes.chain - 1))}
    for layer in range(sizes.layers):
        if sizes.channels:
            linear[f"layers.{layer}.message"] = 2 * sizes.channels, seen
        linear[f"layers.{layer}.inner"] = sizes.hidden, seen + 2 * sizes.channels
        linear[f"layers.{layer}.outer"] = outputs, sizes.hidden
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in linear.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return shapes


class Unrolled(Learned):
    """Learned optimiser of the weighted sum rate, for any number of users.

    Parameters
    ----------
    weights : str
        Name of weights that come with the package, or a path that ends in ``.safetensors``.
    starts : int
        Passes from different starts, at least one. The first start is the network's own; the others
        are drawn from the seed, the same for every problem with as many users. With more than one,
        the best is kept of all their powers, as they are and rounded at half.
    flip : bool
        Search on: switch single users to zero or `p_max` while that helps, see
        `slotwise.controllers.search.flipped`.
    polish : int
        Go on with so many iterations of WMMSE, everyone lifted to `POLISH_FLOOR`, and keep the
        better of the two.
    sparse : int
        Each receiver listens to so many neighbours alone, see `slotwise.controllers.neighbours`;
        zero: to everyone.
    rounding : str
        What becomes of the network's powers before anything else: ``none``; ``half``: full power
        above half of it, else silence; ``better``: the one of the two with the higher weighted sum
        rate.
    csi : str
        What `decide` takes for the gains: ``reported``, as they are reported; ``conditional-mean``,
        as they are expected to be when the powers are in force, given the newest report, its age
        and the fading; ``kalman``, as a filter of every link expects them, which needs
        ``csi.reports=channel``. See `slotwise.controllers.posterior`. `allocate` takes gains as
        they are.
    doppler : str
        Of the fading: ``known``, as the scenario states it, and estimated where it does not;
        ``estimated``, from the reports.

    Raises
    ------
    ValueError
        If an option is out of its range.
    InputError
        If the weights are missing, damaged or another network's.

    Notes
    -----
    Users whom no power can serve (no direct gain, no weight, no power limit) count as absent, and
    who is alone transmits at full power. Computed in float32: signal-to-noise ratios count up to
    1e18.
    """

    name = "unrolled"

    def __init__(
        self,
        weights: str = "unrolled",
        starts: int = 1,
        flip: bool = False,
        polish: int = 0,
        sparse: int = 0,
        rounding: str = "none",
        csi: str = "reported",
        doppler: str = "known",
    ) -> None:
        if starts < 1:
            raise ValueError(f"starts = {starts}: must be at least 1")
        for option, value in (("polish", polish), ("sparse", sparse)):
            if value < 0:
                raise ValueError(f"{option} = {value}: must be non-negative")
        self.rounding = rounding_of(rounding)
        self.starts, self.flip, self.polish, self.sparse = starts, flip, polish, sparse
        self.equivariant = starts == 1
        found = trained(weights, "unrolled", lambda card: shapes_of(sizes_of(card)))
        self.card = found.card
        self.sizes = sizes_of(found.card)
        if self.sizes.late:
            raise InputError(
                f"weights = {weights}: of unrolled-late, which is told what is unknown"
            )
        self.tensors = found.tensors
        self._net = packed(found.tensors, self.sizes)
        self._neighbours = Neighbours(sparse) if sparse else None
        self._tracker = tracker_of(csi, doppler)
        self._seen: tuple[Any, ...] = (None, None, None, (), ())
        self._plainly = starts == 1 and not sparse
        self._searches = flip or polish > 0 or self.rounding != "none"

    def with_weights(self, tensors: Tensors) -> Self:
        """See `Learned.with_weights`."""
        other = copy.copy(self)
        other.tensors, other._net = tensors, packed(tensors, self.sizes)
        other._tracker = copy.deepcopy(self._tracker)
        return other

    def allocate(
        self,
        gain: Array,
        noise_power: Array | float,
        p_max: Array | float,
        weight: Array | float | None = None,
    ) -> Array:
        """See `Controller.allocate`."""
        if self._plainly:
            power = self._at_once(gain, noise_power, p_max, weight)
            if power is not None and not self._searches:
                return power
            problem = problem_of(gain, noise_power, p_max, weight)
            return self._searched(problem, self._passed(problem) if power is None else power)
        problem = problem_of(gain, noise_power, p_max, weight)
        if self.sparse:
            power = in_each(problem, self.sparse, lambda graph, _: self._among(graph))
            return flipped(problem, power) if self.flip else power
        return self._searched(problem, self._passed(problem))

    def decide(self, observation: Observation) -> Array:
        """See `Controller.decide`; neighbours are chosen from long-term gains."""
        if self._tracker is not None and self._tracker.told:
            observation = self._tracker.expected(observation)
        if self._neighbours is None:
            return super().decide(observation)
        seen = observation
        power = self._among(self._neighbours.graph(seen)) * seen.p_max
        if not self.flip:
            return power
        return flipped(Problem(seen.gain, seen.noise_power, seen.p_max, seen.weight), power)

    def reset(self, scenario: Scenario | None, seed: int) -> None:
        """See `Controller.reset`."""
        super().reset(scenario, seed)
        if self._tracker is not None:
            self._tracker.reset(scenario)
        if self.sparse:
            self._neighbours = Neighbours(self.sparse)

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
        known = pass_once(gain, rows[0], rows[1], rows[2], self._net, power)
        return power if known else None

    def _passed(self, problem: Problem) -> Array:
        """Powers of the best start."""
        every = flat(problem)
        choices = np.empty((self.starts, *every.weight.shape))
        if choices.size and pass_through(*every, self._net, self._logits(problem), choices) >= 0:
            _refuse(problem)
        if self.starts == 1:
            return choices.reshape(problem.weight.shape)
        choices = np.concatenate([choices, (choices > 0.5 * every.p_max) * every.p_max])
        best = best_of_each(every.gain, every.noise_power, every.weight, choices)
        return best.reshape(problem.weight.shape)

    def _logits(self, problem: Problem) -> Floats:
        """Logits of the second and further starts."""
        rng = np.random.default_rng(self.seed)
        shape = self.starts - 1, problem.weight.shape[-1]
        return START_SPREAD * rng.standard_normal(shape, dtype=np.float32)

    def _searched(self, problem: Problem, power: Array) -> Array:
        """Powers rounded and searched on, as wished."""
        if not self._searches:
            return power
        power = rounded(problem, power, self.rounding)
        if self.flip:
            power = flipped(problem, power)
        if not self.polish:
            return power
        start = np.maximum(power, POLISH_FLOOR * problem.p_max)
        polished, _ = wmmse(*problem, start=start, max_iterations=self.polish, tolerance=0.0)
        return best_of(problem, power, polished)

    def _among(self, graph: Graph) -> Array:
        """Powers among neighbours as fractions of the largest, rounded and polished as wished."""
        users = len(graph.weight)
        rng = np.random.default_rng(self.seed)
        logits = START_SPREAD * rng.standard_normal((self.starts - 1, users), dtype=np.float32)
        starts = np.empty((self.starts, users))
        pass_among(graph, self._net, logits, starts)
        if self.starts > 1:
            starts = np.concatenate([starts, starts > 0.5])
        best = starts[0] if self.starts == 1 else _best_among(graph, *starts)
        if self.rounding != "none":
            at_half = (best > 0.5).astype(np.float64)
            best = at_half if self.rounding == "half" else _best_among(graph, best, at_half)
        if self.polish:
            start = np.maximum(best, POLISH_FLOOR)
            best = _best_among(graph, best, wmmse_among(graph, start, 0.0, self.polish)[0])
        return best


class UnrolledTiny(Unrolled):
    """The learned optimiser in a size that takes a quarter of the time of WMMSE for 100 users.

    Parameters and errors are those of `Unrolled`.
    """

    name = "unrolled-tiny"

    def __init__(
        self,
        weights: str = "unrolled-tiny",
        starts: int = 1,
        flip: bool = False,
        polish: int = 0,
        sparse: int = 0,
        rounding: str = "none",
        csi: str = "reported",
        doppler: str = "known",
    ) -> None:
        super().__init__(weights, starts, flip, polish, sparse, rounding, csi, doppler)


def _best_among(graph: Graph, *fractions: Array) -> Array:
    """Powers with the highest weighted sum rate among neighbours; among equals the first."""
    return max(fractions, key=lambda fraction: sparse_rate(graph, fraction))


def _refuse(problem: Problem) -> NoReturn:
    """Say what is out of its range.

    Raises
    ------
    ValueError
        Always.
    """
    broadcast(*problem)
    snr = (problem.gain * problem.p_max[..., None, :] / problem.noise_power[..., None]).max()
    raise ValueError(f"gain p_max / noise_power = {snr:.3g}: must be below 3.4e38")
