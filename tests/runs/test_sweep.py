"""Sweeps from plan to page: resumed, failed, retried, killed, and on every back end the same."""

from __future__ import annotations

import heapq
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.context import ForkServerProcess
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from slotwise.controllers.cards import shipped
from slotwise.emulator.scenario import InputError
from slotwise.runs import simulation
from slotwise.runs.cli import main, status
from slotwise.runs.place import alone as held
from slotwise.runs.sweeps.cell import Row, Task, Times, live, lost
from slotwise.runs.sweeps.drawing.figures import draw
from slotwise.runs.sweeps.planning.plan import SweepPlan, read_plan
from slotwise.runs.sweeps.sweep import Swept, estimate, sweep
from slotwise.runs.workers import LOST_LINE, Lost, Workers

PLAN = """
scenario = "gaussian-ic"
controllers = ["max", "wmmse"]
seeds = 3
slots = 20
[set]
channel.fading = "gauss-markov"
[grid]
"population.initial_users" = [2, 5]
"channel.doppler_hz" = [1, 100]
"""
CELLS = 24
ALONE = Workers("local", 1)
DRIVERS = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module", autouse=True)
def nothing_drawn() -> Iterator[None]:
    """Figures have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("slotwise.runs.sweeps.results.draw", lambda *_: [])
        yield


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def plan(plan_file: Path) -> SweepPlan:
    return read_plan(plan_file)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a sweep that one process carried out without a stop."""
    path = tmp_path_factory.mktemp("undisturbed") / "small.toml"
    path.write_text(PLAN)
    swept(read_plan(path), path.with_name("out"))
    return path.with_name("out")


def files_of(out: Path, table: str = "cells") -> list[Path]:
    """The newest last."""
    return sorted((out / table).glob("plan=*/*.parquet"))


def result_of(out: Path) -> bytes:
    (path,) = files_of(out)
    assert path.name == "cells.parquet"
    return path.read_bytes()


def rows_of(out: Path, table: str = "cells") -> list[dict[str, Any]]:
    """Rows on disk, also of a sweep that is not complete."""
    return [row for path in files_of(out, table) for row in pq.ParquetFile(path).read().to_pylist()]


def cells_of(out: Path) -> set[int]:
    """Which cells are on disk."""
    tables = [pq.ParquetFile(path).read(columns=["cell"]) for path in files_of(out)]
    return {cell for table in tables for cell in table["cell"].to_pylist()}


def seconds_of(out: Path) -> dict[int, float | None]:
    """Which cells have been lived, and what each took: another time whenever it is lived again."""
    return {row["cell"]: row["seconds"] for row in rows_of(out, "times")}


def swept(plan: SweepPlan, out: Path, workers: Workers = ALONE, **options: Any) -> Swept:
    return sweep(plan, out=out, workers=workers, **{"progress": False, **options})


def lives(monkeypatch: pytest.MonkeyPatch, do: Callable[[Task], tuple[Row, Times]]) -> None:
    monkeypatch.setattr("slotwise.runs.sweeps.sweep.live", do)


def test_a_cell_is_the_life_that_run_would_live(plan: SweepPlan, undisturbed: Path) -> None:
    row = rows_of(undisturbed)[13]
    assert (row["controller"], row["seed"]) == ("wmmse", 0)
    assert (row["population.initial_users"], row["channel.doppler_hz"]) == (5, 1.0)
    life = simulation.simulate(plan.scenario(2), "wmmse", slots=20, seed=0)
    assert row["mean_sum_rate"] == life.summary["mean_sum_rate"]
    assert row["decisions"] == life.summary["decisions"]


def test_a_plan_may_be_a_path_or_a_mapping(plan_file: Path, tmp_path: Path) -> None:
    whole = tomllib.loads(PLAN)
    found = [
        sweep(plan, out=tmp_path / name, workers=ALONE, progress=False)
        for plan, name in ((plan_file, "path"), (whole, "mapping"))
    ]
    assert (found[0].plan, found[1].plan) == ("small", "sweep")
    assert found[0].hash == found[1].hash
    measured = ["seconds", "latency_p50_s"]
    assert found[0].summary.drop(measured).equals(found[1].summary.drop(measured))


def test_what_is_there_is_not_lived_again(
    plan: SweepPlan, tmp_path: Path, undisturbed: Path
) -> None:
    told = estimate(plan, out=tmp_path / "out", workers=ALONE, progress=False)
    sampled = seconds_of(tmp_path / "out")
    assert len(sampled) == told.sampled == CELLS // 2
    assert told.left == CELLS - told.sampled
    swept(plan, tmp_path / "out")
    first = seconds_of(tmp_path / "out")
    assert len(first) == CELLS
    assert sampled.items() <= first.items()
    swept(plan, tmp_path / "out")
    assert seconds_of(tmp_path / "out") == first
    assert result_of(tmp_path / "out") == result_of(undisturbed)


def test_a_cell_that_fails_is_recorded_and_only_it_is_tried_again(
    plan: SweepPlan, tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def moody(*arguments: Any, **named: Any) -> Any:
        if named["seed"] == 1:
            raise RuntimeError("no\nmood")
        return simulation.simulate(*arguments, **named)

    monkeypatch.setattr("slotwise.runs.sweeps.cell.simulate", moody)
    result = swept(plan, out)
    assert (result.cells, result.failed, result.left) == (CELLS, 8, 0)
    assert result.error == "RuntimeError: no mood"
    assert {row["seed"] for row in rows_of(out) if row["error"]} == {1}
    monkeypatch.undo()
    first = seconds_of(out)
    assert swept(plan, out).failed == 8
    assert seconds_of(out) == first, "failed cells are tried again when asked for only"
    assert swept(plan, out, retry_failed=True).failed == 0
    assert len(first.items() & seconds_of(out).items()) == CELLS - 8
    assert result_of(out) == result_of(undisturbed)


def test_trying_again_lives_nothing_else_and_says_what_is_left(
    plan: SweepPlan,
    plan_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lives(monkeypatch, lambda task: lost(task.cell, "no", 0.1))
    estimate(plan, out=tmp_path / "out", workers=ALONE, progress=False)
    monkeypatch.undo()
    command = ["sweep", str(plan_file), "--out", str(tmp_path / "out"), "--retry-failed"]
    assert status([*command, "--jobs", "1"]) == 0
    assert "12 more cells have not been lived" in capsys.readouterr().out
    assert len(rows_of(tmp_path / "out")) == 12
    capsys.readouterr()
    result = swept(plan, tmp_path / "out", retry_failed=True, progress=True)
    assert (result.cells, result.failed, result.left) == (12, 0, 12)
    assert "sweep small: no cell has failed\n" in capsys.readouterr().err
    result = swept(plan, tmp_path / "out")
    assert (result.cells, result.failed, result.left) == (CELLS, 0, 0)


def spread_with_losses(
    do: Callable[[Task], tuple[Row, Times]], tasks: Iterable[Task], _: Workers
) -> Iterator[tuple[int, tuple[Row, Times] | Lost]]:
    """The processes of a fifth of the cells are killed, however often."""
    for index, task in enumerate(tasks):
        yield index, Lost(LOST_LINE) if task.cell % 5 == 0 else do(task)


@pytest.mark.parametrize("stop", ["", "[stop]\nwidth_percent = 100\nfirst = 2\nstep = 1\n"])
def test_cells_of_killed_processes_are_missing_when_the_sweep_is_asked_for_again(
    stop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(PLAN + stop)
    plan = read_plan(path)
    swept(plan, tmp_path / "whole")
    monkeypatch.setattr("slotwise.runs.sweeps.sweep.spread", spread_with_losses)
    out = tmp_path / "out"
    done: dict[int, float | None] = {}
    for again in (False, True):
        done = {cell: took for cell, took in seconds_of(out).items() if took is not None}
        assert bool(done) == again
        result = swept(plan, out)
        assert result.failed == sum(cell % 5 == 0 for cell in seconds_of(out)) > 2
        assert result.error == LOST_LINE
        assert done.items() <= seconds_of(out).items()
    monkeypatch.undo()
    told = estimate(plan, out=out, workers=ALONE, progress=False)
    assert told.left == 0, "a sample of few cells is all of them"
    assert swept(plan, out).failed == 0
    assert done.items() <= seconds_of(out).items()
    assert result_of(out) == result_of(tmp_path / "whole")


def test_workers_that_are_killed_cost_nothing(
    plan: SweepPlan, tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice by one cell, whose third life is left alone."""
    deaths = tmp_path / "deaths"
    deaths.mkdir()

    def twice(task: Task, folder: str = str(deaths), end: Any = live) -> Any:
        import os
        import signal
        from pathlib import Path

        if task.cell == 5 and len(list(Path(folder).iterdir())) < 2:
            (Path(folder) / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return end(task)

    lives(monkeypatch, twice)
    out = tmp_path / "out"
    swept(plan, out, Workers("local", 2))
    assert len(list(deaths.iterdir())) == 2
    swept(plan, out, Workers("local", 2))
    assert result_of(out) == result_of(undisturbed)


def test_who_was_made_for_fewer_users_fails_where_there_are_more(tmp_path: Path) -> None:
    path = tmp_path / "room.toml"
    text = PLAN.replace('"wmmse"', '"mlp:gaussian-ic-10"').replace("seeds = 3", "seeds = 1")
    path.write_text(text.replace("[2, 5]", "[10, 12]"))
    assert swept(read_plan(path), tmp_path / "out").failed == 2
    failed = [row for row in rows_of(tmp_path / "out") if row["error"]]
    assert {row["population.initial_users"] for row in failed} == {12}
    assert all("at most 10 users" in row["error"] for row in failed)


@pytest.mark.parametrize(("width", "seeds"), [(100, 4), (1e-6, 6)])
def test_seeds_stop_when_the_interval_is_short(width: float, seeds: int, tmp_path: Path) -> None:
    path = tmp_path / "stopped.toml"
    stop = f"[stop]\nwidth_percent = {width}\nfirst = 4\nstep = 2\n"
    path.write_text(PLAN.replace("seeds = 3", "seeds = 6") + stop)
    swept(read_plan(path), tmp_path / "out")
    assert len(rows_of(tmp_path / "out")) == 4 * seeds * 2


def test_a_plan_that_has_grown_says_what_it_takes_over(
    plan: SweepPlan, plan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swept(plan, tmp_path / "out", progress=True)
    plan_file.write_text(PLAN.replace("seeds = 3", "seeds = 4"))
    for _ in range(2):
        swept(read_plan(plan_file), tmp_path / "out", progress=True)
    assert capsys.readouterr().err.splitlines() == [
        "sweep small: 24 of 32 cells are there, 24 of them from an earlier plan",
        "sweep small: 32 of 32 cells are there",
    ]


def priced(path: Path, seeds: int, prices: dict[str, float]) -> SweepPlan:
    """A plan over networks of four sizes, and nothing else."""
    path.write_text(
        f'scenario = "gaussian-ic"\ncontrollers = {json.dumps(list(prices))}\nseeds = {seeds}\n'
        'slots = 20\n[grid]\n"population.initial_users" = [10, 30, 100, 300]\n'
    )
    return read_plan(path)


def price(task: Task, prices: dict[str, float]) -> tuple[Row, Times]:
    """A cell that takes what it costs, and no time."""
    users = task.scenario.population.initial_users
    return lost(task.cell, "", prices[task.controller] * (users + 10.0) ** 2)


@pytest.mark.parametrize("dear", range(4))
@pytest.mark.parametrize("controllers", [["max", "wmmse"], ["max", "greedy", "random", "wmmse"]])
def test_an_estimate_comes_true_whoever_is_dear(
    dear: int, controllers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = dict.fromkeys(controllers, 0.05) | {controllers[dear % len(controllers)]: 1.0}
    plan = priced(tmp_path / "priced.toml", 16, prices)
    lives(monkeypatch, partial(price, prices=prices))
    told = estimate(plan, out=tmp_path / "out", workers=ALONE, progress=False)
    sampled = sum(filter(None, seconds_of(tmp_path / "out").values()))
    whole = 16 * sum(prices.values()) * sum((users + 10.0) ** 2 for users in (10, 30, 100, 300))
    assert (told.sampled, told.left) == (32, 64 * len(controllers) - 32)
    assert told.cost.seconds == pytest.approx(whole - sampled)
    assert told.cost.low < told.cost.seconds < told.cost.high


def test_a_complete_sweep_costs_nothing_though_nobody_knows_what_it_took(
    plan: SweepPlan,
    plan_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr("slotwise.runs.sweeps.sweep.spread", spread_with_losses)
    lives(monkeypatch, lambda task: lost(task.cell, LOST_LINE))
    command = ["sweep", str(plan_file), "--out", str(out), "--estimate", "--jobs", "1"]
    assert status(command) == 2
    told = capsys.readouterr().err
    assert told.endswith(f"no cell came to its end, so none was timed: {LOST_LINE}\n")
    monkeypatch.undo()
    swept(plan, out, retry_failed=True)
    swept(plan, out)
    for path in files_of(out, "times"):
        path.unlink()
    told_now = estimate(plan, out=out, workers=ALONE, progress=False)
    assert (told_now.left, told_now.sampled, told_now.cost) == (0, 0, (0.0, 0.0, 0.0))


def in_order_of_finishing(
    do: Callable[[Task], tuple[Row, Times]], tasks: Iterable[Task], workers: Workers
) -> Iterator[tuple[int, tuple[Row, Times]]]:
    """As many workers would give them back, each of whom takes a new cell when it is free."""
    free = [(0.0, worker) for worker in range(workers.count())]
    finished = []
    for index, task in enumerate(tasks):
        began, worker = heapq.heappop(free)
        outcome = do(task)
        end = began + (outcome[1]["seconds"] or 0.0)
        heapq.heappush(free, (end, worker))
        finished.append((end, index, outcome))
    for _, index, outcome in sorted(finished, key=itemgetter(0, 1)):
        yield index, outcome


@pytest.mark.parametrize("jobs", [2, 100])
def test_what_is_told_in_the_beginning_is_not_of_quick_cells_alone(
    jobs: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prices = {"max": 2e-6 * jobs, "wmmse": 2e-6 * jobs}
    plan = priced(tmp_path / "priced.toml", 125, prices)
    lives(monkeypatch, partial(price, prices=prices))
    monkeypatch.setattr("slotwise.runs.sweeps.sweep.spread", in_order_of_finishing)
    took = swept(plan, tmp_path / "out", Workers("local", jobs), progress=True).seconds
    told = capsys.readouterr().err
    found = re.search(r"(\d+) more cells, ([\d.]+) s .* on (\d+) workers$", told, re.MULTILINE)
    assert found is not None, told
    left, seconds, workers = (float(number) for number in found.groups())
    assert jobs < left < 1000
    assert workers == jobs
    assert seconds * workers / left == pytest.approx(took / 1000, rel=0.1)


def test_two_workers_give_the_same_bytes(
    plan: SweepPlan, tmp_path: Path, undisturbed: Path
) -> None:
    """Those of Ray and of Dask do so in test_workers.py, where each cluster is started once."""
    swept(plan, tmp_path / "out", Workers("local", 2))
    assert result_of(tmp_path / "out") == result_of(undisturbed)
    assert len({row["worker"] for row in rows_of(undisturbed, "times")}) == 1
    assert len({row["worker"] for row in rows_of(tmp_path / "out", "times")}) == 2


LONG = PLAN.replace("seeds = 3", "seeds = 40").replace("slots = 20", "slots = 50")


def started(plan: Path, out: Path, jobs: int, monkeypatch: pytest.MonkeyPatch) -> ForkServerProcess:
    """The command, in a process in which what was imported once is there."""
    options = ["--out", str(out), "--jobs", str(jobs)]
    monkeypatch.setattr(sys, "argv", ["slotwise", "sweep", str(plan), *options])
    DRIVERS.set_forkserver_preload(
        ["joblib", "pyarrow.parquet", "slotwise.controllers.wmmse", "slotwise.runs.sweeps.sweep"]
    )
    driver = DRIVERS.Process(target=main)
    driver.start()
    return driver


def wait_for_more(driver: ForkServerProcess, out: Path, stored: int) -> None:
    while driver.exitcode is None:
        if len(cells_of(out)) > stored:
            return
        time.sleep(0.02)
    pytest.fail(f"the sweep ended by itself with {driver.exitcode}")


def test_ten_kills_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver is killed as soon as something has arrived, and its workers end with it.

    That of workers alone is in test_workers.py.
    """
    path = tmp_path / "long.toml"
    path.write_text(LONG)
    plan, out = read_plan(path), tmp_path / "killed"
    chance = np.random.default_rng(0)
    stored = 0
    for attempt in range(10):
        driver = started(path, out, 2 if attempt == 3 else 1, monkeypatch)
        wait_for_more(driver, out, stored)
        time.sleep(chance.uniform(0.0, 0.27))
        driver.kill()
        driver.join()
        found = len(cells_of(out))
        assert stored < found < plan.cells
        stored = found
    took = seconds_of(out)
    lived = {cell: took[cell] for cell in cells_of(out)}
    swept(plan, out, Workers("local", 2))
    assert lived.items() <= seconds_of(out).items(), "what was there has been lived again"
    swept(plan, tmp_path / "whole", Workers("local", 2))
    assert result_of(out) == result_of(tmp_path / "whole")


def test_ctrl_c_keeps_what_has_arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.toml"
    path.write_text(LONG)
    driver = started(path, tmp_path / "out", 2, monkeypatch)
    wait_for_more(driver, tmp_path / "out", 0)
    assert driver.pid is not None
    os.kill(driver.pid, signal.SIGINT)
    driver.join(20)
    assert driver.exitcode == 130
    assert rows_of(tmp_path / "out")


def test_the_command_says_what_it_made(
    plan_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr("slotwise.runs.sweeps.results.draw", draw)
    assert status(["sweep", str(plan_file), "--out", str(out), "--jobs", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["cells"], result["failed"], result["left"]) == (CELLS, 0, 0)
    assert len(result["summary"]) == 4 * 2
    for name in ("README.md", "summary.csv", "summary.parquet"):
        assert (out / name).stat().st_size > 100
    assert len(list(out.glob("*.svg"))) == len(list(out.glob("*.png"))) > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--jobs", "0"], "jobs"),
        (["--backend", "slurm"], "slurm"),
        (["--address", "ray://nowhere:1"], "address"),
        (["--estimate", "--retry-failed"], "--retry-failed"),
        (["--set", "channel.dopler_hz=1"], "doppler_hz"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(
    options: list[str],
    words: str,
    plan_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert status(["sweep", str(plan_file), "--out", str(out), *options]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_nothing_is_tried_again_where_nothing_was_lived(plan: SweepPlan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no sweep, so no cell has failed"):
        swept(plan, tmp_path / "new", retry_failed=True)
    assert not (tmp_path / "new").exists()


def test_an_error_is_the_same_wherever_the_plan_is(tmp_path: Path) -> None:
    files = []
    for place in ("one", "another"):
        path = tmp_path / place / "room.toml"
        path.parent.mkdir()
        shutil.copy(shipped("mlp")["gaussian-ic-10"], path.parent / "w.safetensors")
        text = PLAN.replace('"wmmse"', '"mlp:w.safetensors"')
        path.write_text(text.replace("[2, 5]", "[12]"))
        assert swept(read_plan(path), tmp_path / place / "out").failed == 6
        assert str(tmp_path) not in str(rows_of(tmp_path / place / "out"))
        files.append(result_of(tmp_path / place / "out"))
        assert "6 cells of `mlp:w.safetensors`" in (tmp_path / place / "out/README.md").read_text()
    assert files[0] == files[1]


def test_two_drivers_do_not_meet(plan: SweepPlan, tmp_path: Path, undisturbed: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with held(out), pytest.raises(InputError, match="in use"):
        swept(plan, out)
    swept(plan, out)
    assert result_of(out) == result_of(undisturbed)
    assert np.isfinite([row["mean_sum_rate"] for row in rows_of(out)]).all()
