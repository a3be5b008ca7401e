from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from slotwise.runs.sweeps.drawing.map_words import fill_of
from slotwise.runs.sweeps.drawing.marks import draw_tied
from slotwise.runs.sweeps.drawing.shades import (
    STRENGTHS,
    edges,
    hatch_of,
    label_of,
    looks_of,
    mixed,
    on,
    shortened,
    width_pt,
    wrapped,
)
from slotwise.runs.sweeps.drawing.tiles import Tile, regions

LONG = "wmmse:iterations=100,sparse=16,start=full,tolerance=0.0001"


def test_colours_of_the_first_six_stay_apart_when_thinned() -> None:
    looks = list(looks_of([f"c{n}" for n in range(6)]).values())
    shades = [mixed(look.colour, strength) for look in looks for strength in (0.28, 0.52, 1.0)]
    rgb = np.array([[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in shades])
    apart = np.abs(rgb[:, None] - rgb).max(axis=2) + 255 * np.eye(len(rgb))
    assert apart.min() >= 15


def test_who_looks_like_another_in_colour_has_another_mark_or_pattern() -> None:
    looks = list(looks_of([f"c{n}" for n in range(16)]).values())
    seen = [(look.colour, look.marker, hatch_of(n)) for n, look in enumerate(looks)]
    assert len(set(seen)) == 16
    assert len({look.marker for look in looks[:13]}) == 13
    assert [hatch_of(n) for n in range(6)] == [""] * 6


def test_text_on_a_colour_is_the_one_with_more_contrast() -> None:
    assert on("#0072B2") == "#FFFFFF"
    assert on("#FFFFFF") == on("#E69F00") != "#FFFFFF"


@pytest.mark.parametrize(
    ("leads", "scale"),
    [([0.1, 0.5, 2.0, 9.0], (0.3, 1.0, 3.0)), ([2.0, 7.0, 20.0, 70.0], (3.0, 10.0, 30.0))],
)
def test_strengths_are_those_that_are_used_most_evenly(
    leads: list[float], scale: tuple[float, ...]
) -> None:
    assert edges(np.array([*leads, np.nan])) == scale
    assert len(edges(np.array([]))) == 3


@pytest.mark.parametrize(
    ("leads", "scale"),
    [
        ([38.0, 40.0, 73.0, 78.0], (10.0, 30.0, 100.0)),
        ([12.0, 15.0], (3.0, 10.0, 30.0)),
        ([0.5], (0.3, 1.0, 3.0)),
        ([0.0], (0.3, 1.0, 3.0)),
    ],
)
def test_strengths_that_tell_nothing_apart_are_those_around_the_median(
    leads: list[float], scale: tuple[float, ...]
) -> None:
    assert edges(np.array(leads)) == scale


def test_a_margin_is_written_short_and_from_twice_as_much_on_as_a_factor() -> None:
    leads = 0.04, 0.42, 0.97, 99.4, 99.6, 156.0, 900.0, 1e6, np.inf, np.nan
    texts = ["+0.04%", "+0.4%", "+1%", "+99%", "×2.0", "×2.6", "×10", ">×999", "alone"]
    assert [label_of(lead) for lead in leads] == [*texts, "unopposed"]


def test_whose_rivals_all_failed_is_the_palest_and_whose_yield_nothing_the_strongest() -> None:
    leads = {np.nan: 0, 0.5: 0, 2.0: 1, 30.0: 3, np.inf: 3}
    for lead, strength in leads.items():
        fill = fill_of(Tile("win", (0,), lead), ["#0072B2"], (1.0, 3.0, 10.0))
        assert fill == mixed("#0072B2", STRENGTHS[strength])


def test_a_long_name_keeps_its_ends_and_a_long_text_takes_lines() -> None:
    cut = shortened(LONG, 120.0, 11.0)
    assert width_pt(cut, 11.0) <= 120.0
    assert (cut[:5], cut[-4:]) == ("wmmse", "0001")
    lines = wrapped(f"one two {LONG}", 120.0, 11.0)
    assert lines == ["one two", cut]


def test_regions_are_connected_by_sides_and_the_largest_comes_first() -> None:
    # b a a
    # a b a
    winners = {(0, 0): 0, (1, 0): 1, (2, 0): 0, (0, 1): 1, (1, 1): 0, (2, 1): 0}
    found = [(winner, sorted(places)) for winner, places in regions(winners)]
    assert found[0] == (0, [(1, 1), (2, 0), (2, 1)])
    assert sorted(len(places) for _, places in found) == [1, 1, 1, 3]


@pytest.mark.parametrize("tied", [2, 3, 4, 6, 9])
def test_marks_of_all_who_are_tied_stand_inside_their_tile(tied: int) -> None:
    looks = list(looks_of([f"c{n}" for n in range(tied)]).values())
    axes = Figure().add_subplot()
    room = 48.0, 40.0
    draw_tied(axes, (3.0, 5.0), (1.0, 1.0), room, looks)
    at = np.array([[one.get_xdata(), one.get_ydata()] for one in axes.lines], float)[..., 0]
    size = max(one.get_markersize() for one in axes.lines)
    assert [one.get_color() for one in axes.lines] == [look.colour for look in looks]
    assert len({one.get_marker() for one in axes.lines}) == tied
    assert (np.abs(at - [3.5, 5.5]) * room + size / 2 <= np.array(room) / 2).all()
    apart = np.abs((at[:, None] - at) * room).max(axis=-1) + 99.0 * np.eye(tied)
    assert apart.min() >= 0.95 * size
