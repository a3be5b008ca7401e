"""WMMSE and beam search among neighbours, against the same on gains that are zero elsewhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers.kernels.sparse import Graph, hear_neighbours, wmmse_sparse
from slotwise.controllers.kernels.sparse_beam import best_sparse_set, sparse_rate
from slotwise.controllers.neighbours import beam_among, wmmse_among
from slotwise.controllers.wmmse_numpy import wmmse_numpy

Array = NDArray[np.float64]


def random_graph(users: int, count: int, seed: int, snr: float = 10.0) -> Graph:
    """Neighbours at random, each receiver's without repetition; weights of all sizes."""
    rng = np.random.default_rng(seed)
    count = min(count, max(users - 1, 0))
    near = np.empty((users, count), np.int32)
    for k in range(users):
        near[k] = rng.permutation([j for j in range(users) if j != k])[:count]
    return Graph(
        snr * rng.exponential(size=users),
        rng.uniform(0.2, 2.0, users),
        near,
        snr * rng.exponential(size=(users, count)),
    )


def dense(graph: Graph) -> Array:
    """The same gains as a matrix."""
    gain = np.diag(graph.direct)
    for k, row in enumerate(graph.near):
        gain[k, row] = graph.cross[k]
    return gain


def rate_of(graph: Graph, fraction: Array) -> float:
    gain = dense(graph)
    signal = np.diag(gain) * fraction
    interference = 1.0 + (gain - np.diag(np.diag(gain))) @ fraction
    return float(graph.weight @ np.log2(1.0 + signal / interference))


@pytest.mark.interpreted
@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(0, 6), st.sampled_from([0.1, 10.0, 1e4]), st.integers(0, 99))
def test_powers_are_those_of_the_same_gains_in_a_matrix(
    users: int, count: int, snr: float, seed: int
) -> None:
    graph = random_graph(users, count, seed, snr)
    fraction, iterations = wmmse_among(graph, max_iterations=60)
    expected, made = wmmse_numpy(dense(graph), 1.0, 1.0, graph.weight, max_iterations=60)
    assert iterations == made
    np.testing.assert_allclose(fraction, expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("users", [40, 100])
def test_dropping_silent_users_changes_nothing(users: int) -> None:
    graph = random_graph(users, 12, 5, 100.0)
    fraction, iterations = wmmse_among(graph)
    expected, count = wmmse_numpy(dense(graph), 1.0, 1.0, graph.weight)
    assert (fraction == 0.0).sum() > users // 4
    assert iterations == count
    np.testing.assert_allclose(fraction, expected, rtol=1e-9, atol=1e-18)


def test_it_starts_where_it_is_told_and_silence_stays() -> None:
    graph = random_graph(10, 3, 1)
    start = np.linspace(0.0, 1.0, 10)
    fraction, _ = wmmse_among(graph, start)
    expected, _ = wmmse_numpy(dense(graph), 1.0, 1.0, graph.weight, start)
    assert fraction[0] == 0.0
    np.testing.assert_allclose(fraction, expected, rtol=1e-9, atol=1e-18)
    assert np.all(start == np.linspace(0.0, 1.0, 10))


def test_no_iterations_leave_the_start() -> None:
    start = np.array([0.0, 0.25, 1.0])
    fraction, iterations = wmmse_among(random_graph(3, 2, 0), start, max_iterations=0)
    assert iterations == 0
    np.testing.assert_array_equal(fraction, start)


def test_users_that_nothing_can_serve_get_no_power() -> None:
    graph = random_graph(4, 3, 2)
    graph.direct[0] = 0.0
    graph.weight[1] = 0.0
    fraction, _ = wmmse_among(graph)
    assert fraction[0] == fraction[1] == 0.0
    assert best_sparse_set(graph, keys(4), 4, 4, 2)[:2].tolist() == [0.0, 0.0]


def test_an_snr_of_a_million_million_is_no_trouble() -> None:
    graph = random_graph(20, 19, 3, 1e12)
    fraction, _ = wmmse_among(graph)
    expected, _ = wmmse_numpy(dense(graph), 1.0, 1.0, graph.weight)
    np.testing.assert_allclose(rate_of(graph, fraction), rate_of(graph, expected), rtol=1e-6)


def test_gains_are_in_units_of_noise_and_rest() -> None:
    rng = np.random.default_rng(0)
    gain, (noise, p_max, weight, rest) = rng.random((3, 3)), rng.random((4, 3))
    near = np.array([[2], [0], [1]], np.int32)
    graph, sound = hear_neighbours(gain, noise, p_max, weight, near, rest)
    assert sound
    snr = gain * p_max / (noise + rest)[:, None]
    np.testing.assert_allclose(graph.direct, np.diag(snr))
    np.testing.assert_allclose(graph.cross, np.take_along_axis(snr, near.astype(int), axis=1))


def keys(users: int) -> NDArray[np.uint64]:
    return np.random.default_rng(1).integers(2**64, size=users, dtype=np.uint64)


def best_of_all_sets(graph: Graph) -> float:
    sets = itertools.product([0.0, 1.0], repeat=graph.weight.size)
    return max(rate_of(graph, np.array(chosen)) for chosen in sets)


@pytest.mark.interpreted
@settings(max_examples=25)
@given(st.integers(0, 5), st.integers(0, 4), st.integers(0, 10**6))
def test_a_beam_as_wide_as_there_are_sets_finds_the_best_of_all(
    users: int, count: int, seed: int
) -> None:
    graph = random_graph(users, count, seed)
    fraction = best_sparse_set(graph, keys(users), 40, users, users)
    assert set(fraction.tolist()) <= {0.0, 1.0}
    np.testing.assert_allclose(rate_of(graph, fraction), best_of_all_sets(graph), rtol=1e-9)


def greedy(graph: Graph) -> Array:
    """Add the best user until none helps, every rate worked out anew."""
    users = graph.weight.size
    fraction, reached = np.zeros(users), 0.0
    while True:
        every = [rate_of(graph, np.maximum(fraction, unit)) for unit in np.eye(users)]
        if max(every) <= reached * (1.0 + 1e-12):
            return fraction
        reached = max(every)
        fraction[int(np.argmax(every))] = 1.0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("users", "count", "snr"), [(15, 4, 1.0), (30, 6, 30.0), (25, 24, 0.3)])
def test_one_state_without_patience_is_the_greedy_search(
    users: int, count: int, snr: float, seed: int
) -> None:
    graph = random_graph(users, count, seed, snr)
    fraction = best_sparse_set(graph, keys(users), 1, users, 0)
    np.testing.assert_array_equal(fraction, greedy(graph))


def test_what_users_would_add_does_not_drift() -> None:
    graph = random_graph(200, 8, 4, 1.0)
    fraction = best_sparse_set(graph, keys(200), 1, 200, 0)
    reached = rate_of(graph, fraction)
    for k in np.flatnonzero(fraction == 0.0):
        more = fraction.copy()
        more[k] = 1.0
        assert rate_of(graph, more) <= reached * (1.0 + 1e-9)


def test_sets_have_no_more_members_than_asked_for() -> None:
    graph = random_graph(20, 2, 0, 0.1)
    assert best_sparse_set(graph, keys(20), 4, 20, 1).sum() > 3.0
    assert best_sparse_set(graph, keys(20), 4, 3, 1).sum() == 3.0


@pytest.mark.parametrize("seed", range(5))
def test_wider_beams_and_polish_do_not_hurt_here(seed: int) -> None:
    graph = random_graph(40, 6, seed)
    narrow = sparse_rate(graph, beam_among(graph, 1, patience=0, polish=False))
    wide = sparse_rate(graph, beam_among(graph, 16, polish=False))
    assert wide >= narrow * (1.0 - 1e-12)
    assert sparse_rate(graph, beam_among(graph, 16)) >= wide


@pytest.mark.interpreted
@pytest.mark.parametrize("users", [0, 1, 2, 9])
def test_rates_are_those_of_the_same_gains_in_a_matrix(users: int) -> None:
    graph = random_graph(users, 4, 0)
    fraction = np.random.default_rng(0).random(users)
    np.testing.assert_allclose(sparse_rate(graph, fraction), rate_of(graph, fraction), rtol=1e-12)


def test_the_last_amplitudes_are_left_where_the_first_ones_were() -> None:
    graph = random_graph(5, 2, 0)
    v = np.full(5, 0.5)
    count = wmmse_sparse(graph, v, 1e-5, 3)
    expected, _ = wmmse_numpy(dense(graph), 1.0, 1.0, graph.weight, 0.25, max_iterations=3)
    assert count == 3
    np.testing.assert_allclose(v * v, expected, rtol=1e-12)
