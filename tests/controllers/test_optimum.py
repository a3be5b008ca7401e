"""The certified optimum against fine grids, plain bounds and loops that know none of its tests."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.base import broadcast
from slotwise.controllers.kernels.box_bound import (
    Box,
    Priced,
    priced_of,
    room_for_box,
    shrink,
    value_of,
)
from slotwise.controllers.kernels.branching import branch
from slotwise.controllers.kernels.corner_bound import best_corners
from slotwise.controllers.kernels.envelope_bound import bound_of
from slotwise.controllers.kernels.links import load, padded, room_for
from slotwise.controllers.optimum import Certificate, OpenGap, Optimum, certify
from slotwise.emulator.radio import sum_rate

Array = NDArray[np.float64]
Problem = tuple[Array, Array, Array, Array]

GAP = 0.01


def problems(users: int, snr: float, samples: int = 25, seed: int = 0) -> Problem:
    """Gains, noise, power limits and weights that all differ from user to user."""
    rng = np.random.default_rng([users, int(10 * snr), seed])
    noise, p_max, weight = rng.uniform(0.3, 2.0, size=(3, samples, users))
    return snr * rng.exponential(size=(samples, users, users)), noise, p_max, weight


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


def best_on_a_grid(problem: Problem, points: int) -> Array:
    """Largest weighted sum rate over a grid of powers, for each problem."""
    gain, noise, p_max, weight = problem
    users = p_max.shape[-1]
    axes = np.meshgrid(*[np.linspace(0, 1, points)] * users)
    grid = np.stack(axes, axis=-1).reshape(-1, 1, users)
    best: Array = sum_rate(gain, grid * p_max, noise, weight).max(axis=0)
    return best


def mixed_monotonic_optimum(problem: Problem, gap: float) -> tuple[float, float]:
    """Value and bound of plain best-first branch and bound, mixed monotonic bounds alone.

    Matthiesen, Hellings, Jorswieck and Utschick, IEEE Trans. Signal Process. 68, 2020. Many boxes
    are halved at a time, so that NumPy has something to do.
    """
    gain, noise, p_max, weight = problem
    direct = gain.diagonal()
    cross = gain - np.diag(direct)

    def rate(wanted: Array, interfering: Array) -> Array:
        total: Array = np.log2(1 + wanted * direct / (noise + interfering @ cross.T)) @ weight
        return total

    low, high = np.zeros((1, len(p_max))), p_max[None]
    value, settled = 0.0, 0.0
    while len(low):
        middle = (low + high) / 2
        value = max(value, *(rate(p, p).max() for p in (low, high, middle)))
        above = rate(high, low)
        alive = above > value + gap
        settled = max(settled, above[~alive].max(initial=0.0))
        low, high = low[alive], high[alive]
        if not len(low):
            break
        rows, widest = np.arange(len(low)), ((high - low) / p_max).argmax(axis=1)
        half = (low[rows, widest] + high[rows, widest]) / 2
        upper, lower = low.copy(), high.copy()
        upper[rows, widest] = half
        lower[rows, widest] = half
        low, high = np.concatenate((low, upper)), np.concatenate((lower, high))
    return value, max(value, settled)


@pytest.mark.parametrize("users", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("snr", [0.1, 1.0, 100.0])
def test_no_on_off_power_does_better(users: int, snr: float) -> None:
    gain, noise, p_max, weight = problems(users, snr, samples=15)
    by_hand = [best_on_off_by_hand(*p) for p in zip(gain, noise, p_max, weight, strict=True)]
    corners = best_corners(*broadcast(gain, noise, p_max, weight))
    assert np.isin(corners / p_max, [0.0, 1.0]).all()
    np.testing.assert_allclose(sum_rate(gain, corners, noise, weight), by_hand, rtol=1e-12)
    best = certify(gain, noise, p_max, weight).value
    assert (best >= np.array(by_hand) * (1 - 1e-12)).all()


@pytest.mark.parametrize(("users", "points"), [(1, 1001), (2, 201), (3, 31)])
@pytest.mark.parametrize("snr", [0.3, 10.0, 1000.0])
def test_a_fine_grid_finds_nothing_better_than_the_bound(
    users: int, points: int, snr: float
) -> None:
    problem = problems(users, snr, samples=20)
    found = certify(*problem)
    best = best_on_a_grid(problem, points)
    assert found.closed.all()
    assert (best <= found.bound * (1 + 1e-12)).all()
    assert (found.value >= best - GAP).all()
    # Powers are polished: the value is below no point of the grid by more than the grid is coarse.
    assert (found.value >= best * (1 - 2e-3)).all()


@pytest.mark.parametrize("snr", [1.0, 30.0])
def test_plain_mixed_monotonic_bounds_agree_at_four_users(snr: float) -> None:
    drawn = problems(4, snr, samples=2)
    found = certify(*drawn, gap=GAP)
    for n, problem in enumerate(zip(*drawn, strict=True)):
        value, bound = mixed_monotonic_optimum(problem, 0.15)
        assert value <= found.bound[n] + 1e-9
        assert found.value[n] <= bound + 1e-9


@pytest.mark.parametrize("snr", [1.0, 100.0])
def test_none_of_a_hundred_thousand_powers_exceeds_the_bound_at_eight_users(snr: float) -> None:
    gain, noise, p_max, weight = problems(8, snr, samples=1)
    rng = np.random.default_rng(1)
    found = certify(gain, noise, p_max, weight)
    powers = rng.random((100_000, 8))
    powers[::2] = np.rint(powers[::2]) * rng.random((50_000, 8)) ** 0.1
    reached = sum_rate(gain[0], powers * p_max[0], noise[0], weight[0])
    assert found.closed.all()
    assert reached.max() <= found.bound[0]


def boxed(problem: Problem, least: Array, most: Array) -> tuple[Priced, Box]:
    """One problem as kernels see it, and a box with the interference at its corners."""
    users = len(least)
    links = room_for(users)
    priced = priced_of(links, load(*problem, links), np.zeros(users))
    assert priced.users == users
    box = room_for_box(padded(users))
    box.least[:users], box.most[:users] = least, most
    heard = priced.heard.reshape(users, -1)
    box.low[:] = 1.0 + least @ heard
    box.high[:] = 1.0 + most @ heard
    return priced, box


def random_ends(rng: np.random.Generator, users: int) -> Array:
    """Lower and upper ends of powers as fractions, some of them those of all powers."""
    ends = np.sort(rng.random((2, users)), axis=0)
    ends[0, rng.random(users) < 0.5] = 0.0
    ends[1, rng.random(users) < 0.5] = 1.0
    return ends


@pytest.mark.interpreted
@pytest.mark.parametrize("users", [2, 3, 8, 11])
@pytest.mark.parametrize("snr", [0.3, 100.0])
def test_nothing_in_a_box_exceeds_its_bound(users: int, snr: float) -> None:
    rng = np.random.default_rng(users)
    for problem in zip(*problems(users, snr, samples=20), strict=True):
        gain, noise, p_max, weight = problem
        least, most = random_ends(rng, users)
        priced, box = boxed(problem, least, most)
        box.point[:users] = rng.random(users)
        # Below this floor lies all that the planes could cut off: they bound the whole box.
        bound = bound_of(priced, box, -1.0)
        np.testing.assert_array_equal([box.least[:users], box.most[:users]], [least, most])
        inside = least + (most - least) * rng.random((3000, users))
        corners = np.where(rng.random((3000, users)) < 0.5, least, most)
        reached = [sum_rate(gain, p * p_max, noise, weight).max() for p in (inside, corners)]
        assert max(reached) <= bound * (1 + 1e-12)


@pytest.mark.interpreted
@pytest.mark.parametrize("snr", [0.3, 10.0, 1000.0])
def test_neither_tests_nor_planes_take_the_optimum_from_a_box(snr: float) -> None:
    users = 4
    rng = np.random.default_rng(int(snr))
    drawn = problems(users, snr, samples=12)
    found = certify(*drawn, gap=1e-4)
    shrunk = cut = 0
    for n, problem in enumerate(zip(*drawn, strict=True)):
        best = found.power[n] / problem[2]
        for _ in range(10):
            least, most = random_ends(rng, users)
            least, most = np.minimum(least, best), np.maximum(most, best)
            priced, box = boxed(problem, least, most)
            assert shrink(priced, box) >= 0
            ends = np.array([box.least, box.most])
            shrunk += int(not np.array_equal(ends[:, :users], [least, most]))
            assert bound_of(priced, box, found.value[n] - 1e-3) >= found.value[n] * (1 - 1e-9)
            cut += int(not np.array_equal([box.least, box.most], ends))
            assert (box.least[:users] <= best + 1e-4).all()
            assert (box.most[:users] >= best - 1e-4).all()
    assert shrunk > 15
    assert cut > 5


def test_the_objective_is_the_weighted_sum_rate() -> None:
    problem = next(zip(*problems(5, 3.0), strict=True))
    gain, noise, p_max, weight = problem
    priced, box = boxed(problem, np.zeros(5), np.ones(5))
    box.point[:5] = np.random.default_rng(0).random(5)
    value = value_of(priced, box.point, box.noise, box.logs)
    reached = sum_rate(gain, box.point[:5] * p_max, noise, weight)
    assert value == pytest.approx(float(reached), rel=1e-12)


@pytest.mark.parametrize("users", [1, 2, 3])
def test_a_price_of_power_is_weighed_against_the_rate(users: int) -> None:
    drawn = problems(users, 30.0, samples=10)
    price = np.random.default_rng(users).uniform(0.5, 4.0, users)
    fraction = np.linspace(0, 1, 2001 if users == 1 else 101 if users == 2 else 31)
    axes = np.meshgrid(*[fraction] * users)
    grid = np.stack(axes, axis=-1).reshape(-1, users)
    inside = 0
    for gain, noise, p_max, weight in zip(*drawn, strict=True):
        power = np.zeros(users)
        value, bound, _ = branch(gain, noise, p_max, weight, price, GAP, 100_000, power)
        by_grid = sum_rate(gain, grid * p_max, noise, weight) - grid @ price
        reached = float(sum_rate(gain, power, noise, weight) - power / p_max @ price)
        assert value == pytest.approx(reached, rel=1e-9, abs=1e-9)
        assert by_grid.max() <= bound + 1e-9
        assert bound <= value + GAP + 1e-9
        inside += int(((power > 0) & (power < p_max)).any())
    assert inside > 0


def test_two_unweighted_users_have_their_optimum_at_a_corner() -> None:
    # Gjendemsjø, Gesbert, Øien and Kiani, IEEE Trans. Wireless Commun. 7(8), 2008.
    gain = 10 * np.random.default_rng(3).exponential(size=(200, 2, 2))
    power = make("optimum").allocate(gain, 1.0, 1.0)
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    best = sum_rate(gain, corners[:, None], 1.0).max(axis=0)
    np.testing.assert_allclose(sum_rate(gain, power, 1.0), best, rtol=1e-9)


def test_it_leaves_the_corners_where_that_helps() -> None:
    gain, noise, p_max, weight = problems(2, 10.0, samples=150)
    corners = best_corners(*broadcast(gain, noise, p_max, weight))
    found = certify(gain, noise, p_max, weight)
    rise = found.value - sum_rate(gain, corners, noise, weight)
    assert rise.min() >= -1e-12
    assert 0.02 < (rise > 1e-3).mean() < 0.5


@pytest.mark.parametrize("snr", [1.0, 100.0])
def test_no_other_controller_exceeds_the_bound(snr: float) -> None:
    gain, noise, p_max, weight = problems(9, snr, samples=40)
    found = certify(gain, noise, p_max, weight)
    assert found.closed.all()
    for spec in ("greedy", "beam", "wmmse:starts=10,flip=true", "ascent"):
        power = make(spec).allocate(gain, noise, p_max, weight)
        assert (sum_rate(gain, power, noise, weight) <= found.bound + 1e-9).all()


def test_at_0_db_and_ten_users_it_stands_two_per_cent_above_wmmse() -> None:
    gain = np.random.default_rng(5).exponential(size=(600, 10, 10))
    wmmse, best = (
        sum_rate(gain, make(spec).allocate(gain, 1.0, 1.0), 1.0) for spec in ("wmmse", "optimum")
    )
    ratio = best.mean() / wmmse.mean()
    error = (best - ratio * wmmse).std() / np.sqrt(600) / wmmse.mean()
    assert ratio == pytest.approx(1.02125, abs=4 * error)
    assert error < 0.003


def test_a_certificate_is_consistent_for_any_leading_axes() -> None:
    gain, noise, p_max, weight = problems(4, 3.0, samples=6)
    flat = certify(gain, noise, p_max, weight)
    rows = [row.reshape(2, 3, 4) for row in (noise, p_max, weight)]
    shaped = certify(gain.reshape(2, 3, 4, 4), rows[0], rows[1], rows[2])
    assert shaped.power.shape == (2, 3, 4)
    for one, other in zip(flat[:6], shaped[:6], strict=True):
        np.testing.assert_array_equal(one, other.reshape(one.shape))
    np.testing.assert_allclose(
        flat.value, sum_rate(gain, flat.power, noise, weight), rtol=1e-12, atol=0
    )
    np.testing.assert_allclose(flat.gap, flat.bound - flat.value, rtol=0, atol=1e-12)
    assert (flat.gap <= GAP + 1e-9).all()
    assert (flat.nodes >= 1).all()
    single = certify(gain[0], noise[0], p_max[0], weight[0])
    assert single.value.shape == ()


@pytest.mark.parametrize("shape", [(0, 0), (3, 0, 0), (0, 5, 5)])
def test_nobody_is_served_for_nothing(shape: tuple[int, ...]) -> None:
    found = certify(np.ones(shape), 1.0, 1.0)
    assert found.power.shape == shape[:-1]
    assert found.value.shape == shape[:-2]
    assert not found.value.any()
    assert found.closed.all()


def test_users_that_no_power_can_serve_get_none_and_do_not_count() -> None:
    gain, noise, p_max, weight = problems(6, 3.0, samples=10)
    weight[:, 1] = 0.0
    p_max[:, 2] = 0.0
    gain[:, 4, 4] = 0.0
    found = certify(gain, noise, p_max, weight)
    rest = [0, 3, 5]
    among = certify(gain[:, rest][:, :, rest], noise[:, rest], p_max[:, rest], weight[:, rest])
    assert not found.power[:, [1, 2, 4]].any()
    np.testing.assert_allclose(found.power[:, rest], among.power, rtol=1e-12, atol=1e-12)
    nobody = certify(gain, noise, p_max, 0.0)
    assert not nobody.power.any()
    assert not nobody.bound.any()


def test_a_smaller_gap_is_proved_by_more_nodes() -> None:
    problem = problems(6, 3.0, samples=10)
    wide, narrow = certify(*problem, gap=0.3), certify(*problem, gap=1e-4)
    assert (narrow.gap <= 1e-4 + 1e-9).all()
    assert (narrow.value <= wide.bound + 1e-9).all()
    assert (wide.value <= narrow.bound + 1e-9).all()
    assert wide.nodes.sum() < narrow.nodes.sum()


def test_a_limit_on_the_nodes_leaves_a_gap_that_holds() -> None:
    problem = problems(8, 1.0, samples=10)
    done, cut = certify(*problem), certify(*problem, nodes=5)
    assert not cut.closed.all()
    assert (cut.nodes <= 5).all()
    assert (cut.gap[~cut.closed] > GAP).all()
    assert (done.value <= cut.bound + 1e-9).all()
    assert (cut.bound <= certify(*problem, nodes=1).bound + 1e-9).all()


def test_more_users_than_can_be_tried_are_searched_from_a_beam() -> None:
    gain = 100 * np.random.default_rng(6).exponential(size=(2, 17, 17))
    found = certify(gain, 1.0, 1.0)
    climbed = make("wmmse:starts=10,flip=true").allocate(gain, 1.0, 1.0)
    assert found.closed.all()
    assert (sum_rate(gain, climbed, 1.0) <= found.bound).all()
    many = certify(np.random.default_rng(7).exponential(size=(70, 70)), 1.0, 1.0, nodes=20)
    assert not many.closed
    assert many.value > 0.0


def test_a_gap_that_stays_open_is_said_once_and_kept() -> None:
    gain = np.random.default_rng(8).exponential(size=(3, 9, 9))
    controller = make("optimum:nodes=3")
    assert isinstance(controller, Optimum)
    with pytest.warns(OpenGap, match=r"optimum:nodes=3: 3 of 3 stay open, by at most .* bit/s/Hz"):
        controller.allocate(gain, 1.0, 1.0)
    with warnings.catch_warnings(action="error"):
        controller.allocate(gain[0], 1.0, 1.0)
    assert isinstance(controller.certificate, Certificate)
    assert controller.certificate.closed.shape == ()
    controller.reset(None, 0)
    assert vars(controller)["certificate"] is None
    with pytest.warns(OpenGap):
        controller.allocate(gain, 1.0, 1.0)


def test_a_summary_says_what_was_proved() -> None:
    easy = certify(np.eye(3), 1.0, 1.0)
    assert easy.summary() == "all 1 proved within 0 bit/s/Hz of the optimum"
    mixed = easy._replace(
        gap=np.array([0.004, 0.31]), closed=np.array([True, False]), nodes=np.array([4, 9])
    )
    assert mixed.summary() == (
        "1 of 2 stay open, by at most 0.31 bit/s/Hz; the other 1 proved within 0.004 bit/s/Hz "
        "of the optimum"
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [("gap=0", "gap = 0.0: must be positive"), ("nodes=0", "nodes = 0: must be at least 1")],
)
def test_options_out_of_range_are_refused(option: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(f"optimum:{option}")
    key, value = option.split("=")
    with pytest.raises(ValueError, match=message):
        certify(np.eye(2), 1.0, 1.0, **{key: type(getattr(Optimum(), key))(value)})
