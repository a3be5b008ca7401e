"""Exponentials, logarithms and shuffles of packs against NumPy in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers.kernels.packs import put, take
from slotwise.controllers.kernels.unrolled_packs import (
    LANES,
    exp_of,
    log2_1p_exp_of,
    log2_of,
    most,
    narrow,
    pairwise,
    root_of,
    top_of,
    turn,
)
from slotwise.emulator.kernels.compilation import kernel

Array = NDArray[Any]

pytestmark = pytest.mark.interpreted

CLOSE = 3e-7


@kernel(reorder=True)
def functions(x: Array, out: Array) -> None:
    for i in range(0, len(x), LANES):
        a = take(x, i)
        put(out, i, exp_of(a))
        put(out, len(x) + i, log2_of(exp_of(a)))
        put(out, 2 * len(x) + i, log2_1p_exp_of(a))
        put(out, 3 * len(x) + i, root_of(exp_of(a)))


@kernel()
def shuffles(x: Array, doubles: Array, out: Array) -> float:
    a, b = take(x, 0), take(x, LANES)
    put(out, 0, pairwise(a, b))
    put(out, LANES, most(a, b))
    put(out, 2 * LANES, narrow(take(doubles, 0), take(doubles, LANES // 2)))
    return top_of(a)


@kernel()
def turned(x: Array, stride: int, out: Array) -> None:
    turn(x, 3, stride, out, 0, LANES)


def test_exponentials_and_logarithms_are_as_numpys() -> None:
    x = np.linspace(-80.0, 80.0, 1600).astype(np.float32)
    out = np.zeros((4, x.size), np.float32)
    functions(x, out.reshape(-1))
    exact = x.astype(np.float64)
    exponentials = out[0].astype(np.float64)
    np.testing.assert_allclose(exponentials, np.exp(exact), rtol=CLOSE)
    np.testing.assert_allclose(out[1], np.log2(exponentials), rtol=CLOSE, atol=1e-9)
    softplus = np.logaddexp(0.0, exact) / np.log(2.0)
    np.testing.assert_allclose(out[2], softplus, rtol=CLOSE)
    np.testing.assert_allclose(out[3], np.sqrt(exponentials), rtol=CLOSE)


def test_logarithms_near_one_keep_their_relative_error() -> None:
    x = np.linspace(-0.35, 0.35, 1600).astype(np.float32)
    out = np.zeros((4, x.size), np.float32)
    functions(x, out.reshape(-1))
    np.testing.assert_allclose(out[1], np.log2(out[0].astype(np.float64)), rtol=CLOSE, atol=1e-12)


def test_exponentials_end_where_they_are_told_to() -> None:
    out = np.zeros((4, LANES), np.float32)
    functions(np.full(LANES, 1e4, np.float32), out.reshape(-1))
    np.testing.assert_allclose(out[0], np.exp(80.0), rtol=CLOSE)
    functions(np.full(LANES, -1e4, np.float32), out.reshape(-1))
    np.testing.assert_allclose(out[0], np.exp(-80.0), rtol=CLOSE)


def test_packs_are_summed_in_pairs_compared_and_narrowed() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=2 * LANES).astype(np.float32)
    doubles = rng.normal(size=LANES)
    out = np.zeros(3 * LANES, np.float32)
    assert shuffles(x, doubles, out) == x[:LANES].max()
    np.testing.assert_array_equal(out[:LANES], x[::2] + x[1::2])
    np.testing.assert_array_equal(out[LANES : 2 * LANES], np.maximum(x[:LANES], x[LANES:]))
    np.testing.assert_array_equal(out[2 * LANES :], doubles.astype(np.float32))


def test_a_tile_of_a_matrix_is_transposed() -> None:
    matrix = np.arange(24 * LANES, dtype=np.float32).reshape(LANES, 24)
    out = np.zeros((LANES, LANES), np.float32)
    turned(matrix.reshape(-1), 24, out.reshape(-1))
    np.testing.assert_array_equal(out, matrix[:, 3 : 3 + LANES].T)
