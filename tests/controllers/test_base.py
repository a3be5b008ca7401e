"""Broadcasting and checking of what a controller is asked."""

from __future__ import annotations

import numpy as np
import pytest

from slotwise.controllers.base import broadcast, full_power_snr


def test_everything_comes_to_one_leading_shape() -> None:
    problem = broadcast(np.ones((2, 1, 3, 3)), np.ones((4, 3)), 1.0, np.ones(3))
    assert problem.gain.shape == (2, 4, 3, 3)
    assert {row.shape for row in problem[1:]} == {(2, 4, 3)}


def test_weights_left_out_are_one() -> None:
    np.testing.assert_array_equal(broadcast(np.eye(3), 1.0, 1.0).weight, np.ones(3))


def test_arrays_that_fit_are_not_copied() -> None:
    gain, row = np.eye(3), np.ones(3)
    problem = broadcast(gain, row, row, row)
    assert problem.gain is gain
    assert all(ours is row for ours in problem[1:])


def test_single_precision_and_integers_become_float64() -> None:
    problem = broadcast(np.eye(2, dtype=np.float32), 1, np.array([1, 2]))
    assert {array.dtype for array in problem} == {np.dtype(np.float64)}


def test_gains_at_full_power_are_counted_in_the_receivers_noise() -> None:
    gain = np.array([[1.0, 2.0], [3.0, 4.0]])
    snr = full_power_snr(broadcast(gain, np.array([0.5, 0.1]), np.array([2.0, 10.0])))
    np.testing.assert_allclose(snr, [[4.0, 40.0], [60.0, 400.0]])


@pytest.mark.parametrize("shape", [(3,), (3, 2), ()])
def test_gains_must_be_square(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"gain has shape .*must be \(\.\.\., K, K\)"):
        broadcast(np.ones(shape), 1.0, 1.0)


@pytest.mark.parametrize("name", ["noise_power", "p_max", "weight"])
def test_a_row_of_another_length_is_named(name: str) -> None:
    rows = {"noise_power": np.ones(3), "p_max": np.ones(3), "weight": np.ones(3)}
    rows[name] = np.ones(4)
    with pytest.raises(ValueError, match=rf"{name} has shape \(4,\).*\(\.\.\., 3\)"):
        broadcast(np.eye(3), **rows)


def test_one_gain_is_not_spread_over_many_users() -> None:
    with pytest.raises(ValueError, match=r"noise_power has shape \(3,\)"):
        broadcast(np.ones((1, 1)), np.ones(3), 1.0)


def test_leading_axes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"gain \(2, 3, 3\), noise_power \(4, 3\)"):
        broadcast(np.ones((2, 3, 3)), np.ones((4, 3)), 1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-30])
@pytest.mark.parametrize("name", ["gain", "noise_power", "p_max", "weight"])
def test_a_value_out_of_range_is_named_with_its_place(name: str, value: float) -> None:
    arrays = {
        "gain": np.ones((2, 3, 3)),
        "noise_power": np.ones((2, 3)),
        "p_max": np.ones((2, 3)),
        "weight": np.ones((2, 3)),
    }
    arrays[name][(1, 2, 0)[: arrays[name].ndim]] = value
    place = "1, 2, 0" if name == "gain" else "1, 2"
    with pytest.raises(ValueError, match=rf"{name}\[{place}\] = {value}: must be .* finite"):
        broadcast(**arrays)


def test_noise_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"noise_power = 0.0: must be positive"):
        broadcast(np.eye(2), 0.0, 1.0)
