"""Optima as whoever has no formula finds them: simulate many densities, take the best.

A drop of the square grid is a torus of cells, each with one scheduled user and a mark that says
from which share of active stations on its station is one of them. With the same marks at all
densities one drop tells the energy efficiency at every density at once. Poisson drops are only
here to check the closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from slotwise.runs.studies.density import grid
from slotwise.runs.studies.density.cellular import (
    HIGHEST_LOG,
    LOWEST_LOG,
    NETWORK,
    Array,
    Cellular,
)

__all__ = [
    "CANDIDATES",
    "GridDrop",
    "PoissonDrop",
    "grid_efficiency",
    "poisson_efficiency",
    "searched",
]

CANDIDATES: Array = np.linspace(LOWEST_LOG, HIGHEST_LOG, 301)
"""Decimal logarithms of the densities that a search tries, 0.02 apart [1/m²]."""


class GridDrop:
    """One drop of users on a torus of square cells; fading is averaged in closed form.

    Parameters
    ----------
    rng : Generator
        Where everything random comes from.
    side : int
        Cells along one side.
    network : Cellular
        Constants.

    Attributes
    ----------
    marks : [side²], float64
        A station is active if the share of active stations is above its mark; ascending.
    distance : [side²], float64
        Of the user from its station, in cells; in the order of the marks, as below.
    covered : [side², side² + 1], float32
        Probability that a user is above the interference of the first n stations.
    """

    def __init__(
        self, rng: np.random.Generator, side: int = 20, network: Cellular = NETWORK
    ) -> None:
        cells = side * side
        # Strata make drops differ less: one user in every small square of the cell, one mark in
        # every small interval.
        square_of = np.array(np.divmod(rng.permutation(cells), side))
        x, y = (square_of + rng.random((2, cells))) / side - 0.5
        self.marks: Array = (np.arange(cells) + rng.random(cells)) / cells
        self.distance: Array = np.hypot(x, y)
        row, column = np.divmod(rng.permutation(cells), side)  # where the n-th station stands
        half = side // 2
        east = (row - row[:, None] + half) % side - half  # to the nearest copy of the other cell
        north = (column - column[:, None] + half) % side - half
        square = (x[:, None] - east) ** 2 + (y[:, None] - north) ** 2
        own = self.distance[:, None] ** 2
        nearer = (own / square).astype(np.float32)  # half the time, and noise is larger by far
        lost = np.log1p(np.float32(network.threshold) * nearer ** np.float32(network.exponent / 2))
        np.fill_diagonal(lost, 0.0)
        self.covered: NDArray[np.float32] = np.ones((cells, cells + 1), dtype=np.float32)
        np.exp(-np.cumsum(lost, axis=1), out=self.covered[:, 1:])


def grid_efficiency(
    drop: GridDrop, log_density: Array, transmit_w: float, network: Cellular = NETWORK
) -> Array:
    """Energy efficiency that one drop shows [bit/J].

    Parameters
    ----------
    drop : GridDrop
        The drop.
    log_density : [m], float64
        Decimal logarithms of the densities [1/m²].
    transmit_w : float
        Transmit power [W].
    network : Cellular
        Constants.

    Returns
    -------
    [m], float64
        By counting active stations and users within reach of theirs.
    """
    density = 10.0**log_density
    active = np.searchsorted(drop.marks, grid.active_share(density, network))
    reach = network.reach_m(np.asarray(transmit_w)) * np.sqrt(density)
    cells = drop.marks.size
    served = np.arange(cells)[:, None] < active  # the n-th station is active, and its user near
    near = served & (drop.distance[:, None] < reach)
    covered = (near * drop.covered[:, active]).sum(axis=0) / np.maximum(active, 1)
    static, idle = np.asarray(network.static_w), np.asarray(network.idle_w)
    return network.efficiency(active / cells, covered, np.asarray(transmit_w), static, idle)


def searched(
    transmit_w: Array,
    rng: np.random.Generator,
    drops: int = 1,
    done: Callable[[int], None] = lambda _: None,
) -> Array:
    """Best densities on the square grid by simulation, the same drops for every density.

    Parameters
    ----------
    transmit_w : [n], float64
        Transmit power of each network [W].
    rng : Generator
        Every network has drops of its own.
    drops : int
        Drops of 400 cells for each network.
    done : callable
        Told the networks done so far.

    Returns
    -------
    [n], float64
        Decimal logarithm of the best of `CANDIDATES` [1/m²].
    """
    best = np.empty(transmit_w.size)
    for place, power in enumerate(transmit_w):
        total = np.zeros(CANDIDATES.size)
        for _ in range(drops):
            total += grid_efficiency(GridDrop(rng), CANDIDATES, float(power))
        best[place] = CANDIDATES[total.argmax()]
        done(place + 1)
    return best


class PoissonDrop(NamedTuple):
    """Energy efficiencies of one drop [bit/J].

    Attributes
    ----------
    anyone : float
        With the coverage of any user, as the closed form has it.
    served : float
        With the coverage of one user of each station: small cells count as much as large ones, and
        their users are near.
    """

    anyone: float
    served: float


def poisson_efficiency(
    log_density: float,
    transmit_w: float,
    rng: np.random.Generator,
    stations: int = 400,
    network: Cellular = NETWORK,
) -> PoissonDrop:
    """Drop a Poisson network on a torus, with fading; every user joins the nearest station.

    Parameters
    ----------
    log_density : float
        Decimal logarithm of the density of stations [1/m²].
    transmit_w : float
        Transmit power [W].
    rng : Generator
        Where everything random comes from.
    stations : int
        Expected number of stations.
    network : Cellular
        Constants.
    """
    density = 10.0**log_density
    side = math.sqrt(stations)  # lengths in units of 1/√λ
    place = rng.random((max(1, rng.poisson(stations)), 2)) * side
    users = rng.random((max(1, rng.poisson(stations * network.users_per_m2 / density)), 2)) * side
    nearest = np.asarray(cKDTree(place, boxsize=np.full(2, side)).query(users)[1])
    active, first = np.unique(nearest, return_index=True)
    reach = float(network.reach_m(np.asarray(transmit_w))) * math.sqrt(density)

    def efficiency(chosen: NDArray[np.int64]) -> float:
        away = np.abs(users[chosen][:, None] - place[active])
        square = (np.minimum(away, side - away) ** 2).sum(axis=2)
        power = rng.exponential(size=square.shape) * square ** (-network.exponent / 2.0)
        own = np.searchsorted(active, nearest[chosen])[:, None]
        signal = np.take_along_axis(power, own, axis=1)[:, 0]
        near = np.sqrt(np.take_along_axis(square, own, axis=1)[:, 0]) < reach
        covered = near & (signal >= network.threshold * (power.sum(axis=1) - signal))
        powers = (np.asarray(each) for each in (transmit_w, network.static_w, network.idle_w))
        share = np.asarray(active.size / len(place))
        return float(network.efficiency(share, np.asarray(covered.mean()), *powers))

    return PoissonDrop(efficiency(np.arange(len(users))[:stations]), efficiency(first))
