"""Path-loss laws against values computed by hand from the published formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.emulator.path_loss import (
    bounded_db,
    log_distance_db,
    macro_db,
    p1411_db,
    power_law_db,
    uma_db,
    uma_los_probability,
    uma_shadowing_db,
    umi_db,
    umi_los_probability,
    umi_shadowing_db,
)

Array = NDArray[np.float64]
Law = Callable[[Array], Array]

# Hand-computed values below carry four or five decimals.
HAND = 2e-4


def test_power_law_of_the_imac_is_zero_at_200_m() -> None:
    # 30 log10(100 / 200) = -30 * 0.30103 = -9.0309 dB: a gain of 8 at half the distance
    assert power_law_db([200.0, 100.0, 2000.0], 200.0, 3.0).tolist() == pytest.approx(
        [0.0, -9.0309, 30.0], abs=HAND
    )


def test_bounded_law_is_finite_at_zero_distance() -> None:
    # 10 log10(1 + 3^2) = 10
    assert bounded_db([0.0, 3.0], 2.0).tolist() == pytest.approx([0.0, 10.0], abs=1e-12)


def test_bounded_law_has_half_its_gain_at_the_reference() -> None:
    # 20 dB of gain; 10 log10(2) less at 35 m, 10 log10(1 + 3^2) less at three times that
    found = bounded_db([0.0, 35.0, 105.0], 2.0, reference_m=35.0, gain_db=20.0).tolist()
    assert found == pytest.approx([-20.0, -16.9897, -10.0], abs=HAND)


def test_log_distance_adds_its_slope_to_the_reference() -> None:
    # 40 + 35 log10(100) = 110
    assert log_distance_db([1.0, 100.0], 40.0, 1.0, 3.5).tolist() == [40.0, 110.0]


def test_macro_loss_at_one_kilometre_and_at_100_metres() -> None:
    # 128.1 - 37.6 = 90.5
    assert macro_db([1000.0, 100.0]).tolist() == pytest.approx([128.1, 90.5], abs=1e-9)


def test_macro_is_the_general_law_of_tr_36942_at_15_m_and_2_ghz() -> None:
    # 40 (1 - 4e-3 * 15) log10(0.5) - 18 log10(15) + 21 log10(2000) + 80
    # = -11.3187 - 21.1696 + 69.3216 + 80 = 116.8333, which the standard rounds by 0.05 dB
    assert macro_db(500.0) == pytest.approx(116.8333, abs=0.06)


# --- 3GPP TR 38.901 --------------------------------------------------------------------------


def test_umi_in_sight_before_the_breakpoint() -> None:
    # d'_BP = 4 * 9 * 0.5 * 3.5e9 / 3e8 = 210 m; d3 = sqrt(100^2 + 8.5^2) = 100.36060
    # 32.4 + 21 * 2.001563 + 20 * 0.544068 = 32.4 + 42.03283 + 10.88136
    assert umi_db(100.0, True, 3.5e9) == pytest.approx(85.3142, abs=HAND)


def test_umi_in_sight_beyond_the_breakpoint() -> None:
    # d3 = sqrt(500^2 + 8.5^2) = 500.07224; 40 * 2.699033 = 107.96131
    # 9.5 log10(210^2 + 8.5^2) = 9.5 * log10(44172.25) = 9.5 * 4.645150 = 44.12892
    # 32.4 + 107.96131 + 10.88136 - 44.12892
    assert umi_db(500.0, True, 3.5e9) == pytest.approx(107.1137, abs=HAND)


def test_umi_out_of_sight() -> None:
    # 35.3 * 2.001563 + 22.4 + 21.3 * 0.544068 = 70.65518 + 22.4 + 11.58865
    assert umi_db(100.0, False, 3.5e9) == pytest.approx(104.6438, abs=HAND)
    # A user at 4.5 m: d3 = sqrt(100^2 + 5.5^2) = 100.15113; 35.3 * 2.000656 = 70.62315
    # 70.62315 + 22.4 + 11.58865 - 0.3 * 3
    assert umi_db(100.0, False, 3.5e9, user_height_m=4.5) == pytest.approx(103.7118, abs=HAND)


def test_uma_in_sight_before_the_breakpoint() -> None:
    # d'_BP = 4 * 24 * 0.5 * 2e9 / 3e8 = 320 m; d3 = sqrt(200^2 + 23.5^2) = 201.37589
    # 28 + 22 * 2.304007 + 20 * 0.301030 = 28 + 50.68816 + 6.02060
    assert uma_db(200.0, True, 2e9) == pytest.approx(84.7088, abs=HAND)


def test_uma_in_sight_beyond_the_breakpoint() -> None:
    # d3 = sqrt(1000^2 + 23.5^2) = 1000.27609; 40 * 3.000120 = 120.00480
    # 9 log10(320^2 + 23.5^2) = 9 * log10(102952.25) = 9 * 5.012636 = 45.11372
    # 28 + 120.00480 + 6.02060 - 45.11372
    assert uma_db(1000.0, True, 2e9) == pytest.approx(108.9117, abs=HAND)


def test_uma_out_of_sight() -> None:
    # 13.54 + 39.08 * 2.304007 + 6.02060 = 13.54 + 90.04060 + 6.02060
    assert uma_db(200.0, False, 2e9) == pytest.approx(109.6012, abs=HAND)
    # A user at 5 m: d3 = sqrt(200^2 + 20^2) = 200.99751; 39.08 * 2.303191 = 90.00869
    # 13.54 + 90.00869 + 6.02060 - 0.6 * 3.5
    assert uma_db(200.0, False, 2e9, user_height_m=5.0) == pytest.approx(107.4693, abs=HAND)


def test_the_breakpoint_follows_antenna_heights_above_one_metre() -> None:
    # 4 * (5 - 1) * (2 - 1) * 3e9 / 3e8 = 160 m. Far from it on either side, the loss grows by
    # 21 and by 40 dB a decade of the slant distance.
    def slope(low: float, high: float) -> float:
        loss = umi_db([low, high], True, 3e9, station_height_m=5.0, user_height_m=2.0)
        slant = np.hypot([low, high], 3.0)
        return float((loss[1] - loss[0]) / math.log10(slant[1] / slant[0]))

    assert slope(20.0, 159.9) == pytest.approx(21.0, abs=1e-9)
    assert slope(160.1, 900.0) == pytest.approx(40.0, abs=1e-9)


@pytest.mark.parametrize(
    ("law", "breakpoint_m"),
    [
        (lambda d: umi_db(d, True, 3.5e9), 210.0),
        (lambda d: uma_db(d, True, 2e9), 320.0),
        # 4 * 1.5 * 1.5 / (299792458 / 2.4e9) = 72.0498
        (lambda d: p1411_db(d, 2.4e9, 1.5, 1.5), 72.0498),
        (lambda d: p1411_db(d, 2.4e9, 1.5, 1.5, "upper"), 72.0498),
    ],
)
def test_the_loss_does_not_jump_at_its_breakpoint(law: Law, breakpoint_m: float) -> None:
    around = law(breakpoint_m * np.array([1.0 - 1e-5, 1.0 + 1e-5]))
    assert 0.0 < around[1] - around[0] < 1e-3


@given(st.floats(10.0, 4900.0), st.floats(0.1, 100.0), st.floats(5e8, 1e11), st.floats(1.5, 22.5))
def test_loss_grows_with_distance_and_is_least_in_sight(
    near: float, step: float, carrier: float, user: float
) -> None:
    distance = np.array([near, near + step])
    for law in (umi_db, uma_db):
        sight = law(distance, True, carrier, user_height_m=user)
        hidden = law(distance, False, carrier, user_height_m=user)
        assert sight[0] < sight[1]
        assert hidden[0] < hidden[1]
        assert (hidden >= sight).all()
    street = p1411_db(distance, carrier, 10.0, user)
    assert street[0] < street[1]


def test_each_link_takes_the_loss_of_its_own_state() -> None:
    distance = np.array([[100.0, 200.0], [100.0, 200.0]])
    los = np.array([[True, True], [False, False]])
    mixed = umi_db(distance, los, 3.5e9)
    assert mixed[0].tolist() == umi_db(distance[0], True, 3.5e9).tolist()
    assert mixed[1].tolist() == umi_db(distance[0], False, 3.5e9).tolist()


def test_shadowing_is_deeper_out_of_sight() -> None:
    assert umi_shadowing_db([True, False]).tolist() == [4.0, 7.82]
    assert uma_shadowing_db([True, False]).tolist() == [4.0, 6.0]


def test_line_of_sight_is_certain_up_to_18_m() -> None:
    distance = [0.0, 5.0, 18.0]
    assert umi_los_probability(distance).tolist() == [1.0] * 3
    assert uma_los_probability(distance).tolist() == [1.0] * 3
    assert uma_los_probability(distance, 22.5).tolist() == [1.0] * 3


def test_line_of_sight_probability_at_100_m() -> None:
    # In a street canyon it is 0.18 + exp(-100/36) * 0.82 = 0.18 + 0.062177 * 0.82
    assert umi_los_probability(100.0) == pytest.approx(0.230985, abs=2e-6)
    # In a macro cell it is 0.18 + exp(-100/63) * 0.82 = 0.18 + 0.204477 * 0.82
    assert uma_los_probability(100.0) == pytest.approx(0.347671, abs=2e-6)


def test_high_users_of_a_macro_cell_see_more() -> None:
    # C' = (8/10)^1.5 = 0.715542 at 21 m; 1 + 0.715542 * 1.25 * exp(-2/3) = 1 + 0.459214
    # and 0.347671 * 1.459214
    assert uma_los_probability(100.0, 21.0) == pytest.approx(0.507327, abs=3e-6)
    assert uma_los_probability(100.0, 13.0) == uma_los_probability(100.0, 1.5)


def test_a_user_above_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="user_height_m = 24"):
        uma_los_probability(100.0, 24.0)


@given(st.floats(0.0, 1e5), st.floats(1.5, 23.0))
def test_line_of_sight_probabilities_are_probabilities(distance: float, height: float) -> None:
    assert 0.0 <= umi_los_probability(distance) <= 1.0
    assert 0.0 <= uma_los_probability(distance, height) <= 1.0


# --- ITU-R P.1411 ----------------------------------------------------------------------------


def test_p1411_median_on_both_slopes() -> None:
    # wavelength = 299792458 / 2.4e9 = 0.1249135 m, R_bp = 9 / 0.1249135 = 72.0498 m
    # L_bp = |20 log10(0.01560339 / 56.548668)| = 20 * 3.559203 = 71.18406
    # at 36.0249 m: 71.18406 + 6 + 20 log10(0.5) = 77.18406 - 6.02060
    # at 720.498 m: 71.18406 + 6 + 40
    loss = p1411_db([36.0249, 720.498], 2.4e9, 1.5, 1.5)
    assert loss.tolist() == pytest.approx([71.1635, 117.1841], abs=HAND)


def test_p1411_median_lies_between_its_bounds() -> None:
    distance = np.geomspace(1.0, 2000.0, 200)
    lower = p1411_db(distance, 2.4e9, 1.5, 1.5, "lower")
    median = p1411_db(distance, 2.4e9, 1.5, 1.5)
    upper = p1411_db(distance, 2.4e9, 1.5, 1.5, "upper")
    assert median - lower == pytest.approx(6.0, abs=1e-9)
    assert (upper > median).all()
    assert upper[-1] - lower[-1] == pytest.approx(20.0, abs=1e-9)


def test_p1411_lower_bound_is_the_two_ray_maximum() -> None:
    # Direct and reflected ray in phase double the field: 20 log10(2) dB less loss than free space,
    # 20 log10(4 pi d / wavelength), wherever the bound falls by 20 dB a decade.
    wavelength = 299_792_458.0 / 2.4e9
    free_space = 20.0 * math.log10(4.0 * math.pi * 10.0 / wavelength)
    lower = p1411_db(10.0, 2.4e9, 1.5, 1.5, "lower")
    assert free_space - lower == pytest.approx(20.0 * math.log10(2.0), abs=1e-9)
