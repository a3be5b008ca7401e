"""Sweeps from plan to page: resumed, failed, retried, killed, and on every back end the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from slotwise.runs import simulation
from slotwise.runs.cli import status
from slotwise.runs.sweep.plan import SweepPlan, read_plan
from slotwise.runs.sweep.sweep import Swept, estimate, sweep
from slotwise.runs.workers import Workers

PLAN = """
scenario = "gaussian-ic"
controllers = ["max", "wmmse"]
seeds = 5
slots = 20
[set]
channel.fading = "gauss-markov"
[grid]
"population.initial_users" = [2, 5]
"channel.doppler_hz" = [1, 100]
"""
CELLS = 40
ALONE = Workers("local", 1)


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def plan(plan_file: Path) -> SweepPlan:
    return read_plan(plan_file)


def result_of(out: Path, table: str = "cells") -> bytes:
    (path,) = (out / table).glob("plan=*/*.parquet")
    assert path.name == f"{table}.parquet"
    return path.read_bytes()


def rows_of(out: Path, table: str = "cells") -> list[dict[str, Any]]:
    (path,) = (out / table).glob("plan=*/*.parquet")
    rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    return rows


def swept(plan: SweepPlan, out: Path, workers: Workers = ALONE) -> Swept:
    return sweep(plan, out=out, workers=workers, progress=False)


def test_a_cell_is_the_life_that_run_would_live(plan: SweepPlan, tmp_path: Path) -> None:
    swept(plan, tmp_path / "out")
    row = rows_of(tmp_path / "out")[21]
    assert (row["controller"], row["seed"]) == ("wmmse", 0)
    assert (row["population.initial_users"], row["channel.doppler_hz"]) == (5, 1.0)
    life = simulation.simulate(plan.scenario(2), "wmmse", slots=20, seed=0)
    assert row["mean_sum_rate"] == life.summary["mean_sum_rate"]
    assert row["decisions"] == life.summary["decisions"]


def test_what_is_there_is_not_lived_again(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    told = estimate(plan, out=out, workers=ALONE, progress=False)
    assert 0 < told.left < CELLS
    sampled = {row["cell"]: row["seconds"] for row in all_times(out)}
    assert len(sampled) == CELLS - told.left
    lived: list[int] = []
    simulate = simulation.simulate

    def counted(*arguments: Any, **named: Any) -> Any:
        lived.append(named["seed"])
        return simulate(*arguments, **named)

    monkeypatch.setattr("slotwise.runs.sweep.cell.simulate", counted)
    swept(plan, out)
    assert len(lived) == told.left
    times = {row["cell"]: row["seconds"] for row in rows_of(out, "times")}
    assert len(times) == CELLS
    assert {cell: times[cell] for cell in sampled} == sampled
    lived.clear()
    before = result_of(out)
    swept(plan, out)
    assert not lived
    assert result_of(out) == before


def all_times(out: Path) -> list[dict[str, Any]]:
    files = (out / "times").glob("plan=*/*.parquet")
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_a_cell_that_fails_is_recorded_and_only_it_is_tried_again(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    simulate = simulation.simulate
    calls: list[int] = []

    def moody(*arguments: Any, **named: Any) -> Any:
        calls.append(named["seed"])
        if named["seed"] == 1:
            raise RuntimeError("no\nmood")
        return simulate(*arguments, **named)

    monkeypatch.setattr("slotwise.runs.sweep.cell.simulate", moody)
    result = swept(plan, out)
    assert (result.cells, result.failed) == (CELLS, 8)
    assert result.error == "RuntimeError: no mood"
    assert {row["seed"] for row in rows_of(out) if row["error"]} == {1}
    calls.clear()
    swept(plan, out)
    assert not calls, "failed cells are tried again when asked for only"
    monkeypatch.setattr("slotwise.runs.sweep.cell.simulate", simulate)
    result = sweep(plan, out=out, workers=ALONE, retry_failed=True, progress=False)
    assert result.failed == 0
    swept(plan, tmp_path / "undisturbed")
    assert result_of(out) == result_of(tmp_path / "undisturbed")


def test_who_was_made_for_fewer_users_fails_where_there_are_more(tmp_path: Path) -> None:
    path = tmp_path / "room.toml"
    text = PLAN.replace('"wmmse"', '"mlp:gaussian-ic-10"').replace("seeds = 5", "seeds = 1")
    path.write_text(text.replace("[2, 5]", "[10, 12]"))
    assert swept(read_plan(path), tmp_path / "out").failed == 2
    failed = [row for row in rows_of(tmp_path / "out") if row["error"]]
    assert {row["population.initial_users"] for row in failed} == {12}
    assert all("at most 10 users" in row["error"] for row in failed)


def test_seeds_stop_when_the_interval_is_short(tmp_path: Path) -> None:
    path = tmp_path / "stopped.toml"
    wide = "[stop]\nwidth_percent = {}\nfirst = 4\nstep = 2\n"
    counts = []
    for width in (100, 1e-6):
        path.write_text(PLAN.replace("seeds = 5", "seeds = 6") + wide.format(width))
        out = tmp_path / f"out-{width}"
        swept(read_plan(path), out)
        counts.append(len(rows_of(out)))
    assert counts == [4 * 4 * 2, 4 * 6 * 2]


@pytest.mark.parametrize("backend", ["local", "ray", "dask"])
def test_every_back_end_gives_the_same_bytes(
    backend: Any, plan: SweepPlan, tmp_path: Path, alone: bytes
) -> None:
    pytest.importorskip(
        {"dask": "distributed"}.get(backend, "joblib" if backend == "local" else backend)
    )
    swept(plan, tmp_path / "out", Workers(backend, 2))
    assert result_of(tmp_path / "out") == alone
    assert len({row["worker"] for row in rows_of(tmp_path / "out", "times")}) == 2


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("alone")
    path = folder / "small.toml"
    path.write_text(PLAN)
    swept(read_plan(path), folder / "out")
    return result_of(folder / "out")


LONG = PLAN.replace("seeds = 5", "seeds = 30").replace("slots = 20", "slots = 100")


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    """The driver is killed as soon as something has arrived, and its workers end with it.

    That of workers alone is in test_workers.py.
    """
    path = tmp_path / "long.toml"
    path.write_text(LONG)
    out = tmp_path / "killed"
    chance = np.random.default_rng(0)
    stored = 0
    for attempt in range(10):
        jobs = 2 if attempt % 4 == 3 else 1
        driver = start(path, out, jobs)
        wait_for_more(driver, out, stored)
        time.sleep(chance.uniform(0.0, 0.3))
        driver.kill()
        driver.communicate()
        found = len({row["cell"] for row in all_times(out)})
        assert found > stored
        stored = found
    done = start(path, out, 2)
    assert done.wait() == 0
    swept(read_plan(path), tmp_path / "undisturbed")
    assert result_of(out) == result_of(tmp_path / "undisturbed")


def start(plan: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from slotwise.runs.cli import main; main()", "sweep"]
    options = [str(plan), "--out", str(out), "--jobs", str(jobs)]
    return subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait_for_more(driver: subprocess.Popen[bytes], out: Path, stored: int) -> None:
    while driver.poll() is None:
        if len({row["cell"] for row in all_times(out)}) > stored:
            return
        time.sleep(0.02)
    pytest.fail(f"the sweep ended by itself with {driver.returncode}")


def test_the_command_says_what_it_made(
    plan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert status(["sweep", str(plan_file), "--out", str(out), "--jobs", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["cells"], result["failed"]) == (CELLS, 0)
    assert len(result["summary"]) == 4 * 2
    for name in ("README.md", "summary.csv", "summary.parquet"):
        assert (out / name).stat().st_size > 100


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


def test_two_drivers_do_not_meet(plan: SweepPlan, plan_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    from slotwise.emulator.scenario import InputError
    from slotwise.runs.place import alone as held

    out.mkdir()
    with held(out), pytest.raises(InputError, match="in use"):
        swept(plan, out)
    swept(plan, out)
    assert len(rows_of(out)) == CELLS
    assert np.isfinite([row["mean_sum_rate"] for row in rows_of(out)]).all()


def test_ctrl_c_keeps_what_has_arrived(tmp_path: Path) -> None:
    path = tmp_path / "long.toml"
    path.write_text(LONG)
    driver = start(path, tmp_path / "out", 2)
    wait_for_more(driver, tmp_path / "out", 0)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=20) == 130
    assert all_times(tmp_path / "out")
