"""Run directories: whole or absent, whatever happens."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slotwise.emulator.scenario import InputError, load
from slotwise.runs import directory
from slotwise.runs.directory import is_run, read_json, read_run, slug, write_json, write_run
from slotwise.runs.life import Life
from slotwise.runs.simulation import simulate


@pytest.fixture(name="life", scope="module")
def _life() -> Life:
    return simulate(load("urban"), "max", slots=30, seed=2)


def test_a_life_is_read_back_as_it_was_written(life: Life, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "down"
    write_run(life, place)
    assert is_run(place)
    back = read_run(place)
    assert back.info == life.info
    assert back.summary == directory.finite(life.summary)
    for name, columns in life.tables.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(back.tables[name][column], values)
    assert sorted(path.name for path in place.parent.iterdir()) == ["down"]


def test_a_run_may_be_written_again_but_nothing_else_is_overwritten(
    life: Life, tmp_path: Path
) -> None:
    place = tmp_path / "run"
    write_run(life, place)
    write_run(life, place)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="exists and is not a run"):
        write_run(life, mine)
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError, match="exists and is not a run"):
        write_run(life, tmp_path / "file")
    assert (mine / "thesis.tex").read_text() == "years of work"


def test_a_full_disk_leaves_nothing_behind_and_loses_nothing(
    life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "run"
    write_run(life, place)
    before = {path.name: path.read_bytes() for path in place.iterdir()}

    def full(path: Path, value: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(directory, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        write_run(life, place)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    with pytest.raises(OSError, match="No space left"):
        write_run(life, tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_killed_writer_left_is_swept_away(life: Life, tmp_path: Path) -> None:
    stale = tmp_path / ".run.partial-1"
    stale.mkdir()
    (stale / "slots.parquet").write_bytes(b"half")
    write_run(life, tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["run.json", "slots.parquet"])
def test_a_damaged_run_is_one_line(life: Life, tmp_path: Path, name: str) -> None:
    write_run(life, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"{ damaged")
    with pytest.raises(InputError, match=name) as caught:
        read_run(tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_a_directory_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run of slotwise"):
        read_run(tmp_path)


def test_json_has_no_nan_and_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": float("nan"), "b": [1.0, float("inf")], "c": {"d": 2}})
    assert read_json(path) == {"a": None, "b": [1.0, None], "c": {"d": 2}}
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text())["c"] == {"d": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["value.json"]


def test_slugs_are_folder_names_and_differ_where_specs_differ() -> None:
    specs = [
        "wmmse",
        "wmmse:starts=10",
        "wmmse:starts=10,flip=true",
        "mlp:a/b",
        "mlp:a_b",
        "mlp:a b",
    ]
    slugs = [slug(spec) for spec in specs]
    assert len(set(slugs)) == len(specs)
    assert slugs[2] == "wmmse_starts=10_flip=true"
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_=-.") for name in slugs)
