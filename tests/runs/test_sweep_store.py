"""The store of a sweep: nothing is lost, nothing is there twice, and the bytes are the same."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.emulator.scenario import InputError, load
from slotwise.runs.simulation import versions
from slotwise.runs.sweep.cell import FIGURES, Row, Times, lost
from slotwise.runs.sweep.plan import SweepPlan
from slotwise.runs.sweep.storage import manifest
from slotwise.runs.sweep.storage.store import Store

PLAN = SweepPlan(
    name="town",
    title="",
    base=load("four-cells"),
    controllers=("max", "wmmse"),
    seeds=(0, 1, 2),
    slots=100,
    varied=("population.initial_users", "channel.fading"),
    points=((10, "none"), (100, "rayleigh")),
)


@pytest.fixture(scope="module", autouse=True)
def in_haste() -> Iterator[None]:
    """Nobody pulls the plug here, so nobody waits for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(manifest, "versions", partial(dict, versions()))
        yield


def figure(plan: SweepPlan, number: int) -> float:
    """A value that says which cell it is of, whatever the cell's number in a plan."""
    cell = plan.cell(number)
    point = zlib.crc32(repr(plan.points[cell.point]).encode()) % 1000
    return point + cell.seed / 8 + plan.controllers.index(cell.controller) / 64


def result(plan: SweepPlan, number: int) -> tuple[Row, Times]:
    figures: dict[str, float | None] = dict.fromkeys(FIGURES, figure(plan, number))
    figures["jain_fairness"] = None
    times = Times(
        cell=number, seconds=1.0 + number, latency_p50_s=None, latency_p99_s=0.5, worker="here:1"
    )
    return Row(cell=number, error="", figures=figures), times


def fill(store: Store, plan: SweepPlan, numbers: Sequence[int]) -> None:
    for number in numbers:
        store.add(*result(plan, number))


def partition(out: Path, plan: SweepPlan = PLAN, side: str = "cells") -> Path:
    return out / side / f"plan={plan.hash}"


def names(out: Path, plan: SweepPlan = PLAN, side: str = "cells") -> list[str]:
    return sorted(path.name for path in partition(out, plan, side).iterdir())


def open_store(out: Path, plan: SweepPlan = PLAN) -> Store:
    return Store(out, plan, "slotwise sweep", threadless=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What ``cells.parquet`` holds when cells come one by one in their order."""
    out = tmp_path_factory.mktemp("undisturbed")
    store = open_store(out)
    for number in range(PLAN.cells):
        fill(store, PLAN, [number])
        store.flush()
    store.compact()
    return (partition(out) / "cells.parquet").read_bytes()


class Killed(BaseException):
    """The process ends here."""


CHANGES = ("rename", "replace", "unlink", "link", "mkdir", "fsync")


@contextmanager
def watched(before: Callable[[int, Path | None], None]) -> Iterator[list[str]]:
    """Call something before each change of the disk, with its number and the file if it writes."""
    done: list[str] = []
    real = {name: getattr(os, name) for name in CHANGES}
    real_open = Path.open

    def counted(name: str) -> Callable[..., Any]:
        def act(*arguments: Any, **options: Any) -> Any:
            done.append(name)
            before(len(done), None)
            return real[name](*arguments, **options)

        return act

    def opened(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if "w" in mode:
            done.append("write")
            before(len(done), path)
        return real_open(path, mode, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, counted(name))
        patch.setattr(Path, "open", opened)
        yield done


@contextmanager
def killed_at(call: int) -> Iterator[list[str]]:
    """End at the n-th change of the disk: from then on none happens, not even to tidy up.

    A file that is being written then is left half-written.
    """

    def before(number: int, path: Path | None) -> None:
        if number == call and path is not None:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, b"PAR1 half")
            os.close(descriptor)
        if number >= call:
            raise Killed

    with watched(before) as done:
        yield done


@contextmanager
def meanwhile(call: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Let somebody else act just before the n-th change of the disk."""
    others = [act]

    def before(number: int, path: Path | None) -> None:
        if number == call and others:
            others.pop()()

    with watched(before) as done:
        yield done


def test_rows_hold_what_was_added_and_who_it_was_of(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, PLAN, [7, 2])
    store.add(*lost(5, "ValueError: no\nway", 3.0))
    rows = store.rows()
    assert rows["cell"].to_pylist() == [2, 5, 7]
    assert rows["point"].to_pylist() == [0, 0, 1]
    assert rows["seed"].to_pylist() == [1, 2, 0]
    assert rows["controller"].to_pylist() == ["max", "wmmse", "wmmse"]
    assert rows["population.initial_users"].to_pylist() == [10, 10, 100]
    assert rows["channel.fading"].to_pylist() == ["none", "none", "rayleigh"]
    assert rows["error"].to_pylist() == ["", "ValueError: no way", ""]
    assert rows["mean_sum_rate"].to_pylist() == [figure(PLAN, 2), None, figure(PLAN, 7)]
    assert rows["jain_fairness"].null_count == 3
    assert np.flatnonzero(store.done()).tolist() == [2, 7]
    assert np.flatnonzero(store.failed()).tolist() == [5]
    times = store.times()
    assert times["cell"].to_pylist() == [2, 5, 7]
    assert times["seconds"].to_pylist() == [3.0, 3.0, 8.0]
    assert times["latency_p50_s"].null_count == 3
    assert times["worker"][0].as_py() == "here:1"


def test_columns_have_the_types_of_the_values_that_vary(tmp_path: Path) -> None:
    plan = replace(
        PLAN,
        varied=("a.whole", "a.real", "a.yes", "slots"),
        points=((1, 1, True, 10), (2, 2.5, False, 20)),
    )
    store = open_store(tmp_path, plan)
    fill(store, plan, [0, 11])
    kinds = [str(store.rows().schema.field(name).type) for name in plan.varied]
    assert kinds == ["int64", "double", "bool", "int64"]
    assert store.rows()["slots"].to_pylist() == [10, 20]
    assert len(set(store.rows().column_names)) == store.rows().num_columns


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(PLAN.cells)), data=st.data())
def test_the_file_is_the_same_whatever_the_order_and_the_interruptions(
    tmp_path_factory: pytest.TempPathFactory,
    undisturbed: bytes,
    order: list[int],
    data: st.DataObject,
) -> None:
    out = tmp_path_factory.mktemp("order")
    store = open_store(out)
    for number in order:
        action = data.draw(st.sampled_from(["", "flush", "compact", "again", "fail", "reopen"]))
        if action == "fail":
            store.add(*lost(number, "lost"))
        fill(store, PLAN, [number])
        if action == "again":
            store.add(*lost(number, "too late"))
        if action in {"flush", "reopen"}:
            store.flush()
        if action == "reopen":
            store = open_store(out)
        if action == "compact":
            store.compact()
    store.compact()
    assert names(out) == ["_manifest.json", "cells.parquet"]
    assert names(out, side="times") == ["times.parquet"]
    assert (partition(out) / "cells.parquet").read_bytes() == undisturbed


def lived(out: Path) -> None:
    """A short history with two compactions, the second of which finds the first."""
    store = open_store(out)
    fill(store, PLAN, [3])
    store.compact()
    finish(out)


def finish(out: Path) -> None:
    store = open_store(out)
    fill(store, PLAN, np.flatnonzero(~store.done()).tolist())
    store.compact()


def test_whenever_it_is_killed_going_on_ends_with_the_same_file(
    tmp_path: Path, undisturbed: bytes
) -> None:
    """Every single change of the disk is the last one once; nothing that was there goes."""
    with killed_at(10**9) as every:
        lived(tmp_path / "whole")
    assert {"rename", "unlink", "link", "mkdir", "fsync", "write"} <= set(every)
    for call in range(1, len(every) + 1):
        out = tmp_path / str(call)
        with killed_at(call), pytest.raises(Killed):
            lived(out)
        finish(out)
        assert names(out) == ["_manifest.json", "cells.parquet"], (call, every[call - 1])
        assert names(out, side="times") == ["times.parquet"]
        assert (partition(out) / "cells.parquet").read_bytes() == undisturbed
        shutil.rmtree(out)


@pytest.mark.parametrize("change", ["merge", "compact"])
def test_no_row_is_gone_at_any_moment_of_a_merge_or_a_compaction(
    tmp_path: Path, change: str
) -> None:
    start = tmp_path / "start"
    store = open_store(start)
    for number in range(8):
        fill(store, PLAN, [number])
        store.flush()
        if number == 3:
            store.compact()

    def carry_out(out: Path) -> None:
        store = open_store(out)
        if change == "compact":
            store.compact()
        else:
            merge_all(store)

    call = 0
    while True:
        call += 1
        out = tmp_path / str(call)
        shutil.copytree(start, out)
        try:
            with killed_at(call) as done:
                carry_out(out)
        except Killed:
            assert np.flatnonzero(open_store(out).done()).tolist() == list(range(8))
            assert not list(partition(out).glob(".*"))
        else:
            assert call > len(done) > 8
            break


def merge_all(store: Store) -> None:
    for side in store._sides:
        if parts := side.partition.parts():
            side.partition.merge(parts, side.table(side.known(side.partition.cells(parts))))


def in_turn(out: Path, one: Callable[[Store], None], call: int) -> int:
    """One store acts, and just before its n-th change of the disk the other does all it has to do.

    Returns how many changes there were; if fewer than that, the other comes last.
    """
    first, second = open_store(out), open_store(out)
    fill(first, PLAN, [5, 6, 7, 8])

    def other() -> None:
        fill(second, PLAN, [8, 9, 10, 11])
        second.compact()

    with meanwhile(call, other) as done:
        first.flush()
        one(first)
    if call > len(done):
        other()
    return len(done)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A directory with a whole file and two parts."""
    store = open_store(tmp_path / "begun")
    fill(store, PLAN, range(4))
    store.compact()
    for number in (4, 5):
        fill(store, PLAN, [number])
        store.flush()
    return tmp_path / "begun"


@pytest.mark.parametrize("one", [Store.compact, merge_all])
def test_two_stores_at_work_at_one_time_lose_nothing(
    tmp_path: Path, begun: Path, undisturbed: bytes, one: Callable[[Store], None]
) -> None:
    call = total = 0
    while call <= total:
        call += 1
        out = tmp_path / str(call)
        shutil.copytree(begun, out)
        total = in_turn(out, one, call)
        third = open_store(out)
        assert third.done().all(), call
        third.compact()
        assert names(out) == ["_manifest.json", "cells.parquet"]
        assert (partition(out) / "cells.parquet").read_bytes() == undisturbed


def test_where_there_are_no_links_either_the_result_is_the_same(
    tmp_path: Path, begun: Path, undisturbed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    call = total = 1
    lost_by = 0
    while call <= total:
        out = tmp_path / str(call)
        shutil.copytree(begun, out)
        total = in_turn(out, Store.compact, call)
        call += 3
        lost_by += not open_store(out).done().all()
        finish(out)
        assert names(out) == ["_manifest.json", "cells.parquet"]
        assert (partition(out) / "cells.parquet").read_bytes() == undisturbed
    assert lost_by <= 2  # between two system calls: what is lost is lived again


def test_a_store_that_opens_sweeps_and_whoever_was_writing_writes_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, PLAN, [0, 1])

    def other() -> None:
        open_store(tmp_path)

    with meanwhile(2, other) as done:
        store.flush()
    assert done[:2] == ["write", "rename"]
    assert done.count("write") == 3  # of two files; the other store has nothing to write
    assert open_store(tmp_path).done().sum() == 2


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_damaged_files_are_put_aside_and_their_cells_are_missing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    out = tmp_path_factory.mktemp("damaged")
    store = open_store(out)
    fill(store, PLAN, range(6))
    store.compact()
    fill(store, PLAN, range(6, 8))
    store.flush()
    path = partition(out) / data.draw(st.sampled_from(names(out)[1:]))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    before = store.rows()
    again = open_store(out)
    rows = again.rows()
    # Whatever is still told is true; the footer's statistics and the like may be hurt unseen.
    assert rows.equals(before.take(rows["cell"]))
    assert again.done().sum() in {8, 2 if path.name == "cells.parquet" else 6}
    if again.done().sum() < 8:
        assert any(name.startswith("_damaged-") for name in names(out))
    fill(again, PLAN, range(8))
    again.compact()
    assert open_store(out).rows().equals(before)


def test_damage_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(open_store(tmp_path), PLAN, [0])
    for side in ("cells", "times"):
        (path,) = partition(tmp_path, side=side).glob("part-*")
        path.write_bytes(b"")
    assert not open_store(tmp_path).done().any()
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].endswith("is damaged, or of another form: those times are lost")
    assert told[1].endswith("is damaged, or of another form: those cells are lived again")
    assert not open_store(tmp_path).done().any()
    assert not capsys.readouterr().err


def test_rows_stay_when_only_their_times_are_damaged(tmp_path: Path) -> None:
    fill(open_store(tmp_path), PLAN, [0])
    (path,) = partition(tmp_path, side="times").glob("part-*")
    path.write_bytes(b"nothing")
    store = open_store(tmp_path)
    assert store.done()[0]
    assert store.times().to_pylist() == [
        {"cell": 0, "seconds": None, "latency_p50_s": None, "latency_p99_s": None, "worker": ""}
    ]


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    def full(number: int, path: Path | None) -> None:
        if path is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with watched(full):
        for number in (0, 1):
            with pytest.raises(InputError, match=r"cannot write .*: No space left on device"):
                fill(store, PLAN, [number])
        with pytest.raises(InputError, match="No space left"):
            store.compact()
    store.flush()
    assert open_store(tmp_path).done().sum() == 2
    with watched(full), pytest.raises(InputError, match="No space left"):
        store.compact()
    assert open_store(tmp_path).done().sum() == 2
    assert not list(partition(tmp_path).glob(".*"))


def test_a_row_is_on_disk_soon_after_though_nothing_follows(tmp_path: Path) -> None:
    store = Store(tmp_path, PLAN, "", threadless=False)
    fill(store, PLAN, [0, 1, 2])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and open_store(tmp_path).done().sum() < 3:
        time.sleep(0.02)
    assert open_store(tmp_path).done().sum() == 3
    assert len(list(partition(tmp_path).glob("part-*"))) == 2


def test_without_a_thread_a_row_waits_for_the_next_flush(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, PLAN, [0, 1, 2])
    assert open_store(tmp_path).done().sum() == 1
    store.flush()
    assert open_store(tmp_path).done().sum() == 3


def test_files_and_copies_of_rows_grow_slowly(tmp_path: Path) -> None:
    plan = replace(PLAN, seeds=tuple(range(1, 51)))
    store = open_store(tmp_path, plan)
    written: list[int] = []

    def count(number: int, path: Path | None) -> None:
        if path is not None:
            written.append(len(list(partition(tmp_path, plan).glob("part-*"))))

    with watched(count) as done:
        for number in range(plan.cells):
            fill(store, plan, [number])
            store.flush()
    assert plan.cells == 200
    # 64 files of one row at most and some of 64 rows; both sides write each row and each merge.
    assert max(written) <= 64 + plan.cells // 64
    assert done.count("write") == 2 * (plan.cells + plan.cells // 64)
    assert open_store(tmp_path, plan).done().all()


def test_what_failed_tells_its_last_error_and_a_result_stands(tmp_path: Path) -> None:
    def error(store: Store) -> list[str]:
        return list(store.rows()["error"].to_pylist())

    store = open_store(tmp_path)
    for word in ("b", "c", "a"):
        store.add(*lost(0, word))
        store.flush()
        store = open_store(tmp_path)
        assert error(store) == [word]
    store.compact()
    assert error(store) == error(open_store(tmp_path)) == ["a"]
    store.add(*lost(0, "d"))
    store.compact()
    assert error(store) == error(open_store(tmp_path)) == ["d"]
    fill(store, PLAN, [0])
    store.flush()
    store.add(*lost(0, "e"))
    store.flush()
    assert error(store) == error(open_store(tmp_path)) == [""]
    other = open_store(tmp_path)
    other.add(*lost(0, "f"))
    other.compact()
    assert open_store(tmp_path).done()[0]


def test_cells_that_are_not_kept_are_removed_and_may_come_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, PLAN, range(8))
    store.add(*lost(8, "no"))
    keep = np.arange(PLAN.cells) < 6
    store.compact(keep)
    for found in (store, open_store(tmp_path)):
        assert found.rows()["cell"].to_pylist() == list(range(6))
        assert found.times()["cell"].to_pylist() == list(range(6))
        assert not found.failed().any()
    fill(store, PLAN, [6])
    store.flush()
    assert open_store(tmp_path).rows()["cell"].to_pylist() == list(range(7))


def test_a_complete_sweep_is_left_as_it_is(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, PLAN, range(PLAN.cells))
    store.compact()
    with watched(lambda number, path: None) as done:
        store = open_store(tmp_path)
        store.compact()
        store.flush()
    assert set(done) == {"mkdir"}


def test_anybody_reads_the_partitions_of_several_plans(tmp_path: Path) -> None:
    other = replace(PLAN, points=((20, "none"),))
    for plan, compacted in ((PLAN, True), (other, False)):
        store = open_store(tmp_path, plan)
        fill(store, plan, range(plan.cells))
        store.flush()
        if compacted:
            store.compact()
    found = pa.dataset.dataset(tmp_path / "cells", partitioning="hive").to_table()
    assert found.num_rows == PLAN.cells + other.cells
    assert set(found["plan"].to_pylist()) == {PLAN.hash, other.hash}
    file = pq.ParquetFile(partition(tmp_path) / "cells.parquet")
    assert file.schema_arrow.metadata is None
    manifest = json.loads((partition(tmp_path) / "_manifest.json").read_text())
    assert (manifest["hash"], manifest["command"]) == (PLAN.hash, "slotwise sweep")
    assert manifest["plan"]["controllers"] == ["max", "wmmse"]


GROWN = replace(
    PLAN,
    controllers=("fp", "wmmse", "max"),
    seeds=(2, 7, 0, 1),
    points=((50, "none"), (100, "rayleigh"), (10, "rayleigh"), (10, "none")),
)


def test_a_plan_that_has_grown_takes_over_what_it_shares(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, PLAN, range(5))
    store.compact()
    fill(store, PLAN, range(5, PLAN.cells - 1))
    store.add(*lost(PLAN.cells - 1, "no"))
    store.flush()
    grown = open_store(tmp_path, GROWN)
    assert grown.adopted == grown.done().sum() == PLAN.cells - 1
    assert not grown.failed().any()
    there = {(cell.point, cell.seed, cell.controller) for cell in map(PLAN.cell, range(11))}
    rows = grown.rows()
    for row in rows.to_pylist():
        point = PLAN.points.index((row["population.initial_users"], row["channel.fading"]))
        there.remove((point, row["seed"], row["controller"]))
        old = PLAN.cell(0)
        assert row["mean_sum_rate"] == next(
            figure(PLAN, number)
            for number in range(PLAN.cells)
            if (old := PLAN.cell(number))[1:] == (point, row["seed"], row["controller"])
        )
        assert grown.times().filter(pa.compute.equal(grown.times()["cell"], row["cell"]))[
            "seconds"
        ].to_pylist() == [1.0 + old.number]
    assert not there
    again = open_store(tmp_path, GROWN)
    assert again.adopted == 0
    assert again.rows().equals(rows)
    assert open_store(tmp_path).rows().num_rows == PLAN.cells


def test_taking_over_does_not_hang_on_how_numbers_are_written(tmp_path: Path) -> None:
    old = replace(PLAN, points=((10, "none"), (100, "none")))
    new = replace(PLAN, points=((2.5, "none"), (100.0, "none")))
    store = open_store(tmp_path, old)
    fill(store, old, range(old.cells))
    store.flush()
    assert np.flatnonzero(open_store(tmp_path, new).done()).tolist() == list(range(6, 12))


def test_a_plan_without_varied_fields_takes_over_too(tmp_path: Path) -> None:
    old = replace(PLAN, varied=(), points=((),))
    new = replace(old, seeds=(5, 2))
    store = open_store(tmp_path, old)
    fill(store, old, range(old.cells))
    store.flush()
    assert np.flatnonzero(open_store(tmp_path, new).done()).tolist() == [2, 3]


def copied(out: Path, name: str) -> Path:
    for side in ("cells", "times"):
        shutil.copytree(out / side, out / "copies" / name / side)
    return out / "copies" / name


def test_taking_over_survives_kills_and_damage(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, PLAN, range(6))
    store.compact()
    whole = copied(tmp_path, "whole")
    with watched(lambda number, path: None) as every:
        open_store(whole, GROWN)
    assert every.count("write") == 3  # rows, times and a manifest
    for call in range(1, len(every) + 1):
        out = copied(tmp_path, str(call))
        with killed_at(call), pytest.raises(Killed):
            open_store(out, GROWN)
        assert open_store(out, GROWN).done().sum() == 6
    (partition(tmp_path) / "cells.parquet").write_bytes(b"PAR1")
    assert not open_store(tmp_path, GROWN).done().any()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (replace(PLAN, name="city"), "it is town, this is city"),
        (replace(PLAN, varied=("a",), points=((1,),)), "it varies population.initial_users, "),
        (replace(PLAN, base=load("d2d")), "base.name = four-cells there, d2d here"),
        (replace(PLAN, slots=99), "slots = 100 there, 99 here"),
    ],
)
def test_another_sweep_is_refused(tmp_path: Path, plan: SweepPlan, words: str) -> None:
    open_store(tmp_path)
    with pytest.raises(InputError, match="holds another sweep: " + words) as refusal:
        open_store(tmp_path, plan)
    assert "choose another --out" in str(refusal.value)
    assert not partition(tmp_path, plan).exists() or plan.hash == PLAN.hash


@pytest.mark.parametrize("name", ["compare.json", "cells/seed-0/run.json", "notes.txt"])
def test_a_place_that_holds_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="is not empty and holds no sweep"):
        open_store(tmp_path)
    with pytest.raises(InputError, match="is a file, not a directory"):
        open_store(tmp_path / name)


def test_a_manifest_that_is_damaged_is_written_anew(tmp_path: Path) -> None:
    fill(open_store(tmp_path), PLAN, [0])
    path = partition(tmp_path) / "_manifest.json"
    path.write_text("{")
    assert open_store(tmp_path).done()[0]
    assert json.loads(path.read_text())["hash"] == PLAN.hash


def test_a_hundred_thousand_cells_are_stored_found_and_taken_over(tmp_path: Path) -> None:
    plan = replace(PLAN, seeds=tuple(range(50)), points=tuple((n, "none") for n in range(1000)))
    store = open_store(tmp_path, plan)
    for number in range(plan.cells - 1, -1, -1):
        store.add(*result(plan, number))
    store.flush()
    again = open_store(tmp_path, plan)
    assert again.done().all()
    again.compact()
    rows = open_store(tmp_path, plan).rows()
    assert rows.num_rows == plan.cells == 100_000
    assert rows["cell"].to_numpy().tolist() == list(range(plan.cells))
    sample = [0, 31_415, 99_999]
    assert rows["mean_sum_rate"].take(sample).to_pylist() == [figure(plan, n) for n in sample]
    grown = replace(plan, controllers=("fp", "max", "wmmse"))
    assert open_store(tmp_path, grown).adopted == plan.cells
