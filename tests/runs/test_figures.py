from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from slotwise.runs.report.canvas import Drawing, inline, style
from slotwise.runs.report.curves import bin_means, cumulative, moving_mean, nice_window, pieces
from slotwise.runs.report.figures import FIGURES, LEARNING, draw_figures
from slotwise.runs.report.latency_figures import lateness_cost
from slotwise.runs.report.palette import COLOURS, look, looks
from slotwise.runs.report.quantities import (
    count,
    duration,
    number,
    percent,
    quantity,
    signed_percent,
)
from slotwise.runs.report.recording import Recording, read_recording

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def drawings(town: Path) -> dict[str, Drawing]:
    return {drawing.name: drawing for drawing in draw_figures(read_recording(town))}


# --- looks -----------------------------------------------------------------------------------


def test_a_controller_keeps_its_look_when_others_are_added_after_it() -> None:
    few, many = looks(["max", "wmmse"]), looks(["max", "wmmse", "greedy"])
    assert few == {spec: many[spec] for spec in few}


def test_sixty_four_controllers_look_different() -> None:
    assert len({look(position) for position in range(64)}) == 64


def test_colours_dashes_and_markers_of_eight_controllers_all_differ() -> None:
    first = [look(position) for position in range(8)]
    for distinct in ("colour", "dashes", "marker"):
        assert len({getattr(each, distinct) for each in first}) == 8


def test_every_colour_has_a_contrast_of_two_to_white_paper() -> None:
    for colour in COLOURS:
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        luminance = float(linear @ [0.2126, 0.7152, 0.0722])  # WCAG 2.1, relative luminance
        assert 1.05 / (luminance + 0.05) >= 2.0, colour


# --- curves ----------------------------------------------------------------------------------


@given(SAMPLES, st.integers(1, 20))
def test_moving_mean_is_the_mean_of_the_window_that_lies_inside(
    values: list[float], width: int
) -> None:
    index, mean = moving_mean(values, width, points=1000)
    for place, got in zip(index, mean, strict=True):
        inside = [v for i, v in enumerate(values) if -((width - 1) // 2) <= i - place <= width // 2]
        assert got == pytest.approx(sum(inside) / len(inside), abs=1e-6)


def test_moving_mean_of_many_samples_keeps_both_ends_and_few_points() -> None:
    index, mean = moving_mean(np.ones(24_000), 400, points=400)
    assert (index[0], index[-1], len(index)) == (0, 23_999, 400)
    assert np.allclose(mean, 1.0)


@given(SAMPLES, st.integers(1, 40))
def test_window_means_weighted_by_their_lengths_give_back_the_sum(
    values: list[float], bins: int
) -> None:
    edges, mean = bin_means(values, bins)
    assert edges[0] == 0
    assert edges[-1] == len(values)
    assert float(mean @ np.diff(edges)) == pytest.approx(sum(values), abs=1e-3)


@given(SAMPLES, st.integers(2, 70))
def test_cumulative_share_is_exact_where_it_is_given(values: list[float], points: int) -> None:
    value, share = cumulative(values, points)
    assert len(value) <= points
    assert (value[0], value[-1], share[-1]) == (min(values), max(values), 1.0)
    for v, s in zip(value, share, strict=True):
        assert s == pytest.approx(sum(x <= v for x in values) / len(values))


def test_cumulative_leaves_out_what_is_not_finite() -> None:
    value, share = cumulative([np.nan, 2.0, np.inf, 1.0])
    assert (value.tolist(), share.tolist()) == ([1.0, 2.0], [0.5, 1.0])


def test_pieces_are_cut_inside_the_series_only() -> None:
    assert pieces(10, [0, 4, 4, 10, 12]) == [(0, 4), (4, 10)]
    assert pieces(0, [1]) == []


@pytest.mark.parametrize(
    ("span", "slot", "window"),
    [(240.0, 0.01, 2.0), (4.0, 1e-3, 0.05), (60.0, 1e-3, 1.0), (0.01, 1e-3, 1e-3), (0.0, 0.5, 0.5)],
)
def test_the_window_is_the_round_number_below_a_sixtieth_of_the_span(
    span: float, slot: float, window: float
) -> None:
    assert nice_window(span, slot) == pytest.approx(window)


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(4.2137), "4.21"),
        (number(9.9996), "10.0"),
        (number(1234.5), "1,234"),
        (number(-0.01234), "−0.0123"),
        (number(1.234e-7), "1.23×10⁻⁷"),
        (number(None), "–"),
        (number(float("nan")), "–"),
        (count(12_000.0), "12,000"),
        (percent(0.031), "3.1%"),
        (percent(0.123), "12%"),
        (percent(0.0), "0%"),
        (percent(0.00001), "under 0.01%"),
        (percent(0.9996), "over 99%"),
        (percent(1.0), "100%"),
        (signed_percent(0.021), "+2.1%"),
        (signed_percent(7.958), "+795.8%"),
        (signed_percent(-53.854), "−5,385%"),
        (signed_percent(-0.003), "−0.3%"),
        (signed_percent(0.0), "0.0%"),
        (duration(4.1e-4), "0.41 ms"),
        (duration(1.2e-5), "12 µs"),
        (duration(240.0), "240 s"),
        (duration(1e-3), "1 ms"),
    ],
)
def test_numbers_are_written_for_people(text: str, expected: str) -> None:
    assert text == expected


# --- figures ---------------------------------------------------------------------------------


def test_a_full_comparison_gets_every_figure_in_order(drawings: dict[str, Drawing]) -> None:
    assert list(drawings) == [name for name in FIGURES if name not in LEARNING]


def test_every_figure_has_words_of_its_own(drawings: dict[str, Drawing]) -> None:
    for part in ("title", "caption", "label"):
        assert len({getattr(drawing, part) for drawing in drawings.values()}) == len(drawings)


def test_axes_carry_units_and_captions_say_sample_sizes_and_smoothing(
    drawings: dict[str, Drawing],
) -> None:
    assert "moving mean over 50 ms" in drawings["sum-rate"].caption
    assert "lowest seed to the highest" in drawings["sum-rate"].caption
    assert "moving mean over 100 ms" in drawings["relative"].caption
    assert "12,000 slots" in drawings["slots"].caption
    assert "12,000 decisions" in drawings["latency"].caption
    # Text is drawn as paths; matplotlib leaves each string beside its paths as a comment.
    for name, axes in {
        "trade-off": ("decision latency [ms]", "mean sum rate [bit/s/Hz]"),
        "sum-rate": ("network time [s]", "sum rate [bit/s/Hz]", "07:00", "joins", "leaves"),
        "relative": ("network time [s]", "sum rate, max = 100 [%]", "07:00"),
        "energy": ("network time [s]", "consumed power", "energy efficiency", "07:00"),
        "slots": ("sum rate of a slot [bit/s/Hz]",),
        "user-rates": ("mean rate of a user's stay [bit/s/Hz]",),
        "latency": ("decision latency [ms]", "slot = deadline 1 ms"),
        "lateness": ("mean sum rate [bit/s/Hz]",),
        "active-users": ("network time [s]", "active users"),
        "map": ("east [m]", "north [m]", "user's mean rate [bit/s/Hz]"),
    }.items():
        for text in axes:
            assert f"<!-- {text} -->" in drawings[name].svg, (name, text)


def test_counts_of_joins_and_leaves_in_the_caption_are_those_of_the_first_seed(
    drawings: dict[str, Drawing], town: Path
) -> None:
    events = read_recording(town).of("max")[0].events
    kinds = Counter(event.kind for event in events if event.time_s > 0)
    words = f"the {kinds['join']} joins and {kinds['leave']} leaves after the start in seed 1"
    assert words in drawings["sum-rate"].caption


def test_drawing_twice_gives_the_same_bytes_and_no_date(
    drawings: dict[str, Drawing], town: Path
) -> None:
    again = {drawing.name: drawing for drawing in draw_figures(read_recording(town))}
    assert again == drawings
    assert not any("date" in drawing.svg.lower() for drawing in drawings.values())


def test_settings_of_matplotlib_neither_reach_the_figures_nor_are_changed(
    drawings: dict[str, Drawing], town: Path
) -> None:
    with mpl.rc_context({"font.size": 30.0, "lines.linewidth": 9.0, "svg.hashsalt": "other"}):
        before = dict(mpl.rcParams)
        again = _draw(read_recording(town), "lateness")
        assert dict(mpl.rcParams) == before
    assert again == drawings["lateness"]


def test_ids_of_figures_in_one_page_do_not_collide_and_every_reference_is_met(
    drawings: dict[str, Drawing],
) -> None:
    page = "".join(inline(drawing) for drawing in drawings.values())
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert max(Counter(ids).values()) == 1
    references = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page)
    assert references
    assert {a or b for a, b in references} <= set(ids)


def test_an_inline_figure_brings_no_style_sheet_and_a_label(drawings: dict[str, Drawing]) -> None:
    for drawing in drawings.values():
        svg = inline(drawing)
        assert "<style" not in svg
        assert 'role="img"' in svg
        assert 'aria-label="' in svg


def test_nothing_touches_the_edge_of_the_paper(synthetic: ModuleType, tmp_path: Path) -> None:
    specs = [f"wmmse:max_iterations={i},tolerance=1e-{i}" for i in range(1, 8)]
    specs.append("wmmse:" + ",".join(f"option_{i}=value_{i}" for i in range(6)) + "," + "x" * 90)
    plan = synthetic.Plan(controllers=specs, seeds=(1,), slots=200, slot_s=0.01)
    for drawing in draw_figures(read_recording(synthetic.write_comparison(tmp_path, plan))):
        pixels = imread(io.BytesIO(drawing.png))[..., :3]
        for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
            assert (edge == 1.0).all(), drawing.name


def test_long_series_become_lines_of_at_most_1500_points(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(seeds=(1,), slots=24_000, ideal=False)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    for name in ("sum-rate", "relative", "slots", "latency", "active-users"):
        drawing = _draw(recording, name)
        assert drawing is not None
        lines = re.findall(r'<path d="([^"]+)"', drawing.svg)
        assert max(len(re.findall("[ML]", line)) for line in lines) <= 1500, drawing.name


# --- missing pieces --------------------------------------------------------------------------


def _draw(recording: Recording, name: str) -> Drawing | None:
    with style():
        return FIGURES[name](recording, looks(recording.controllers))


def _caption(recording: Recording, name: str) -> str:
    drawing = _draw(recording, name)
    assert drawing is not None
    return drawing.caption


def test_without_ideal_cells_there_is_no_figure_of_lateness(town: Path) -> None:
    assert _draw(replace(read_recording(town), ideal={}), "lateness") is None


def test_without_places_and_changes_there_is_neither_map_nor_curve_of_users(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(slots=300, mode="ideal", stations=(), marks=(), changing=False)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    assert _draw(recording, "map") is None
    assert _draw(recording, "active-users") is None
    assert _draw(recording, "user-rates") is not None


def test_a_single_run_has_nothing_to_trade_off(synthetic: ModuleType, tmp_path: Path) -> None:
    plan = synthetic.Plan(slots=300)
    names = [d.name for d in draw_figures(read_recording(synthetic.write_run(tmp_path, plan)))]
    assert set(FIGURES) - set(names) == {
        "trade-off",
        "lateness",
        "relative",
        "energy",
        *LEARNING,
    }


def test_a_network_without_users_still_has_figures(synthetic: ModuleType, tmp_path: Path) -> None:
    plan = synthetic.Plan(slots=300, users=0, changing=False, faults=0, ideal=False)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    names = [drawing.name for drawing in draw_figures(recording)]
    assert names == ["trade-off", "sum-rate", "slots", "latency", "map"]


def test_a_controller_without_decisions_is_left_out_of_what_it_has_no_data_for(
    town: Path,
) -> None:
    recording = read_recording(town)
    for cell in recording.of("wmmse"):
        nothing = {name: np.empty(0) for name in ("elapsed_s", "latency_s")}
        cell.__dict__["decisions"] = nothing  # what it would have read
    summary = {spec: dict(values) for spec, values in recording.summary.items()}
    summary["wmmse"] |= {"decisions": 0, "latency_p50_s": None, "latency_p99_s": None}
    recording = replace(recording, summary=summary)
    assert "0 to 12,000 decisions" in _caption(recording, "latency")
    trade_off = _draw(recording, "trade-off")
    assert trade_off is not None
    assert "<!-- wmmse -->" not in trade_off.svg


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "ideal"}, "Timing was ideal: none of it was charged to the network."),
        ({"mode": "fixed", "latency_s": 4e-4}, "Every decision was charged 0.4 ms"),
        ({"slowdown": 4.0}, "the same times 4, as charged to the network"),
        ({}, "The network was charged the same."),
    ],
)
def test_the_caption_of_latencies_says_what_was_charged(
    synthetic: ModuleType, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    plan = synthetic.Plan(slots=200, seeds=(1,), ideal=False, **changes)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    assert words in _caption(recording, "latency")


def test_slot_and_deadline_are_labelled_apart_where_they_differ(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(slots=200, seeds=(1,), ideal=False, deadline_s=2.5e-3)
    drawing = _draw(read_recording(synthetic.write_comparison(tmp_path, plan)), "latency")
    assert drawing is not None
    for text in ("slot 1 ms", "deadline 2.5 ms"):
        assert f"<!-- {text} -->" in drawing.svg


def test_lateness_cost_is_the_mean_of_the_seeds_own_losses(town: Path) -> None:
    recording = read_recording(town)
    losses = [
        1 - a.summary["mean_sum_rate"] / recording.ideal["wmmse", a.seed].summary["mean_sum_rate"]
        for a in recording.of("wmmse")
    ]
    assert lateness_cost(recording, "wmmse") == pytest.approx(sum(losses) / 3)
    assert lateness_cost(replace(recording, ideal={}), "wmmse") is None


def test_from_five_seeds_on_the_band_holds_their_middle_half(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(controllers=["max"], seeds=range(5), slots=200, ideal=False)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    assert "middle half of the seeds" in _caption(recording, "sum-rate")


# --- joules ----------------------------------------------------------------------------------


def _spied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Every line that is drawn from now on: places, values, colour."""
    from matplotlib.axes import Axes

    lines: list[tuple[np.ndarray, np.ndarray, str]] = []
    plot = Axes.plot

    def spy(axes: Axes, *arguments: Any, **keywords: Any) -> Any:
        lines.append((*arguments[:2], keywords.get("color", "")))
        return plot(axes, *arguments, **keywords)

    monkeypatch.setattr(Axes, "plot", spy)
    return lines


@pytest.mark.parametrize("objective", ["energy-efficiency", "weighted-energy-efficiency"])
def test_every_figure_of_a_network_that_saves_joules_compares_by_them(
    synthetic: ModuleType, tmp_path: Path, objective: str
) -> None:
    plan = synthetic.Plan(slots=4000, seeds=(1, 2), objective=objective)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    drawn = {drawing.name: drawing for drawing in draw_figures(recording)}
    name_of = {"energy-efficiency": "energy efficiency"}
    compared = name_of.get(objective, "sum of users' efficiencies")
    for name, text in {
        "trade-off": f"{compared} [Mbit/J]",
        "relative": f"{compared},",
        "energy": compared,
        "slots": f"{compared} of a slot [Mbit/J]",
        "lateness": f"{compared} [Mbit/J]",
        "sum-rate": "sum rate [bit/s/Hz]",
    }.items():
        assert f"<!-- {text} -->" in drawn[name].svg, (name, text)
    assert "max = 100 [%]" in drawn["relative"].svg
    assert drawn["relative"].caption.startswith(f"{compared.capitalize()} in the same network")


def test_an_interval_does_not_take_an_efficiency_below_zero(
    synthetic: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    plan = synthetic.Plan(slots=300, seeds=(1, 2), objective="energy-efficiency", ideal=False)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    summary = {spec: dict(values) for spec, values in recording.summary.items()}
    summary["wmmse"] |= {"relative_low": -50.0, "relative_high": 60.0}
    lowest = []
    label = Axes.set_ylabel

    def spy(axes: Axes, *arguments: Any, **keywords: Any) -> Any:
        lowest.append(axes.get_ylim()[0])
        return label(axes, *arguments, **keywords)

    monkeypatch.setattr(Axes, "set_ylabel", spy)
    assert _draw(replace(recording, summary=summary), "trade-off") is not None
    assert lowest == [0.0]


def test_the_map_shows_rates_under_who_served_the_objective_best(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(slots=300, seeds=(1,), objective="energy-efficiency", ideal=False)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))

    def first(name: str) -> str:
        return max(recording.controllers, key=lambda spec: recording.value(spec, name) or 0.0)

    thrifty = first("energy_efficiency_bit_per_joule")
    summary = {spec: dict(values) for spec, values in recording.summary.items()}
    loud = next(spec for spec in recording.controllers if spec != thrifty)
    summary[loud]["mean_sum_rate"] = 1e6
    assert f"under `{thrifty}` in seed" in _caption(replace(recording, summary=summary), "map")


def test_the_course_of_energy_is_power_and_bits_over_joules_of_a_window(
    synthetic: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = synthetic.Plan(
        slots=3000, seeds=(1, 2), marks=(), objective="energy-efficiency", ideal=False
    )
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    lines = _spied(monkeypatch)
    drawing = _draw(recording, "energy")
    assert drawing is not None
    colour = looks(recording.controllers)["wmmse"].colour
    (time, power), (_, efficiency) = [line[:2] for line in lines if line[2] == colour]
    middle = len(time) // 2
    slot = round(time[middle] / 1e-3 - 0.5)
    window = slice(slot - 24, slot + 26)  # 50 slots, a sixtieth of 3 s
    cells = [cell.slots for cell in recording.of("wmmse")]
    watts = [cell["energy_j"][window].mean() / 1e-3 for cell in cells]
    assert power[middle] == pytest.approx(np.mean(watts))
    mbit = [10.0 * cell["sum_rate"][window].mean() for cell in cells]  # 10 MHz
    assert efficiency[middle] == pytest.approx(np.mean(np.divide(mbit, watts)))
    assert "<!-- consumed power -->" in drawing.svg
    assert "<!-- [W] -->" in drawing.svg
    assert "circuits of the users present included" in drawing.caption


def test_energy_is_drawn_where_bits_count_only_if_controllers_differ_in_it(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(slots=200, powers=(0.2, 0.2, 0.2), ideal=False)
    same = read_recording(synthetic.write_comparison(tmp_path / "same", plan))
    assert _draw(same, "energy") is None
    plan = replace(plan, objective="energy-efficiency")
    saving = read_recording(synthetic.write_comparison(tmp_path / "saving", plan))
    assert _draw(saving, "energy") is not None


def test_lateness_costs_a_share_of_the_efficiency_where_that_counts(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(slots=300, seeds=(1, 2), objective="energy-efficiency")
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    losses = []
    for lived in recording.of("wmmse"):
        ideal = recording.ideal["wmmse", lived.seed]
        late, early = (
            c.slots["sum_rate"].sum() / c.slots["energy_j"].sum() for c in (lived, ideal)
        )
        losses.append(1 - late / early)
    assert lateness_cost(recording, "wmmse") == pytest.approx(np.mean(losses))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (quantity(1234.0, "J"), "1.23 kJ"),
        (quantity(0.0123, "W"), "12.3 mW"),
        (quantity(7.26e7, "bit/J"), "72.6 Mbit/J"),
        (quantity(0.0123, "bit/J"), "0.0123 bit/J"),
        (quantity(999.7, "J"), "1.00 kJ"),
        (quantity(0.0, "J"), "0 J"),
        (quantity(None, "J"), "–"),
    ],
)
def test_quantities_take_the_prefix_that_suits_them(text: str, expected: str) -> None:
    assert text == expected
