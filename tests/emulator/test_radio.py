"""Radio arithmetic against hand-computed values, per-link loops, torch, and wide dynamic range."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.emulator.radio import (
    consumed_power,
    energy_efficiency,
    from_db,
    from_dbm,
    rate,
    received_interference,
    sinr,
    sum_rate,
    to_db,
    to_dbm,
)

Array = NDArray[np.float64]

# Rows are receivers: receiver 0 hears transmitter 1 with gain 2, receiver 1 hears transmitter 0
# with gain 3.
GAIN = np.array([[4.0, 2.0], [3.0, 8.0]])
POWER = np.array([0.5, 0.25])


def network(seed: int, *shape: int) -> tuple[Array, Array]:
    """Random gains [*shape, K] and powers [*shape] with shape = (..., K)."""
    rng = np.random.default_rng(seed)
    return rng.exponential(size=(*shape, shape[-1])), rng.uniform(size=shape)


def test_interference_of_a_receiver_comes_along_its_row() -> None:
    # 2 * 0.25 and 3 * 0.5; along columns it would be 3 * 0.25 and 2 * 0.5.
    assert received_interference(GAIN, POWER).tolist() == [0.5, 1.5]


def test_sinr_equals_the_value_computed_by_hand() -> None:
    # 4 * 0.5 / (0.5 + 0.5) = 2 and 8 * 0.25 / (1.5 + 0.5) = 1
    assert sinr(GAIN, POWER, 0.5).tolist() == [2.0, 1.0]


def test_noise_may_differ_between_receivers() -> None:
    # 2 / (0.5 + 1.5) = 1 and 2 / (1.5 + 2.5) = 0.5
    assert sinr(GAIN, POWER, np.array([1.5, 2.5])).tolist() == [1.0, 0.5]


def test_rate_of_one_link_is_log2_of_one_plus_snr() -> None:
    one = rate(np.array([[6.0]]), np.array([0.5]), 1.0)
    assert one == pytest.approx([2.0], rel=1e-15)


def test_sum_rate_adds_the_weighted_rates() -> None:
    # Rates log2(3) and log2(2).
    assert sum_rate(GAIN, POWER, 0.5) == pytest.approx(math.log2(3.0) + 1.0, rel=1e-15)
    weighted = sum_rate(GAIN, POWER, 0.5, weight=np.array([2.0, 0.5]))
    assert weighted == pytest.approx(2.0 * math.log2(3.0) + 0.5, rel=1e-15)


def test_a_cap_limits_only_the_sinr_above_it() -> None:
    assert sinr(GAIN, POWER, 0.5, cap=1.5).tolist() == [1.5, 1.0]
    assert rate(GAIN, POWER, 0.5, sinr_cap=1.0).tolist() == [1.0, 1.0]
    assert sum_rate(GAIN, POWER, 0.5, sinr_cap=1.0) == pytest.approx(2.0, rel=1e-15)


def test_a_weak_link_keeps_its_digits() -> None:
    # log2(1 + x) = x / ln 2 to first order; forming 1 + 1e-14 would keep two digits of it.
    tiny = rate(np.array([[1e-14]]), np.array([1.0]), 1.0)
    assert tiny == pytest.approx([1e-14 / math.log(2.0)], rel=1e-13, abs=0.0)


def test_interference_survives_an_own_signal_twenty_decades_above_it() -> None:
    gain = np.array([[1e10, 1e-10], [1e-12, 1e10]])
    power = np.ones(2)
    total_minus_own = (gain * power).sum(-1) - np.diagonal(gain) * power
    assert total_minus_own.tolist() == [0.0, 0.0]
    assert received_interference(gain, power).tolist() == [1e-10, 1e-12]
    assert received_interference(torch.tensor(gain), torch.tensor(power)).tolist() == [1e-10, 1e-12]


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4), (2, 3, 5)])
def test_any_batch_agrees_with_a_loop_over_links(shape: tuple[int, ...]) -> None:
    gain, power = network(1, *shape)
    noise = np.random.default_rng(2).uniform(0.1, 1.0, size=shape)
    result = rate(gain, power, noise)
    for place in np.ndindex(*shape):
        batch, k = place[:-1], place[-1]
        heard = [gain[(*batch, k, j)] * power[(*batch, j)] for j in range(shape[-1])]
        own = heard.pop(k)
        expected = math.log2(1.0 + own / (math.fsum(heard) + noise[place]))
        assert result[place] == pytest.approx(expected, rel=1e-12)


def test_one_gain_serves_many_power_vectors() -> None:
    gain, _ = network(3, 4)
    powers = np.random.default_rng(4).uniform(size=(6, 4))
    together = sum_rate(gain, powers, 0.1)
    assert together.tolist() == [sum_rate(gain, power, 0.1) for power in powers]


def test_a_result_depends_neither_on_the_batch_nor_on_the_memory_layout() -> None:
    gain, power = network(5, 6, 33)
    batch = sum_rate(gain, power, 1e-3)
    alone = [sum_rate(gain[b], power[b], 1e-3) for b in range(6)]
    fortran = [sum_rate(np.asfortranarray(gain[b]), power[b], 1e-3) for b in range(6)]
    assert batch.tolist() == alone == fortran


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(6)))
def test_renumbering_the_users_renumbers_their_rates(seed: int, order: list[int]) -> None:
    gain, power = network(seed, 6)
    renumbered = rate(gain[np.ix_(order, order)], power[order], 0.1)
    np.testing.assert_allclose(renumbered, rate(gain, power, 0.1)[order], rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_torch_gives_the_same_as_numpy(dtype: torch.dtype) -> None:
    gain, power = network(6, 3, 9)
    weight = np.random.default_rng(7).uniform(size=9)
    noise = np.full(9, 0.2)
    a, b, c, d = (torch.tensor(values, dtype=dtype) for values in (gain, power, noise, weight))
    result = sum_rate(a, b, c, d, 2.0)
    assert result.dtype == dtype
    expected = sum_rate(gain, power, noise, weight, sinr_cap=2.0)
    tolerance = 1e-13 if dtype == torch.float64 else 1e-5
    np.testing.assert_allclose(result.numpy(), expected, rtol=tolerance)


def test_the_gradient_of_torch_is_the_derivative() -> None:
    gain, power = network(8, 5)
    tensor = torch.tensor(power, requires_grad=True)
    sum_rate(torch.tensor(gain), tensor, 0.3).backward()  # type: ignore[no-untyped-call]
    assert tensor.grad is not None
    for user in range(5):
        step = np.zeros(5)
        step[user] = 1e-6
        above, below = (sum_rate(gain, power + sign * step, 0.3) for sign in (1, -1))
        assert tensor.grad[user].item() == pytest.approx((above - below) / 2e-6, rel=1e-6)


def test_a_network_without_users_has_no_rate() -> None:
    assert rate(np.ones((0, 0)), np.ones(0), 1.0).shape == (0,)
    assert sum_rate(np.ones((4, 0, 0)), np.ones((4, 0)), 1.0).tolist() == [0.0] * 4
    assert sum_rate(torch.ones(0, 0), torch.ones(0), 1.0).item() == 0.0


def test_consumed_power_counts_active_users_only() -> None:
    # 4 * (1 + 0.5) + 2 * 0.1; the third user is absent.
    power = np.array([1.0, 0.5, 0.0])
    active = np.array([True, True, False])
    assert consumed_power(power, active, 4.0, 0.1) == pytest.approx(6.2, rel=1e-15)
    batch = consumed_power(torch.tensor(power)[None], torch.tensor(active)[None], 4.0, 0.1)
    assert batch.tolist() == pytest.approx([6.2], rel=1e-15)


def test_energy_efficiency_is_bits_per_joule_and_zero_where_nothing_is_consumed() -> None:
    assert energy_efficiency(6.0, 4.0) == 1.5
    assert energy_efficiency(0.0, 0.0) == 0.0
    assert isinstance(energy_efficiency(6.0, 4.0), float)
    assert energy_efficiency(np.array([6.0, 0.0]), np.array([4.0, 0.0])).tolist() == [1.5, 0.0]


def test_the_gradient_of_energy_efficiency_is_finite_where_nothing_is_consumed() -> None:
    bits = torch.tensor([6.0, 0.0], requires_grad=True)
    consumed = torch.tensor([4.0, 0.0], requires_grad=True)
    energy_efficiency(bits, consumed).sum().backward()  # type: ignore[no-untyped-call]
    assert bits.grad is not None
    assert consumed.grad is not None
    assert bits.grad.tolist() == [0.25, 0.0]
    assert consumed.grad.tolist() == [-0.375, 0.0]


def test_decibels_have_their_fixed_points() -> None:
    assert from_dbm(30.0) == 1.0
    assert to_dbm(1.0) == 30.0
    assert from_db(0.0) == 1.0
    assert from_db(10.0) == 10.0
    assert from_dbm(0.0) == pytest.approx(1e-3, rel=1e-15)
    assert to_db(100.0) == 20.0
    assert to_db(np.array([1.0, 0.0])).tolist() == [0.0, -math.inf]
    assert to_dbm(torch.tensor([1.0])).tolist() == [30.0]


@given(st.floats(-300.0, 300.0))
def test_decibels_return_to_where_they_started(level: float) -> None:
    assert to_db(from_db(level)) == pytest.approx(level, abs=1e-12)
    assert to_dbm(from_dbm(level)) == pytest.approx(level, abs=1e-12)


def test_numpy_arithmetic_does_not_import_torch() -> None:
    program = (
        "import sys, numpy as np\n"
        "from slotwise.emulator.radio import sum_rate, to_db\n"
        "to_db(sum_rate(np.eye(2), np.ones(2), 1.0))\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
