"""WMMSE where users share receivers, against the same on the whole matrix of gains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers.kernels.shared import iterate_shared
from slotwise.controllers.kernels.stations import busiest, stations_of
from slotwise.controllers.wmmse_numpy import wmmse_numpy
from slotwise.emulator.radio import sum_rate

Array = NDArray[np.float64]
Rows = tuple[Array, Array, Array]


def cells(samples: int, stations: int, users: int, seed: int, snr: float = 10.0) -> Array:
    """Gains of users of random stations: some with many, some with none."""
    rng = np.random.default_rng(seed)
    station = rng.integers(stations, size=(samples, users, 1))
    at_station = snr * rng.exponential(size=(samples, stations, users)) ** 2
    return np.take_along_axis(at_station, station, axis=1)


def rows_of(samples: int, users: int, seed: int) -> Rows:
    """Noise, largest powers and weights, different for everyone."""
    rng = np.random.default_rng(seed)
    noise, p_max, weight = rng.uniform(0.3, 2.0, (3, samples, users))
    return noise, p_max, weight


def solved(
    gain: Array, rows: Rows, start: Array | None = None, most: int = 500
) -> tuple[Array, NDArray[np.int64]]:
    samples, users = gain.shape[:2]
    power, iterations = np.empty((samples, users)), np.empty(samples, np.int64)
    start = np.empty((0, users)) if start is None else start
    bad = iterate_shared(gain, *rows, start, 1e-5, most, 1.0, power, iterations)
    assert bad == -1
    return power, iterations


@pytest.mark.interpreted
@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 999))
def test_powers_are_those_of_the_whole_matrix(stations: int, users: int, seed: int) -> None:
    gain, rows = cells(2, stations, users, seed), rows_of(2, users, seed)
    power, iterations = solved(gain, rows, most=40)
    expected, counts = wmmse_numpy(gain, *rows, max_iterations=40)
    np.testing.assert_array_equal(iterations, counts)
    np.testing.assert_allclose(power, expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize(
    ("stations", "users"), [(1, 30), (3, 24), (20, 80), (7, 50), (40, 100), (20, 20)]
)
@pytest.mark.parametrize("snr", [0.1, 10.0])
def test_networks_of_all_sizes_end_as_the_whole_matrix_does(
    stations: int, users: int, snr: float
) -> None:
    gain, rows = cells(6, stations, users, 1, snr), rows_of(6, users, 2)
    power, iterations = solved(gain, rows)
    expected, counts = wmmse_numpy(gain, *rows)
    np.testing.assert_array_equal(iterations, counts)
    np.testing.assert_allclose(power, expected, rtol=1e-8, atol=1e-15)


def test_equal_weights_stop_by_products_and_others_by_logarithms_alike() -> None:
    gain, (noise, p_max, _) = cells(20, 5, 40, 3), rows_of(20, 40, 4)
    for weight in (np.full((1, 40), 2.0), np.linspace(1.0, 2.0, 40)[None]):
        _, iterations = solved(gain, (noise, p_max, weight))
        _, counts = wmmse_numpy(gain, noise, p_max, weight)
        np.testing.assert_array_equal(iterations, counts)


@pytest.mark.parametrize("rows", [1, 6])
def test_what_is_given_once_holds_for_every_problem(rows: int) -> None:
    gain, (noise, p_max, weight) = cells(6, 3, 10, 5), rows_of(1, 10, 6)
    noise, p_max, weight = (np.tile(row, (rows, 1)) for row in (noise, p_max, weight))
    start = np.tile(np.linspace(0.0, 2.0, 10), (rows, 1))
    power, _ = solved(gain, (noise, p_max, weight), start)
    expected, _ = wmmse_numpy(gain, noise[0], p_max[0], weight[0], start[0])
    np.testing.assert_allclose(power, expected, rtol=1e-8, atol=1e-15)


def test_no_iterations_leave_the_start() -> None:
    gain, rows = cells(1, 2, 5, 0), rows_of(1, 5, 0)
    start = 0.5 * rows[1]
    power, iterations = solved(gain, rows, start, most=0)
    assert iterations.tolist() == [0]
    np.testing.assert_allclose(power, start, rtol=1e-15)


def test_where_nobody_starts_nobody_is_heard() -> None:
    gain, rows = cells(3, 2, 5, 0), rows_of(3, 5, 0)
    assert np.all(solved(gain, rows, np.zeros((1, 5)))[0] == 0.0)


@pytest.mark.interpreted
def test_users_that_nothing_can_serve_get_no_power() -> None:
    gain, (noise, p_max, weight) = cells(1, 2, 6, 8), rows_of(1, 6, 0)
    p_max[0, 0] = weight[0, 1] = 0.0
    gain[0, gain[0, :, 0] == gain[0, 2, 0], 2] = 0.0
    power, _ = solved(gain, (noise, p_max, weight))
    expected, _ = wmmse_numpy(gain, noise, p_max, weight)
    assert np.all(power[0, :3] == 0.0)
    np.testing.assert_allclose(power, expected, rtol=1e-9, atol=1e-18)


def test_an_snr_of_a_million_million_is_no_trouble() -> None:
    gain, rows = cells(4, 4, 16, 9, 1e12), rows_of(4, 16, 1)
    power, _ = solved(gain, rows)
    expected, _ = wmmse_numpy(gain, *rows)
    rate, best = (sum_rate(gain, p, rows[0], rows[2]) for p in (power, expected))
    np.testing.assert_allclose(rate, best, rtol=1e-6)


def test_single_precision_is_close() -> None:
    gain, rows = cells(50, 5, 40, 10), rows_of(50, 40, 3)
    power, iterations = np.empty((50, 40)), np.empty(50, np.int64)
    small = gain.astype(np.float32)
    one: Any = np.float32(1.0)
    bad = iterate_shared(small, *rows, np.empty((0, 40)), 1e-5, 500, one, power, iterations)
    assert bad == -1
    expected, _ = wmmse_numpy(gain, *rows)
    rate, best = (sum_rate(gain, p, rows[0], rows[2]).mean() for p in (power, expected))
    np.testing.assert_allclose(rate, best, rtol=1e-3)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("what", range(4))
def test_the_first_problem_out_of_range_is_named(wrong: float, what: int) -> None:
    arrays = [cells(3, 2, 5, 0), *rows_of(3, 5, 0)]
    arrays[what][1, ..., 2] = wrong
    power, iterations = np.empty((3, 5)), np.empty(3, np.int64)
    gain, noise, p_max, weight = arrays
    bad = iterate_shared(
        gain, noise, p_max, weight, np.empty((0, 5)), 1e-5, 9, 1.0, power, iterations
    )
    assert bad == 1


@pytest.mark.interpreted
def test_stations_are_rows_that_are_the_same_numbers() -> None:
    gain = np.random.default_rng(0).random((3, 6))[[0, 1, 0, 2, 2, 0]]
    station, first = stations_of(gain)
    assert station.tolist() == [0, 1, 0, 2, 2, 0]
    assert first.tolist() == [0, 1, 3]


def test_rows_that_begin_alike_are_not_the_same() -> None:
    gain = np.ones((3, 3))
    gain[1, 2] = np.nextafter(1.0, 2.0)
    station, first = stations_of(gain)
    assert station.tolist() == [0, 1, 0]
    assert first.tolist() == [0, 1]


def test_of_nobody_there_are_no_stations() -> None:
    station, first = stations_of(np.empty((0, 0)))
    assert station.size == first.size == 0


@pytest.mark.interpreted
def test_stations_with_most_users_left_come_first() -> None:
    station = np.array([0, 1, 1, 2, 2, 2, 3])
    v = np.array([1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0])
    order, left = busiest(station, v)
    assert order.tolist() == [1, 0, 2]
    assert left.tolist() == [2, 1, 1]
