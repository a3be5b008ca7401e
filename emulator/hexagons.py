"""Hexagonal cells: the lattice of their centres, the plane tiled by a cluster, a point in a cell.

Centres lie on a triangular lattice. A lattice point has axial coordinates (q, r): q + r / 2
spacings east and r sqrt(3) / 2 spacings north, which makes its squared distance from the origin
exactly q² + q r + r² spacings². The cell around it is the hexagon of points that are nearer to it
than to any other centre: edges at half a spacing in the directions 0, 60, ... degrees, corners
2 / sqrt(3) times as far, at 30, 90, ... degrees.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORNER", "cluster_tiles", "lattice", "uniform"]

Array = NDArray[np.float64]

CORNER = 2.0 / math.sqrt(3.0)
"""Distance of a cell's corners over that of its edges."""


def lattice(cells: int, spacing_m: float) -> Array:
    """Centres of cells in spiral order: ring by ring, then by distance, then by angle.

    Ring i holds the 6 i cells that are i steps between neighbours from the origin. The first
    ``cells`` centres are also the nearest ones up to 127 (six rings); beyond, ring by ring keeps
    the clusters of complete rings that tile the plane.

    Parameters
    ----------
    cells : int
        At least 1.
    spacing_m : float
        Distance between neighbouring centres [m].

    Returns
    -------
    (cells, 2) float64
        Positions [m], the origin first.
    """
    rings = math.ceil(math.sqrt(cells / 3.0))
    q, r = (axis.ravel() for axis in np.mgrid[-rings : rings + 1, -rings : rings + 1])
    ring = np.maximum(np.maximum(np.abs(q), np.abs(r)), np.abs(q + r))
    east, north = q + r / 2.0, r * (math.sqrt(3.0) / 2.0)
    angle = np.arctan2(north, east) % (2.0 * np.pi)
    order = np.lexsort((angle, q * q + q * r + r * r, ring))[:cells]
    return np.asarray(spacing_m * np.stack([east, north], axis=-1)[order])


def cluster_tiles(cells: int, spacing_m: float) -> Array:
    """Translations that tile the plane with a cluster of complete rings: none, and six more.

    With i rings, the lattice vector of axial coordinates (i + 1, i) and its turns by 60 degrees.
    They are sqrt(3 i² + 3 i + 1) = sqrt(cells) spacings long, as in a frequency reuse with
    clusters of that many cells (V. H. Mac Donald, "The cellular concept", Bell Syst. Tech. J.
    58(1), 1979).

    Parameters
    ----------
    cells : int
        1, 7, 19, 37, ... = 3 i² + 3 i + 1.
    spacing_m : float
        Distance between neighbouring centres [m].

    Returns
    -------
    (7, 2) float64
        Translations [m], (0, 0) first.
    """
    rings = round((math.sqrt(12.0 * cells - 3.0) - 3.0) / 6.0)
    first = math.atan2(rings * math.sqrt(3.0) / 2.0, rings + 1 + rings / 2.0)
    angle = first + np.arange(6) * (np.pi / 3.0)
    turns = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return np.concatenate([np.zeros((1, 2)), math.sqrt(cells) * spacing_m * turns])


def uniform(half_m: float, inner_m: float, draw: Array) -> Array:
    """Points uniform in a cell outside a circle around its centre, without rejection.

    First one of the six sectors around the normals of the edges; then the angle t from the
    normal, whose distribution function is proportional to ``tan t - (r / R)² t`` for inner
    radius r and edge distance R; then the radius, whose square is uniform between r² and
    ``(R / cos t)²``. The angle is found by Newton's method, which descends from the corner to the
    root because that function is increasing and convex.

    Parameters
    ----------
    half_m : float
        Edge distance R, half the spacing of the lattice [m].
    inner_m : float
        Inner radius r [m], below R.
    draw : (..., 3) float64
        Uniform numbers in [0, 1).

    Returns
    -------
    (..., 2) float64
        Positions relative to the centre [m].
    """
    sector = np.floor(6.0 * draw[..., 0])
    signed = 2.0 * draw[..., 1] - 1.0
    squeeze = (inner_m / half_m) ** 2
    corner = math.pi / 6.0
    wanted = np.abs(signed) * (math.tan(corner) - squeeze * corner)
    angle = np.arctan(wanted)
    if squeeze > 0.0:
        angle = np.full_like(wanted, corner)
        for _ in range(80):  # r close to R makes the root triple: the error shrinks by a third
            slope = np.tan(angle) ** 2 + (1.0 - squeeze)
            step = (np.tan(angle) - squeeze * angle - wanted) / slope
            angle -= step
            if np.all(np.abs(step) < 1e-14):
                break
    edge = half_m / np.cos(angle)
    radius = np.sqrt(inner_m**2 + draw[..., 2] * (edge**2 - inner_m**2))
    direction = sector * (np.pi / 3.0) + np.copysign(angle, signed)
    return np.stack([radius * np.cos(direction), radius * np.sin(direction)], axis=-1)
