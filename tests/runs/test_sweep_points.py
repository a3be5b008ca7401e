"""Points of sweeps and the fields they set: what a table says, each choice of it once."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from slotwise.emulator.scenario import InputError, builtin, load
from slotwise.emulator.sections import Section
from slotwise.runs.sweeps.planning.fields import check_field, flatten, holds
from slotwise.runs.sweeps.planning.points import Block, combined, drawn, grid


@settings(max_examples=30)
@given(
    low=st.floats(1e-3, 1e3),
    factor=st.floats(1.001, 1e5),
    count=st.integers(2, 40),
    log=st.booleans(),
)
def test_ranges_are_even_on_their_scale_and_meet_their_ends(
    low: float, factor: float, count: int, log: bool
) -> None:
    high = low * factor
    scale = {"scale": "log"} if log else {}
    block = grid({"channel.doppler_hz": {"from": low, "to": high, "count": count} | scale})
    values = [row[0] for row in block.rows]
    expected = (np.geomspace if log else np.linspace)(low, high, count)
    np.testing.assert_allclose(np.asarray(values, float), expected, rtol=1e-10)
    assert (values[0], values[-1]) == (low, high)


def test_ranges_of_whole_numbers_are_rounded_and_of_decades_are_decades() -> None:
    users = grid({"population.initial_users": {"from": 10, "to": 1000, "count": 5, "scale": "log"}})
    assert users.rows == ((10,), (32,), (100,), (316,), (1000,))
    slowdown = grid({"timing.slowdown": {"from": 1, "to": 1000, "count": 4, "scale": "log"}})
    assert slowdown.rows == ((1.0,), (10.0,), (100.0,), (1000.0,))


def test_nested_tables_and_dotted_names_say_the_same() -> None:
    nested = tomllib.loads("[channel.path_loss]\nexponent = [2, 3]\n[timing]\nslowdown = [1]\n")
    dotted = {"channel.path_loss.exponent": [2, 3], "timing.slowdown": [1]}
    assert grid(nested) == grid(dotted)
    assert flatten(nested) == dotted


DRAW = {
    "seed": 5,
    "channel.doppler_hz": {"from": 1, "to": 300, "scale": "log"},
    "radio.p_max_dbm": {"from": -10, "to": 40},
    "population.initial_users": {"from": 2, "to": 500, "scale": "log"},
    "channel.fading": ["none", "iid", "gauss-markov"],
}


def test_random_points_are_uniform_on_their_scale() -> None:
    block = drawn({"points": 4000, **DRAW})
    doppler, power, users, fading = (list(column) for column in zip(*block.rows, strict=True))
    # Tolerances: four tests of one fixed seed, each at a level of one in a thousand.
    log = np.log(np.asarray(doppler, float)) / math.log(300)
    assert stats.kstest(log, "uniform").pvalue > 1e-3
    assert stats.kstest((np.asarray(power, float) + 10) / 50, "uniform").pvalue > 1e-3
    assert {type(value) for value in users} == {int}
    edges = np.round(np.geomspace(2, 500, 5)) + 0.5
    share = np.diff(np.log(edges[:-1]), append=np.nan)[:-1] / math.log(250)
    inside = [np.mean((users > a) & (users <= b)) for a, b in itertools.pairwise(edges[:-1])]
    np.testing.assert_allclose(inside, share, atol=0.03)
    counts = [fading.count(name) for name in ("none", "iid", "gauss-markov")]
    assert stats.chisquare(counts).pvalue > 1e-3
    assert abs(stats.spearmanr(log, power).statistic) < 0.06


@settings(max_examples=30)
@given(points=st.integers(1, 60), more=st.integers(0, 40), seed=st.integers(0, 2**40))
def test_random_points_are_different_and_more_of_them_begin_with_the_fewer(
    points: int, more: int, seed: int
) -> None:
    table = {**DRAW, "seed": seed, "population.initial_users": {"from": 2, "to": 5}}
    few = drawn({"points": points, **table})
    many = drawn({"points": points + more, **table})
    assert many.rows[:points] == few.rows
    assert len(set(many.rows)) == len(many.rows) == points + more
    for doppler, power, users, fading in many.rows:
        assert 1 <= float(doppler) <= 300
        assert -10 <= float(power) <= 40
        assert users in (2, 3, 4, 5)
        assert fading in DRAW["channel.fading"]  # type: ignore[operator]


def test_all_of_a_small_set_can_be_drawn_but_no_more() -> None:
    table = {"population.initial_users": {"from": 1, "to": 10}, "channel.fading": ["iid", "none"]}
    assert len(drawn({"points": 20, **table}).rows) == 20
    with pytest.raises(InputError, match="points = 21: only 20 different ones"):
        drawn({"points": 21, **table})


@pytest.mark.parametrize("sizes", [(), (3,), (2, 1, 4), (2, 0, 3)])
def test_blocks_combine_as_a_product(sizes: tuple[int, ...]) -> None:
    blocks = [
        Block((f"field{number}",), tuple((f"{number}.{row}",) for row in range(size)))
        for number, size in enumerate(sizes)
    ]
    expected = itertools.product(*([row[0] for row in block.rows] for block in blocks))
    assert combined(blocks).rows == tuple(expected)


def fields_of(section: Section, above: str = "") -> Mapping[str, Any]:
    """Fields of a scenario as they are, by walking it and not its models."""
    found: dict[str, Any] = {}
    for name in type(section).model_fields:
        value, field = getattr(section, name), f"{above}{name}"
        found |= fields_of(value, f"{field}.") if isinstance(value, Section) else {field: value}
    return found


@pytest.mark.parametrize("name", sorted(builtin()))
def test_every_field_that_a_scenario_has_is_known_with_its_type(name: str) -> None:
    types: dict[type, tuple[str, ...]] = {
        bool: ("true or false",),
        int: ("whole numbers",),
        float: ("numbers",),
        str: ("text",),
        tuple: ("an array",),
    }
    for field, value in fields_of(load(name)).items():
        check_field(field)
        if value is not None:
            assert holds(field) in types[type(value)], field
