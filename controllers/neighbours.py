"""Decisions in big networks: each receiver listens to its strongest interferers alone.

Of a thousand users a receiver hears a handful; what all the others add is small, and known well
enough from the long term. A decision then looks at m gains a receiver, and costs milliseconds where
all pairs cost ten times as much. Who the neighbours are is chosen from the long-term gains, which
change only as users come, go and move, and kept from decision to decision; without a long term, for
an instant that nothing is known of, from the gains themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.base import Problem, broadcast
from slotwise.controllers.kernels.neighbours import strongest_rows
from slotwise.controllers.kernels.sparse import Graph, hear_neighbours, wmmse_sparse
from slotwise.controllers.kernels.sparse_beam import best_sparse_set, sparse_rate
from slotwise.controllers.search import keys_of

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation

__all__ = [
    "POLISH_FLOOR",
    "REST_SHARE",
    "Neighbourhood",
    "Neighbours",
    "beam_among",
    "graph_of",
    "in_each",
    "strongest",
    "wmmse_among",
]

Array = NDArray[np.float64]

REST_SHARE = 0.2
"""Share of the power of those who are no neighbours, all at full power, that counts as noise.

Most users of a dense network end up silent or far below full power. With 1,000 pairs of the
scenario `d2d`, 50 to a square kilometre, and 16 neighbours, WMMSE reaches 99.71, 99.84, 99.84,
99.80, 99.65 and 99.29% of its sum rate among all with shares of 0, 0.1, 0.2, 0.3, 0.5 and 1.
"""

POLISH_FLOOR = 0.1
"""Least power from which a set is polished, as a fraction of `p_max`.

Zero amplitude is absorbing, and in big networks the best powers are no set: from the set itself the
polish stays 1% below WMMSE from full power, from a floor of 1e-4, 0.01 and 0.1 it gets 0.0, 0.1 and
0.3% above (the network of `REST_SHARE`).
"""


class Neighbourhood(NamedTuple):
    """Whom each receiver listens to.

    Attributes
    ----------
    near : ndarray, shape (K, m), int32
        Neighbours, strongest first, the receiver's own transmitter not among them.
    rest : ndarray, shape (K,), float64
        Power received from all others, everyone at full power [W].
    """

    near: NDArray[np.int32]
    rest: Array


def strongest(gain: Array, count: int, p_max: Array | float = 1.0) -> Neighbourhood:
    """The strongest interferers of each receiver at full power.

    Parameters
    ----------
    gain : [K, K], float
        Linear power gain, best in the long term; rows are receivers.
    count : int
        How many, m; all others where there are no more.
    p_max : [K] or scalar, float
        Largest powers [W].

    Returns
    -------
    Neighbourhood
        Among equals the first.

    Raises
    ------
    ValueError
        If a gain or power limit is negative or not finite, or shapes do not fit.
    """
    gain = _plain(broadcast(gain, 1.0, p_max).gain)
    users = len(gain)
    near, rest = strongest_rows(gain, np.full(users, p_max), min(count, max(users - 1, 0)))
    return Neighbourhood(near, rest)


class Neighbours:
    """Neighbourhoods that are chosen once for as long as nobody comes, goes or moves.

    Parameters
    ----------
    count : int
        How many neighbours each receiver has, at least one.

    Raises
    ------
    ValueError
        If `count` is out of its range.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"count = {count}: must be at least 1")
        self.count = count
        self._seen: tuple[Array, Array] | None = None
        self._kept = Neighbourhood(np.empty((0, 0), np.int32), np.empty(0))

    def of(self, mean_gain: Array, p_max: Array) -> Neighbourhood:
        """The strongest interferers, chosen anew when the gains are another array object.

        Parameters
        ----------
        mean_gain : [K, K], float64
            Long-term gains; an array that is given twice must not have been written to between.
        p_max : [K], float64
            Largest powers [W].
        """
        seen = self._seen
        if seen is None or seen[0] is not mean_gain or not np.array_equal(seen[1], p_max):
            self._kept = strongest(mean_gain, self.count, p_max)
            self._seen = mean_gain, p_max.copy()
        return self._kept

    def graph(self, observation: Observation) -> Graph:
        """Gains of an observation among neighbours in the long term, in units of noise.

        Raises
        ------
        ValueError
            If a value that was read is out of its range.
        """
        seen = observation
        problem = Problem(seen.gain, seen.noise_power, seen.p_max, seen.weight)
        return graph_of(problem, self.of(seen.mean_gain, seen.p_max))


def graph_of(problem: Problem, hood: Neighbourhood) -> Graph:
    """Gains among neighbours of one network, in units of noise.

    Parameters
    ----------
    problem : Problem
        One network: gains [K, K]. Only those of neighbours are read.
    hood : Neighbourhood
        Of the same users.

    Raises
    ------
    ValueError
        If a value that was read is out of its range.
    """
    gain = np.ascontiguousarray(problem.gain, dtype=np.float64)
    noise_power, p_max, weight = (_plain(row) for row in problem[1:])
    graph, sound = hear_neighbours(
        gain, noise_power, p_max, weight, hood.near, REST_SHARE * hood.rest
    )
    if not sound:
        broadcast(*problem)
        raise ValueError("gain p_max / noise_power overflows: must be finite")
    return graph


def wmmse_among(
    graph: Graph,
    start: Array | None = None,
    tolerance: float = 1e-5,
    max_iterations: int = 500,
) -> tuple[Array, int]:
    """WMMSE among neighbours, see `slotwise.controllers.wmmse`.

    Parameters
    ----------
    graph : Graph
        One network.
    start : [K], float, optional
        Powers to start from as fractions of the largest; left out: ones.
    tolerance : float
        Stop when the weighted sum rate rises by less than this [bit/s/Hz].
    max_iterations : int
        Stop after so many iterations.

    Returns
    -------
    fraction : [K], float64
        Powers as fractions of the largest.
    iterations : int
        Updates that were made.
    """
    v = np.ones(graph.weight.size) if start is None else np.sqrt(np.clip(start, 0.0, 1.0))
    iterations = wmmse_sparse(graph, v, tolerance, max_iterations)
    return v * v, iterations


def beam_among(
    graph: Graph, width: int = 16, depth: int | None = None, patience: int = 1, polish: bool = True
) -> Array:
    """Beam search among neighbours, see `slotwise.controllers.beam`.

    Parameters
    ----------
    graph : Graph
        One network.
    width : int
        Sets kept at every step, at least one.
    depth : int, optional
        Most users in a set; left out: all.
    patience : int
        Steps without a better set before the search ends.
    polish : bool
        Run WMMSE from the best set, raised to `POLISH_FLOOR`, and keep the better of the two.

    Returns
    -------
    [K], float64
        Powers as fractions of the largest.
    """
    users = graph.weight.size
    most = users if depth is None else min(depth, users)
    fraction = best_sparse_set(graph, keys_of(users), width, most, patience)
    if not polish:
        return fraction
    polished, _ = wmmse_among(graph, np.maximum(fraction, POLISH_FLOOR))
    return polished if sparse_rate(graph, polished) > sparse_rate(graph, fraction) else fraction


def in_each(
    problem: Problem, count: int, solve: Callable[[Graph, tuple[int, ...]], Array]
) -> Array:
    """Solve one network after another, neighbours chosen from the gains themselves.

    Parameters
    ----------
    problem : Problem
        Any leading axes.
    count : int
        Neighbours of each receiver.
    solve : callable
        Makes fractions of the largest power [K] of a graph and the place of the network in the
        leading axes.

    Returns
    -------
    [..., K], float64
        Powers [W].
    """
    power = np.empty(problem.weight.shape)
    for place in np.ndindex(problem.weight.shape[:-1]):
        one = Problem(*(array[place] for array in problem))
        graph = graph_of(one, strongest(one.gain, count, one.p_max))
        power[place] = solve(graph, place) * one.p_max
    return power


def _plain(array: Array) -> Array:
    """Contiguous and not read-only: kernels are compiled for each kind of memory they meet."""
    flags = array.flags
    if flags.c_contiguous and flags.writeable and array.dtype == np.float64:
        return array
    return np.array(array, dtype=np.float64, order="C")
