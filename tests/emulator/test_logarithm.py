from __future__ import annotations

import math
import os
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.emulator.kernels.compilation import kernel
from slotwise.emulator.kernels.logarithm import log2_1p, log2_of

Array = NDArray[np.float64]
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
LEAST_NORMAL = np.finfo(np.float64).tiny


@kernel()
def _log2_of_each(x: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] = log2_of(x[i])


@kernel()
def _log2_1p_each(x: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] = log2_1p(x[i])


def _worst_ulp(value: Array, exact: NDArray[np.longdouble]) -> float:
    """Largest distance in units in the last place of the exact value."""
    unit = np.spacing(np.abs(exact).astype(np.float64))
    return float(np.max(np.abs((value - exact) / unit)))


def _spread(rng: np.random.Generator, count: int) -> Array:
    """Numbers near one, of all exponents, and where the reduction changes its exponent."""
    third = count // 3
    return np.concatenate(
        [
            np.exp2(rng.uniform(-1021.0, 1023.9, third)),
            1.0 + rng.uniform(-1e-3, 1e-3, third),
            rng.uniform(0.68, 1.45, third),
        ]
    )


@pytest.mark.interpreted
def test_log2_is_right_to_two_units_in_the_last_place() -> None:
    count = 3_000 if INTERPRETED else 600_000
    x = _spread(np.random.default_rng(1), count)
    x = x[x != 1.0]
    value = np.empty_like(x)
    _log2_of_each(x, value)
    assert _worst_ulp(value, np.log2(x.astype(np.longdouble))) < 2.0


@pytest.mark.interpreted
def test_log2_of_one_more_is_right_to_two_units_in_the_last_place() -> None:
    count = 3_000 if INTERPRETED else 600_000
    rng = np.random.default_rng(2)
    x = np.concatenate([_spread(rng, count // 2), np.exp2(rng.uniform(-80.0, 80.0, count // 2))])
    value = np.empty_like(x)
    _log2_1p_each(x, value)
    exact = np.log1p(x.astype(np.longdouble)) / np.log(np.longdouble(2.0))
    assert _worst_ulp(value, exact) < 2.0


@pytest.mark.interpreted
def test_powers_of_two_are_exact() -> None:
    exponent = np.arange(-1022.0, 1024.0, 31.0)
    value = np.empty_like(exponent)
    _log2_of_each(np.exp2(exponent), value)
    assert value.tolist() == exponent.tolist()


@pytest.mark.interpreted
def test_ends_of_the_range() -> None:
    x = np.array([0.0, LEAST_NORMAL / 2.0, math.inf, math.nan])
    value = np.empty_like(x)
    _log2_of_each(x, value)
    assert value[:3].tolist() == [-math.inf, -math.inf, math.inf]
    assert math.isnan(value[3])
    _log2_1p_each(x, value)
    assert value[0] == 0.0
    assert value[2] == math.inf
    assert math.isnan(value[3])


@pytest.mark.interpreted
def test_a_tiny_sinr_has_a_rate_in_proportion_and_a_huge_one_that_of_its_exponent() -> None:
    x = np.array([1e-300, 1e-30, 1e-17, 2.0**60, 1e300])
    value = np.empty_like(x)
    _log2_1p_each(x, value)
    np.testing.assert_allclose(value[:3], x[:3] / math.log(2.0), rtol=1e-15)
    np.testing.assert_allclose(value[3:], [60.0, math.log2(1e300)], rtol=1e-15)


@settings(deadline=None)  # the first example waits for the compiler
@given(st.floats(LEAST_NORMAL, 1e308))
def test_log2_agrees_with_the_library_on_any_number(x: float) -> None:
    value = np.empty(1)
    _log2_of_each(np.array([x]), value)
    np.testing.assert_allclose(value[0], math.log2(x), rtol=4e-16, atol=0.0)


@settings(deadline=None)  # the first example waits for the compiler
@given(st.floats(0.0, 1e12))
def test_a_rate_never_falls_as_the_sinr_rises(x: float) -> None:
    value = np.empty(2)
    _log2_1p_each(np.array([x, x * (1.0 + 1e-12)]), value)
    assert value[0] <= value[1]


def test_the_loop_is_vectorised() -> None:
    """Or else it is no faster than the C library; every x86-64 and ARM has two at a time."""
    if INTERPRETED:
        pytest.skip("kernels are interpreted here")
    written: Any = _log2_of_each
    anew = numba.njit(error_model="numpy", fastmath={"contract"})(written.py_func)
    anew(np.ones(4), np.empty(4))  # code that comes from the disk cannot be looked at
    code = "".join(anew.inspect_llvm().values())
    assert "x double>" in code
