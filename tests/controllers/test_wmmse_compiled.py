"""The compiled WMMSE against the plain one: every kernel, both precisions, all that is odd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.wmmse import wmmse
from slotwise.controllers.wmmse_numpy import wmmse_numpy
from slotwise.emulator.radio import sum_rate

Array = NDArray[np.float64]

small = pytest.mark.interpreted


def draw(shape: tuple[int, ...], users: int, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Gains, noise, power limits and weights that all differ from user to user."""
    rng = np.random.default_rng([users, seed])
    return (
        rng.exponential(size=(*shape, users, users)),
        rng.uniform(0.1, 2.0, size=(*shape, users)),
        rng.uniform(0.5, 3.0, size=(*shape, users)),
        rng.uniform(0.2, 2.0, size=(*shape, users)),
    )


def agree(*problem: Any, **options: Any) -> None:
    power, iterations = wmmse(*problem, **options)
    expected, count = wmmse_numpy(*problem, **options)
    np.testing.assert_allclose(power, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(iterations, count)


# Few users side by side, some users in rows; one, few and many problems.
@small
@pytest.mark.parametrize(("users", "samples"), [(1, 9), (2, 1), (2, 20), (5, 18), (9, 2), (17, 1)])
@pytest.mark.parametrize("weighted", [False, True])
def test_powers_and_iterations_are_those_of_the_plain_solver(
    users: int, samples: int, weighted: bool
) -> None:
    gain, noise_power, p_max, weight = draw((samples,), users)
    agree(gain, noise_power, p_max, weight if weighted else 0.7)


@pytest.mark.parametrize(("users", "samples"), [(10, 500), (28, 60), (29, 60), (50, 40), (100, 10)])
@pytest.mark.parametrize("weighted", [False, True])
def test_powers_and_iterations_of_larger_problems_are_those_of_the_plain_solver(
    users: int, samples: int, weighted: bool
) -> None:
    gain, noise_power, p_max, weight = draw((samples,), users)
    agree(gain, noise_power, p_max, weight if weighted else None)


@small
@pytest.mark.parametrize("users", [1, 3, 8, 9])
@pytest.mark.parametrize("samples", [1, 17])
def test_starts_are_those_of_the_plain_solver(users: int, samples: int) -> None:
    gain, noise_power, p_max, weight = draw((samples,), users)
    each = np.random.default_rng(users).uniform(-0.5, 3.5, size=(samples, users))
    for start in (each, each[0], 0.4, np.inf):
        agree(gain, noise_power, p_max, weight, start, max_iterations=12)


@small
@pytest.mark.parametrize("shape", [(), (1,), (0,), (4,), (3, 2), (2, 0, 3), (2, 1, 9)])
@pytest.mark.parametrize("users", [0, 1, 2, 4])
def test_any_leading_axes_hold_problems(shape: tuple[int, ...], users: int) -> None:
    gain, noise_power, p_max, weight = draw(shape, users)
    power, iterations = wmmse(gain, noise_power, p_max, weight, max_iterations=9)
    assert power.shape == (*shape, users)
    assert iterations.shape == shape
    agree(gain, noise_power, p_max, weight, max_iterations=9)
    agree(gain, 0.5, 2.0, max_iterations=9)
    agree(gain, noise_power[..., :1, :], 2.0, max_iterations=9) if shape else None


def test_axes_of_noise_alone_multiply_the_problems() -> None:
    gain, *_ = draw((3,), 4)
    noise_power = np.linspace(0.1, 2.0, 20)[:, None, None]
    power, iterations = wmmse(gain, noise_power, 1.0)
    assert power.shape == (20, 3, 4)
    np.testing.assert_array_equal(iterations, wmmse_numpy(gain, noise_power, 1.0)[1])


@small
@pytest.mark.parametrize("samples", [1, 17])
def test_users_that_nothing_can_serve_are_silent(samples: int) -> None:
    gain, noise_power, p_max, weight = draw((samples,), 5)
    gain[:, 1, 1] = 0.0
    p_max[:, 2] = 0.0
    weight[:, 3] = 0.0
    agree(gain, noise_power, p_max, weight)
    power, _ = wmmse(gain, noise_power, p_max, weight)
    assert (power[:, 1:4] == 0.0).all()
    assert (power[:, 0] > 0.0).any()


@small
@pytest.mark.parametrize("samples", [1, 17])
@pytest.mark.parametrize("gain", [0.0, 1e-300, 1.0])
@pytest.mark.parametrize("weight", [0.0, 1e-12, 1e12])
def test_degenerate_networks_end_where_the_plain_solver_ends(
    samples: int, gain: float, weight: float
) -> None:
    agree(np.full((samples, 3, 3), gain), 1.0, 1.0, weight, max_iterations=20)


@pytest.mark.parametrize(("users", "samples"), [(4, 40), (30, 20), (100, 4)])
def test_at_a_huge_signal_to_noise_ratio_nothing_overflows(users: int, samples: int) -> None:
    gain, *_ = draw((samples,), users, seed=3)
    gain *= 1e12
    for scale in (1.0, np.where(np.eye(users) > 0, 1.0, 1e-13)):
        power, _ = wmmse(gain * scale, 1.0, 1.0, max_iterations=60, tolerance=1e-3)
        expected, _ = wmmse_numpy(gain * scale, 1.0, 1.0, max_iterations=60, tolerance=1e-3)
        reached, wanted = (sum_rate(gain * scale, p, 1.0) for p in (power, expected))
        np.testing.assert_allclose(reached, wanted, rtol=1e-9)


@given(seed=st.integers(0, 2**32), users=st.integers(1, 12), samples=st.sampled_from([1, 3, 20]))
def test_gains_over_many_decades_with_zeros_give_the_plain_powers(
    seed: int, users: int, samples: int
) -> None:
    rng = np.random.default_rng(seed)
    gain = 10.0 ** rng.uniform(-12, 4, size=(samples, users, users))
    gain[rng.random(gain.shape) < 0.2] = 0.0
    weight = rng.exponential(size=(samples, users)) * (rng.random((samples, users)) < 0.8)
    # So few iterations that rounding has no time to grow.
    rule: Any = {"tolerance": -1.0, "max_iterations": 6}
    power, _ = wmmse(gain, 1e-3, 2.0, weight, **rule)
    np.testing.assert_allclose(power, wmmse_numpy(gain, 1e-3, 2.0, weight, **rule)[0], atol=1e-9)


@pytest.mark.parametrize("users", [10, 40, 60])
def test_several_threads_give_the_same_powers(users: int) -> None:
    gain, noise_power, p_max, weight = draw((41,), users)
    alone = wmmse(gain, noise_power, p_max, weight)
    for threads in (2, 3, 100):
        power, iterations = wmmse(gain, noise_power, p_max, weight, threads=threads)
        np.testing.assert_allclose(power, alone[0], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(iterations, alone[1])


def test_a_value_out_of_range_is_named_whichever_part_it_is_in() -> None:
    gain, *_ = draw((40,), 3)
    for value in (-1.0, np.nan, np.inf):
        gain[37, 1, 2] = value
        for threads in (1, 4):
            with pytest.raises(ValueError, match=rf"gain\[37, 1, 2\] = {value}"):
                wmmse(gain, 1.0, 1.0, threads=threads)


@small
@pytest.mark.parametrize("samples", [1, 20])
@pytest.mark.parametrize("name", ["noise_power", "p_max", "weight"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-30])
def test_a_row_out_of_range_is_named(samples: int, name: str, value: float) -> None:
    gain, *_ = draw((samples,), 3)
    rows: dict[str, Any] = {
        key: np.ones((samples, 3)) for key in ("noise_power", "p_max", "weight")
    }
    rows[name][-1, 1] = value
    with pytest.raises(ValueError, match=rf"{name}\[{samples - 1}, 1\] = {value}"):
        wmmse(gain, **rows)
    with pytest.raises(ValueError, match=rf"{name}\[1\] = {value}"):
        make("wmmse").allocate(gain[-1], *(row[-1] for row in rows.values()))


@pytest.mark.parametrize("users", [4, 30])
def test_memory_may_be_read_only_strided_or_of_another_type(users: int) -> None:
    gain, noise_power, p_max, weight = draw((9,), users)
    expected, _ = wmmse(gain, noise_power, p_max, weight)
    controller = make("wmmse")
    wide = np.repeat(gain, 2, axis=-1)[..., ::2]
    locked = [array.copy() for array in (gain, noise_power, p_max, weight)]
    for array in locked:
        array.flags.writeable = False
    for problem in ((wide, noise_power, p_max, weight), locked):
        np.testing.assert_array_equal(wmmse(*problem)[0], expected)
        single = [controller.allocate(*one) for one in zip(*problem, strict=True)]
        np.testing.assert_allclose(single, expected, rtol=0, atol=1e-12)
    whole: Any = np.ceil(gain).astype(np.int64)
    np.testing.assert_array_equal(wmmse(whole, 1, 1)[0], wmmse(whole.astype(float), 1.0, 1.0)[0])


def test_lengths_that_do_not_fit_are_named_in_a_single_decision() -> None:
    controller = make("wmmse")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"p_max has shape \(4,\)"):
            controller.allocate(np.eye(3), np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="must be"):
        controller.allocate(np.ones((3, 2)), np.ones(3), np.ones(3))


def test_rows_that_were_seen_may_hold_other_numbers_the_next_time() -> None:
    controller = make("wmmse")
    gain, noise_power, p_max, weight = draw((2,), 6)
    lent = np.empty((3, 6))
    for n in range(2):
        lent[...] = noise_power[n], p_max[n], weight[n]
        expected, _ = wmmse_numpy(gain[n], noise_power[n], p_max[n], weight[n])
        np.testing.assert_allclose(controller.allocate(gain[n], *lent), expected, atol=1e-12)


def cells(samples: int, stations: int, users: int, seed: int = 0) -> Array:
    """Uplink gains: users heard at one of a few stations, whose rows repeat."""
    rng = np.random.default_rng(seed)
    heard = rng.exponential(size=(samples, stations, users)) * 0.1
    serving = np.sort(rng.integers(stations, size=users))
    gain = heard[:, serving]
    gain[:, serving[:, None] == serving] *= 10.0
    return gain


@pytest.mark.parametrize(("stations", "users"), [(1, 16), (4, 24), (8, 60)])
def test_shared_receivers_give_the_plain_powers(stations: int, users: int) -> None:
    gain = cells(12, stations, users)
    expected, count = wmmse_numpy(gain, 1.0, 1.0)
    power, iterations = wmmse(gain, 1.0, 1.0)
    np.testing.assert_allclose(power, expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(iterations, count)
    np.testing.assert_allclose(make("wmmse").allocate(gain[0], 1.0, 1.0), expected[0], atol=1e-9)
    row = np.ones(users)
    np.testing.assert_allclose(make("wmmse").allocate(gain[0], row, row), expected[0], atol=1e-9)


@pytest.mark.parametrize(("users", "samples"), [(10, 4000), (30, 600), (50, 300)])
@pytest.mark.parametrize("narrow", [False, True])
def test_single_precision_keeps_the_mean_rate(users: int, samples: int, narrow: bool) -> None:
    gain, *_ = draw((samples,), users)
    given = gain.astype(np.float32) if narrow else gain
    power, _ = wmmse(given, 1.0, 1.0, dtype=np.float32)
    assert power.dtype == np.float64
    rate, exact = (sum_rate(gain, p, 1.0) for p in (power, wmmse(gain, 1.0, 1.0)[0]))
    assert rate.mean() == pytest.approx(exact.mean(), rel=1e-4)
    assert (abs(rate / exact - 1.0) > 1e-3).mean() < 0.01


@small
@pytest.mark.parametrize("samples", [1, 20])
def test_single_precision_takes_weights_and_starts(samples: int) -> None:
    gain, noise_power, p_max, weight = draw((samples,), 4)
    start = p_max * 0.3
    rule: Any = {"tolerance": -1.0, "max_iterations": 10}
    power, _ = wmmse(gain, noise_power, p_max, weight, start, **rule, dtype=np.float32)
    expected, _ = wmmse_numpy(gain, noise_power, p_max, weight, start, **rule)
    np.testing.assert_allclose(power, expected, rtol=0, atol=1e-4)


def test_the_controller_passes_its_options_on() -> None:
    gain, noise_power, p_max, weight = draw((40,), 6)
    exact = make("wmmse").allocate(gain, noise_power, p_max, weight)
    single = make("wmmse:precision=single").allocate(gain, noise_power, p_max, weight)
    assert abs(single - exact).max() > 0.0
    np.testing.assert_allclose(single.mean(), exact.mean(), rtol=1e-2)
    threaded = make("wmmse:threads=2").allocate(gain, noise_power, p_max, weight)
    np.testing.assert_allclose(threaded, exact, rtol=0, atol=1e-12)
    single = make("wmmse:max_iterations=3").allocate(gain, noise_power, p_max, weight)
    np.testing.assert_array_equal(
        single, wmmse(gain, noise_power, p_max, weight, max_iterations=3)[0]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("precision=half", "precision = half: must be one of double, single"),
        ("threads=0", "at lea"),
    ],
)
def test_an_option_that_does_not_exist_is_named(options: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(f"wmmse:{options}")


def test_another_type_of_number_is_refused() -> None:
    with pytest.raises(ValueError, match="must be float64 or float32"):
        wmmse(np.eye(2), 1.0, 1.0, dtype=np.int32)
