"""The best on/off powers against trying them all with loops, and what they bound."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.base import broadcast
from slotwise.controllers.optimum import MOST_USERS, _best_on_off
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError

Array = NDArray[np.float64]


def best_on_off_by_hand(gain: Array, noise: Array, p_max: Array, weight: Array) -> float:
    """Largest weighted sum rate over all corners of the box, written out."""
    users = len(p_max)
    best = 0.0
    for corner in product((0.0, 1.0), repeat=users):
        total = 0.0
        for k in range(users):
            heard = [gain[k, j] * corner[j] * p_max[j] for j in range(users)]
            total += weight[k] * np.log2(1 + heard[k] / (sum(heard) - heard[k] + noise[k]))
        best = max(best, total)
    return best


def problems(users: int, snr: float, samples: int = 25) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng([users, int(10 * snr)])
    noise, p_max, weight = rng.uniform(0.3, 2.0, size=(3, samples, users))
    return snr * rng.exponential(size=(samples, users, users)), noise, p_max, weight


@pytest.mark.parametrize("users", [1, 2, 3, 4])
@pytest.mark.parametrize("snr", [0.1, 1.0, 100.0])
def test_no_on_off_power_does_better(users: int, snr: float) -> None:
    gain, noise, p_max, weight = problems(users, snr)
    by_hand = [best_on_off_by_hand(*p) for p in zip(gain, noise, p_max, weight, strict=True)]
    corners = _best_on_off(broadcast(gain, noise, p_max, weight))
    assert np.isin(corners / p_max, [0.0, 1.0]).all()
    np.testing.assert_allclose(sum_rate(gain, corners, noise, weight), by_hand, rtol=1e-12)
    best = sum_rate(gain, make("optimum").allocate(gain, noise, p_max, weight), noise, weight)
    assert (best >= np.array(by_hand) * (1 - 1e-12)).all()
    greedy = sum_rate(gain, make("greedy").allocate(gain, noise, p_max, weight), noise, weight)
    assert (greedy <= np.array(by_hand) * (1 + 1e-12)).all()


def test_two_unweighted_users_have_their_optimum_at_a_corner() -> None:
    # Gjendemsjø, Gesbert, Øien and Kiani, IEEE Trans. Wireless Commun. 7(8), 2008: polishing
    # finds nothing to add.
    gain = 10 * np.random.default_rng(3).exponential(size=(300, 2, 2))
    power = make("optimum").allocate(gain, 1.0, 1.0)
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    best = sum_rate(gain, corners[:, None], 1.0).max(axis=0)
    np.testing.assert_allclose(sum_rate(gain, power, 1.0), best, rtol=1e-9)


def test_polishing_leaves_the_corners_where_that_helps_and_stays_below_a_fine_grid() -> None:
    gain, noise, p_max, weight = problems(2, 10.0, samples=200)
    corners = _best_on_off(broadcast(gain, noise, p_max, weight))
    power = make("optimum").allocate(gain, noise, p_max, weight)
    rise = sum_rate(gain, power, noise, weight) - sum_rate(gain, corners, noise, weight)
    assert rise.min() >= 0.0
    assert 0.02 < (rise > 1e-3).mean() < 0.5
    axis = np.linspace(0, 1, 101)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 1, 2) * p_max
    best = sum_rate(gain, grid, noise, weight).max(axis=0)
    assert (sum_rate(gain, power, noise, weight) <= best * (1 + 5e-3)).all()


def test_nothing_from_full_power_exceeds_it_by_more_than_its_few_fractional_powers() -> None:
    gain = np.random.default_rng(4).exponential(size=(400, 8, 8))
    best = sum_rate(gain, make("optimum").allocate(gain, 1.0, 1.0), 1.0)
    for spec in ("greedy", "wmmse", "wmmse:starts=10,flip=true"):
        reached = sum_rate(gain, make(spec).allocate(gain, 1.0, 1.0), 1.0)
        assert reached.mean() <= best.mean() * (1 + 1e-4)
        assert (reached <= best * 1.02).all()


def test_at_0_db_and_ten_users_it_stands_two_per_cent_above_wmmse() -> None:
    gain = np.random.default_rng(5).exponential(size=(1000, 10, 10))
    wmmse, best = (
        sum_rate(gain, make(spec).allocate(gain, 1.0, 1.0), 1.0) for spec in ("wmmse", "optimum")
    )
    ratio = best.mean() / wmmse.mean()
    error = (best - ratio * wmmse).std() / np.sqrt(1000) / wmmse.mean()
    assert ratio == pytest.approx(1.02125, abs=4 * error)
    assert error < 0.002


def test_sixteen_users_are_the_most() -> None:
    gain = np.random.default_rng(6).exponential(size=(MOST_USERS, MOST_USERS))
    power = make("optimum").allocate(gain, 1.0, 1.0)
    climbed = make("wmmse:starts=10,flip=true").allocate(gain, 1.0, 1.0)
    assert sum_rate(gain, power, 1.0) >= sum_rate(gain, climbed, 1.0) * (1 - 1e-9)
    with pytest.raises(InputError, match=r"optimum: 17 users.*at most 16"):
        make("optimum").allocate(np.eye(17), 1.0, 1.0)
