"""The density study's physics: closed form, integral and simulation against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.radio import from_dbm
from slotwise.runs.studies.density import grid, poisson
from slotwise.runs.studies.density.cellular import NETWORK, densest
from slotwise.runs.studies.density.samples import B, C, lost_efficiency
from slotwise.runs.studies.density.search import (
    CANDIDATES,
    GridDrop,
    grid_efficiency,
    poisson_efficiency,
    searched,
)

LEVELS_DBM = np.arange(-10.0, 61.0, 10.0)
POWER_W = from_dbm(LEVELS_DBM)


def one(value: float) -> NDArray[np.float64]:
    return np.asarray(value)


def summed_coverage(share: float, reach: float, points: int = 300, lattice: int = 9) -> float:
    """Coverage on the grid as a plain sum over points of the cell and stations around it."""
    place = (np.arange(points) + 0.5) / points - 0.5
    x, y = (each.ravel() for each in np.meshgrid(place, place))
    radius = np.hypot(x, y)
    near = radius < reach
    x, y, radius = x[near], y[near], radius[near]
    heard = np.ones(x.size)
    for east in range(-lattice, lattice + 1):
        for north in range(-lattice, lattice + 1):
            if east or north:
                ratio = (radius / np.hypot(x - east, y - north)) ** NETWORK.exponent
                ratio *= NETWORK.threshold
                heard *= 1.0 - share * ratio / (1.0 + ratio)
    edge = (2 * lattice + 1) / math.sqrt(math.pi)
    power = NETWORK.exponent
    far = 2.0 * math.pi * NETWORK.threshold * radius**power * edge ** (2.0 - power) / (power - 2.0)
    return float((heard * np.exp(-share * far)).sum()) / points**2


def test_the_poisson_optimum_is_that_of_an_independent_evaluation() -> None:
    density = 1e6 * 10.0 ** poisson.best_log_density(POWER_W)
    assert density == pytest.approx([415, 194, 93.5, 79.8, 81.4, 95.9, 200, 660], rel=3e-3)
    value = poisson.efficiency(density * 1e-6, POWER_W) / 1e3
    assert value == pytest.approx([45.0, 76.5, 88.4, 88.8, 88.3, 83.7, 58.4, 19.0], rel=3e-3)


def test_the_grid_s_optimum_is_that_of_an_independent_evaluation() -> None:
    density = 1e6 * 10.0 ** grid.best_log_density(POWER_W)
    assert density == pytest.approx([515, 155, 56, 38, 40, 59, 148, 474], rel=1.2e-2)
    value = grid.efficiency(density * 1e-6, POWER_W) / 1e3
    assert value == pytest.approx([67.5, 117, 130, 130, 130, 122, 80.1, 22.9], rel=7e-3)


def test_a_cell_of_250_m_wants_about_31_dbm() -> None:
    density = one(1.0 / (math.pi * 250.0**2))
    level = np.linspace(0.0, 50.0, 501)
    best = level[poisson.efficiency(density, from_dbm(level)).argmax()]
    assert best == pytest.approx(30.6, abs=0.1)


@pytest.mark.parametrize(
    ("level_dbm", "density"), [(0, 1e-4), (20, 3e-6), (20, 5e-5), (50, 1e-5), (-10, 3e-4)]
)
def test_the_table_of_coverage_is_the_integral(level_dbm: float, density: float) -> None:
    power = one(float(from_dbm(float(level_dbm))))
    reach = float(NETWORK.reach_m(power)) * math.sqrt(density)
    share = float(grid.active_share(one(density)))
    found = float(grid.coverage(one(density), power))
    assert found == pytest.approx(summed_coverage(share, reach), rel=5e-4)


def test_coverage_is_continuous_where_the_reach_leaves_the_cell() -> None:
    power = one(1e-3)
    for reach in (0.5, math.sqrt(0.5)):
        density = (reach / float(NETWORK.reach_m(power))) ** 2 * np.array([1 - 1e-7, 1 + 1e-7])
        below, above = grid.coverage(density, power)
        assert below == pytest.approx(above, rel=1e-5)


def test_drops_of_the_grid_agree_with_the_integral() -> None:
    rng = np.random.default_rng(0)
    log = np.array([-5.5, -4.3, -3.9])
    for level in (0.0, 20.0, 50.0):
        power = float(from_dbm(level))
        seen = np.array([grid_efficiency(GridDrop(rng), log, power) for _ in range(30)])
        computed = grid.efficiency(10.0**log, one(power))
        error = seen.std(axis=0, ddof=1) / math.sqrt(30)
        torus = 0.01 * computed  # 400 stations disturb a little less than all
        assert (np.abs(seen.mean(axis=0) - computed) < 4.0 * error + torus).all()


def test_drops_of_the_poisson_network_agree_with_the_closed_form() -> None:
    rng = np.random.default_rng(1)
    for level, log in ((0.0, -3.7), (30.0, -4.1)):
        power = float(from_dbm(level))
        seen = [poisson_efficiency(log, power, rng).anyone for _ in range(60)]
        computed = float(poisson.efficiency(one(10.0**log), one(power)))
        assert np.mean(seen) == pytest.approx(computed, rel=0.05)


def test_a_search_by_simulation_ends_near_the_optimum() -> None:
    rng = np.random.default_rng(2)
    found = searched(POWER_W[:2], rng, drops=4)
    assert found == pytest.approx(grid.best_log_density(POWER_W[:2]), abs=0.15)
    assert np.isin(found, CANDIDATES).all()


def test_the_best_of_many_densities_is_found_between_them() -> None:
    wanted = np.linspace(-7.9, -3.1, 1203)  # more than are searched at a time
    found = densest(lambda density, log: -((np.log10(density) - log) ** 2), wanted)
    assert found == pytest.approx(wanted, abs=2e-6)


def test_model_and_truth_of_case_c_have_the_same_mean_and_spread() -> None:
    rng = np.random.default_rng(3)
    model, truth = C.model(rng, 20_000), C.truth(rng, 20_000)
    for draws in (model, truth):
        assert draws.power_w[:, 1].mean() == pytest.approx(NETWORK.static_w, rel=5e-3)
        assert draws.power_w[:, 2].std() == pytest.approx(0.05 * NETWORK.idle_w, rel=2e-2)
    assert model.power_w[:, 1].max() < 1.09 * NETWORK.static_w < truth.power_w[:, 1].max()


def test_the_best_density_loses_nothing_and_others_do() -> None:
    draws = B.truth(np.random.default_rng(4), 50)
    lost = lost_efficiency(
        B, draws.power_w, np.stack([draws.best, draws.best + 0.3, draws.best + 9.0]), draws.best
    )
    assert lost[0] == pytest.approx(0.0, abs=1e-9)
    assert 0.0 < lost[1] < lost[2] < 1.0
