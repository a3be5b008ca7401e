"""Packs against NumPy: every function and operator, in both precisions, compiled and not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers.kernels.packs import (
    BYTES,
    choose,
    count_of,
    each,
    least,
    product_of,
    put,
    room_for,
    spread,
    sum_of,
    take,
)
from slotwise.emulator.kernels.compilation import kernel

Array = NDArray[Any]

pytestmark = pytest.mark.interpreted

in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@kernel()
def arithmetic(x: Array, y: Array, out: Array) -> None:
    lanes = BYTES // x.itemsize
    a, b = take(x, 1), take(y, 2)
    put(out, 0, a + b)
    put(out, lanes, a - b)
    put(out, 2 * lanes, a * b)
    put(out, 3 * lanes, a / b)
    put(out, 4 * lanes, least(a, b))
    put(out, 5 * lanes, each(x, 3))
    put(out, 6 * lanes, spread(0.75, a))
    put(out, 7 * lanes, choose((a < b) | (a > spread(1.5, a)), a, b))


@kernel()
def folds(x: Array, y: Array) -> tuple[float, float, int, int, int]:
    a, b = take(x, 0), take(y, 0)
    return sum_of(a), product_of(a), count_of(a < b), count_of(a >= b), count_of(a > a)


@kernel()
def room(count: int, one: float) -> Array:
    return room_for(count, one)


def numbers(dtype: type[Any]) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.5, 2.0, size=(2, 40)).astype(dtype)
    return x, y


@in_both_precisions
def test_packs_are_added_and_compared_lane_by_lane(dtype: type[Any]) -> None:
    x, y = numbers(dtype)
    lanes = BYTES // x.itemsize
    out = np.zeros(9 * lanes, dtype=dtype)
    arithmetic(x, y, out)
    a, b = x[1 : 1 + lanes], y[2 : 2 + lanes]
    chosen = np.where((a < b) | (a > dtype(1.5)), a, b)
    same = [np.full(lanes, x[3]), np.full(lanes, 0.75, dtype=dtype)]
    expected = [a + b, a - b, a * b, a / b, np.minimum(a, b), *same, chosen]
    np.testing.assert_array_equal(out[: 8 * lanes].reshape(8, lanes), expected)
    assert (out[8 * lanes :] == 0.0).all()


@in_both_precisions
def test_a_pack_is_folded_to_a_number(dtype: type[Any]) -> None:
    x, y = numbers(dtype)
    lanes = BYTES // x.itemsize
    total, product, below, others, none = folds(x, y)
    assert total == pytest.approx(x[:lanes].sum(), rel=1e-6)
    assert product == pytest.approx(x[:lanes].prod(), rel=1e-6)
    assert below == np.count_nonzero(x[:lanes] < y[:lanes])
    assert below + others == lanes
    assert none == 0


@in_both_precisions
def test_no_comparison_with_nan_holds(dtype: type[Any]) -> None:
    x = np.full(16, np.nan, dtype=dtype)
    assert folds(x, np.ones(16, dtype=dtype))[2:4] == (0, 0)


@in_both_precisions
@pytest.mark.parametrize("count", [0, 1, 100])
def test_room_is_zero_and_begins_where_a_pack_may(dtype: type[Any], count: int) -> None:
    for _ in range(5):
        array = room(count, dtype(1))
        assert array.dtype == dtype
        assert array.shape == (count,)
        assert array.ctypes.data % BYTES == 0 or count == 0
        assert (array == 0.0).all()
