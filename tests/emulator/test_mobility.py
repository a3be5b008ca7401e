"""How users move, against kinematics and the laws that the models are named for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from slotwise.emulator.mobility import Motion
from slotwise.emulator.sections import Mobility, SpeedGroup

Array = NDArray[np.float64]
AREA = (-50.0, 0.0, 50.0, 60.0)


def _walk(low: float, high: float | None = None, share: float = 1.0) -> SpeedGroup:
    top = low if high is None else high
    return SpeedGroup(share=share, speed_min_mps=low, speed_max_mps=top)


def _motion(kind: Any, rows: int = 1, networks: int = 1, **fields: Any) -> Motion:
    fields.setdefault("groups", (_walk(2.0),))
    return Motion(Mobility(kind=kind, **fields), AREA, networks, rows)


def _joined(motion: Motion, seed: int = 0, start: tuple[float, float] = (0.0, 30.0)) -> Motion:
    """Let a user join in every row, each with a generator of its own."""
    for network, row in np.ndindex(*motion.speed.shape):
        motion.join(network, row, start, np.random.default_rng([seed, network, row]))
    return motion


def test_a_still_user_stays_where_it_joined() -> None:
    motion = _joined(_motion("still", rows=2))
    assert motion.advance(100.0).tolist() == [[0.0, 0.0]]
    assert motion.position.tolist() == [[[0.0, 30.0], [0.0, 30.0]]]
    assert motion.speed.tolist() == [[0.0, 0.0]]


def test_still_users_need_no_places() -> None:
    motion = Motion(Mobility(kind="still"), np.full(4, np.nan), 1, 1)
    motion.join(0, 0, (math.nan, math.nan), np.random.default_rng())
    assert motion.advance(1.0).tolist() == [[0.0]]


@pytest.mark.parametrize("kind", ["waypoint", "direction"])
def test_every_user_walks_its_speed_times_the_time(kind: str) -> None:
    motion = _joined(_motion(kind, rows=20, networks=3, groups=(_walk(1.0, 30.0),), leg_s=3.0))
    assert len(np.unique(motion.speed)) == 60
    for dt_s in (0.1, 7.0, 100.0):
        assert motion.advance(dt_s) == pytest.approx(motion.speed * dt_s, rel=1e-9)


@pytest.mark.parametrize("kind", ["waypoint", "direction"])
def test_a_straight_leg_covers_speed_times_time(kind: str) -> None:
    """On any one leg the distance is the path, also over many small steps."""
    motion = _joined(_motion(kind, leg_s=1000.0, groups=(_walk(0.1),)), seed=5)
    for _ in range(50):
        motion.advance(0.2)
    assert math.dist(motion.position[0, 0], (0.0, 30.0)) == pytest.approx(1.0, rel=1e-9)


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["waypoint", "direction"]),
    start=st.tuples(st.floats(-50, 50), st.floats(0, 60)),
    speed=st.floats(0.0, 200.0),
    steps=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=10),
    seed=st.integers(0, 1000),
)
def test_nobody_leaves_the_area(
    kind: str, start: tuple[float, float], speed: float, steps: list[float], seed: int
) -> None:
    motion = _joined(_motion(kind, groups=(_walk(speed),), leg_s=5.0), seed, start)
    for dt_s in steps:
        motion.advance(dt_s)
        x, y = motion.position[0, 0]
        assert -50.0 - 1e-9 <= x <= 50.0 + 1e-9
        assert -1e-9 <= y <= 60.0 + 1e-9


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["waypoint", "direction"]),
    cuts=st.lists(st.floats(0.0, 100.0), max_size=30),
    pause_s=st.sampled_from([0.0, 3.0]),
    seed=st.integers(0, 1000),
)
def test_a_path_does_not_depend_on_how_time_is_cut(
    kind: str, cuts: list[float], pause_s: float, seed: int
) -> None:
    whole = _joined(_motion(kind, groups=(_walk(5.0, 9.0),), leg_s=4.0, pause_s=pause_s), seed)
    pieces = _joined(_motion(kind, groups=(_walk(5.0, 9.0),), leg_s=4.0, pause_s=pause_s), seed)
    moved = whole.advance(100.0)
    summed = sum(float(pieces.advance(step)[0, 0]) for step in np.diff([0.0, *sorted(cuts), 100.0]))
    assert pieces.position == pytest.approx(whole.position, abs=1e-9)
    assert summed == pytest.approx(float(moved[0, 0]), abs=1e-9)


@pytest.mark.parametrize("kind", ["waypoint", "direction"])
def test_a_path_does_not_depend_on_other_users(kind: str) -> None:
    alone, among = _motion(kind), _motion(kind, networks=2, rows=5)
    alone.join(0, 0, (1.0, 2.0), np.random.default_rng(7))
    _joined(among)
    among.advance(11.0)
    among.leave(1, 3)
    among.join(1, 3, (1.0, 2.0), np.random.default_rng(7))
    for dt_s in (3.0, 40.0, 0.5):
        alone.advance(dt_s)
        among.leave(0, 1)
        among.advance(dt_s)
    assert among.position[1, 3] == pytest.approx(alone.position[0, 0], abs=1e-12)
    assert among.speed[1, 3] == alone.speed[0, 0]


def test_reflection_folds_a_straight_path_at_the_edges() -> None:
    """Against the unfolded straight line, mirrored step by step."""
    motion = _joined(_motion("direction", groups=(_walk(10.0),), leg_s=3600.0), seed=3)
    motion.advance(1e-3)
    heading = (motion.position[0, 0] - (0.0, 30.0)) / 1e-2
    assert math.hypot(*heading) == pytest.approx(1.0)
    motion.advance(100.0 - 1e-3)
    expected = []
    for start, along, low, high in zip((0.0, 30.0), heading, AREA[:2], AREA[2:], strict=True):
        place = start + 1000.0 * along
        while not low <= place <= high:
            place = 2.0 * (low if place < low else high) - place
        expected.append(place)
    assert motion.position[0, 0] == pytest.approx(expected, abs=1e-6)


def test_random_direction_turns_after_exponential_legs() -> None:
    """Over many users the share still on the first leg after t is exp(-t / leg_s)."""
    rows = 4000
    motion = Motion(
        Mobility(kind="direction", groups=(_walk(1.0),), leg_s=5.0), (-1e6, -1e6, 1e6, 1e6), 1, rows
    )
    _joined(motion, start=(0.0, 0.0))
    motion.advance(4.0)
    straight = np.hypot(*motion.position[0].T) > 4.0 - 1e-9
    expected = math.exp(-4.0 / 5.0)
    error = math.sqrt(expected * (1.0 - expected) / rows)
    assert abs(straight.mean() - expected) < 4.0 * error


def test_random_direction_keeps_uniform_positions_uniform() -> None:
    rows = 4000
    motion = _motion("direction", rows=rows, groups=(_walk(10.0),), leg_s=4.0)
    place = np.random.default_rng(1).uniform(AREA[:2], AREA[2:], (rows, 2))
    for row in range(rows):
        motion.join(0, row, place[row], np.random.default_rng([2, row]))
    motion.advance(30.0)
    for axis, width in ((0, 100.0), (1, 60.0)):
        law = stats.uniform(AREA[axis], width).cdf
        assert stats.kstest(motion.position[0, :, axis], law).pvalue > 1e-4


def test_waypoints_are_uniform_in_the_area() -> None:
    """With a long pause and great speed everybody rests at its first waypoint."""
    motion = _joined(_motion("waypoint", rows=4000, groups=(_walk(200.0),), pause_s=3600.0))
    motion.advance(10.0)
    resting = motion.position.copy()
    assert motion.advance(10.0).max() == 0.0
    assert np.array_equal(motion.position, resting)
    for axis, width in ((0, 100.0), (1, 60.0)):
        law = stats.uniform(AREA[axis], width).cdf
        assert stats.kstest(resting[0, :, axis], law).pvalue > 1e-4


def test_a_pause_is_exactly_as_long_as_stated() -> None:
    motion = _joined(_motion("waypoint", pause_s=5.0), seed=4)
    walked = resting = 0.0
    for _ in range(40_000):
        moved = float(motion.advance(0.01)[0, 0])
        walked += moved
        resting += 0.01 - moved / 2.0
        if resting > 5.0 - 1e-6:
            break
    assert resting == pytest.approx(5.0, abs=1e-6)
    assert motion.speed[0, 0] == 2.0
    assert motion.advance(0.01)[0, 0] == pytest.approx(0.02)


def test_groups_are_drawn_by_share_with_speeds_uniform_in_their_range() -> None:
    groups = (_walk(1.0, 2.0, share=3.0), _walk(10.0, 14.0, share=1.0))
    motion = _joined(_motion("direction", rows=4000, groups=groups))
    cars = motion.group[0] == 1
    assert abs(cars.mean() - 0.25) < 4.0 * math.sqrt(0.25 * 0.75 / 4000)
    assert stats.kstest(motion.speed[0][~cars], stats.uniform(1, 1).cdf).pvalue > 1e-4
    assert stats.kstest(motion.speed[0][cars], stats.uniform(10, 4).cdf).pvalue > 1e-4


def test_an_empty_row_is_nowhere_and_does_not_move() -> None:
    motion = _motion("waypoint", rows=2)
    motion.join(0, 0, (0.0, 30.0), np.random.default_rng(1))
    assert motion.advance(5.0).tolist() == [[pytest.approx(10.0), 0.0]]
    motion.leave(0, 0)
    assert motion.advance(5.0).tolist() == [[0.0, 0.0]]
    assert np.isnan(motion.position).all()
    assert motion.group.tolist() == [[-1, -1]]
    assert motion.speed.tolist() == [[0.0, 0.0]]


def test_wrong_areas_positions_and_times_are_refused() -> None:
    with pytest.raises(ValueError, match="must have an area to move in"):
        Motion(Mobility(kind="waypoint"), np.full(4, np.nan), 1, 1)
    with pytest.raises(ValueError, match="must have an area to move in"):
        Motion(Mobility(kind="direction"), (0.0, 0.0, 0.0, 1.0), 1, 1)
    motion = _motion("direction")
    with pytest.raises(ValueError, match=r"position = \[0.0, 61.0\]: must be between"):
        motion.join(0, 0, (0.0, 61.0), np.random.default_rng())
    with pytest.raises(ValueError, match=r"dt_s = -1\.0"):
        motion.advance(-1.0)
