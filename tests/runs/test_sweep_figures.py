from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray

from slotwise.emulator.scenario import load
from slotwise.runs.report.canvas import Drawing, style
from slotwise.runs.sweeps import tables
from slotwise.runs.sweeps.drawing import winner_map
from slotwise.runs.sweeps.drawing.dimension import dimension, spread
from slotwise.runs.sweeps.drawing.figures import draw
from slotwise.runs.sweeps.drawing.groups import groups
from slotwise.runs.sweeps.drawing.map_key import column_in, key_of, lay_out
from slotwise.runs.sweeps.drawing.tiles import tiles
from slotwise.runs.sweeps.page import page
from slotwise.runs.sweeps.planning.plan import Drawing as Axes
from slotwise.runs.sweeps.planning.plan import Stopping, SweepPlan, Value
from slotwise.runs.sweeps.summary import summarise
from slotwise.runs.sweeps.tables import sweep_tables

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
    return {each.name: each for each in draw_all(plan, summary_of(plan, **what)[0])}


def draw_all(plan: SweepPlan, summary: pa.Table) -> list[Drawing]:
    with style():
        return draw(plan, summary)


# --- words and tiles -------------------------------------------------------------------------


def test_fields_have_a_word_and_the_unit_of_their_model() -> None:
    varied = (USERS, SLOWDOWN, DOPPLER, "timing.latency_s", "channel.path_loss.exponent")
    plan = plan_of([(100, 2.5, 10.0, 0.001, 3.0)], varied=varied, drawing=None)
    labels = [dimension(plan, field).label for field in varied]
    assert labels == ["users", "processor slowdown [×]", "Doppler [Hz]", "latency [s]", "exponent"]
    values = zip(varied, plan.points[0], strict=True)
    told = [dimension(plan, field).told(value) for field, value in values]
    assert told[:4] == ["100 users", "slowdown 2.5×", "Doppler 10 Hz", "latency 0.001 s"]


def test_values_of_a_field_ascend_unless_they_are_words() -> None:
    plan = plan_of(
        [(10, "rician"), (9, "none"), (1000, "rician")], varied=(USERS, "channel.fading")
    )
    assert dimension(plan, USERS).values == (9, 10, 1000)
    assert dimension(plan, USERS).is_log
    assert dimension(plan, "channel.fading").values == ("rician", "none")
    assert not dimension(plan, "channel.fading").is_numeric
    assert spread(range(9), 3) == [0, 4, 8]


def test_tiles_say_who_wins_who_is_tied_and_why_nobody_does() -> None:
    plan = plan_of([(10,), (20,), (30,), (40,)], varied=(USERS,), controllers=("a", "b"))
    merit = np.ones((4, 3, 2))
    merit[0, :, 1] = [1.1, 1.11, 1.09]
    merit[1] = [[1.0, 1.1], [1.0, 0.92], [1.0, 1.0]]
    everybody_once = [12, 15, 14, 17, 13, 16]  # of the third point, every cell
    summary, _ = summary_of(plan, merit, failed=everybody_once, absent=[18])
    found = tiles(plan, summary)
    assert [tile.kind for tile in found] == ["win", "tie", "failed", "tie"]
    assert tiles(plan, summary_of(plan, 0.0 * merit)[0])[0].kind == "nobody"
    beaten = tiles(plan, summary_of(plan, merit * [0.0, 1.0])[0])
    assert {(tile.kind, tile.ahead, tile.lead) for tile in beaten} == {("win", (1,), np.inf)}
    assert (found[0].winner, found[0].ahead) == (1, (1,))
    assert found[0].lead == pytest.approx(10.0)
    assert found[1].ahead == (1, 0)
    absent, _ = summary_of(plan, merit, absent=range(18, 24))
    assert tiles(plan, absent)[3].kind == "absent"


def test_values_and_titles_that_round_to_the_same_are_told_apart() -> None:
    plan = plan_of([(10, 1.0, doppler) for doppler in (100.01, 100.02, 99.96, 100.0)])
    found = groups(plan, (USERS,))
    assert [points for _, points in found] == [[2], [3], [0], [1]]
    assert [title for title, _ in found] == [
        f"Doppler {text} Hz" for text in ("99.96", "100", "100.01", "100.02")
    ]


def test_a_rival_that_lived_and_yields_nothing_is_not_one_that_failed() -> None:
    plan = plan_of([(10,)], varied=(USERS,), controllers=("a", "b"))
    merit = np.array([[[2.0, -1.0], [2.0, -1.0], [np.nan, 9.0]]])
    (tile,) = tiles(plan, summary_of(plan, merit, failed=[], absent=[4])[0])
    assert (tile.ahead, tile.lead) == ((0,), np.inf)


@pytest.mark.parametrize("values", [[1.0, 4.16, 17.3], [10, 30, 100], [10, 300], [3, 4, 6, 16, 19]])
def test_an_axis_is_logarithmic_where_values_are_spread_so(values: list[Value]) -> None:
    def is_log(values: Sequence[Value]) -> bool:
        return dimension(plan_of([(each,) for each in values], varied=(USERS,)), USERS).is_log

    assert is_log(values)
    assert not any(is_log(others) for others in (range(1, 11), [0, 300], [3, 14, 19], [8]))


# --- figures -----------------------------------------------------------------------------------


def test_a_plan_with_a_map_gets_the_map_and_slices_along_both_axes() -> None:
    plan = plan_of(full(2, 2, 1))
    found = drawn(plan)
    assert list(found) == ["winner-map", "slices-processor-slowdown", "slices-users"]
    with style():
        again = winner_map.draw_winner_map(plan, summary_of(plan)[0])
    assert found["winner-map"].svg == again.svg
    for drawing in found.values():
        assert drawing.svg.startswith("<?xml")
        pixels = imread(io.BytesIO(drawing.png))
        assert pixels.shape[1] > 1000
        assert pixels[..., :3].std() > 0.05
        assert drawing.caption.endswith(".")
        assert drawing.label


FEW, TWO = full(2, 2, 1), ("max", "wmmse")
WORDS: dict[str, Any] = {
    "varied": ("channel.fading", USERS),
    "drawing": Axes("channel.fading", USERS, None),
}
MANY = list(product(range(10, 22), range(1, 9), [1]))
CASES: dict[str, tuple[SweepPlan, dict[str, Any]]] = {
    "one seed": (plan_of(FEW, seeds=1), {}),
    "nobody": (plan_of(FEW), {"merit": np.zeros((4, 3, 4))}),
    "one controller": (plan_of(FEW, controllers=("max",)), {}),
    "many panels": (plan_of(full(2, 1, 14), controllers=TWO), {}),
    "some failed": (plan_of(FEW), {"failed": range(12), "absent": range(12, 20)}),
    "unopposed": (plan_of(FEW), {"failed": [n for n in range(24) if n % 4]}),
    "unopposed in small": (plan_of(full(4, 3, 12)), {"failed": [n for n in range(999) if n % 4]}),
    "words on an axis": (plan_of(list(product(["none", "rayleigh"], [10, 20])), **WORDS), {}),
    "long names": (plan_of(FEW, controllers=[*(f"c{n}" for n in range(8)), LONG, LONG + "1"]), {}),
    "long title": (replace(plan_of(FEW), title="no end of words " * 20), {}),
    "small tiles": (plan_of(MANY, controllers=TWO), {}),
}
SAYS = {
    "one seed": "no intervals",
    "nobody": "(0 of 4 points). Nobody yields anything at 4 points.",
    "one controller": "Colour: where `max`, the only controller, yields anything.",
    "unopposed": "Unopposed, the palest",
    "some failed": "1 point has no winner",
    "many panels": "12 of 14 panels",
}


def boxes_of(figure: Figure) -> Array:
    """Corners of all texts [1/72 in]: left, lower, right, upper."""
    figure.set_dpi(288)  # hinting widens small letters
    figure.draw_without_rendering()  # places the labels
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += axes.texts
        if axes.axison:
            texts += [axes.title, axes.xaxis.label, axes.yaxis.label]
            texts += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    return np.array([each.get_window_extent().extents for each in texts if each.get_text()]) / 4.0


@pytest.mark.parametrize("case", CASES)
def test_texts_of_a_map_stay_on_the_paper_and_apart(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []

    def finish(figure: Figure, name: str, title: str, caption: str, label: str) -> Drawing:
        figures.append(figure)
        return Drawing(name, title, caption, label, "", b"")

    monkeypatch.setattr(winner_map, "finish", finish)
    plan, what = CASES[case]
    with style():
        caption = winner_map.draw_winner_map(plan, summary_of(plan, **what)[0]).caption
        boxes = boxes_of(figures[0])
    assert SAYS.get(case, "runner-up") in caption
    assert len(boxes) > 8
    assert boxes.min() >= 2.0
    assert (boxes[:, 2:] <= 72.0 * figures[0].get_size_inches() - 2.0).all()
    upper = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    reach = upper - np.maximum(boxes[:, None, :2], boxes[:, :2])
    assert not np.triu((reach > 2.0).all(axis=-1), 1).any()


def test_the_key_says_what_wins_and_whole_names_wherever_they_fit() -> None:
    plan = plan_of(full(2, 2, 1), controllers=("max", "wmmse", LONG))
    found = tiles(plan, summary_of(plan, np.ones((4, 3, 3)))[0])
    key = key_of(plan, found, (1.0, 3.0, 10.0))
    assert key.heading == "Winner: the highest mean sum rate"
    assert [entry.name for entry in key.entries] == ["max", "wmmse", LONG]
    assert key.notes == [("tie", "tied: not told apart (95%)")]
    assert not key.is_graded
    assert lay_out(key, 12.0).column == column_in(key) < 12.0
    timed = replace(plan, base=load("d2d", overrides=["timing.mode=measured"]))
    merit = np.ones((4, 3, 3)) * [0.0, 1.0, 2.6]
    key = key_of(timed, tiles(timed, summary_of(timed, merit)[0]), (1.0, 3.0, 10.0))
    assert "charged the time it took. Number: lead over the runner-up" in key.heading
    assert [kind for kind, _ in key.notes] == ["×2.6", ""]
    assert key.notes[-1][1] == "never ahead: max, wmmse"
    assert key.is_graded


BY_TWO: dict[str, Any] = {"varied": (USERS, SLOWDOWN), "drawing": Axes(USERS, SLOWDOWN, None)}


def test_a_winner_whose_rivals_all_failed_is_unopposed_in_key_caption_and_table() -> None:
    plan = plan_of(
        [(10, 1.0), (10, 2.0), (20, 1.0)], controllers=("max", "b", "c"), seeds=2, **BY_TWO
    )
    merit = np.ones((3, 2, 3)) * [1.0, 1.2, 0.5]
    rivals = [1, 2, 4, 5]
    summary, rows = summary_of(plan, merit, failed=[*rivals, 7, 10])
    found = tiles(plan, summary)
    key = key_of(plan, found, (1.0, 3.0, 10.0))
    assert ("unopposed", "all others failed") in key.notes
    assert key.is_graded
    assert "| slowdown 1× | `max` unopposed | `b` +20% |" in page(plan, summary, rows, [], "")
    some, _ = summary_of(plan, merit, failed=[2, 5])
    with style():
        captions = [winner_map.draw_winner_map(plan, each).caption for each in (summary, some)]
    assert "Unopposed, the palest: all others failed. At 2 points not all" in captions[0]
    assert "At 1 point not all controllers lived." in captions[1]
    assert "nopposed" not in captions[1]
    every = [6 * point + cell for point in range(3) for cell in rivals]
    alone = key_of(plan, tiles(plan, summary_of(plan, merit, failed=every)[0]), (1.0, 3.0, 10.0))
    assert not alone.is_graded
    assert len(alone.strengths) == 1


def test_one_controller_leads_nobody_and_is_compared_with_nobody() -> None:
    plan = plan_of(full(2, 2, 1), controllers=("max",))
    summary, rows = summary_of(plan)
    key = key_of(plan, tiles(plan, summary), (1.0, 3.0, 10.0))
    assert not key.is_graded
    assert key.notes == []
    assert list(drawn(plan)) == ["winner-map"]
    assert list(drawn(replace(plan, drawing=None))) == ["merit-users"]
    text = page(plan, summary, rows, draw_all(plan, summary), "")
    assert "| slowdown 1× | `max` | `max` |" in text
    for word in ("unopposed", "runner-up", "ties", "\\*"):
        assert word not in text
    assert "*" not in text_of(sweep_tables(plan, summary))


def test_a_sample_of_points_is_drawn_as_marks() -> None:
    rng = np.random.default_rng(0)
    points = [tuple(float(each) for each in 10 ** rng.uniform(0, 2, 3)) for _ in range(20)]
    sample = drawn(plan_of(points))
    assert list(sample) == ["relative-users"]
    caption = sample["relative-users"].caption
    assert "intervals over networks are bars. Every mark is a point" in caption
    assert list(drawn(plan_of(points, drawing=None))) == ["merit-users", "relative-users"]


def test_scenarios_that_vary_have_panels_with_scales_of_their_own() -> None:
    names = ("gaussian-ic", "d2d", "imac")
    points = list(zip(names, (5, 8, 8), strict=True))
    plan = plan_of(points, varied=("scenario", USERS), drawing=None)
    plan = replace(plan, scenarios=tuple((name, load(name)) for name in names))
    found = drawn(plan)
    assert "Every scenario has a scale of its own" in found["merit-users"].caption
    assert "scale of its own" not in found["relative-users"].caption
    text = page(plan, *summary_of(plan), [], "")
    assert "Scenarios `gaussian-ic`, `d2d`, `imac`: 3 points" in text


def test_without_a_map_curves_are_over_the_first_field_with_numbers() -> None:
    points = list(product(["none", "rayleigh"], [10, 100]))
    plan = plan_of(points, varied=("channel.fading", USERS), drawing=None)
    found = drawn(plan)
    assert list(found) == ["merit-users", "relative-users"]
    assert "Mean sum rate over users" in found["merit-users"].caption
    words = plan_of([("none",), ("rayleigh",)], varied=("channel.fading",), drawing=None)
    efficient = load("d2d", overrides=["objective=energy-efficiency"])
    summary, _ = summary_of(words)
    with style():
        found = {one.name: one for one in draw(replace(words, base=efficient), summary)}
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
    summary, rows = summary_of(plan, failed=[0], absent=[5, 6])
    drawings = [Drawing("winner-map", "Title", "Caption.", "Label", "", b"")]
    text = page(plan, summary, rows, drawings, "slotwise sweep who.toml --out here")
    assert text.startswith("# Who wins where\n")
    assert "12 points × 4 controllers, 141 cells lived" in text
    assert "1 more failed. 2 are still to be lived." in text
    assert "$ slotwise sweep who.toml --out here" in text
    assert f"](cells/plan={plan.hash})" in text
    first = "first with 10 users, slowdown 1×, Doppler 1 Hz, seed 0"
    assert f"- 1 cell of `max`, {first}: `ValueError: no`" in text
    for drawing in drawings:
        assert f"]({drawing.name}.svg)" in text
    assert "| Doppler 2 Hz | 10 users | 100 users | 1,000 users |" in text
    assert "| slowdown 10× |" in text
    tables_of = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables_of)


def test_failures_of_a_controller_that_differ_in_numbers_only_are_told_once() -> None:
    plan = plan_of(full())
    summary, rows = summary_of(plan)

    def told(errors: list[str]) -> list[str]:
        swapped = rows.set_column(rows.schema.get_field_index("error"), "error", pa.array(errors))
        text = page(plan, summary, swapped.take(np.arange(len(rows))[::-1]), [], "")
        return text.split("## Failures\n\n")[1].split("\n\n")[0].split("\n")

    errors = [f"E: {n} users, {n / 7:.3g} s" if n % 4 < 2 else "" for n in range(25)]
    errors = [""] * 4 + errors[4:] + [""] * 119
    first = "first with 10 users, slowdown 1×, Doppler 1 Hz, seed 1"
    assert told(errors) == [
        f"- 6 cells of `max`, {first}: `E: 4 users, 0.571 s`",
        f"- 5 cells of `wmmse`, {first}: `E: 5 users, 0.714 s`",
    ]
    many = told([f"E{'x' * (n % 30)}" for n in range(144)])
    assert len(many) == 11
    assert many[-1] == "- and 50 more: see the cells' column `error`"


def test_a_page_is_headed_by_its_title_its_name_or_its_scenarios() -> None:
    plan = replace(plan_of(FEW), title="")
    told = summary_of(plan)
    assert page(plan, *told, [], "").startswith("# Sweep who\n")
    assert page(replace(plan, name="sweep"), *told, [], "").startswith("# Sweep of d2d\n")


def test_the_page_counts_what_there_is_and_says_what_is_only_planned() -> None:
    plan = plan_of(FEW, controllers=TWO)
    words = [
        page(plan, *summary_of(plan, absent=range(lived, plan.cells)), [], "")
        for lived in (0, 1, plan.cells - 1, plan.cells)
    ]
    assert "0 cells lived, 3 networks planned for each point. 24 are still" in words[0]
    assert "ratios of means. Tied for best: " in words[0]
    assert "Nobody is ranked at 4 of 4 points" in words[0]
    assert "1 cell lived, 3 networks planned for each point. 23 are still" in words[1]
    assert "paired over up to 1 network for each point" in words[1]
    assert "1 is still to be lived" in words[2]
    assert "24 cells lived, 3 networks for each point. Under" in words[3]


def test_a_page_explains_the_marks_that_its_tables_have() -> None:
    points = [(10, 1.0), (20, 1.0)]
    plan = plan_of(points, controllers=("max", "wmmse"), **BY_TWO)
    apart, tied = np.ones((2, 3, 2)), np.ones((2, 3, 2))
    apart[..., 1] = 2.0
    apart[1] = 0.0
    text = page(plan, *summary_of(plan, apart), [], "")
    assert "| slowdown 1× | `wmmse` ×2.0 | nobody |" in text
    assert "interval. Wins: largest mean merit, and nobody is tied with it; tied for best:" in text
    assert "≈" not in text
    text = page(plan, *summary_of(plan, tied), [], "")
    assert "nobody is tied with it; ≈ tied for best: the paired 95% interval" in text
    text = page(replace(plan, drawing=None), *summary_of(plan, apart), [], "")
    assert "\\* wins: largest mean merit, and nobody is tied with it; tied for best" in text
    assert "Nobody is ranked at 1 of 2 points: nobody yields anything." in text
    summary, rows = summary_of(plan, apart, failed=[6, 8, 10])
    text = page(plan, summary, rows, [], "")
    assert "| `wmmse` ×2.0 | nobody |" in text
    assert "Nobody is ranked at 1 of 2 points: nobody yields anything." in text
    assert "≈" not in text


def test_the_page_says_when_points_stopped() -> None:
    plan = plan_of(
        [(10,), (20,)], varied=(USERS,), controllers=("max", "wmmse"), seeds=6, drawing=None
    )
    plan = replace(plan, stopping=Stopping(1.0, 3, 3))
    merit = np.ones((2, 6, 2))
    merit[1, :, 1] = [1.0, 1.4, 0.9, 1.2, 1.1, 0.7]
    text = page(plan, *summary_of(plan, merit), [], "")
    assert "## Failures" not in text
    assert "±1% wide: 3 to 6 networks" in text
    assert "1 point stayed wider after all 6" in text
    assert "$ " not in text
    assert "| users |" in text
