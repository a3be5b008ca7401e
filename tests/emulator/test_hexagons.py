"""The hexagonal lattice, its wrap-around, and points in a cell, against geometry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from slotwise.emulator import hexagons

Array = NDArray[np.float64]
FULL = [1, 7, 19, 37, 61]


def _far_lattice(spacing: float, reach: int) -> Array:
    """Lattice points from two basis vectors, unordered."""
    east = np.array([spacing, 0.0])
    slanted = spacing * np.array([math.cos(math.pi / 3), math.sin(math.pi / 3)])
    steps = range(-reach, reach + 1)
    return np.array([i * east + j * slanted for i in steps for j in steps])


def test_three_cells_are_a_triangle_of_neighbours() -> None:
    a, b, c = hexagons.lattice(3, 200.0)
    assert a == pytest.approx([0.0, 0.0])
    for one, other in ((a, b), (b, c), (c, a)):
        assert math.dist(one, other) == pytest.approx(200.0)


@pytest.mark.parametrize("cells", [1, 2, 7, 10, 20, 37, 127])
def test_centres_are_the_nearest_lattice_points(cells: int) -> None:
    centres = hexagons.lattice(cells, 10.0)
    lattice = _far_lattice(10.0, 16)
    nearest = np.sort(np.hypot(*lattice.T))[:cells]
    assert np.sort(np.hypot(*centres.T)) == pytest.approx(nearest, abs=1e-9)
    gap = np.linalg.norm(centres[:, None] - lattice[None], axis=-1).min(axis=1)
    assert gap == pytest.approx(np.zeros(cells), abs=1e-9)
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    assert np.all(apart[~np.eye(cells, dtype=bool)] > 9.9)


def test_centres_spiral_outwards_and_turn_by_angle_at_equal_distance() -> None:
    centres = hexagons.lattice(37, 1.0)
    squared = np.sum(centres**2, axis=1)
    shells = [0] + [1] * 6 + [3] * 6 + [4] * 6 + [7] * 12 + [9] * 6
    assert squared == pytest.approx(np.array(shells, dtype=float))
    angle = np.degrees(np.arctan2(centres[:, 1], centres[:, 0])) % 360.0
    assert angle[1:7] == pytest.approx([0.0, 60.0, 120.0, 180.0, 240.0, 300.0])
    assert angle[7:13] == pytest.approx([30.0, 90.0, 150.0, 210.0, 270.0, 330.0])
    assert np.all(np.diff(angle[19:31]) > 0.0)


@pytest.mark.parametrize("cells", [*FULL, 217])
def test_clusters_tile_the_plane(cells: int) -> None:
    """Every lattice point is hit exactly once by all sums of the six translations."""
    centres, tiles = hexagons.lattice(cells, 1.0), hexagons.cluster_tiles(cells, 1.0)
    first, second = tiles[1], tiles[2]
    steps = np.arange(-6, 7)
    moves = steps[:, None, None] * first + steps[None, :, None] * second
    covered = (centres[:, None, :] + moves.reshape(1, -1, 2)).reshape(-1, 2)
    reach = int(2.0 * math.sqrt(cells))
    lattice = _far_lattice(1.0, 2 * reach)
    lattice = lattice[np.hypot(*lattice.T) < reach]
    rounded = {(round(2 * x), round(2 * y / math.sqrt(3))) for x, y in lattice}
    hits = [(round(2 * x), round(2 * y / math.sqrt(3))) for x, y in covered]
    inside = [hit for hit in hits if hit in rounded]
    assert len(inside) == len(rounded) == len(set(inside))
    assert len(rounded) > 2 * cells


@pytest.mark.parametrize("cells", FULL)
def test_translations_are_six_of_one_length_sixty_degrees_apart(cells: int) -> None:
    tiles = hexagons.cluster_tiles(cells, 200.0)
    assert tiles[0] == pytest.approx([0.0, 0.0])
    assert np.hypot(*tiles[1:].T) == pytest.approx(np.full(6, math.sqrt(cells) * 200.0))
    turns = np.diff(np.unwrap(np.arctan2(tiles[1:, 1], tiles[1:, 0])))
    assert turns == pytest.approx(np.full(5, math.pi / 3))


def _draw(half: float, inner: float, count: int, seed: int) -> Array:
    return hexagons.uniform(half, inner, np.random.default_rng(seed).random((count, 3)))


@pytest.mark.parametrize("inner", [0.0, 20.0, 70.0, 99.0, 99.99])
def test_points_lie_in_the_cell_and_outside_the_inner_circle(inner: float) -> None:
    point = _draw(100.0, inner, 20_000, 1)
    assert np.hypot(*point.T).min() >= inner * (1 - 1e-12)
    normals = np.exp(1j * np.arange(6) * np.pi / 3)
    along = point @ np.stack([normals.real, normals.imag])
    assert along.max() <= 100.0 * (1 + 1e-12)


@pytest.mark.parametrize("inner", [0.0, 20.0, 99.0])
def test_points_are_uniform_by_their_second_moments(inner: float) -> None:
    """A hexagon of side s and area A has polar moment 5 s² A / 12; a disc has pi r⁴ / 2."""
    count, half = 200_000, 100.0
    side = 2.0 * half / math.sqrt(3.0)
    area = 1.5 * math.sqrt(3.0) * side**2
    polar = area * 5.0 * side**2 / 12.0 - math.pi * inner**4 / 2.0
    expected = polar / (area - math.pi * inner**2) / 2.0
    point = _draw(half, inner, count, 2)
    for axis in (0, 1):
        square = point[:, axis] ** 2
        error = square.std() / math.sqrt(count)
        assert abs(square.mean() - expected) < 4.0 * error
        assert abs(point[:, axis].mean()) < 4.0 * point[:, axis].std() / math.sqrt(count)
    product = point[:, 0] * point[:, 1]
    assert abs(product.mean()) < 4.0 * product.std() / math.sqrt(count)


@pytest.mark.parametrize("inner", [0.0, 35.0, 95.0])
def test_points_agree_with_rejection_sampling(inner: float) -> None:
    """Radius and angle against points of a box kept where they are in the cell."""
    box = np.random.default_rng(3).uniform(-120.0, 120.0, (400_000, 2))
    normals = np.exp(1j * np.arange(6) * np.pi / 3)
    kept = np.max(box @ np.stack([normals.real, normals.imag]), axis=1) <= 100.0
    kept &= np.hypot(*box.T) >= inner
    oracle, point = box[kept], _draw(100.0, inner, 100_000, 4)
    radius = stats.ks_2samp(np.hypot(*oracle.T), np.hypot(*point.T))
    angle = stats.ks_2samp(np.arctan2(*oracle.T), np.arctan2(*point.T))
    assert min(radius.pvalue, angle.pvalue) > 1e-4
