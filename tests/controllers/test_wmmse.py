"""WMMSE against its equations, its published means, and powers that can be searched through."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.wmmse import WARM_FLOOR, wmmse
from slotwise.emulator.observation import Observation
from slotwise.emulator.radio import rate, sum_rate

Array = NDArray[np.float64]


def wmmse_by_the_book(
    gain: Array, noise: Array, p_max: Array, weight: Array, tolerance: float, most: int
) -> tuple[Array, int]:
    """The equations in u, v and w, one sample, one user and one term at a time."""
    users = len(p_max)
    h = [[math.sqrt(gain[k, j]) for j in range(users)] for k in range(users)]
    v = [math.sqrt(p_max[k]) for k in range(users)]

    def receive() -> tuple[list[float], list[float], float]:
        u, w = [], []
        for k in range(users):
            total = noise[k]
            for j in range(users):
                total += h[k][j] ** 2 * v[j] ** 2
            u.append(h[k][k] * v[k] / total)
            w.append(1 / (1 - u[k] * h[k][k] * v[k]))
        return u, w, sum(weight[k] * math.log2(w[k]) for k in range(users))

    u, w, objective = receive()
    count, rise = 0, math.inf
    while rise >= tolerance and count < most:
        new = []
        for k in range(users):
            price = 0.0
            for j in range(users):
                price += weight[j] * w[j] * u[j] ** 2 * h[j][k] ** 2
            wanted = weight[k] * w[k] * u[k] * h[k][k] / price
            new.append(min(max(wanted, 0.0), math.sqrt(p_max[k])))
        v = new
        last = objective
        u, w, objective = receive()
        rise = objective - last
        count += 1
    return np.array(v) ** 2, count


@pytest.mark.parametrize("users", [1, 2, 3, 10, 20])
@pytest.mark.parametrize("snr", [0.1, 1.0, 1000.0])
def test_powers_follow_the_equations(users: int, snr: float) -> None:
    rng = np.random.default_rng([users, int(10 * snr)])
    samples = 12
    gain = snr * rng.exponential(size=(samples, users, users))
    noise, p_max, weight = rng.uniform(0.2, 3.0, size=(3, samples, users))
    book = [
        wmmse_by_the_book(*problem, 1e-5, 500)
        for problem in zip(gain, noise, p_max, weight, strict=True)
    ]
    expected = np.array([power for power, _ in book])
    single = [wmmse(*problem) for problem in zip(gain, noise, p_max, weight, strict=True)]
    for power, iterations in (
        wmmse(gain, noise, p_max, weight),
        (np.array([p for p, _ in single]), np.array([i for _, i in single])),
    ):
        np.testing.assert_allclose(power, expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(
            rate(gain, power, noise), rate(gain, expected, noise), rtol=0, atol=1e-9
        )
        np.testing.assert_array_equal(iterations, [count for _, count in book])


@pytest.mark.parametrize(("tolerance", "most"), [(1e-3, 100), (1e-5, 7), (0.0, 40), (1e-9, 500)])
def test_iterations_stop_where_the_rule_says(tolerance: float, most: int) -> None:
    rng = np.random.default_rng(11)
    gain = rng.exponential(size=(30, 6, 6))
    one = np.ones(6)
    power, iterations = wmmse(gain, 1.0, 1.0, tolerance=tolerance, max_iterations=most)
    book = [wmmse_by_the_book(g, one, one, one, tolerance, most) for g in gain]
    np.testing.assert_allclose(power, [p for p, _ in book], rtol=0, atol=1e-9)
    if tolerance > 0:
        np.testing.assert_array_equal(iterations, [count for _, count in book])
    assert iterations.max() <= most


def test_rows_are_receivers() -> None:
    # User 1 disturbs the receiver of user 0, who is worth more, and hears nothing itself: it gives
    # way. In the transpose user 0 disturbs user 1, and nobody harms who is worth more.
    gain = np.array([[100.0, 30.0], [0.0, 1.0]])
    np.testing.assert_allclose(wmmse(gain, 1.0, 1.0)[0], [1.0, 0.0], atol=1e-3)
    np.testing.assert_array_equal(wmmse(gain.T, 1.0, 1.0)[0], [1.0, 1.0])


@pytest.mark.parametrize(
    ("links", "mean", "full_power"), [(10, 2.833, 0.503), (20, 3.652, 0.395), (30, 4.154, 0.348)]
)
def test_gaussian_interference_channel_reaches_the_published_means(
    links: int, mean: float, full_power: float
) -> None:
    gain = np.random.default_rng(20240101).exponential(size=(10000, links, links))
    rates = sum_rate(gain, wmmse(gain, 1.0, 1.0)[0], 1.0)
    error = rates.std(ddof=1) / 100
    assert 0.006 < error < 0.009
    assert rates.mean() == pytest.approx(mean, abs=3 * error)
    everyone = sum_rate(gain, np.ones((10000, links)), 1.0)
    ratio = everyone / rates.mean()
    assert ratio.mean() == pytest.approx(full_power, abs=4 * (everyone - rates).std() / 100 / mean)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), users=st.integers(1, 8), snr_db=st.integers(-20, 40))
def test_the_objective_never_falls_from_one_iteration_to_the_next(
    seed: int, users: int, snr_db: int
) -> None:
    rng = np.random.default_rng(seed)
    gain = 10.0 ** (snr_db / 10) * rng.exponential(size=(5, users, users))
    noise, p_max, weight, start = rng.uniform(0.05, 2.0, size=(4, 5, users))
    last = sum_rate(gain, np.minimum(start, p_max), noise, weight)
    for count in range(1, 25):
        power, iterations = wmmse(gain, noise, p_max, weight, start, 0.0, count)
        value = sum_rate(gain, power, noise, weight)
        assert (value >= last - 1e-9 * (1 + last)).all()
        assert (iterations <= count).all()
        last = value


def test_it_ends_at_a_stationary_point() -> None:
    rng = np.random.default_rng(5)
    gain = rng.exponential(size=(50, 4, 4)) * np.where(np.eye(4) > 0, 1.0, 0.1)
    power, _ = wmmse(gain, 0.1, 1.0, tolerance=1e-12, max_iterations=20000)
    step = 1e-5
    for user in range(4):
        up, down = power.copy(), power.copy()
        up[:, user] += step
        down[:, user] -= step
        slope = (sum_rate(gain, up, 0.1) - sum_rate(gain, down, 0.1)) / (2 * step)
        inside = (power[:, user] > 1e-3) & (power[:, user] < 1 - 1e-3)
        assert np.abs(slope[inside]).max(initial=0.0) < 1e-3
        assert (slope[power[:, user] == 1.0] > -1e-6).all()
        assert (slope[power[:, user] < 1e-12] < 1e-3).all()


def test_many_starts_find_the_best_point_of_a_fine_grid_of_two_users() -> None:
    rng = np.random.default_rng(6)
    gain = rng.exponential(size=(40, 2, 2)) * 10.0 ** rng.uniform(-1, 2, size=(40, 1, 1))
    weight = rng.uniform(0.2, 1.0, size=(40, 2))
    axis = np.linspace(0, 1, 201)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 1, 2)
    best = sum_rate(gain, grid, 1.0, weight).max(axis=0)
    power = make("wmmse:starts=20,tolerance=1e-8").allocate(gain, 1.0, 1.0, weight)
    reached = sum_rate(gain, power, 1.0, weight)
    assert (reached >= best * (1 - 1e-3)).all()
    assert (reached <= best * (1 + 5e-3)).all()


def test_a_user_that_starts_silent_stays_silent() -> None:
    gain = np.random.default_rng(7).exponential(size=(20, 5, 5))
    power, _ = wmmse(gain, 1.0, 1.0, start=np.array([1.0, 0.0, 1.0, 1.0, 0.5]))
    assert (power[:, 1] == 0.0).all()


def test_a_user_pushed_below_all_hearing_is_silent_and_no_denormal_number() -> None:
    gain = 100 * np.random.default_rng(16).exponential(size=(20, 8, 8))
    batch, _ = wmmse(gain, 1.0, 1.0, tolerance=-1.0, max_iterations=400)
    for power in (batch, np.array([wmmse(g, 1.0, 1.0, None, None, -1.0, 400)[0] for g in gain])):
        assert np.count_nonzero(power == 0.0) > 20
        assert power[power > 0].min() > 1e-100


def test_starts_beyond_the_box_are_clipped_and_nan_is_refused() -> None:
    gain = np.random.default_rng(7).exponential(size=(5, 5))
    expected, _ = wmmse(gain, 1.0, 1.0)
    np.testing.assert_array_equal(wmmse(gain, 1.0, 1.0, start=np.inf)[0], expected)
    with pytest.raises(ValueError, match="start has NaN"):
        wmmse(gain, 1.0, 1.0, start=np.nan)


@pytest.mark.parametrize("start", [1e-3, 1e-40, 1e-200, 1e-310])
def test_any_other_start_grows_to_full_power_where_nobody_interferes(start: float) -> None:
    np.testing.assert_allclose(wmmse(np.eye(3), 1.0, 1.0, start=start)[0], np.ones(3))


@pytest.mark.parametrize("more", ["starts=4", "flip=true", "starts=4,flip=true"])
def test_more_starts_and_flips_never_lose_to_a_single_start(more: str) -> None:
    rng = np.random.default_rng(8)
    gain = 30 * rng.exponential(size=(200, 6, 6))
    noise, p_max, weight = rng.uniform(0.2, 3.0, size=(3, 200, 6))
    single = make("wmmse").allocate(gain, noise, p_max, weight)
    best = make(f"wmmse:{more}").allocate(gain, noise, p_max, weight)
    rise = sum_rate(gain, best, noise, weight) - sum_rate(gain, single, noise, weight)
    assert rise.min() >= 0
    assert (rise > 0.1).mean() > 0.1


@pytest.mark.parametrize(
    ("spec", "least", "most"),
    [
        ("greedy", 1.0105, 1.0115),
        ("wmmse:flip=true", 1.0135, 1.0145),
        ("wmmse:starts=10", 1.0175, 1.0215),
        ("wmmse:starts=10,flip=true", 1.0195, 1.0215),
    ],
)
def test_other_controllers_stand_where_they_should_beside_a_single_start(
    spec: str, least: float, most: float
) -> None:
    # From separate implementations of these searches; the best of all on/off powers is at 1.02125.
    gain = np.random.default_rng(15).exponential(size=(5000, 10, 10))
    single, other = (
        sum_rate(gain, make(name).allocate(gain, 1.0, 1.0), 1.0) for name in ("wmmse", spec)
    )
    ratio = other.mean() / single.mean()
    error = (other - ratio * single).std() / np.sqrt(5000) / single.mean()
    assert error < 0.001
    assert least - 4 * error < ratio < most + 4 * error


def test_a_flip_search_leaves_no_single_switch_that_helps() -> None:
    gain = np.random.default_rng(9).exponential(size=(100, 5, 5))
    power = make("wmmse:flip=true").allocate(gain, 1.0, 1.0)
    value = sum_rate(gain, power, 1.0)
    for user in range(5):
        for end in (0.0, 1.0):
            moved = power.copy()
            moved[:, user] = end
            assert (sum_rate(gain, moved, 1.0) <= value + 1e-9).all()


def test_other_seeds_draw_other_starts() -> None:
    gain = 30 * np.random.default_rng(10).exponential(size=(50, 8, 8))
    powers = [make("wmmse:starts=2", seed=seed).allocate(gain, 1.0, 1.0) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(powers[0], powers[1])
    assert not np.allclose(powers[0], powers[2])


def test_a_warm_start_follows_users_through_joins_leaves_and_reordering(
    observe: Callable[..., Observation],
) -> None:
    rng = np.random.default_rng(12)
    controller = make("wmmse:warm_start=true,max_iterations=2")
    remembered: dict[int, float] = {}
    for users in ([3, 5, 8, 9], [9, 5, 3, 8], [5, 9, 12], [12, 3, 13, 9, 5], [], [5, 12]):
        gain = rng.exponential(size=(len(users), len(users)))
        start = np.array([max(remembered.get(user, 2.0), WARM_FLOOR * 2.0) for user in users])
        expected, _ = wmmse(gain, 0.5, 2.0, start=start, max_iterations=2)
        power = controller.decide(observe(gain, users, noise_power=0.5, p_max=2.0))
        np.testing.assert_allclose(power, expected, rtol=0, atol=1e-12)
        remembered = dict(zip(users, power.tolist(), strict=True))


def test_a_reset_forgets_the_last_powers(observe: Callable[..., Observation]) -> None:
    gains = np.random.default_rng(13).exponential(size=(2, 6, 6))
    controller = make("wmmse:warm_start=true,max_iterations=1")
    controller.decide(observe(gains[0]))
    warm = controller.decide(observe(gains[1]))
    controller.reset(None, 0)
    cold = controller.decide(observe(gains[1]))
    np.testing.assert_array_equal(cold, make("wmmse:max_iterations=1").decide(observe(gains[1])))
    assert not np.allclose(warm, cold)


def test_a_warm_start_on_a_slow_channel_saves_iterations_and_costs_no_rate() -> None:
    rng = np.random.default_rng(14)

    def fade(*shape: int) -> NDArray[np.complex128]:
        real, imaginary = rng.standard_normal((2, *shape))
        return np.asarray((real + 1j * imaginary) / math.sqrt(2))

    h = fade(300, 10, 10)
    start = np.ones((300, 10))
    rates, counts = [], []
    for _ in range(12):
        h = 0.99 * h + math.sqrt(1 - 0.99**2) * fade(300, 10, 10)
        gain = np.abs(h) ** 2
        cold, cold_count = wmmse(gain, 1.0, 1.0)
        warm, warm_count = wmmse(gain, 1.0, 1.0, start=np.maximum(start, WARM_FLOOR))
        start = warm
        rates.append([sum_rate(gain, warm, 1.0).mean(), sum_rate(gain, cold, 1.0).mean()])
        counts.append([warm_count.mean(), cold_count.mean()])
    warm_rate, cold_rate = np.mean(rates[4:], axis=0)
    warm_iterations, cold_iterations = np.mean(counts[4:], axis=0)
    assert warm_rate > 0.997 * cold_rate
    assert warm_iterations < 0.92 * cold_iterations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("starts=0", "starts = 0: must be at least 1"),
        ("max_iterations=0", "max_iterations = 0: must be at least 1"),
        ("tolerance=-1", "tolerance = -1.0: must be non-negative"),
    ],
)
def test_an_option_out_of_range_is_named(options: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(f"wmmse:{options}")
