"""Mean gains of every path-loss kind by hand, lines of sight by chance, shadows along a way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from slotwise.emulator.propagation import mean_gain, move_shadow
from slotwise.emulator.sections import Channel

Array = NDArray[np.float64]


def channel(**fields: Any) -> Channel:
    """A channel from plain values, as a scenario file gives them."""
    return Channel.model_validate(fields)


def gain_db(described: Channel, distance: float, los: float = 0.5, shadow: float = 0.0) -> float:
    """Mean gain of one link in dB."""
    one = mean_gain(described, np.array([distance]), np.array([los]), np.array([shadow]))
    return 10.0 * math.log10(one[0])


@pytest.mark.parametrize(
    ("law", "distance", "expected"),
    [
        ({"kind": "unit"}, 123.0, 0.0),
        ({"kind": "power-law"}, 100.0, 9.0309),  # 30 log10(2)
        ({"kind": "bounded"}, 3.0, -10.0),
        ({"kind": "bounded", "gain_db": -80.0, "reference_m": 35.0}, 105.0, -90.0),
        ({"kind": "log-distance"}, 100.0, -110.0),  # 40 + 35 * 2
        ({"kind": "macro"}, 100.0, -90.5),  # 128.1 - 37.6
        ({"kind": "p1411"}, 36.0249, -71.1635),  # by hand in test_path_loss.py
    ],
)
def test_mean_gain_is_minus_the_loss(law: dict[str, Any], distance: float, expected: float) -> None:
    assert gain_db(channel(path_loss=law), distance) == pytest.approx(expected, abs=2e-4)


def test_antenna_gain_and_shadow_add_in_decibels() -> None:
    described = channel(path_loss={"kind": "macro"}, antenna_gain_dbi=15.0, shadowing_db=8.0)
    # -90.5 + 15 + 8 * 1.5
    assert gain_db(described, 100.0, shadow=1.5) == pytest.approx(-63.5, abs=1e-9)


def test_a_unit_channel_is_exactly_one_at_any_distance() -> None:
    distance = np.array([0.0, 1.0, 1e5])
    assert mean_gain(channel(), distance, np.zeros(3), np.ones(3)).tolist() == [1.0] * 3


def test_a_unit_channel_still_has_antennas_and_shadow() -> None:
    # 10 dB of antennas and one deviation of 10 dB
    described = channel(antenna_gain_dbi=10.0, shadowing_db=10.0)
    assert gain_db(described, 50.0, shadow=1.0) == pytest.approx(20.0, abs=1e-12)


def test_distances_below_the_minimum_count_as_the_minimum() -> None:
    described = channel(path_loss={"kind": "macro"}, min_distance_m=35.0)
    assert gain_db(described, 3.0) == gain_db(described, 35.0) > gain_db(described, 35.1)


@pytest.mark.parametrize(
    "kind", ["unit", "power-law", "bounded", "log-distance", "macro", "umi", "uma", "p1411"]
)
def test_no_distance_gives_an_infinite_gain_and_an_absent_station_none(kind: str) -> None:
    described = channel(path_loss={"kind": kind})
    gain = mean_gain(described, np.array([0.0, np.nan]), np.zeros(2), np.zeros(2))
    assert np.isfinite(gain[0])
    assert gain[0] > 0.0
    assert gain[1] == 0.0


def test_p1411_takes_the_distance_between_the_antennas() -> None:
    law = {"kind": "p1411", "transmitter_height_m": 6.0, "receiver_height_m": 2.0}
    # Straight below the antenna the way is 4 m long; 3 m aside it is 5 m: 20 log10(5 / 4).
    fall = gain_db(channel(path_loss=law), 0.0) - gain_db(channel(path_loss=law), 3.0)
    assert fall == pytest.approx(1.9382, abs=1e-4)


def test_a_link_is_in_sight_while_its_level_is_below_the_probability() -> None:
    described = channel(path_loss={"kind": "umi"}, carrier_hz=3.5e9)
    # At 100 m the probability is 0.230985; the losses are computed in test_path_loss.py.
    assert gain_db(described, 100.0, los=0.230) == pytest.approx(-85.3142, abs=2e-4)
    assert gain_db(described, 100.0, los=0.232) == pytest.approx(-104.6438, abs=2e-4)


def test_a_user_on_its_way_out_loses_sight_once() -> None:
    described = channel(path_loss={"kind": "uma"}, carrier_hz=2e9)
    distance = np.linspace(10.0, 500.0, 2000)
    gain = 10.0 * np.log10(mean_gain(described, distance, np.full(2000, 0.3), np.zeros(2000)))
    jumps = np.flatnonzero(np.diff(gain) < -5.0)
    assert len(jumps) == 1
    assert (np.diff(gain) < 0.0).all()


@pytest.mark.parametrize(("kind", "expected"), [("umi", 0.230985), ("uma", 0.347671)])
def test_the_share_of_links_in_sight_is_the_probability(kind: str, expected: float) -> None:
    described = channel(path_loss={"kind": kind})
    level = np.random.default_rng(1).random(40_000)
    gain = mean_gain(described, np.full(40_000, 100.0), level, np.zeros(40_000))
    share = float(np.mean(gain > math.sqrt(gain.min() * gain.max())))
    # 4 standard errors of a share of 40,000
    assert share == pytest.approx(expected, abs=4.0 * math.sqrt(expected * (1 - expected) / 4e4))


@pytest.mark.parametrize(("kind", "hidden_db"), [("umi", 7.82), ("uma", 6.0)])
def test_standard_shadowing_has_the_deviation_of_its_state(kind: str, hidden_db: float) -> None:
    described = channel(path_loss={"kind": kind}, shadowing_db=None)
    for los, deviation in ((0.0, 4.0), (1.0, hidden_db)):
        lift = gain_db(described, 100.0, los, 1.0) - gain_db(described, 100.0, los, 0.0)
        assert lift == pytest.approx(deviation, abs=1e-9)


def test_stated_shadowing_takes_the_place_of_the_standard_one() -> None:
    described = channel(path_loss={"kind": "umi"}, shadowing_db=3.0)
    for los in (0.0, 1.0):
        lift = gain_db(described, 100.0, los, 1.0) - gain_db(described, 100.0, los, 0.0)
        assert lift == pytest.approx(3.0, abs=1e-9)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_any_shape_is_a_batch_of_links(shape: list[int]) -> None:
    described = channel(path_loss={"kind": "umi"}, shadowing_db=None)
    rng = np.random.default_rng(0)
    distance, level = rng.uniform(10.0, 500.0, size=shape), rng.random(shape)
    shadow = rng.standard_normal(shape)
    gain = mean_gain(described, distance, level, shadow)
    assert gain.shape == tuple(shape)
    for place in np.ndindex(*shape):
        one = (float(values[place]) for values in (distance, level, shadow))
        alone = gain_db(described, *one)
        assert 10.0 * math.log10(gain[place]) == pytest.approx(alone, abs=1e-9)


def test_a_user_who_stays_keeps_its_shadow_exactly() -> None:
    shadow, innovation = np.random.default_rng(2).standard_normal((2, 100))
    assert move_shadow(shadow, 0.0, 10.0, innovation).tolist() == shadow.tolist()


def test_a_user_who_goes_far_gets_a_fresh_shadow() -> None:
    shadow, innovation = np.random.default_rng(3).standard_normal((2, 100))
    assert move_shadow(shadow, 1e6, 10.0, innovation).tolist() == innovation.tolist()


def test_one_decorrelation_distance_leaves_one_part_in_e() -> None:
    moved = move_shadow(np.array([1.0, 0.0]), 10.0, 10.0, np.array([0.0, 1.0]))
    # What remains is exp(-1), what is new sqrt(1 - exp(-2)).
    assert moved.tolist() == pytest.approx([0.3678794, 0.9298735], abs=1e-7)


def test_shadows_along_a_way_have_unit_variance_and_exponential_correlation() -> None:
    rng = np.random.default_rng(4)
    links, step, decorrelation = 40_000, 2.5, 10.0
    way = [rng.standard_normal(links)]
    for _ in range(8):
        way.append(move_shadow(way[-1], step, decorrelation, rng.standard_normal(links)))
    error = 4.0 * math.sqrt(2.0 / links)  # 4 standard errors of a second moment
    for steps, shadow in enumerate(way):
        assert np.mean(shadow**2) == pytest.approx(1.0, abs=error)
        expected = math.exp(-steps * step / decorrelation)
        assert np.mean(way[0] * shadow) == pytest.approx(expected, abs=error)


def test_many_small_steps_correlate_like_one_large_step() -> None:
    shadow = np.ones(1)
    for _ in range(1000):
        shadow = move_shadow(shadow, 0.01, 10.0, np.zeros(1))
    assert shadow == pytest.approx([math.exp(-1.0)], rel=1e-12)


def test_each_user_moves_its_own_distance() -> None:
    moved = np.array([[0.0], [10.0]])
    result = move_shadow(np.ones((2, 3)), moved, 10.0, np.zeros((2, 3)))
    np.testing.assert_allclose(result, [[1.0] * 3, [math.exp(-1.0)] * 3], rtol=1e-14)
