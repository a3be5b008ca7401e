from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from slotwise.emulator.kernels.normals import (
    LANES,
    empty_lanes,
    fill_exponential,
    fill_normal,
    seed_lanes,
)

Floats = NDArray[np.float32]
State = NDArray[np.uint32]
Fill = Callable[[State, Floats], None]
FILLS = [fill_normal, fill_exponential]
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
COUNT = 2**22
SIGMAS = 5.0  # seeds are fixed: a test that passes once passes always


def _state(*entropy: int) -> State:
    return seed_lanes(np.random.SeedSequence(entropy))


def _normals(state: State, count: int) -> Floats:
    out = np.empty(count, np.float32)
    fill_normal(state, out)
    return out


def _exponentials(state: State, count: int) -> Floats:
    out = np.empty(count, np.float32)
    fill_exponential(state, out)
    return out


def _correlation_sigmas(x: Floats, y: Floats) -> float:
    """Correlation of two samples in standard deviations of independent ones."""
    return float(np.corrcoef(x.astype(np.float64), y.astype(np.float64))[0, 1] * math.sqrt(x.size))


def _largest_correlation_sigmas(rows: NDArray[np.float64]) -> float:
    """Largest correlation of any two rows in standard deviations of independent ones."""
    between = np.triu(np.corrcoef(rows), k=1)
    return float(np.abs(between).max() * math.sqrt(rows.shape[1]))


@pytest.fixture(scope="module")
def normals() -> Floats:
    if INTERPRETED:
        pytest.skip("takes millions of numbers")
    return _normals(_state(1), COUNT)


@pytest.fixture(scope="module")
def exponentials() -> Floats:
    if INTERPRETED:
        pytest.skip("takes millions of numbers")
    return _exponentials(_state(2), COUNT)


def _words(state: State, count: int) -> NDArray[np.uint32]:
    """The words of every lane, (count, LANES), by xoshiro128++ as published, in Python."""
    words = np.empty((count, LANES), np.uint32)
    for lane in range(LANES):
        a, b, c, d = (int(word) for word in state[:, lane])
        for i in range(count):
            words[i, lane] = (_turn((a + d) % 2**32, 7) + a) % 2**32
            t = b << 9 & 0xFFFFFFFF
            c ^= a
            d ^= b
            b ^= c
            a ^= d
            c ^= t
            d = _turn(d, 11)
    return words


def _turn(word: int, places: int) -> int:
    return (word << places | word >> (32 - places)) & 0xFFFFFFFF


@pytest.mark.interpreted
def test_exponentials_are_minus_the_logarithm_of_the_published_generator() -> None:
    out = _exponentials(_state(3), 40 * LANES)
    words = _words(_state(3), 40).ravel().astype(np.float64)
    expected = -np.log((np.floor(words / 2.0) + 0.5) / 2.0**31)
    np.testing.assert_allclose(out, expected, rtol=3e-7, atol=6e-8)


@pytest.mark.interpreted
def test_normals_are_box_and_muller_of_the_published_generator() -> None:
    out = _normals(_state(4), 20 * 2 * LANES).reshape(20, 2, LANES).astype(np.float64)
    words = _words(_state(4), 40).reshape(20, 2, LANES)
    radius = np.sqrt(-2.0 * np.log((np.floor(words[:, 0] / 2.0) + 0.5) / 2.0**31))
    np.testing.assert_allclose(np.hypot(out[:, 0], out[:, 1]), radius, rtol=1e-6, atol=1e-3)
    angle = (words[:, 1].view(np.int32) >> 8) * (math.pi / 4.0 / 2.0**23)
    cosine = np.cos(angle) * np.where(words[:, 1] & 1, -1.0, 1.0)
    swap = (words[:, 1] & 2) != 0
    x = np.where(swap, np.sin(angle), cosine)
    np.testing.assert_allclose(out[:, 0], radius * x, rtol=0.0, atol=1e-3)
    y = np.where(swap, cosine, np.sin(angle))
    np.testing.assert_allclose(out[:, 1], radius * y, rtol=0.0, atol=1e-3)


@pytest.mark.interpreted
@pytest.mark.parametrize("fill", FILLS)
def test_a_call_depends_on_state_and_count_alone(fill: Fill) -> None:
    for count in (0, 1, LANES - 1, LANES, 2 * LANES, 5 * LANES + 3):
        first, second = _state(5), np.array(_state(5))
        x, y = np.empty(count, np.float32), np.full(count, np.nan, np.float32)
        fill(first, x)
        fill(second, y)
        assert x.tobytes() == y.tobytes()
        assert first.tobytes() == second.tobytes()
        assert np.isfinite(x).all()


@pytest.mark.interpreted
@pytest.mark.parametrize("fill", FILLS)
def test_what_is_left_over_is_thrown_away(fill: Fill) -> None:
    """A call for a few begins as a call for many does, and the next goes on after the whole."""
    first, second = _state(6), _state(6)
    few, many = np.empty(3, np.float32), np.empty(2 * LANES, np.float32)
    fill(first, few)
    if fill is fill_exponential:
        many = many[:LANES].copy()
    fill(second, many)
    assert few.tolist() == many[:3].tolist()
    assert first.tobytes() == second.tobytes()


@pytest.mark.interpreted
def test_a_state_may_lie_anywhere() -> None:
    room = np.zeros(4 * LANES + 1, np.uint32)
    crooked = room[1:].reshape(4, LANES)
    crooked[...] = _state(7)
    assert _normals(crooked, 100).tolist() == _normals(_state(7), 100).tolist()


@pytest.mark.interpreted
def test_rooms_of_states_start_at_a_line_of_the_cache() -> None:
    for networks in (0, 1, 3):
        room = empty_lanes(networks)
        assert room.shape == (networks, 4, LANES)
        assert room.ctypes.data % 64 == 0 or room.size == 0
        assert room.flags.c_contiguous
        assert not room.any()
    assert _state(8).ctypes.data % 64 == 0


@pytest.mark.interpreted
def test_no_lane_is_all_zero() -> None:
    class Zero(np.random.SeedSequence):
        def generate_state(self, n_words: int, dtype: object = np.uint32) -> NDArray[np.uint32]:
            return np.zeros(n_words, np.uint32)

    state = seed_lanes(Zero())
    assert state.any(axis=0).all()
    assert len(set(_exponentials(state, 4 * LANES).tolist())) > 1


def test_moments_are_those_of_a_normal(normals: Floats) -> None:
    x = normals.astype(np.float64)
    for power, mean, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        error = (np.mean(x**power) - mean) / math.sqrt(variance / x.size)
        assert abs(error) < SIGMAS, power


def test_moments_are_those_of_an_exponential(exponentials: Floats) -> None:
    x = exponentials.astype(np.float64)
    for power in (1, 2, 3, 4):
        mean = math.factorial(power)
        variance = math.factorial(2 * power) - mean**2
        assert abs(np.mean(x**power) - mean) < SIGMAS * math.sqrt(variance / x.size), power


def test_kolmogorov_and_smirnov_see_a_normal(normals: Floats) -> None:
    assert stats.kstest(normals, "norm").pvalue > 1e-3
    for phase in range(0, 2 * LANES, 5):
        assert stats.kstest(normals[phase :: 2 * LANES], "norm").pvalue > 1e-4


def test_kolmogorov_and_smirnov_see_an_exponential(exponentials: Floats) -> None:
    assert stats.kstest(exponentials, "expon").pvalue > 1e-3


def test_tails_have_as_many_as_they_should(normals: Floats, exponentials: Floats) -> None:
    for bound in (2.0, 3.0, 4.0, 4.5):
        share = stats.norm.sf(bound)
        for count in ((normals > bound).sum(), (normals < -bound).sum()):
            assert abs(count - share * COUNT) < SIGMAS * math.sqrt(share * COUNT), bound
    for bound in (3.0, 6.0, 9.0, 12.0):
        share = math.exp(-bound)
        count = (exponentials > bound).sum()
        assert abs(count - share * COUNT) < SIGMAS * math.sqrt(share * COUNT), bound
    assert np.abs(normals).max() > 4.8
    assert exponentials.max() > 12.5
    assert exponentials.min() >= 0.0


def test_lanes_know_nothing_of_each_other(normals: Floats) -> None:
    columns = normals.reshape(-1, 2 * LANES).astype(np.float64)
    for x in (columns.T, columns.T**2):
        assert _largest_correlation_sigmas(x) < SIGMAS


def test_numbers_know_nothing_of_those_before(normals: Floats, exponentials: Floats) -> None:
    for x in (normals, normals**2, exponentials):
        for lag in (1, 2, 15, 16, 17, 31, 32, 33, 64, 1000):
            assert abs(_correlation_sigmas(x[lag:], x[:-lag])) < SIGMAS, lag


def test_successive_calls_are_independent() -> None:
    if INTERPRETED:
        pytest.skip("takes many numbers")
    state = _state(9)
    calls = np.stack([_normals(state, 2000) for _ in range(400)])
    for lag in (1, 2, 3):
        assert abs(_correlation_sigmas(calls[lag:].ravel(), calls[:-lag].ravel())) < SIGMAS


@pytest.mark.interpreted
def test_streams_of_neighbouring_seeds_differ_from_the_first_number() -> None:
    first = np.stack([_normals(_state(seed), 2 * LANES) for seed in range(20)])
    assert len(np.unique(first)) == first.size


def test_streams_of_neighbouring_seeds_are_independent() -> None:
    if INTERPRETED:
        pytest.skip("takes many numbers")
    streams = np.stack([_normals(_state(0, seed), 2**15) for seed in range(64)]).astype(np.float64)
    for x in (streams, streams**2):
        assert _largest_correlation_sigmas(x) < SIGMAS
    across = streams[:, :256].ravel()  # what 64 networks see in their first slots
    assert stats.kstest(across, "norm").pvalue > 1e-3


def test_high_and_low_bits_are_uniform(normals: Floats, exponentials: Floats) -> None:
    """Chi-square over the cells of the law, and over the last bits of the mantissa."""
    for uniform in (stats.norm.cdf(normals), -np.expm1(-exponentials.astype(np.float64))):
        cells = np.bincount((uniform * 1024).astype(np.int64).clip(0, 1023), minlength=1024)
        assert stats.chisquare(cells).pvalue > 1e-3
    middle = normals[(np.abs(normals) > 0.1) & (np.abs(normals) < 2.0)]
    low = np.bincount(middle.view(np.uint32) & 15, minlength=16)
    assert stats.chisquare(low).pvalue > 1e-3


def test_pairs_point_everywhere_alike(normals: Floats) -> None:
    pairs = normals.reshape(-1, 2, LANES).astype(np.float64)
    angle = np.arctan2(pairs[:, 1], pairs[:, 0]).ravel()
    cells = np.bincount(((angle + math.pi) / (2 * math.pi) * 64).astype(np.int64).clip(0, 63))
    assert stats.chisquare(cells).pvalue > 1e-3
