from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from slotwise.emulator.scenario import load
from slotwise.runs.report.canvas import Drawing, style
from slotwise.runs.sweep import tables
from slotwise.runs.sweep.drawing.dimension import dimension, spread
from slotwise.runs.sweep.drawing.figures import draw
from slotwise.runs.sweep.drawing.shades import (
    edges,
    hatch_of,
    label_of,
    looks_of,
    mixed,
    on,
    shortened,
    width_pt,
)
from slotwise.runs.sweep.drawing.stripes import striped
from slotwise.runs.sweep.drawing.tiles import regions, tiles
from slotwise.runs.sweep.drawing.winner_map import draw_winner_map, panels_of
from slotwise.runs.sweep.page import page
from slotwise.runs.sweep.plan import Drawing as Axes
from slotwise.runs.sweep.plan import Stopping, SweepPlan, Value
from slotwise.runs.sweep.summary import summarise
from slotwise.runs.sweep.tables import sweep_tables

Array = NDArray[np.float64]
Points = Sequence[tuple[Value, ...]]

USERS, SLOWDOWN, DOPPLER = "population.initial_users", "timing.slowdown", "channel.doppler_hz"
NAMES = ("max", "wmmse", "wmmse:sparse=16", "unrolled")
MAP = Axes(USERS, SLOWDOWN, DOPPLER)
LONG = "wmmse:iterations=100,sparse=16,start=full,tolerance=0.0001"


def plan_of(
    points: Points,
    *,
    varied: Sequence[str] = (USERS, SLOWDOWN, DOPPLER),
    controllers: Sequence[str] = NAMES,
    seeds: int = 3,
    drawing: Axes | None = MAP,
    stopping: Stopping | None = None,
) -> SweepPlan:
    return SweepPlan(
        name="who",
        title="Who wins where",
        base=load("d2d"),
        controllers=tuple(controllers),
        seeds=tuple(range(seeds)),
        slots=10,
        varied=tuple(varied),
        points=tuple(points),
        stopping=stopping,
        drawing=drawing,
    )


def full(users: int = 3, slowdowns: int = 2, dopplers: int = 2) -> Points:
    axes = [10, 100, 1000, 30][:users], [1.0, 10.0, 100.0][:slowdowns], range(1, dopplers + 1)
    return list(product(*axes))


def merits(plan: SweepPlan, scatter: float = 0.005) -> Array:
    """Each controller is best somewhere: worth falls with the distance from its own point."""
    rng = np.random.default_rng(0)
    shape = len(plan.points), len(plan.seeds), len(plan.controllers)
    own = np.linspace(0, len(plan.points) - 1, len(plan.controllers))
    distance = np.abs(np.arange(len(plan.points))[:, None] - own) / len(plan.points)
    network = np.exp(rng.normal(0.0, 0.2, (*shape[:2], 1)))
    worth = (1.0 - 0.4 * distance)[:, None]
    return np.asarray(5.0 * worth * network * (1.0 + scatter * rng.standard_normal(shape)))


def summary_of(
    plan: SweepPlan,
    merit: Array | None = None,
    failed: Sequence[int] = (),
    absent: Sequence[int] = (),
) -> tuple[pa.Table, pa.Table]:
    flat = (merits(plan) if merit is None else merit).ravel()
    cells = np.array([cell for cell in range(flat.size) if cell not in set(absent)], np.int64)
    broken = np.isin(cells, list(failed))
    rows = pa.table(
        {
            "cell": cells,
            "error": ["ValueError: no" if each else "" for each in broken],
            "mean_sum_rate": pa.array(flat[cells], mask=broken),
            "reports": np.full(cells.size, 10.0),
            "missed_deadlines": np.full(cells.size, 1.0),
            "faults": np.zeros(cells.size),
        }
    )
    ones = np.ones(cells.size)
    times = pa.table({"cell": cells, "seconds": ones, "latency_p50_s": ones})
    return summarise(plan, rows, times), rows


def drawn(plan: SweepPlan, **what: Any) -> dict[str, Drawing]:
    with style():
        return {each.name: each for each in draw(plan, *summary_of(plan, **what))}


# --- colours and words -------------------------------------------------------------------------


def test_colours_of_the_first_six_stay_apart_when_thinned() -> None:
    looks = list(looks_of([f"c{n}" for n in range(6)]).values())
    shades = [mixed(look.colour, strength) for look in looks for strength in (0.28, 0.52, 1.0)]
    rgb = np.array([[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in shades])
    apart = np.abs(rgb[:, None] - rgb).max(axis=2) + 255 * np.eye(len(rgb))
    assert apart.min() >= 15


def test_who_looks_like_another_in_colour_has_another_mark_or_pattern() -> None:
    looks = looks_of([f"c{n}" for n in range(16)]).values()
    seen = [(look.colour, look.marker, hatch_of(n)) for n, look in enumerate(looks)]
    assert len(set(seen)) == 16
    assert len({look.marker for look in list(looks)[:8]}) == 8
    assert [hatch_of(n) for n in range(6)] == [""] * 6


def test_a_look_stays_when_controllers_are_added() -> None:
    few, many = looks_of(["max"]), looks_of(["max", "wmmse"])
    assert few["max"] == many["max"]


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
    ("lead", "text"),
    [(0.42, "+0.4%"), (0.97, "+1%"), (12.4, "+12%"), (5000.0, ">999%"), (np.nan, "")],
)
def test_a_margin_is_written_short(lead: float, text: str) -> None:
    assert label_of(lead) == text


def test_a_long_name_keeps_its_ends() -> None:
    cut = shortened(LONG, 120.0, 11.0)
    assert width_pt(cut, 11.0) <= 120.0
    assert (cut[:5], cut[-4:]) == ("wmmse", "0001")


def test_fields_have_a_word_and_the_unit_of_their_model() -> None:
    varied = (USERS, SLOWDOWN, DOPPLER, "timing.latency_s", "channel.path_loss.exponent")
    plan = plan_of([(100, 2.5, 10.0, 0.001, 3.0)], varied=varied, drawing=None)
    labels = [dimension(plan, field).label for field in varied]
    assert labels == ["users", "processor slowdown [×]", "Doppler [Hz]", "latency [s]", "exponent"]
    told = [
        dimension(plan, field).told(value)
        for field, value in zip(varied, plan.points[0], strict=True)
    ]
    assert told[:4] == ["100 users", "slowdown 2.5×", "Doppler 10 Hz", "latency 0.001 s"]


def test_values_of_a_field_ascend_unless_they_are_words() -> None:
    plan = plan_of(
        [(10, "rician"), (9, "none"), (1000, "rician")], varied=(USERS, "channel.fading")
    )
    assert dimension(plan, USERS).values == (9, 10, 1000)
    assert dimension(plan, USERS).is_log
    assert dimension(plan, "channel.fading").values == ("rician", "none")
    assert not dimension(plan, "channel.fading").is_numeric


def test_some_of_many_values_include_both_ends() -> None:
    assert spread(range(9), 3) == [0, 4, 8]
    assert spread([1, 2], 3) == [1, 2]


# --- tiles -------------------------------------------------------------------------------------


def test_tiles_say_who_wins_who_is_tied_and_why_nobody_does() -> None:
    plan = plan_of([(10,), (20,), (30,), (40,)], varied=(USERS,), controllers=("a", "b"))
    merit = np.ones((4, 3, 2))
    merit[0, :, 1] = [1.1, 1.11, 1.09]
    merit[1] = [[1.0, 1.1], [1.0, 0.92], [1.0, 1.0]]
    everybody_once = [12, 15, 14, 17, 13, 16]  # of the third point, every cell
    summary, _ = summary_of(plan, merit, failed=everybody_once, absent=[18])
    found = tiles(plan, summary)
    assert [tile.kind for tile in found] == ["win", "tie", "failed", "tie"]
    assert (found[0].winner, found[0].ahead) == (1, (1,))
    assert found[0].lead == pytest.approx(10.0)
    assert found[1].ahead == (1, 0)
    absent, _ = summary_of(plan, merit, absent=range(18, 24))
    assert tiles(plan, absent)[3].kind == "absent"


def test_regions_are_connected_by_sides_and_the_largest_comes_first() -> None:
    # b a a
    # a b a
    winners = {(0, 0): 0, (1, 0): 1, (2, 0): 0, (0, 1): 1, (1, 1): 0, (2, 1): 0}
    found = [(winner, sorted(places)) for winner, places in regions(winners)]
    assert found[0] == (0, [(1, 1), (2, 0), (2, 1)])
    assert sorted(len(places) for _, places in found) == [1, 1, 1, 3]


@pytest.mark.parametrize("colours", [2, 3, 4, 6])
def test_stripes_stay_inside_and_leave_the_ground_its_share(colours: int) -> None:
    names = [look.colour for look in looks_of([f"c{n}" for n in range(colours)]).values()]
    (ground, _), *stripes = striped((0.0, 0.0), (1.0, 1.0), names)
    assert ground == [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    assert len({fill for _, fill in stripes}) == min(colours, 4) - 1
    corners = [np.array([*each, each[0]]) for each, _ in stripes]
    assert all(((each >= -1e-12) & (each <= 1 + 1e-12)).all() for each in corners)
    area = sum(
        0.5 * abs(np.dot(each[:-1, 0], each[1:, 1]) - np.dot(each[1:, 0], each[:-1, 1]))
        for each in corners
    )
    assert 0.3 < area < 0.5  # ground 62% of each band, all of the two far corners


def test_panels_are_in_the_order_of_their_values_and_leave_out_what_does_not_vary() -> None:
    plan = plan_of([(10, 1.0, 100), (10, 1.0, 9), (20, 1.0, 9)])
    assert panels_of(plan, (USERS,)) == {"Doppler 9 Hz": [1, 2], "Doppler 100 Hz": [0]}


# --- figures -----------------------------------------------------------------------------------


def test_a_plan_with_a_map_gets_the_map_and_slices_along_both_axes() -> None:
    found = drawn(plan_of(full(2, 2, 1)))
    assert list(found) == ["winner-map", "slices-processor-slowdown", "slices-users"]
    with style():
        again = draw_winner_map(plan_of(full(2, 2, 1)), summary_of(plan_of(full(2, 2, 1)))[0])
    assert found["winner-map"].svg == again.svg
    for drawing in found.values():
        assert drawing.svg.startswith("<?xml")
        pixels = imread(io.BytesIO(drawing.png))
        assert pixels.shape[1] > 1000
        assert pixels[..., :3].std() > 0.05
        assert drawing.caption.endswith(".")
        assert drawing.label


CASES: dict[str, tuple[SweepPlan, dict[str, Any]]] = {
    "one seed": (plan_of(full(2, 2, 1), seeds=1), {}),
    "one controller": (plan_of(full(2, 2, 1), controllers=("max",)), {}),
    "many panels": (plan_of(full(2, 1, 14), controllers=("max", "wmmse")), {}),
    "some failed, some absent": (
        plan_of(full(2, 2, 1)),
        {"failed": range(12), "absent": range(12, 20)},
    ),
    "words on an axis": (
        plan_of(
            list(product(["none", "rayleigh"], [10, 20])),
            varied=("channel.fading", USERS),
            drawing=Axes("channel.fading", USERS, None),
        ),
        {},
    ),
    "ten controllers, some with long names": (
        plan_of(full(2, 2, 1), controllers=[*(f"c{n}" for n in range(8)), LONG, f"{LONG}1"]),
        {},
    ),
    "small tiles": (
        plan_of(list(product(range(10, 22), range(1, 9), [1])), controllers=("max", "wmmse")),
        {},
    ),
}


SAYS = {
    "one seed": "no intervals",
    "some failed, some absent": "points have no winner",
    "many panels": "12 of 14 panels",
}


@pytest.mark.parametrize("case", CASES)
def test_a_map_can_be_drawn_of(case: str) -> None:
    plan, what = CASES[case]
    with style():
        drawing = draw_winner_map(plan, summary_of(plan, **what)[0])
    assert SAYS.get(case, "runner-up") in drawing.caption
    assert drawing.png.startswith(b"\x89PNG")


def test_where_nobody_yields_anything_all_are_tied() -> None:
    found = drawn(plan_of(full(2, 2, 1)), merit=np.full((4, 3, 4), -1.0))
    assert len(found) == 3
    assert "(4 of 4 points)" in found["winner-map"].caption


def test_a_sample_of_points_is_drawn_as_marks() -> None:
    rng = np.random.default_rng(0)
    points = [tuple(float(each) for each in 10 ** rng.uniform(0, 2, 3)) for _ in range(20)]
    sample = drawn(plan_of(points))
    assert list(sample) == ["relative-users"]
    assert "Every mark is a point" in sample["relative-users"].caption
    assert list(drawn(plan_of(points, drawing=None))) == ["merit-users", "relative-users"]


def test_without_a_map_curves_are_over_the_first_field_with_numbers() -> None:
    points = list(product(["none", "rayleigh"], [10, 100]))
    plan = plan_of(points, varied=("channel.fading", USERS), drawing=None)
    found = drawn(plan)
    assert list(found) == ["merit-users", "relative-users"]
    assert "Mean sum rate over users" in found["merit-users"].caption
    words = plan_of([("none",), ("rayleigh",)], varied=("channel.fading",), drawing=None)
    efficient = load("d2d", overrides=["objective=energy-efficiency"])
    summary, rows = summary_of(words)
    with style():
        found = {one.name: one for one in draw(replace(words, base=efficient), summary, rows)}
    assert list(found) == ["merit-fading", "relative-fading"]
    assert "Energy efficiency over fading" in found["merit-fading"].caption


def test_nothing_is_drawn_before_anything_has_been_lived_or_of_a_single_point() -> None:
    plan = plan_of(full(2, 1, 1))
    assert drawn(plan, absent=range(plan.cells)) == {}
    assert drawn(plan_of([()], varied=(), drawing=None)) == {}


# --- tables and page ---------------------------------------------------------------------------


def text_of(parts: Sequence[Any], width: int = 400) -> str:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_few_points_are_a_row_each_with_the_winner_and_ties_marked() -> None:
    plan = plan_of([(10,), (20,)], varied=(USERS,), controllers=("max", "wmmse"), drawing=None)
    merit = np.array(
        [[[2.0, 3.0], [2.0, 3.01], [2.0, 2.99]], [[2.0, 2.1], [2.0, 1.9], [2.0, 2.04]]]
    )
    text = text_of(sweep_tables(plan, summary_of(plan, merit)[0]))
    first, second = (line for line in text.splitlines() if line.strip()[:3] in ("10 ", "20 "))
    assert "2.000" in first
    assert "150.0" in first
    assert first.count("*") == 1
    assert second.count("≈") == 2
    assert "paired over 3 networks" in text


def test_many_points_are_counted_for_each_controller() -> None:
    plan = plan_of([(n,) for n in range(1, 41)], varied=(USERS,), controllers=("max", "wmmse"))
    merit = np.ones((40, 3, 2))
    merit[:10, :, 1] = 2.0
    merit[10:16, :, 0] = 2.0
    text = text_of(sweep_tables(plan, summary_of(plan, merit, failed=[239])[0]))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert rows["max"][:2] == ["7", "23"]
    assert rows["wmmse"][:2] == ["10", "23"]
    assert rows["wmmse"][-1] == "1"


def test_a_narrow_terminal_gets_several_tables_and_nothing_is_cropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rich.console import Console

    plan = plan_of(full(), controllers=[f"controller-{n}" for n in range(9)])
    monkeypatch.setattr(tables, "console_for", lambda _: Console(width=80))
    parts = sweep_tables(plan, summary_of(plan)[0])
    text = text_of(parts, 80)
    assert sum(not isinstance(part, str) for part in parts) > 1
    assert all(f"controller-{n}" in text for n in range(9))


def test_the_page_tells_how_much_was_lived_who_wins_and_how_it_was_made() -> None:
    plan = plan_of(full())
    summary, _ = summary_of(plan, failed=[0], absent=[5, 6])
    drawings = [Drawing("winner-map", "Title", "Caption.", "Label", "", b"")]
    text = page(plan, summary, drawings, "slotwise sweep who.toml --out here")
    assert text.startswith("# Who wins where\n")
    assert "12 points × 4 controllers, 141 cells lived" in text
    assert "1 more failed. 2 are still to be lived." in text
    assert "$ slotwise sweep who.toml --out here" in text
    assert plan.hash in text
    for drawing in drawings:
        assert f"]({drawing.name}.svg)" in text
    assert "| Doppler 2 Hz | 10 users | 100 users | 1,000 users |" in text
    assert "| slowdown 10× |" in text
    tables_of = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables_of)


def test_the_page_says_when_points_stopped() -> None:
    plan = plan_of(
        [(10,), (20,)], varied=(USERS,), controllers=("max", "wmmse"), seeds=6, drawing=None
    )
    plan = replace(plan, stopping=Stopping(1.0, 3, 3))
    merit = np.ones((2, 6, 2))
    merit[1, :, 1] = [1.0, 1.4, 0.9, 1.2, 1.1, 0.7]
    text = page(plan, summary_of(plan, merit)[0], [], "")
    assert "±1% wide: 3 to 6 networks" in text
    assert "1 points stayed wider after all 6" in text
    assert "$ " not in text
    assert "| users |" in text
