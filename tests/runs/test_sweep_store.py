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
from slotwise.runs.sweeps.cell import FIGURES, Row, Times, lost
from slotwise.runs.sweeps.planning.plan import SweepPlan
from slotwise.runs.sweeps.storage import manifest
from slotwise.runs.sweeps.storage.partition import Partition
from slotwise.runs.sweeps.storage.store import Store

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
    return point + cell.seed / 8 + len(cell.controller) / 64


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
            number = len(done)
            before(number, None)
            try:
                return real[name](*arguments, **options)
            except OSError:
                done[number - 1] = "nothing"
                raise

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


def moments(done: Sequence[str]) -> Iterator[int]:
    """Calls before which the disk is in another state than before the call before, and the end."""
    for call in range(1, len(done) + 2):
        if call == 1 or done[call - 2] not in {"nothing", "fsync"}:
            yield call


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


@settings(max_examples=10, deadline=None)
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


def lived(out: Path, told: dict[int, str]) -> None:
    """A history of all that happens to files; it says what is on disk, and must stay."""
    store = open_store(out)
    for number in (3, 4, 5):
        fill(store, PLAN, [number])
        store.flush()
        told[number] = ""
        if number == 3:
            store.compact()
    merge_all(store)
    for word in ("a", "b"):
        store.add(*lost(0, word))
        store.flush()
        told[0] = word
    store.compact()
    finish(out)


def copied(out: Path, to: Path) -> Path:
    shutil.copytree(out, to)
    return to


def finish(out: Path) -> dict[int, str]:
    """Go on until all is there; returns what was: the errors of cells, or nothing."""
    store = open_store(out)
    found = dict(zip(*(store.rows()[name].to_pylist() for name in ("cell", "error")), strict=True))
    fill(store, PLAN, np.flatnonzero(~store.done()).tolist())
    store.compact()
    return found


def test_whenever_it_is_killed_nothing_goes_and_going_on_ends_with_the_same_file(
    tmp_path: Path, undisturbed: bytes
) -> None:
    """Every single change of the disk is the last one once."""
    with watched(lambda number, path: None) as every:
        lived(tmp_path / "whole", {})
    assert {"rename", "unlink", "link", "mkdir", "fsync", "write"} <= set(every)
    for call in moments(every[:-1]):
        out = tmp_path / str(call)
        told: dict[int, str] = {}
        with killed_at(call), pytest.raises(Killed):
            lived(out, told)
        found = finish(out)
        assert told.keys() <= found.keys(), (call, every[call - 1])
        later = {"a": ("a", "b", ""), "b": ("b", "")}.get(told.get(0, ""), (None, "a"))
        assert found.pop(0, None) in later, (call, every[call - 1])
        assert not any(found.values())
        assert names(out) == ["_manifest.json", "cells.parquet"], (call, every[call - 1])
        assert names(out, side="times") == ["times.parquet"]
        assert (partition(out) / "cells.parquet").read_bytes() == undisturbed


def merge_all(store: Store) -> None:
    for side in store._sides:
        if parts := side.partition.parts():
            side.partition.merge(parts, side.table(side.known(side.partition.cells(parts))))


def in_turn(out: Path, one: Callable[[Store], None], call: int) -> list[str]:
    """One store acts, and just before its n-th change of the disk the other does all it has to do.

    Returns the changes there were; if they were fewer than that, the other comes last.
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
    return done


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
    every = in_turn(copied(begun, tmp_path / "whole"), one, 10**9)
    for call in moments(every):
        out = copied(begun, tmp_path / str(call))
        in_turn(out, one, call)
        assert len(finish(out)) == PLAN.cells, call
        assert names(out) == ["_manifest.json", "cells.parquet"]
        assert (partition(out) / "cells.parquet").read_bytes() == undisturbed


def test_where_there_are_no_links_either_the_result_is_the_same(
    tmp_path: Path, begun: Path, undisturbed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    every = in_turn(copied(begun, tmp_path / "whole"), Store.compact, 10**9)
    lost_by = 0
    for call in [*moments(every)][::2]:
        out = copied(begun, tmp_path / str(call))
        in_turn(out, Store.compact, call)
        lost_by += len(finish(out)) < PLAN.cells
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
    assert done[:2] == ["write", "nothing"]  # it was not there to be renamed
    assert done.count("write") == 3  # of two files; the other store has nothing to write
    assert open_store(tmp_path).done().sum() == 2


def test_a_damaged_file_is_put_aside_or_tells_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every so many bytes one is changed, or the last. Statistics may be hurt unseen, and rows not.

    Checksums see what compression and the reader would pass over.
    """
    fill(open_store(tmp_path), PLAN, [0])
    (path,) = partition(tmp_path).glob("part-*")
    content = path.read_bytes()
    table = pq.ParquetFile(path).read()
    aside = 0
    for place in range(0, len(content), 13):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged if place % 5 else content[:place])
        files = Partition(path.parent, "cells.parquet", table.schema, "gone")
        found = list(files.arrivals())
        assert all(each.equals(table) for each in found), place
        assert path.exists() == bool(found)
        aside += not found
    assert len([name for name in names(tmp_path) if name.startswith("_damaged-")]) == aside > 50
    assert capsys.readouterr().err.count("is damaged, or of another form: gone\n") == aside


def test_damage_is_told_in_one_line_and_what_it_cost_is_lived_again(
    tmp_path: Path, undisturbed: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(tmp_path)
    fill(store, PLAN, range(6))
    store.compact()
    fill(store, PLAN, [6])
    store.flush()
    nothing = {"seconds": None, "latency_p50_s": None, "latency_p99_s": None, "worker": ""}
    for side, glob, cost, done in (
        ("times", "part-*", "those times are lost", 7),
        ("cells", "cells.parquet", "those cells are lived again", 1),
        ("cells", "part-*", "those cells are lived again", 0),
    ):
        (path,) = partition(tmp_path, side=side).glob(glob)
        path.write_bytes(b"")
        store = open_store(tmp_path)
        assert capsys.readouterr().err == f"{path} is damaged, or of another form: {cost}\n"
        assert store.done().sum() == done
        assert store.times().to_pylist()[6 if done == 7 else 0 :] == [{"cell": 6} | nothing][:done]
    fill(open_store(tmp_path), PLAN, range(PLAN.cells))
    open_store(tmp_path).compact()
    finish(tmp_path)
    assert not capsys.readouterr().err
    assert (partition(tmp_path) / "cells.parquet").read_bytes() == undisturbed


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
    plan = replace(PLAN, seeds=tuple(range(1, 34)))
    store = open_store(tmp_path, plan)
    written: list[int] = []

    def count(number: int, path: Path | None) -> None:
        if path is not None:
            written.append(len(list(partition(tmp_path, plan).glob("part-*"))))

    with watched(count) as done:
        for number in range(plan.cells):
            fill(store, plan, [number])
            store.flush()
    assert plan.cells == 132
    # 64 files of one row at most and some of 64 rows; both sides write each row and each merge.
    assert max(written) <= 64 + plan.cells // 64
    assert done.count("write") == 2 * (plan.cells + plan.cells // 64)
    assert open_store(tmp_path, plan).done().all()


def test_what_failed_tells_its_last_error_and_a_result_stands(tmp_path: Path) -> None:
    def told(store: Store) -> tuple[str, float]:
        return store.rows()["error"][0].as_py(), store.times()["seconds"][0].as_py()

    store = open_store(tmp_path)
    for seconds, word in enumerate(("b", "c", "a")):
        store.add(*lost(0, word, seconds))
        store.flush()
        assert told(store) == (word, seconds)
        store = open_store(tmp_path)
        assert told(store) == (word, seconds)
    store.compact()
    assert told(store) == told(open_store(tmp_path)) == ("a", 2)
    store.add(*lost(0, "d", 3.0))
    store.flush()
    assert told(open_store(tmp_path)) == ("d", 3)
    store.compact()
    assert told(store) == told(open_store(tmp_path)) == ("d", 3)
    fill(store, PLAN, [0])
    store.flush()
    assert told(open_store(tmp_path)) == ("", 1)
    store.add(*lost(0, "e", 4.0))
    store.flush()
    assert told(store) == told(open_store(tmp_path)) == ("", 1)
    other = open_store(tmp_path)
    other.add(*lost(0, "f", 5.0))
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
    assert set(done) == {"nothing"}


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
    known = np.flatnonzero(grown.done()).tolist()
    rows = grown.rows()
    assert rows["cell"].to_pylist() == grown.times()["cell"].to_pylist() == known
    assert rows["mean_sum_rate"].to_pylist() == [figure(GROWN, number) for number in known]
    old = {(PLAN.points[point], *who): number for number, point, *who in map(PLAN.cell, range(11))}
    whose = [(GROWN.points[point], *who) for _, point, *who in map(GROWN.cell, known)]
    assert grown.times()["seconds"].to_pylist() == [1.0 + old.pop(each) for each in whose]
    assert not old
    again = open_store(tmp_path, GROWN)
    assert again.adopted == 0
    assert again.rows().equals(rows)
    assert open_store(tmp_path).rows().num_rows == PLAN.cells


@pytest.mark.parametrize(
    ("old", "new", "shared"),
    [
        pytest.param(
            replace(PLAN, points=((10, "none"), (100, "none"))),
            replace(PLAN, points=((2.5, "none"), (100.0, "none"))),
            range(6, 12),
            id="numbers that are written otherwise",
        ),
        pytest.param(
            replace(PLAN, varied=(), points=((),)),
            replace(PLAN, varied=(), points=((),), seeds=(5, 2)),
            (2, 3),
            id="nothing varies",
        ),
    ],
)
def test_cells_are_known_by_their_values(
    tmp_path: Path, old: SweepPlan, new: SweepPlan, shared: Sequence[int]
) -> None:
    store = open_store(tmp_path, old)
    fill(store, old, range(old.cells))
    store.flush()
    assert np.flatnonzero(open_store(tmp_path, new).done()).tolist() == list(shared)


def test_taking_over_survives_kills_and_damage(tmp_path: Path, begun: Path) -> None:
    whole = copied(begun, tmp_path / "whole")
    with watched(lambda number, path: None) as every:
        open_store(whole, GROWN)
    assert every.count("write") == 3  # rows, times and a manifest
    for call in moments(every[:-1]):
        out = copied(begun, tmp_path / str(call))
        with killed_at(call), pytest.raises(Killed):
            open_store(out, GROWN)
        assert open_store(out, GROWN).done().sum() == 6
    (partition(begun) / "cells.parquet").write_bytes(b"PAR1")
    assert open_store(begun, GROWN).done().sum() == 2


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (replace(PLAN, name="city"), "it is of the plan town, this is city"),
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


def test_as_many_cells_as_fill_two_row_groups_are_stored_found_and_taken_over(
    tmp_path: Path,
) -> None:
    plan = replace(PLAN, seeds=tuple(range(33)), points=tuple((n, "none") for n in range(1000)))
    store = open_store(tmp_path, plan)
    row, times = result(plan, 0)
    for number in range(plan.cells - 1, -1, -1):
        figures = {**row["figures"], "mean_sum_rate": 2.0 * number}
        store.add(Row(cell=number, error="", figures=figures), Times(**{**times, "cell": number}))
    store.flush()
    again = open_store(tmp_path, plan)
    assert again.done().all()
    again.compact()
    rows = open_store(tmp_path, plan).rows()
    assert rows["cell"].to_numpy().tolist() == list(range(66_000))
    assert rows["mean_sum_rate"].to_numpy().tolist() == list(range(0, 132_000, 2))
    grown = replace(plan, controllers=("fp", "max", "wmmse"))
    assert open_store(tmp_path, grown).adopted == plan.cells
