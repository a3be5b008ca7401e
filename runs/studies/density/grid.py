"""The truth: stations on a square grid, whose energy efficiency is an integral over a cell.

The user is anywhere in the square around its station; fading is Rayleigh and averaged in closed
form, station by station. Lengths are in cells, so that coverage is a function of two numbers, the
share of active stations and the reach: it is integrated once, as a table of Chebyshev polynomials,
and an optimum takes a hundredth of a millisecond.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from slotwise.runs.studies.density.cellular import NETWORK, Array, Cellular, densest

__all__ = ["active_share", "best_log_density", "coverage", "efficiency"]

_NODES = 32
"""Chebyshev nodes of the radius and of the angle."""
_SHARES = 20
"""Chebyshev nodes of the share of active stations."""
_ANGLES = 20
"""Gauss-Legendre nodes around the station, in an eighth of the circle."""
_LATTICE = 6
"""The nearest 13 × 13 stations one by one; what lies beyond is a tail integral."""


def active_share(density: Array, network: Cellular = NETWORK) -> Array:
    """Share of cells with a user, 1 − exp(−λ_MT / λ).

    Parameters
    ----------
    density : float64
        Of stations [1/m²].
    network : Cellular
        Constants.
    """
    share: Array = -np.expm1(-network.users_per_m2 / density)
    return share


def coverage(density: Array, transmit_w: Array, network: Cellular = NETWORK) -> Array:
    """Probability that a user, uniform in its cell, is covered.

    Parameters
    ----------
    density : float64
        Of stations [1/m²].
    transmit_w : float64
        Transmit power [W]; broadcast against the density.
    network : Cellular
        Constants.

    Returns
    -------
    float64
        ∫ over the cell within reach of Π_i (1 − L q_i / (1 + q_i)), q_i = γ (r / r_i)^β.
    """
    tables = _tables(network.exponent, network.threshold)
    share = 2.0 * active_share(density, network) - 1.0
    reach = network.reach_m(transmit_w) * np.sqrt(density)
    share, reach = np.broadcast_arrays(share, reach)
    inner = _evaluated(share, 4.0 * np.minimum(reach, 0.5) - 1.0, tables.disc)
    angle = np.arccos(0.5 / np.clip(reach, 0.5, math.sqrt(0.5)))
    outer = _evaluated(share, angle * (8.0 / math.pi) - 1.0, tables.corners)
    return np.asarray(inner + np.where(reach > 0.5, outer, 0.0))


def efficiency(density: Array, transmit_w: Array, network: Cellular = NETWORK) -> Array:
    """Energy efficiency of a network on a square grid [bit/J].

    Parameters
    ----------
    density : float64
        Of stations [1/m²].
    transmit_w : float64
        Transmit power [W]; broadcast against the density.
    network : Cellular
        Constants.
    """
    return network.efficiency(
        active_share(density, network),
        coverage(density, transmit_w, network),
        transmit_w,
        np.asarray(network.static_w),
        np.asarray(network.idle_w),
    )


def best_log_density(transmit_w: Array, network: Cellular = NETWORK) -> Array:
    """Decimal logarithm of the density with the largest energy efficiency.

    Parameters
    ----------
    transmit_w : [n], float64
        Transmit power [W].
    network : Cellular
        Constants.

    Returns
    -------
    [n], float64
        Of 1/m², to 1e-6.
    """

    def value(density: Array, power: Array) -> Array:
        return efficiency(density, power, network)

    return densest(value, transmit_w)


class _Tables(NamedTuple):
    """Chebyshev coefficients of coverage, [share, place].

    That of the disc within a radius, and what the corners of the cell add to it, up to the angle
    at which the circle of users within reach leaves the cell.
    """

    disc: Array
    corners: Array


@lru_cache(maxsize=8)
def _tables(exponent: float, threshold: float) -> _Tables:
    nodes = chebyshev.chebpts1(_NODES)
    share = (chebyshev.chebpts1(_SHARES) + 1.0) / 2.0
    quarter = math.pi / 4.0
    radius = (nodes + 1.0) / 4.0
    disc = radius * _ring(radius, np.zeros(_NODES), share, exponent, threshold)
    angle = (nodes + 1.0) * quarter / 2.0
    radius = 0.5 / np.cos(angle)
    # The area element of a circle that leaves the square at this angle: r dr, dr = r tan(angle).
    edge = radius**2 * np.tan(angle)
    corners = edge * _ring(radius, angle, share, exponent, threshold)
    return _Tables(_integrated(disc, 8.0 / 4.0), _integrated(corners, 8.0 * quarter / 2.0))


def _ring(radius: Array, start: Array, share: Array, exponent: float, threshold: float) -> Array:
    """Probability above interference, integrated from an angle to π/4: [share, radius]."""
    node, weight = np.polynomial.legendre.leggauss(_ANGLES)
    width = (math.pi / 4.0 - start)[:, None]
    angle = start[:, None] + width * (node + 1.0) / 2.0
    x, y = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
    place = np.arange(-_LATTICE, _LATTICE + 1)
    east, north = np.meshgrid(place, place)
    others = (east != 0) | (north != 0)
    square = (x[..., None] - east[others]) ** 2 + (y[..., None] - north[others]) ** 2
    ratio = threshold * (radius[:, None, None] ** 2 / square) ** (exponent / 2.0)
    lost = ratio / (1.0 + ratio)
    edge = (2 * _LATTICE + 1) / math.sqrt(math.pi)  # the circle as large as the square
    far = threshold * radius**exponent * math.tau * edge ** (2.0 - exponent) / (exponent - 2.0)
    value = np.empty((share.size, radius.size))
    for row, part in enumerate(share):
        heard = np.exp(np.log1p(-part * lost).sum(axis=-1) - part * far[:, None])
        value[row] = (heard * weight).sum(axis=1) * width[:, 0] / 2.0
    return value


def _integrated(value: Array, scale: float) -> Array:
    """Coefficients of the integral over the second variable from −1, of values at the nodes."""
    by_share = np.linalg.solve(
        chebyshev.chebvander(chebyshev.chebpts1(_SHARES), _SHARES - 1), value
    )
    nodes = chebyshev.chebvander(chebyshev.chebpts1(_NODES), _NODES - 1)
    both = np.linalg.solve(nodes, by_share.T).T
    table: Array = np.asarray(chebyshev.chebint(both, lbnd=-1.0, axis=1), np.float64) * scale
    return table


def _evaluated(share: Array, place: Array, table: Array) -> Array:
    """Values of a table at many points, as many at a time as memory likes."""
    rows = chebyshev.chebvander(share.ravel(), table.shape[0] - 1)
    columns = chebyshev.chebvander(place.ravel(), table.shape[1] - 1)
    value: Array = ((rows @ table) * columns).sum(axis=1).reshape(share.shape)
    return value
