"""Gains and powers in bounded numbers, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.emulator.encoding import (
    OFF_BELOW,
    GainScale,
    fraction_of_db,
    fraction_of_linear,
    gain_scale,
    level_fractions,
    power_code,
    rate_scale,
)
from slotwise.emulator.scenario import load


@given(st.floats(-100, 100), st.floats(1, 150), st.lists(st.floats(0, 1e12), min_size=1))
def test_gain_codes_are_bounded_ordered_and_float32(
    low_db: float, span_db: float, snr: list[float]
) -> None:
    code = GainScale(low_db, low_db + span_db).encode(np.sort(snr))
    assert code.dtype == np.float32
    assert (code >= -1.0).all()
    assert (code <= 1.0).all()
    assert (np.diff(code) >= 0.0).all()


@given(st.floats(-15, 75))
def test_a_gain_comes_back_from_its_code(level_db: float) -> None:
    scale = GainScale(0.0, 80.0)
    snr = 10.0 ** (level_db / 10.0)
    assert scale.decode(scale.encode(snr)) == pytest.approx(snr, rel=1e-3)


def test_no_gain_is_the_lowest_code_and_comes_back_as_none() -> None:
    scale = GainScale(-20.0, 10.0)
    assert scale.encode(0.0) == -1.0
    assert scale.decode(-1.0) == 0.0
    assert scale.encode(0.01) == pytest.approx(-1.0 + 2.0 * 10.0 * math.log10(2.0) / 30.0)
    assert scale.encode(10.0 - 0.01) == pytest.approx(1.0)
    assert scale.encode(1e9) == 1.0


@pytest.mark.parametrize("ends", [(0.0, 0.0), (10.0, -10.0), (math.nan, 1.0), (0.0, math.inf)])
def test_a_scale_without_length_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="gain range"):
        GainScale(*ends)


def test_the_scale_suits_the_scenario() -> None:
    assert gain_scale(load("gaussian-ic")) == GainScale(-20.0, 10.0)
    assert gain_scale(load("gaussian-ic", ["radio.noise_dbm=10"])) == GainScale(0.0, 30.0)
    assert gain_scale(load("nasir-guo")) == GainScale(0.0, 80.0)
    assert gain_scale(load("d2d")) == GainScale(0.0, 120.0)
    capped = load("nasir-guo")
    assert rate_scale(capped, gain_scale(capped)) == pytest.approx(math.log2(1001.0))
    free = load("nasir-guo", ["radio.sinr_cap_db=none"])
    assert rate_scale(free, gain_scale(free)) == pytest.approx(math.log2(1.0 + 1e8))


def test_levels_are_off_and_evenly_in_decibels() -> None:
    level = level_fractions(10)
    assert level[0] == 0.0
    assert level[-1] == 1.0
    # 38 dBm at most, as in Nasir and Guo: the others are 5 to 38 dBm.
    dbm = 38.0 + 10.0 * np.log10(level[1:])
    np.testing.assert_allclose(dbm, np.linspace(5.0, 38.0, 9))
    np.testing.assert_array_equal(level_fractions(2), [0.0, 1.0])
    with pytest.raises(ValueError, match="levels = 1"):
        level_fractions(1)


@given(st.floats(-1, 1))
def test_a_power_comes_back_from_its_code(code: float) -> None:
    fraction = fraction_of_db(code)
    assert 0.0 <= fraction <= 1.0
    again = fraction_of_db(2.0 * power_code(fraction) - 1.0)
    # At the very edge of silence rounding to float32 may fall to either side.
    if abs(0.5 * (code + 1.0) - OFF_BELOW) > 1e-6:
        assert again == pytest.approx(fraction, rel=1e-5)


def test_ends_of_the_scales_of_powers() -> None:
    np.testing.assert_array_equal(fraction_of_db([-1.0, -0.96, 1.0]), [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(fraction_of_linear([-1.0, 0.0, 1.0]), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(
        power_code([0.0, 1e-9, 10.0**-1.65, 1.0]), [0.0, OFF_BELOW, 0.5, 1.0], rtol=1e-6
    )
