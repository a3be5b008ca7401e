"""The command ``study``: what it writes and prints, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slotwise.runs.studies.setting import SCALES, Scale

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(SCALES, "minutes", Scale("minutes", 6, 4, 4, 2, 0.02, 200, 4))
    monkeypatch.chdir(tmp_path)


def test_a_table_is_measured_printed_and_written(slotwise: Command, tmp_path: Path) -> None:
    code, out, err = slotwise("study", "sun2018", "--tables", "3")
    assert (code, err) == (0, "")
    assert "Table III: half of the users present" in out
    assert "— published" in out
    assert "written: sun2018-minutes/README.md" in out
    written = {path.name for path in (tmp_path / "sun2018-minutes").iterdir()}
    assert {"README.md", "study.json", "table-3.csv", "table-3.md", "units"} <= written


def test_json_is_all_that_is_printed(slotwise: Command) -> None:
    code, out, _ = slotwise("study", "sun2018", "--tables", "3", "--seed", "2", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["study"], found["seed"]) == ("sun2018", 2)
    rows = found["parts"]["3"]["rows"]
    assert {row["setting"] for row in rows} == {"5 of 10", "10 of 20", "15 of 30"}
    assert all(row["latency_p50_s"] > 0 and row["seconds_batch"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("sun2018", "--tables", "9"), "--tables 9: there are fig3, 1, 2, 3, 4, 5, 20db"),
        (("rsun2024", "--tables", "2"), "--tables 2: there are 1, 1000"),
        (("sun2018", "--tables", "6"), "--tables 6: needs measured gains: --gains FILE"),
        (("sun2018", "--p-max", "2"), "with --gains only"),
        (("sun2018", "--gains", "none.npy"), "none.npy: no such file"),
        (("sun2019",), "no such command 'sun2019' (did you mean 'sun2018'?)"),
    ],
)
def test_mistakes_are_told_in_one_line(
    slotwise: Command, tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    code, out, err = slotwise("study", *arguments)
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_without_a_name_there_is_help(slotwise: Command) -> None:
    code, out, _ = slotwise("study")
    assert code == 0
    assert "rsun2024" in out
