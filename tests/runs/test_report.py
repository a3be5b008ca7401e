from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slotwise.emulator.scenario import InputError
from slotwise.runs.report import write_report


@pytest.fixture
def small(synthetic: ModuleType, tmp_path: Path) -> Path:
    """A small comparison to damage."""
    directory: Path = synthetic.write_comparison(
        tmp_path / "small", synthetic.Plan(slots=100, seeds=(1, 2), ideal=False)
    )
    return directory


# --- files -----------------------------------------------------------------------------------


def test_a_report_is_one_page_and_each_figure_twice_and_no_scraps(page: Path) -> None:
    assert page.name == "report.html"
    figures = sorted(path.name for path in (page.parent / "figures").iterdir())
    stems = {Path(name).stem for name in figures}
    assert figures == sorted(f"{stem}.{kind}" for stem in stems for kind in ("png", "svg"))
    assert {"sum-rate", "latency", "lateness", "map"} <= stems
    before = {"compare.json", "summary.json", "cells", "cells-ideal"}
    assert {path.name for path in page.parent.iterdir()} == before | {"report.html", "figures"}


def test_the_same_directory_gives_the_same_bytes(small: Path) -> None:
    def contents() -> dict[str, bytes]:
        write_report(small)
        paths = [small / "report.html", *(small / "figures").iterdir()]
        return {path.name: path.read_bytes() for path in paths}

    assert contents() == contents()


def test_a_figure_that_no_longer_has_data_is_removed_and_other_files_are_not(small: Path) -> None:
    (small / "figures").mkdir()
    for name in ("lateness.svg", "lateness.png", "mine.svg"):
        (small / "figures" / name).write_text("old")
    write_report(small)
    names = {path.name for path in (small / "figures").iterdir()}
    assert not names & {"lateness.svg", "lateness.png"}
    assert "mine.svg" in names


def test_a_page_for_four_controllers_and_24000_slots_stays_below_two_megabytes(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    specs = ("max", "greedy", "wmmse", "wmmse:warm_start=true")
    plan = synthetic.Plan(controllers=specs, seeds=(1, 2), slots=24_000, slot_s=0.01, ideal=False)
    assert write_report(synthetic.write_comparison(tmp_path, plan)).stat().st_size < 2_000_000


# --- the page --------------------------------------------------------------------------------


def test_nothing_on_the_page_is_fetched_from_elsewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "<script" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    for address in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert address.startswith(("#", "data:")), address


def test_the_page_shows_scenario_finding_credits_command_and_causes(page: Path) -> None:
    text = _visible(page)
    for part in (
        "made-up-town",
        "delivered the most",
        "Pedestrian counts: made up for a test, CC BY 4.0.",
        "slotwise compare town.toml -c max",
        "2025-01-31 12:00 UTC",
        "numpy 2.4.6",
        "power of user 3 is NaN",
        "slot duration [s]",
        "1, 2, 3",
    ):
        assert part in text, part


def test_no_number_on_the_page_is_missing_as_nan_or_none(page: Path) -> None:
    text = re.sub(r"is NaN|fading: none|or none|left out: none", "", _visible(page))
    assert not re.search(r"\b(nan|inf|None|null)\b", text)


def test_every_figure_on_the_page_has_a_label_and_a_caption(page: Path) -> None:
    figures = re.findall(r"<figure.*?</figure>", page.read_text("utf-8"), re.DOTALL)
    assert len(figures) == 10
    for figure in figures:
        assert re.search(r'<svg class="plot" role="img" aria-label="[^"]{20,}"', figure)
        assert re.search(r"<figcaption>[^<]{40,}", figure)


def test_text_of_a_scenario_is_shown_and_never_becomes_markup(small: Path) -> None:
    facts = json.loads((small / "compare.json").read_text())
    facts["scenario"] |= {"name": "a <b>bold</b> name", "description": "<script>alert(1)</script>"}
    facts["command"] = "slotwise `compare` <img src=x>"
    (small / "compare.json").write_text(json.dumps(facts))
    text = write_report(small).read_text("utf-8")
    assert "a &lt;b&gt;bold&lt;/b&gt; name" in text
    assert "<script" not in text
    assert "<img" not in text


def test_an_unfinished_comparison_says_how_much_is_there(small: Path) -> None:
    shutil.rmtree(next((small / "cells").glob("max/seed-2")))
    assert "Not finished: 5 of 6 runs are in this report." in _visible(write_report(small))


def test_a_single_run_gets_a_report_of_its_own(synthetic: ModuleType, tmp_path: Path) -> None:
    directory = synthetic.write_run(tmp_path, synthetic.Plan(slots=300))
    text = _visible(write_report(directory))
    assert "slotwise · run" in text
    assert "max delivered" in text
    assert "Against" not in text


def test_a_run_without_users_has_dashes_where_nothing_can_be_said(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    plan = synthetic.Plan(slots=100, users=0, changing=False, faults=0, ideal=False)
    text = _visible(write_report(synthetic.write_comparison(tmp_path, plan)))
    assert "All three controllers delivered the same: 0 bit/s/Hz." in text
    assert "–" in text
    assert not re.search(r"\bnan\b", text)


def test_a_promised_rate_has_a_section_and_nothing_is_said_where_there_is_none(
    synthetic: ModuleType, tmp_path: Path, page: Path
) -> None:
    plan = synthetic.Plan(slots=100, seeds=(1, 2), min_rate=0.25, ideal=False)
    text = _visible(write_report(synthetic.write_comparison(tmp_path, plan)))
    assert "Every user is promised 0.25 bit/s/Hz in every slot; all seeds together." in text
    assert "Broken though feasible % of feasible slots" in text
    assert "promise" not in _visible(page).split("Scenario every field")[0].lower()


def test_a_page_about_joules_says_so_and_one_about_bits_does_not(
    synthetic: ModuleType, tmp_path: Path, page: Path
) -> None:
    plan = synthetic.Plan(slots=100, seeds=(1, 2), objective="energy-efficiency", ideal=False)
    text = _visible(write_report(synthetic.write_comparison(tmp_path, plan)))
    assert "carried the most per joule" in text
    assert "Energy efficiency is bits delivered over joules consumed." in text
    plain = _visible(page)
    for words in ("per joule", "objective: energy", "bits delivered over joules"):
        assert words not in plain.split("Scenario every field")[0]
    for words in ("Throughput against decision latency", "Relative sum rate over time"):
        assert words in plain


# --- bad input -------------------------------------------------------------------------------


def test_a_directory_that_is_no_run_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither compare\.json nor run\.json") as error:
        write_report(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a directory"):
        write_report(tmp_path / "gone")


def _remove_summary(directory: Path) -> None:
    (directory / "summary.json").unlink()


def _break_json(directory: Path) -> None:
    (directory / "compare.json").write_text("{")


def _forget_seeds(directory: Path) -> None:
    facts = json.loads((directory / "compare.json").read_text())
    del facts["seeds"]
    (directory / "compare.json").write_text(json.dumps(facts))


def _break_slots(directory: Path) -> None:
    next(directory.glob("cells/*/*/slots.parquet")).write_bytes(b"no parquet")


def _remove_decisions(directory: Path) -> None:
    next(directory.glob("cells/*/*/decisions.parquet")).unlink()


def _drop_column(directory: Path) -> None:
    path = next(directory.glob("cells/*/*/users.parquet"))
    pq.write_table(pa.table({"user_id": [1], "join_s": [0.0], "leave_s": [1.0]}), path)


def _remove_cells(directory: Path) -> None:
    shutil.rmtree(directory / "cells")


def _occupy_figures(directory: Path) -> None:
    (directory / "figures").write_text("a file, not a folder")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_remove_summary, r"no summary\.json: the comparison is not finished"),
        (_break_json, r"compare\.json.* JSON"),
        (_forget_seeds, r"compare\.json has no field seeds"),
        (_break_slots, r"slots\.parquet is damaged"),
        (_remove_decisions, r"cannot read .*decisions\.parquet"),
        (_drop_column, r"users\.parquet has no column"),
        (_remove_cells, "no finished cell"),
        (_occupy_figures, "cannot write the report into"),
    ],
)
def test_damage_is_told_in_one_line_and_nothing_is_half_written(
    small: Path, damage: Any, words: str
) -> None:
    damage(small)
    with pytest.raises(InputError, match=words) as error:
        write_report(small)
    assert "\n" not in str(error.value)
    assert not (small / "report.html").exists()


def _visible(page: Path) -> str:
    """Text that a reader sees: no markup, no styles, one space between words."""
    text = re.sub(r"<(style|svg)\b.*?</\1>", " ", page.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"<wbr>|</?(code|strong)>", "", text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
