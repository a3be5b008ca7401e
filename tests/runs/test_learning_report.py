"""What a report tells of controllers that learned, and that it tells nothing where nobody did."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from slotwise.runs.report import write_report
from slotwise.runs.report.canvas import Drawing, style
from slotwise.runs.report.figures import FIGURES, LEARNING
from slotwise.runs.report.finding import finding
from slotwise.runs.report.palette import looks
from slotwise.runs.report.quantities import number
from slotwise.runs.report.recording import Recording, read_recording
from slotwise.runs.report.tables import episode_table, learning_table
from slotwise.runs.report.time_axis import column_counts, marks_of

SPECS = ("wmmse", "mlp:gaussian-ic-10", "finetuned:mlp:gaussian-ic-10", "finetuned:unrolled")
EPISODES = ((0.0, "episode", "Rayleigh"), (1.0, "episode", "Rice"), (1.5, "episode", "Square"))


def _plan(synthetic: ModuleType, **changes: Any) -> Any:
    return synthetic.Plan(
        **{
            "controllers": SPECS,
            "seeds": (1, 2),
            "slots": 2000,
            "marks": EPISODES,
            "changing": False,
            "ideal": False,
            "faults": 0,
            "learners": (2, 3),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def school(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two controllers that learn beside two that do not. Read it, do not write."""
    directory: Path = synthetic.write_comparison(
        tmp_path_factory.mktemp("school"), _plan(synthetic)
    )
    return directory


@pytest.fixture(scope="module")
def taught(school: Path) -> Recording:
    return read_recording(school)


@pytest.fixture(scope="module")
def drawings(taught: Recording) -> dict[str, Drawing]:
    drawn = (_draw(taught, name) for name in ("sum-rate", "relative", *LEARNING))
    return {drawing.name: drawing for drawing in drawn if drawing is not None}


def _draw(recording: Recording, name: str) -> Drawing | None:
    with style():
        return FIGURES[name](recording, looks(recording.controllers))


def _texts(drawing: Drawing) -> Counter[str]:
    """Every string of a figure; matplotlib leaves each beside its paths as a comment."""
    return Counter(re.findall(r"<!-- (.*?) -->", drawing.svg))


def _outcomes(recording: Recording, spec: str) -> Counter[str]:
    return Counter(word for cell in recording.of(spec) for word in cell.lessons.outcome)


# --- reading ---------------------------------------------------------------------------------


def test_lessons_are_read_as_they_were_written(taught: Recording) -> None:
    cell = taught.of("finetuned:unrolled")[1]
    table = pq.read_table(cell.directory / "lessons.parquet")
    assert cell.lessons.outcome == table["outcome"].to_pylist()
    np.testing.assert_array_equal(cell.lessons.gain, table["gain"].to_numpy())
    np.testing.assert_allclose(
        cell.lessons.end_s, table["start_s"].to_numpy() + table["latency_s"].to_numpy()
    )
    assert taught.learners == ["finetuned:mlp:gaussian-ic-10", "finetuned:unrolled"]


def test_a_run_from_before_there_were_lessons_has_none(town: Path) -> None:
    recording = read_recording(town)
    assert recording.learners == []
    assert recording.of("max")[0].lessons.outcome == []
    assert learning_table(recording)[1] == []


# --- table and sentences ---------------------------------------------------------------------


def test_the_table_has_those_who_learned_and_their_numbers(taught: Recording) -> None:
    heads, rows = learning_table(taught)
    assert [spec for spec, _ in rows] == taught.learners
    column = {head.text.replace("\N{NO-BREAK SPACE}", " "): n for n, head in enumerate(heads)}
    assert not any(marks[column["Lessons tried"]].small for _, marks in rows)
    for spec, marks in rows:
        seen, row = _outcomes(taught, spec), taught.learning(spec)
        for text, outcome in (
            ("Deployed", "deployed"),
            ("Rejected", "rejected"),
            ("Taken back", "rolled back"),
        ):
            assert marks[column[text]].text == str(seen[outcome]), text
        assert marks[column["Lessons tried"]].text == str(seen.total())
        assert marks[column["Under way"]].text == f"{100 * row['clock_s_per_s']:.0f}%"
        median = marks[column["Decision, median"]]
        assert float(median.text) == pytest.approx(1e3 * row["latency_p50_s"], rel=0.01)
        alone = 1e3 * row["latency_alone_p50_s"]
        assert float(median.small.removeprefix("else ")) == pytest.approx(alone, rel=0.01)


def test_lessons_that_the_end_found_at_work_are_told(synthetic: ModuleType, tmp_path: Path) -> None:
    plan = _plan(synthetic, lesson_s=0.3)
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    heads, rows = learning_table(recording)
    assert heads[0].text == "Lessons tried"
    assert [marks[0].small for _, marks in rows] == ["2 unfinished", "2 unfinished"]
    assert "back (2 unfinished); learning took" in finding(recording)[-1]


def test_in_an_ideal_timing_nothing_is_said_of_waiting(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = _plan(synthetic, mode="ideal", lessons=3, seeds=(1,))
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    heads, rows = learning_table(recording)
    column = {head.text: n for n, head in enumerate(heads)}
    assert not any(text.startswith("Report") for text in column)
    assert rows[0][1][column["Decision, median"]].text == "–"
    assert _draw(recording, "lesson-latency") is None
    told = " ".join(finding(recording))
    assert re.search(
        r"tried 3 lessons, deployed \d and took 1 back; learning took 0\.0\d+ s of this machine "
        r"per second and cost nothing\.",
        told,
    )


def test_the_finding_tells_what_was_tried_and_what_it_took(taught: Recording) -> None:
    told = finding(taught)
    for spec in taught.learners:
        seen, row = _outcomes(taught, spec), taught.learning(spec)
        (sentence,) = (each for each in told if each.startswith(f"`{spec}` tried"))
        assert sentence.startswith(
            f"`{spec}` tried 24 lessons over two seeds, deployed {seen['deployed']} and took "
            f"{seen['rolled back']} back; learning took "
        )
        # Half of the second core learns, so a lesson is under way for twice as long.
        core = float(sentence.split("learning took ")[1].split(" s of a second core")[0])
        assert core == pytest.approx(row["clock_s_per_s"] / 2, rel=0.05)


def test_inline_learning_is_told_of_the_deciding_core(taught: Recording) -> None:
    timing = {**taught.scenario["timing"], "learning": "inline"}
    facts = {**taught.facts, "scenario": {**taught.scenario, "timing": timing}}
    inline = replace(taught, facts=facts)
    share = number(taught.learning("finetuned:unrolled")["clock_s_per_s"], 2)
    assert f"learning took {share} s of the deciding core per second." in finding(inline)[-1]


def test_learning_that_failed_is_told_apart_from_decisions_that_failed(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    marks = (*EPISODES, (1.2, "fault", "learning: ValueError: no idea"))
    plan = _plan(synthetic, marks=marks, seeds=(1,))
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    spec = "finetuned:unrolled"
    summary = {c: {**row, "faults": int(c == spec)} for c, row in recording.summary.items()}
    told = finding(replace(recording, summary=summary))
    assert told[-1] == f"Learning failed and was given up: `{spec}` 1 time."
    assert not any("fallback" in sentence for sentence in told)


# --- episodes --------------------------------------------------------------------------------


def test_episodes_are_compared_seed_by_seed_with_paired_intervals(taught: Recording) -> None:
    heads, rows = episode_table(taught)
    assert [(head.text, head.unit) for head in heads] == [
        (name, "%, wmmse = 100") for name in ("Rayleigh", "Rice", "Square")
    ]
    assert [spec for spec, _ in rows] == list(SPECS)
    assert [mark.text for mark in rows[0][1]] == ["100.0"] * 3
    for slots, mark in zip(
        (slice(0, 1000), slice(1000, 1500), slice(1500, 2000)), rows[3][1], strict=True
    ):
        one, other = (
            100 * ours.slots["sum_rate"][slots].mean() / theirs.slots["sum_rate"][slots].mean()
            for ours, theirs in zip(taught.of(SPECS[3]), taught.of("wmmse"), strict=True)
        )
        assert mark.text == f"{(one + other) / 2:.1f}"
        # Student's t for one degree of freedom; of two values the error is half their distance.
        assert mark.small == f"± {12.706205 * abs(one - other) / 2:.1f}"


def test_episodes_are_not_compared_where_there_are_none_or_nothing_to_compare(
    taught: Recording, town: Path
) -> None:
    assert episode_table(read_recording(town)) == ([], [])  # hours are no episodes
    assert episode_table(replace(taught, controllers=SPECS[:1])) == ([], [])
    one = replace(taught, seeds=(1,))
    assert not any(mark.small for _, marks in episode_table(one)[1] for mark in marks)


# --- figures ---------------------------------------------------------------------------------


def test_only_who_learned_gets_a_strip_and_the_cross_is_explained(
    drawings: dict[str, Drawing],
) -> None:
    strips = _texts(drawings["relative"])
    assert (strips["deployed"], strips["rejected"]) == (2, 2)
    assert "a cross is a deployment that was taken back" in drawings["relative"].caption
    assert "deployed" not in _texts(drawings["sum-rate"])


def test_alone_a_learner_has_its_strip_below_its_sum_rate(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = _plan(synthetic, controllers=SPECS[2:], learners=(0,))
    recording = read_recording(synthetic.write_run(tmp_path, plan))
    assert _draw(recording, "relative") is None
    sums = _draw(recording, "sum-rate")
    assert sums is not None
    assert _texts(sums)["deployed"] == 1
    assert "the lessons that a controller learned from" in sums.caption


def test_episodes_are_named_where_they_begin_in_every_figure_over_time(
    drawings: dict[str, Drawing], taught: Recording
) -> None:
    assert [name for _, name in marks_of(taught.each_seed()[0].events)] == [
        "Rayleigh",
        "Rice",
        "Square",
    ]
    for name in ("sum-rate", "relative", "lesson-gains"):
        texts = _texts(drawings[name])
        assert all(texts[episode] == 1 for episode in ("Rayleigh", "Rice", "Square")), name


def test_ratios_are_taken_seed_by_seed_and_smoothed_within_an_episode(
    taught: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference's own curve is 100 % throughout; another's is the ratio of its moving means."""
    from matplotlib.axes import Axes

    lines: list[tuple[Any, Any, Any]] = []
    plot = Axes.plot

    def spy(axes: Axes, *arguments: Any, **keywords: Any) -> Any:
        lines.append((*arguments[:2], keywords.get("color")))
        return plot(axes, *arguments, **keywords)

    monkeypatch.setattr(Axes, "plot", spy)
    _draw(taught, "relative")
    looked = looks(taught.controllers)
    for spec in ("wmmse", "finetuned:unrolled"):
        drawn = [(x, y) for x, y, colour in lines if colour == looked[spec].colour][:3]
        for (time, percent), (start, stop) in zip(
            drawn, [(0, 1000), (1000, 1500), (1500, 2000)], strict=True
        ):
            middle = len(time) // 2
            slot = round(time[middle] / 1e-3 - 0.5)
            window = slice(max(start, slot - 24), min(stop, slot + 26))  # 50 slots, a 40th of 2 s
            ratios = [
                ours.slots["sum_rate"][window].mean() / theirs.slots["sum_rate"][window].mean()
                for ours, theirs in zip(taught.of(spec), taught.of("wmmse"), strict=True)
            ]
            assert percent[middle] == pytest.approx(100 * np.mean(ratios))


def test_a_reference_that_carries_nothing_gives_no_ratios(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = _plan(synthetic, seeds=(1,))
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    for cell in recording.of("wmmse"):
        cell.__dict__["slots"] = cell.slots | {"sum_rate": 0 * cell.slots["sum_rate"]}
    assert _draw(recording, "relative") is None
    sums = _draw(recording, "sum-rate")
    assert sums is not None
    assert _texts(sums)["deployed"] == 2  # so the strips stand there


def test_every_lesson_falls_in_a_column_of_the_strip() -> None:
    centre, amount = column_counts([0.0, 1.0, 1.999, 2.0, 2.0 + 1e-9], 2.0)
    assert amount.sum() == 5
    assert amount[-1] == 3
    assert (centre[0], centre[-1]) == (pytest.approx(1 / 300), pytest.approx(2 - 1 / 300))


def test_gains_are_drawn_for_every_judged_lesson_and_counted(
    drawings: dict[str, Drawing], taught: Recording
) -> None:
    gains = drawings["lesson-gains"]
    assert "48 lessons." in gains.caption
    texts = _texts(gains)
    for text in ("rejected", "deployed", "taken back", "gain of a lesson [%]", *taught.learners):
        assert texts[text] == 1, text


def test_hundreds_of_lessons_are_thinned_and_said_to_be(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = _plan(synthetic, lessons=900, lesson_s=0.001, seeds=(1,))
    recording = read_recording(synthetic.write_comparison(tmp_path, plan))
    gains = _draw(recording, "lesson-gains")
    assert gains is not None
    found = re.search(r"([\d,]+) lessons, of which (\d+) are drawn, chosen evenly", gains.caption)
    assert found is not None
    assert 1_700 <= int(found[1].replace(",", "")) <= 1_800
    assert int(found[2]) <= 2 * 300
    assert len(gains.svg) < 400_000


def test_lessons_that_nobody_could_judge_are_not_drawn(taught: Recording) -> None:
    blind = read_recording(taught.directory)
    for spec in blind.learners:
        for cell in blind.of(spec):
            nan = np.full(len(cell.lessons.gain), np.nan)
            cell.__dict__["lessons"] = replace(cell.lessons, gain=nan, low=nan, high=nan)
    assert _draw(blind, "lesson-gains") is None
    assert _draw(blind, "relative") is not None


def test_the_figure_of_waiting_counts_decisions_beside_lessons_and_others(
    drawings: dict[str, Drawing],
) -> None:
    caption = drawings["lesson-latency"].caption
    beside, others = (int(n.replace(",", "")) for n in re.findall(r"the ([\d,]+) ", caption))
    assert beside + others == 2 * 2 * 2000
    # 12 lessons of 50 slots in each of four lives; one that begins in mid-slot touches one more.
    assert beside == pytest.approx(4 * 12 * 50, abs=4 * 12 * 2)
    assert "while learning" in _texts(drawings["lesson-latency"])


# --- the page --------------------------------------------------------------------------------


def test_the_page_has_a_section_on_learning_with_its_figures(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    page = write_report(synthetic.write_comparison(tmp_path, _plan(synthetic))).read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    before, section = page.split('<section aria-labelledby="learning">')
    section = section.split("</section>")[0]
    for name in LEARNING:
        assert f'<figure id="{name}">' in section
        assert f'<figure id="{name}">' not in before
    assert section.count('<th scope="row">') == 2
    assert len(re.findall('id="learning"', page)) == 1
    assert "Episode by episode" in before
    text = html.unescape(
        re.sub(r"<[^>]+>", " ", re.sub(r"<svg\b.*?</svg>", " ", section, flags=re.DOTALL))
    )
    assert not re.search(r"\b(nan|inf|None)\b", text)
    for name in LEARNING:
        assert (tmp_path / "figures" / f"{name}.png").is_file()


def test_where_nobody_learned_the_page_says_nothing_of_it(page: Path) -> None:
    text = page.read_text("utf-8")
    assert 'id="learning"' not in text
    assert "lessons" not in text
    assert "Episode by episode" not in text


def test_an_older_summary_without_a_word_on_learning_is_read(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    directory = synthetic.write_comparison(tmp_path, _plan(synthetic, learners=(), seeds=(1,)))
    summary = json.loads((directory / "summary.json").read_text())
    for row in summary["controllers"].values():
        del row["learning"]
    (directory / "summary.json").write_text(json.dumps(summary))
    recording = read_recording(directory)
    assert recording.learners == []
    assert _draw(recording, "lesson-gains") is None
