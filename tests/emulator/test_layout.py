"""Places, drops, distances and association, against geometry and closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from slotwise.emulator.layout import (
    Places,
    associate,
    cell_of,
    distance,
    draw_home,
    drop_receivers,
    drop_users,
    homes,
    place_stations,
)
from slotwise.emulator.scenario import InputError
from slotwise.emulator.sections import (
    Disc,
    Grid,
    Hexagons,
    Layout,
    Links,
    Pairs,
    PoissonPoints,
    Sites,
)

Array = NDArray[np.float64]


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def _place(layout: Layout, users: int = 4, networks: int | None = None) -> Places:
    return place_stations(layout, _rng(), users, networks=networks)


def _close(sample: Array, mean: float) -> bool:
    """Whether a sample's mean is within four standard errors of the expected one."""
    return bool(abs(sample.mean() - mean) < 4.0 * sample.std() / math.sqrt(sample.size))


# --- stations --------------------------------------------------------------------------------


def test_links_have_no_geometry() -> None:
    places = _place(Links(), users=5)
    assert places.station.shape == (5, 2)
    assert np.isnan(places.station).all()
    assert np.isnan(places.area).all()
    assert np.isnan(drop_users(Links(), places, np.zeros(5, int), _rng())).all()


def test_a_pair_has_no_receiver_before_it_joins() -> None:
    places = _place(Pairs(side_m=300.0), users=5)
    assert np.isnan(places.station).all()
    assert places.area.tolist() == [-150.0, -150.0, 150.0, 150.0]
    assert places.name == (None,) * 5


def test_hexagons_know_the_box_of_their_cells() -> None:
    corner = 200.0 / math.sqrt(3.0)
    hexagon = _place(Hexagons(cells=7)).area
    assert hexagon == pytest.approx(
        [-300.0, -100.0 * math.sqrt(3) - corner, 300.0, 100.0 * math.sqrt(3) + corner]
    )
    disc = _place(Hexagons(cells=7, cell_shape="disc")).area
    assert disc[[0, 2]] == pytest.approx([-200.0 - corner, 200.0 + corner])


def test_per_user_antennas_stand_at_the_sites() -> None:
    layout = Hexagons(cells=3, antennas="per-user")
    assert _place(layout, users=9).station.shape == (3, 2)


def test_a_grid_is_centred_and_square() -> None:
    places = _place(Grid(rows=2, spacing_m=10.0))
    assert places.station.tolist() == [[-5.0, -5.0], [5.0, -5.0], [-5.0, 5.0], [5.0, 5.0]]
    assert places.area.tolist() == [-10.0, -10.0, 10.0, 10.0]


def test_poisson_stations_have_mean_and_variance_of_density_times_area() -> None:
    layout = PoissonPoints(side_m=2000.0, density_per_km2=5.0)
    places = _place(layout, networks=20_000)
    count = (~np.isnan(places.station[..., 0])).sum(axis=-1).astype(float)
    assert _close(count, 20.0)
    # The variance of a sample variance of a Poisson variable is (2 m² + m) / n.
    assert abs(count.var() - 20.0) < 4.0 * math.sqrt((2 * 400 + 20) / 20_000)
    x = places.station[..., 0]
    assert stats.kstest(x[~np.isnan(x)][:50_000], stats.uniform(-1000, 2000).cdf).pvalue > 1e-4


def test_poisson_stations_are_at_least_one_and_their_rows_suffice() -> None:
    sparse = _place(PoissonPoints(side_m=10.0, density_per_km2=1.0), networks=1000).station
    assert np.all((~np.isnan(sparse[..., 0])).sum(axis=-1) == 1)
    for mean in (0.1, 1.0, 10.0, 1000.0):
        rows = _place(PoissonPoints(side_m=1000.0, density_per_km2=mean)).station.shape[0]
        assert rows == math.ceil(mean + 6.0 * math.sqrt(mean) + 6.0)
        assert stats.poisson.sf(rows, mean) < 1e-8


def test_too_many_stations_are_refused() -> None:
    with pytest.raises(InputError, match=r"density_per_km2 = 1e\+06.*at most 10,000"):
        _place(PoissonPoints(side_m=1e6, density_per_km2=1e6))


def test_many_networks_share_fixed_stations_and_differ_in_random_ones() -> None:
    fixed = _place(Hexagons(cells=3), networks=4).station
    assert fixed.shape == (4, 3, 2)
    assert np.array_equal(fixed[0], fixed[3])
    random = _place(PoissonPoints(), networks=4).station
    assert not np.array_equal(random[0], random[1], equal_nan=True)


def test_sites_come_with_names_and_a_margin(tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    file.write_text("name,lat,lon\nwest,0,-0.001\neast,0,0.001\n")
    layout = Sites(path="sites.csv", spread_m=30.0)
    places = place_stations(layout, _rng(), 4, base=tmp_path)
    half = 0.001 * math.pi / 180.0 * 6_371_008.8
    assert places.name == ("west", "east")
    assert places.area == pytest.approx([-half - 30.0, -30.0, half + 30.0, 30.0])
    user = drop_users(layout, places, np.arange(20_000) % 2, _rng())
    offset = np.hypot(*(user - places.station[np.arange(20_000) % 2]).T)
    # The distance of a uniform point of a disc has the distribution function (d / R)².
    assert stats.kstest(offset, lambda d: (d / 30.0) ** 2).pvalue > 1e-4


# --- homes and drops -------------------------------------------------------------------------


def test_first_users_are_spread_evenly_over_the_cells() -> None:
    layout = Hexagons(cells=3)
    assert homes(layout, _place(layout), 12).tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert homes(layout, _place(layout), 2).tolist() == [0, 1]
    assert homes(layout, _place(layout), 0).shape == (0,)
    assert homes(Grid(), _place(Grid()), 3).tolist() == [0, 0, 0]


def test_an_arrival_chooses_its_home_by_weight() -> None:
    layout = Hexagons(cells=3)
    places, rng = _place(layout), _rng()
    drawn = np.array([draw_home(layout, places, rng, [1.0, 0.0, 3.0]) for _ in range(4000)])
    assert np.bincount(drawn, minlength=3)[1] == 0
    assert _close((drawn == 2).astype(float), 0.75)
    even = np.array([draw_home(layout, places, rng) for _ in range(3000)])
    assert all(_close((even == cell).astype(float), 1 / 3) for cell in range(3))
    assert draw_home(Grid(), _place(Grid()), rng) == 0


@pytest.mark.parametrize("weight", [[1.0], [0.0, 0.0, 0.0], [1.0, -1.0, 1.0], [1.0, math.nan, 1.0]])
def test_a_wrong_weight_is_refused(weight: list[float]) -> None:
    layout = Hexagons(cells=3)
    with pytest.raises(ValueError, match="must be 3 numbers >= 0"):
        draw_home(layout, _place(layout), _rng(), weight)


@pytest.mark.parametrize("inner", [0.0, 50.0, 99.0])
def test_a_disc_drop_has_the_published_law_of_distance(inner: float) -> None:
    """F(d) = ((d - r) / (R_c - r))², the angle uniform."""
    layout = Hexagons(cells=3, cell_shape="disc", inner_radius_m=inner)
    places, home = _place(layout), np.full(30_000, 2)
    offset = drop_users(layout, places, home, _rng()) - places.station[2]
    radius, angle = np.hypot(*offset.T), np.arctan2(offset[:, 1], offset[:, 0])
    corner = 200.0 / math.sqrt(3.0)
    law = stats.kstest(radius, lambda d: ((d - inner) / (corner - inner)) ** 2)
    assert law.pvalue > 1e-4
    assert stats.kstest(angle, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-4


def test_a_user_of_a_hexagon_is_nearest_to_its_own_station() -> None:
    layout = Hexagons(cells=19, inner_radius_m=10.0)
    places, home = _place(layout), np.repeat(np.arange(19), 500)
    user = drop_users(layout, places, home, _rng())
    length = np.linalg.norm(user[:, None] - places.station[None], axis=-1)
    assert np.array_equal(np.argmin(length, axis=1), home)
    assert np.all(user >= places.area[:2] - 1e-9)
    assert np.all(user <= places.area[2:] + 1e-9)


@pytest.mark.parametrize(
    "layout", [Pairs(side_m=50.0), PoissonPoints(side_m=50.0), Grid(rows=5, spacing_m=10.0)]
)
def test_other_layouts_drop_uniformly_in_their_square(layout: Layout) -> None:
    user = drop_users(layout, _place(layout), np.zeros(20_000, int), _rng())
    for axis in (0, 1):
        assert stats.kstest(user[:, axis], stats.uniform(-25, 50).cdf).pvalue > 1e-4
    assert abs(stats.pearsonr(user[:, 0], user[:, 1]).statistic) < 4.0 / math.sqrt(20_000)


@pytest.mark.parametrize("inner", [0.0, 90.0])
def test_a_disc_is_filled_uniformly(inner: float) -> None:
    layout = Disc(radius_m=100.0, inner_radius_m=inner)
    places = _place(layout)
    assert places.station.tolist() == [[0.0, 0.0]]
    assert places.area.tolist() == [-100.0, -100.0, 100.0, 100.0]
    assert homes(layout, places, 3).tolist() == [0, 0, 0]
    user = drop_users(layout, places, np.zeros(20_000, int), _rng())
    square, angle = np.sum(user**2, axis=1), np.arctan2(user[:, 1], user[:, 0])
    assert stats.kstest(square, stats.uniform(inner**2, 1e4 - inner**2).cdf).pvalue > 1e-4
    assert stats.kstest(angle, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-4


def test_users_of_a_grids_cells_are_at_home_there() -> None:
    layout = Grid(rows=2, spacing_m=10.0, users="cells")
    places = _place(layout)
    home = homes(layout, places, 8)
    assert home.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    user = drop_users(layout, places, np.repeat(home, 2500), _rng())
    offset = user - places.station[np.repeat(home, 2500)]
    for axis in (0, 1):
        assert stats.kstest(offset[:, axis], stats.uniform(-5, 10).cdf).pvalue > 1e-4
    assert cell_of(layout, places, home, user[::2500]).tolist() == home.tolist()
    arrivals = np.bincount([draw_home(layout, places, _rng(seed)) for seed in range(400)])
    assert np.all(np.abs(arrivals - 100) < 5 * math.sqrt(75))


def test_drops_of_many_networks_have_their_leading_axes() -> None:
    layout = Hexagons(cells=3, cell_shape="disc")
    places = _place(layout)
    home = np.broadcast_to(homes(layout, places, 12), (1000, 12))
    user = drop_users(layout, places, home, _rng())
    assert user.shape == (1000, 12, 2)
    reach = np.linalg.norm(user - places.station[home], axis=-1)
    assert reach.max() <= 200.0 / math.sqrt(3.0)
    assert distance(places.station, user, places.tiles).shape == (1000, 3, 12)
    many = _place(PoissonPoints(), networks=6)
    assert drop_users(PoissonPoints(), many, np.zeros(4, int), _rng()).shape == (6, 4, 2)


def test_a_ring_receiver_is_at_a_uniform_distance_inside_the_square() -> None:
    layout = Pairs(side_m=100.0, link_min_m=5.0, link_max_m=50.0)
    user = drop_users(layout, _place(layout), np.zeros(20_000, int), _rng())
    receiver = drop_receivers(layout, user, _rng(2))
    length = np.linalg.norm(receiver - user, axis=-1)
    assert stats.kstest(length, stats.uniform(5, 45).cdf).pvalue > 1e-4
    assert np.abs(receiver).max() <= 50.0


def test_ring_receivers_of_central_transmitters_lie_in_any_direction() -> None:
    layout = Pairs(side_m=1000.0, link_min_m=2.0, link_max_m=65.0)
    receiver = drop_receivers(layout, np.zeros((20_000, 2)), _rng())
    angle = np.arctan2(receiver[:, 1], receiver[:, 0])
    assert stats.kstest(angle, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-4


def test_receivers_anywhere_are_uniform_in_the_square() -> None:
    layout = Pairs(side_m=100.0, receiver="anywhere")
    receiver = drop_receivers(layout, np.zeros((10, 2000, 2)), _rng())
    for axis in (0, 1):
        flat = receiver[..., axis].ravel()
        assert stats.kstest(flat, stats.uniform(-50, 100).cdf).pvalue > 1e-4


def test_the_cell_of_a_user_is_its_home_or_the_nearest_station() -> None:
    layout = Grid(rows=2, spacing_m=10.0)
    user = np.array([[-1.0, -9.0], [2.0, 3.0], [9.0, -1.0]])
    assert cell_of(layout, _place(layout), np.zeros(3, int), user).tolist() == [0, 3, 1]
    cells = Hexagons(cells=3)
    assert cell_of(cells, _place(cells), np.array([2, 0, 1]), user).tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match="no cells"):
        cell_of(Links(), _place(Links()), np.zeros(3, int), user)


def test_the_cell_of_a_user_is_a_station_that_exists() -> None:
    layout = PoissonPoints(density_per_km2=3.0)
    places = _place(layout, networks=50)
    user = drop_users(layout, places, np.zeros((50, 8), int), _rng())
    cell = cell_of(layout, places, np.zeros((50, 8), int), user)
    chosen = np.take_along_axis(places.station, cell[..., None], axis=-2)
    length = np.linalg.norm(chosen - user, axis=-1)
    every = np.linalg.norm(user[:, :, None] - places.station[:, None], axis=-1)
    assert length == pytest.approx(np.nanmin(every, axis=-1))


# --- distance --------------------------------------------------------------------------------


def test_distance_is_euclidean_and_nan_where_an_end_is_absent() -> None:
    station = np.array([[0.0, 0.0], [3.0, 4.0], [np.nan, np.nan]])
    user = np.array([[3.0, 0.0], [0.0, 4.0]])
    expected = [[3.0, 4.0], [4.0, 3.0], [np.nan, np.nan]]
    found = distance(station, user, np.zeros((1, 2)))
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize("cells", [1, 7, 19, 37])
def test_wrapped_stations_all_see_the_same_distances(cells: int) -> None:
    places = _place(Hexagons(cells=cells, wrap_around=True))
    between = distance(places.station, places.station, places.tiles)
    assert between == pytest.approx(between.T)
    rows = np.sort(between, axis=1)
    assert rows == pytest.approx(np.broadcast_to(rows[0], rows.shape), abs=1e-9)
    if cells > 1:
        assert rows[:, 1:7] == pytest.approx(np.full((cells, 6), 200.0))


@settings(max_examples=50)
@given(st.floats(-400, 400), st.floats(-400, 400), st.sampled_from([1, 7, 19]))
def test_wrapped_distance_is_that_to_the_nearest_of_all_copies(
    x: float, y: float, cells: int
) -> None:
    """Also of copies of copies, wherever the user is in or near the cluster's cells."""
    places = _place(Hexagons(cells=cells, wrap_around=True))
    user = np.array([[x, y]]) * math.sqrt(cells / 19.0)
    copies = (places.tiles[:, None] + places.tiles[None]).reshape(-1, 2)
    brute = min(
        float(np.min(np.linalg.norm(places.station + copy - user, axis=-1))) for copy in copies
    )
    assert distance(places.station, user, places.tiles).min() == pytest.approx(brute, abs=1e-9)


# --- association -----------------------------------------------------------------------------


def test_a_user_associates_with_its_strongest_present_station() -> None:
    gain = np.array([[0.1, 0.5], [np.nan, np.nan], [0.3, 0.5]])
    assert associate(gain).tolist() == [2, 0]
    assert associate(np.stack([gain, gain[::-1]])).tolist() == [[2, 0], [0, 0]]


def test_a_handover_needs_more_than_the_hysteresis() -> None:
    gain = np.array([[1.0, 1.0, 1.0, 1.0], [1.9, 2.1, 2.1, 0.6]])
    current = np.array([0, 0, -1, 1])
    assert associate(gain, current, 3.0).tolist() == [0, 1, 1, 1]
    assert associate(gain, current, 2.0).tolist() == [1, 1, 1, 0]
    assert associate(gain, current).tolist() == [1, 1, 1, 0]


def test_a_tie_keeps_the_present_station_and_a_vanished_one_is_left() -> None:
    gain = np.array([[1.0, 0.2], [1.0, np.nan]])
    assert associate(gain, np.array([1, 1])).tolist() == [1, 0]
    assert associate(gain, np.array([1, 1]), 30.0).tolist() == [1, 0]
